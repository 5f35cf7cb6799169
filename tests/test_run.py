"""The loop: time, preemption, death and idleness, on both architectures."""

import struct

import pytest

from emukern import arch as arches
from emukern.errors import GuestPanic, ModuleError
from emukern.guest import boot, power_on
from emukern.run import Stop

pytestmark = pytest.mark.parametrize("arch", arches.NAMES)


def session(arch, script, **options):
    printed = []
    guest = power_on(arch, console=printed.append, init=("-c", script), **options)
    stop = guest.run()
    return guest, stop, b"".join(printed).replace(b"\r", b"").decode()


def test_a_boot_says_what_it_found_and_ends_at_a_shell(arch):
    printed = []
    guest = boot(arch, console=printed.append)
    text = b"".join(printed).decode()
    assert f"emukern 0.1 ({arch})" in text
    assert "memory: 128 MiB found" in text
    assert "paging: on" in text
    assert "init: starting /bin/init as process 1" in text
    assert [task.name for task in guest.k.sched.tasks.values() if task.user] == ["init", "sh"]


def test_the_kernel_finds_as_much_memory_as_the_machine_has(arch):
    _, _, text = session(arch, "true", memory=64 << 20)
    assert "memory: 64 MiB found" in text


def test_the_exit_status_is_the_last_commands(arch):
    assert session(arch, "true; false")[1] == Stop("poweroff", 1)
    assert session(arch, "poweroff")[1].why == "poweroff"


def test_sleeping_costs_no_time(arch):
    guest, stop, _ = session(arch, "sleep 100000")
    assert stop.status == 0
    assert guest.k.clock.now >= 100_000 * 10**9
    assert guest.k.cpu.state.blocks < 10**7


LOOPS = {"x86_64": (62, b"\xeb\xfe"), "riscv64": (243, b"\x6f\0\0\0")}  # EM_*, an instruction that jumps to itself


def endless(arch):
    """A program of one instruction."""
    machine, code = LOOPS[arch]
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120 + len(code), 120 + len(code), 4096) + code


def test_programs_that_never_wait_share_the_cpu(arch):
    """Neither makes a system call, yet both run, and so does the shell that kills them."""
    guest = boot(arch)
    guest.k.vfs.write_file("/bin/endless", endless(arch), 0o755)
    count = "ps | grep endless | grep -c ' R '"
    done = guest.shell(f"endless & endless & sleep 1; {count}; kill -9 $!; sleep 1; {count}")
    assert done.output == "2\n1\n"


def test_two_boots_are_the_same_to_the_byte(arch):
    script = "ls / | wc; sleep 3; cat /proc/uptime; hexdump -C /dev/urandom | head -2; sh -c 'kill -9 $$'; ps"
    stories = []
    for _ in range(2):
        printed = []
        guest = power_on(arch, console=printed.append, init=("-c", script))
        guest.k.trace = []
        guest.run()
        stories.append((b"".join(printed), guest.k.trace, guest.k.cpu.state.blocks, guest.k.ram.hash()))
    assert len(stories[0][1]) > 1000
    assert stories[0] == stories[1]


def test_another_seed_gives_other_random_numbers(arch):
    script = "hexdump -C /dev/urandom | head -1"
    assert session(arch, script, seed=1)[2] != session(arch, script, seed=2)[2]


def test_a_user_program_cannot_harm_the_kernel(arch):
    _, stop, text = session(arch, "usertests")
    assert "usertests: ALL TESTS PASSED" in text
    assert stop.status == 0


def test_an_oops_names_the_function_and_the_shell_goes_on(arch):
    _, stop, text = session(arch, "insmod oops.ko; echo next")
    assert "BUG: kernel NULL pointer dereference, address: 0000000000000010" in text
    assert "pc : oops_c+" in text
    callers = [line for line in text.splitlines() if line.startswith(" oops_")]
    assert [line.split("+")[0].strip() for line in callers] == ["oops_b", "oops_a", "oops_init"]
    assert text.endswith("next\n")
    assert stop.status == 0


def test_an_endless_loop_is_a_soft_lockup_and_the_shell_goes_on(arch):
    _, stop, text = session(arch, "insmod loop.ko; echo next")
    assert "watchdog: BUG: soft lockup - CPU#0 stuck for" in text
    assert "[loop]" in text
    assert text.endswith("next\n")
    assert stop.status == 0


def test_killing_init_is_a_panic(arch):
    guest = boot(arch)
    guest.k.panic = "Attempted to kill init!"
    with pytest.raises(GuestPanic, match="Attempted to kill init"):
        guest.run()


def test_a_module_that_comes_and_goes_leaves_ram_as_it_was(arch):
    guest = boot(arch)
    before = guest.k.ram.hash()
    for _ in range(3):
        guest.insmod("hello", who="nobody")
        guest.rmmod("hello")
        assert guest.k.ram.hash() == before
    assert guest.leaks() == []


def test_a_failing_init_is_undone(arch):
    guest = boot(arch)
    before = guest.k.ram.hash()
    with pytest.raises(ModuleError) as failure:
        guest.insmod("initfail")
    assert failure.value.errno == 22
    assert guest.lsmod() == []
    assert guest.k.ram.hash() == before
