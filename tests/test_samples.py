"""Every sample module does what it is there to show, on both architectures, driven as a user would."""

import re
from importlib import resources

import pytest

from emukern import arch as arches
from emukern.errors import ModuleError
from emukern.guest import boot, power_on

pytestmark = pytest.mark.parametrize("arch", arches.NAMES)


def session(arch, script):
    """Output of a shell script in a fresh machine, without the boot messages."""
    printed = []
    guest = power_on(arch, console=printed.append, init=("-c", script))
    guest.run()
    return b"".join(printed).decode().replace("\r", "").partition("as process 1\n")[2]


def texts(guest):
    return [record.text for record in guest.dmesg() if record.seq > guest.seen]


@pytest.fixture
def guest(arch):
    guest = boot(arch)
    guest.seen = guest.dmesg()[-1].seq
    guest.before = guest.k.ram.hash()
    return guest


def test_hello_is_the_session_of_the_readme(arch):
    script = "insmod hello.ko who=world; lsmod; rmmod hello; dmesg | tail -2"
    assert re.sub(r"\[ +[\d.]+\]", "[T]", session(arch, script)) == (
        "hello: Hello, world!\n"
        "Module                  Size  Used by\n"
        "hello                  12288  0\n"
        "hello: Goodbye, world!\n"
        "[T] hello: Hello, world!\n"
        "[T] hello: Goodbye, world!\n"
    )


def test_params_of_every_type_arrive(guest):
    guest.insmod(
        "params",
        "byte=255 short=-7 ushort=65535 int=0x10 uint=07 long=-9 ulong=9 ullong=18446744073709551615 "
        'hexint=0xff bool=y invbool=y charp="two words" numbers=4,5 words=a,b percent=75',
    )
    told = " ".join(texts(guest))
    for expected in (
        "byte=255 short=-7 ushort=65535 int=16 uint=7",
        "long=-9 ulong=9 ullong=18446744073709551615 hexint=0xff",
        "bool=1 invbool=0 charp=two words",
        "numbers[0]=4 params: numbers[1]=5 params: words[0]=a params: words[1]=b",
        "percent=75%",
    ):
        assert expected in told
    guest.rmmod("params")
    assert guest.leaks() == []


@pytest.mark.parametrize(
    ("params", "errno", "line"),
    [
        ("int=abc", 22, "params: `abc' invalid for parameter `int'"),
        ("byte=256", 34, "params: `256' invalid for parameter `byte'"),
        ("percent=101", 34, "params: `101' invalid for parameter `percent'"),
    ],
)
def test_bad_parameters_are_refused_in_linux_words(guest, params, errno, line):
    with pytest.raises(ModuleError) as refusal:
        guest.insmod("params", params)
    assert refusal.value.errno == errno
    assert texts(guest) == [line]
    assert guest.lsmod() == []
    assert guest.leaks() == []


def test_exports_bind_and_count(arch):
    assert session(arch, "insmod exports-a.ko; insmod needs-a.ko; lsmod; rmmod exports_a; rmmod needs_a exports_a") == (
        "exports_a: ready\n"
        "needs_a: double(21) = 42, secret = 42, calls = 2\n"
        "Module                  Size  Used by\n"
        "needs_a                12288  0\n"
        "exports_a              12288  1 needs_a\n"
        "rmmod: ERROR: Module exports_a is in use by: needs_a\n"
        "needs_a: gone\n"
        "exports_a: called 2 times\n"
    )


def test_bss_and_common_start_as_zeroes(guest):
    guest.insmod("bss-and-common")
    assert texts(guest)[0].startswith("bss_and_common: 0 of ")
    guest.rmmod("bss_and_common")


def test_adder_is_called_from_python(guest):
    adder = guest.insmod("adder")
    assert adder.call("add", 2, 3) == 5
    assert adder.call("add", -1, 1) == 0


def test_chardev_is_read_written_and_asked(arch):
    get_size, set_size, uppercase, rotate = 0x80046301, 0x40046302, 0x6303, 0xC0016304
    script = (
        "insmod chardev.ko; "
        f"ioctl /dev/chardev {set_size} 0; echo hello > /dev/chardev; cat /dev/chardev; "
        f"ioctl /dev/chardev {get_size}; ioctl /dev/chardev {rotate} 1; cat /dev/chardev; "
        f"ioctl /dev/chardev {uppercase}; ioctl /dev/chardev {set_size} 3; ioctl /dev/chardev {set_size} 99999; "
        "cat /dev/chardev; echo; ioctl /dev/chardev 1; rmmod chardev; cat /dev/chardev"
    )
    lines = re.sub("(?<!/)chardev: .*\n", "", session(arch, script)).splitlines()
    assert lines[:4] == ["0 0", "hello", "0 6", "0 104"]
    assert lines[4:] == [
        "ifmmp",
        "0 0",
        "0 3",
        "ioctl: ioctl: Invalid argument",
        "IFM",
        "ioctl: ioctl: Inappropriate ioctl for device",
        "cat: /dev/chardev: No such file or directory",
    ]


def test_waitqueue_blocks_a_reader_until_somebody_writes(arch):
    script = "insmod waitqueue.ko; cat /dev/waitqueue & sleep 1; echo woken > /dev/waitqueue; sleep 1; kill $!"
    assert "woken\n" in session(arch, script)


def test_kthread_works_until_it_is_stopped(guest):
    guest.insmod("kthread")
    guest.advance(3)
    guest.rmmod("kthread")
    assert texts(guest)[-1] == "kthread: stopped after 3 seconds, it returned 7"
    assert guest.leaks() == []


def test_timer_and_work_tick_in_virtual_time(guest):
    guest.insmod("timer-and-work")
    guest.advance(0.45)
    assert "timer_and_work: tick 4 after 400 ms" in texts(guest)
    guest.rmmod("timer_and_work")
    assert guest.leaks() == []


def test_leak_is_found(guest):
    guest.insmod("leak")
    guest.rmmod("leak")
    ((_, size, owner),) = guest.leaks()
    assert (size, owner.partition("+")[0]) == (100, "leak_init")


def test_initfail_leaves_no_trace(guest):
    with pytest.raises(ModuleError) as failure:
        guest.insmod("initfail")
    assert failure.value.errno == 22
    assert guest.lsmod() == []
    assert guest.leaks() == []
    assert guest.k.ram.hash() == guest.before


def test_warnings_go_on_and_a_bug_is_an_oops(guest):
    guest.insmod("bug-and-warn")
    told = texts(guest)
    assert sum("WARNING: CPU: 0 PID:" in line for line in told) == 3
    assert told[-1] == "bug_and_warn: still alive after three warnings"


def test_rust_is_welcome(guest, arch):
    skipped = (resources.files("emukern") / "built" / arch / "modules" / "SKIPPED").read_text()
    if "hello-rust" in skipped:
        pytest.skip(skipped.strip())
    guest.insmod("hello-rust")
    guest.rmmod("hello_rust")
    assert texts(guest)[0].startswith("hello_rust: Hello from Rust!")


def test_a_32_bit_insmod_runs_on_the_64_bit_kernel(arch):
    if arch != "x86_64":
        pytest.skip("only x86_64 runs 32-bit programs")
    assert session(arch, "/bin32/insmod hello.ko who=i386; /bin32/lsmod; /bin32/rmmod hello") == (
        "hello: Hello, i386!\n"
        "Module                  Size  Used by\n"
        "hello                  12288  0\n"
        "hello: Goodbye, i386!\n"
    )
