"""include/linux/bug.h, panic.h and their kin: the ways kernel code says that something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.errors import GuestPanic
from emukern.kapi.export import export, export_data
from emukern.kernel import symbolise
from emukern.kernel.bugtable import CUT_HERE
from emukern.kernel.vsprintf import vsprintf
from emukern.ptr import Ptr
from emukern.varargs import VarArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

EMERG, WARNING, DEFAULT = 0, 4, 4
TAINTS = "PFSRMBUDAWCIOELKXTN"  # bit n of the kernel's taint mask (include/linux/panic.h)


@export("void __warn_printk(const char *fmt, ...)")
def __warn_printk(k: Kernel, fmt: Ptr, args: VarArgs) -> None:
    """The text of a WARN; the trapping instruction that follows makes the report."""
    k.log.emit(WARNING, CUT_HERE)
    k.log.printk(vsprintf(k, k.mem.cstr(fmt), args))


@export("void warn_slowpath_fmt(const char *file, int line, unsigned int taint, const char *fmt, ...)")
def warn_slowpath_fmt(k: Kernel, file: Ptr, line: int, taint: int, fmt: Ptr, args: VarArgs) -> None:
    """A WARN of code built without trapping instructions. `fmt` may be NULL."""
    k.log.emit(WARNING, CUT_HERE)
    where = f"{file.str_()}:{line} " if file else ""
    for row in symbolise.report(k, f"WARNING: CPU: 0 PID: {k.current.pid} at {where}{k.caller}"):
        k.log.emit(WARNING, row)
    if fmt:
        k.log.printk(vsprintf(k, k.mem.cstr(fmt), args))
    k.log.emit(WARNING, "---[ end trace 0000000000000000 ]---")
    k.taints.add("W")


@export("void panic(const char *fmt, ...)")
def panic(k: Kernel, fmt: Ptr, args: VarArgs) -> None:
    """The machine stops."""
    text = f"Kernel panic - not syncing: {vsprintf(k, k.mem.cstr(fmt), args).decode('latin-1')}"
    k.log.emit(EMERG, text)
    k.panic = text
    raise GuestPanic(text)


@export("void __stack_chk_fail(void)")
def __stack_chk_fail(k: Kernel) -> None:
    text = f"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: {k.caller}"
    k.log.emit(EMERG, text)
    k.panic = text
    raise GuestPanic(text)


@export("void dump_stack(void)")
def dump_stack(k: Kernel) -> None:
    k.log.emit(DEFAULT, f"CPU: 0 PID: {k.current.pid} Comm: {k.current.name} {symbolise.taints(k)}")
    for row in symbolise.backtrace(k):
        k.log.emit(DEFAULT, row)


@export("void add_taint(unsigned int flag, int lockdep_ok)")
def add_taint(k: Kernel, flag: int, lockdep_ok: int) -> None:
    if flag < len(TAINTS):
        k.taints.add(TAINTS[flag])


@export("int test_taint(unsigned int flag)")
def test_taint(k: Kernel, flag: int) -> bool:
    return flag < len(TAINTS) and TAINTS[flag] in k.taints


@export("void __ubsan_handle_out_of_bounds(void *data, unsigned long index)")
def __ubsan_handle_out_of_bounds(k: Kernel, data: Ptr, index: int) -> None:
    """CONFIG_UBSAN_BOUNDS: `data` begins with a file name and a line (struct source_location)."""
    file, line = Ptr(k.mem, k.mem.u64(data.addr_), "char *"), k.mem.u32(data.addr_ + 8)
    k.log.emit(3, f"UBSAN: array-index-out-of-bounds in {file.str_()}:{line}: index {index} is out of range")


@export("void __ubsan_handle_shift_out_of_bounds(void *data, unsigned long value, unsigned long bits)")
def __ubsan_handle_shift_out_of_bounds(k: Kernel, data: Ptr, value: int, bits: int) -> None:
    file, line = Ptr(k.mem, k.mem.u64(data.addr_), "char *"), k.mem.u32(data.addr_ + 8)
    k.log.emit(3, f"UBSAN: shift-out-of-bounds in {file.str_()}:{line}: shift by {bits}")


@export_data("panic_timeout", "int")
def panic_timeout(k: Kernel, seconds: Ptr) -> None:
    """0: stay stopped."""
    seconds[0] = 0
