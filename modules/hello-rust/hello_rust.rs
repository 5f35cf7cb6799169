// Says hello from Rust, without its standard library
#![no_std]

use core::ffi::{c_char, c_int};
use core::panic::PanicInfo;

extern "C" {
    fn _printk(format: *const c_char, ...) -> c_int;
    fn panic(format: *const c_char, ...) -> !;
}

/// One string of .modinfo, ending in the zero byte that separates it from the next.
macro_rules! modinfo {
    ($name:ident, $text:literal) => {
        #[used]
        #[link_section = ".modinfo"]
        static $name: [u8; $text.len()] = *$text;
    };
}

modinfo!(LICENSE, b"license=GPL\0");
modinfo!(DESCRIPTION, b"description=Says hello from Rust, without its standard library\0");

/// Adds up the squares below `n` the way only an iterator would.
#[no_mangle]
pub extern "C" fn sum_of_squares(n: u32) -> u64 {
    (1..=u64::from(n)).map(|i| i * i).filter(|square| square % 2 == 1).sum()
}

#[no_mangle]
#[link_section = ".init.text"]
pub extern "C" fn init_module() -> c_int {
    let sum = sum_of_squares(10);
    unsafe { _printk(c"\x016hello_rust: Hello from Rust! The odd squares up to 10 add up to %llu\n".as_ptr(), sum) };
    0
}

#[no_mangle]
#[link_section = ".exit.text"]
pub extern "C" fn cleanup_module() {
    unsafe { _printk(c"\x016hello_rust: Goodbye from Rust!\n".as_ptr()) };
}

#[panic_handler]
fn on_panic(_: &PanicInfo) -> ! {
    unsafe { panic(c"hello_rust panicked\n".as_ptr()) }
}
