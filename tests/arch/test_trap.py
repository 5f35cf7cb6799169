"""What becomes of instructions that programs and modules should not execute."""

from functools import cache

import pytest

from emukern import arch as arches
from emukern.errors import GuestOops
from emukern.guest import boot
from tests.kernel.code import ENTRY, place, run_program

SIGILL, SIGTRAP, SIGFPE, SIGSEGV = 4, 5, 8, 11
KILLED = 128


machine = cache(boot)  # one for all tests of an architecture: none of this may harm it


@pytest.fixture(params=arches.NAMES)
def guest(request):
    return machine(request.param)


def on(arch, *rows):
    """Rows (name, code as hex, expected) for one architecture."""
    return [pytest.param(arch, bytes.fromhex(code), expected, id=f"{arch}-{name}") for name, code, expected in rows]


FAR_32 = f"6a1b 68{(ENTRY + 9).to_bytes(4, 'little').hex()} 48cb"  # push 0x1b; push ENTRY + 9; lretq
USER = on(
    "x86_64",
    ("export vector", "cdf1", SIGSEGV),
    ("return vector", "cdf0", SIGSEGV),
    ("hypercall vector", "cdf2", SIGSEGV),
    ("page fault vector", "cd0e", SIGSEGV),
    ("hlt", "f4", SIGSEGV),
    ("cli", "fa", SIGSEGV),
    ("out", "ee", SIGSEGV),
    ("mov to cr3", "0f22d8", SIGSEGV),
    ("wrmsr", "0f30", SIGSEGV),
    ("divide by zero", "31c9 f7f1", SIGFPE),
    ("ud2", "0f0b", SIGILL),
    ("int3", "cc", SIGTRAP),
    ("non-canonical address", "48b80000000000000080 488b00", SIGSEGV),
    ("jump to the kernel", "48c7c000002080 ffe0", SIGSEGV),
    ("syscall in 32-bit code", FAR_32 + "0f05", SIGILL),
    ("sysenter in 32-bit code", FAR_32 + "0f34", SIGSEGV),
) + on(
    "riscv64",
    ("wfi", "73005010", SIGILL),
    ("csrw satp", "73100018", SIGILL),
    ("csrr sstatus", "73250010", SIGILL),
    ("sret", "73002010", SIGILL),
    ("all zeroes", "00000000", SIGILL),
    ("ebreak", "73001000", SIGTRAP),
    ("c.ebreak", "0290", SIGTRAP),
    ("jump to NULL", "67000000", SIGSEGV),
    ("jump to the kernel", "b7052080 67800500", SIGSEGV),
)
KERNEL = on(
    "x86_64",
    ("jump to NULL", "31c0 ffe0", "BUG: unable to execute at address: 0000000000000000"),
    ("jump to user memory", "b800004000 ffe0", "BUG: unable to execute at address: 0000000000400000"),
    ("divide by zero", "31c9 f7f1", "Oops: divide error"),
    ("ud2", "0f0b", "Oops: invalid opcode"),
    ("int3", "cc", "Oops: breakpoint"),
    ("non-canonical address", "48b80000000000000080 488b00", "Oops: general protection fault"),
    ("export vector", "cdf1", "jump into the stub window at slot"),
    ("late hypercall", "bf04000000 cdf2", "BUG: hypercall HC_INIT after the boot"),
    ("unknown hypercall", "bf63000000 cdf2", "hypercall 99 is not implemented"),
    ("int 0x80", "cd80", "Oops: general protection fault"),
    ("syscall", "0f05", "Oops: invalid opcode"),
    ("endless recursion", "e8fbffffff", "BUG: stack guard page was hit"),
    ("no stack", "bc00100000 50", "BUG: kernel NULL pointer dereference, address: 0000000000000ff8"),
) + on(
    "riscv64",
    ("jump to NULL", "67000000", "BUG: unable to execute at address: 0000000000000000"),
    ("jump to user memory", "b7054000 67800500", "BUG: unable to execute at address: 0000000000400000"),
    ("all zeroes", "00000000", "Oops: illegal instruction"),
    ("ebreak", "73001000", "Oops: breakpoint"),
    ("read a machine register", "732540f1", "Oops: illegal instruction"),
    ("late hypercall", "13054000 73000000", "BUG: hypercall HC_INIT after the boot"),
    ("unknown hypercall", "13053006 73000000", "hypercall 99 is not implemented"),
    ("endless recursion", "130101ff 23301100 6ff09fff", "BUG: stack guard page was hit"),
    ("no stack", "37110000 233c11fe", "BUG: kernel NULL pointer dereference, address: 0000000000000ff8"),
)
HALT = {"x86_64": "f4 b805000000 c3", "riscv64": "73005010 13055000 67800000"}
TICKS = {  # the time stamp counter in units of 2**28 ticks, about 0.1 s, as an exit status
    "x86_64": "0f31 c1e81c c1e204 01d0 89c7 b8e7000000 0f05",
    "riscv64": "732510c0 1355c501 9308e005 73000000",
}


@pytest.mark.parametrize(("arch", "code", "signal"), USER)
def test_a_program_dies_of_it_and_nobody_else(arch, code, signal):
    guest = machine(arch)
    taints = set(guest.k.taints)
    assert run_program(guest, code) == KILLED + signal
    assert guest.k.taints == taints


@pytest.mark.parametrize(("arch", "code", "reason"), KERNEL)
def test_a_module_oopses_and_the_kernel_goes_on(arch, code, reason):
    guest = machine(arch)
    with pytest.raises(GuestOops) as oops:
        guest.call(place(guest, code))
    assert str(oops.value).startswith(reason)
    assert len(oops.value.report.splitlines()) < 60
    assert guest.shell("echo still here").output == "still here\n"


def test_halt_waits_for_a_tick(guest):
    before = guest.k.clock.now
    assert guest.call(place(guest, bytes.fromhex(HALT[guest.arch]))) == 5
    assert before < guest.k.clock.now < before + 10_000_000


def test_the_time_stamp_counter_tells_virtual_time(guest):
    code = bytes.fromhex(TICKS[guest.arch])
    before = guest.k.clock.now * 5 // 2 >> 28
    assert run_program(guest, code) - before & 0xFF in (0, 1)
    saved = guest.save()
    guest.advance(3.0)
    assert run_program(guest, code) - before & 0xFF in (27, 28, 29)
    guest.restore(saved)
    assert run_program(guest, code) - before & 0xFF in (0, 1)


def test_int_0x80_serves_32_bit_code():
    """Through the far jump that also leads to the instructions above."""
    code = bytes.fromhex(FAR_32 + "b801000000 bb07000000 cd80")  # exit(7)
    assert run_program(machine("x86_64"), code) == 7
