"""What hosts and modules do at the wrong moment: a clear answer, and the guest goes on."""

import pytest

from emukern import arch as arches
from emukern.errors import GuestOops, GuestPanic, UsageError
from emukern.flow import Wait, continuation
from emukern.guest import boot, power_on
from emukern.kernel import signal
from emukern.run import Stop
from tests.kernel.code import ENTRY, place, write_program

pytestmark = pytest.mark.parametrize("arch", arches.NAMES)
CALLS = {
    "call": lambda guest: guest.call(ENTRY),
    "shell": lambda guest: guest.shell("echo x"),
    "insmod": lambda guest: guest.insmod("hello"),
    "rmmod": lambda guest: guest.rmmod("hello"),
    "advance": lambda guest: guest.advance(1),
}
SPIN = {"x86_64": "ebfe", "riscv64": "6f000000"}
FAULT = {"x86_64": "a10800000000000000", "riscv64": "03358000"}  # a load from address 8


def code(table, arch):
    return bytes.fromhex(table[arch])


@pytest.mark.parametrize("name", CALLS)
def test_a_guest_that_is_off_says_so(arch, name):
    guest = power_on(arch)
    with pytest.raises(UsageError, match="has not booted yet"):
        CALLS[name](guest)
    guest.run()
    with pytest.raises(GuestOops, match="the guest stopped .poweroff."):
        guest.shell("poweroff")
    with pytest.raises(UsageError, match="is switched off"):
        CALLS[name](guest)
    assert guest.run() == Stop("poweroff", 0)


def test_the_death_of_init_is_a_panic(arch):
    guest = boot(arch)
    init = guest.k.sched.tasks[1]
    init.signals.add(11)
    guest.k.sched.wake_task(init, "signal")
    for _ in range(2):
        with pytest.raises(GuestPanic, match="Attempted to kill init! exitcode=0x0000000b"):
            guest.run()


def test_init_cannot_be_killed(arch):
    guest = boot(arch)
    signal.send(guest.k, 1, 9)
    assert guest.shell("kill -9 1; echo alive").output == "alive\n"


def test_a_run_may_end_while_a_program_spins(arch):
    guest = boot(arch)
    write_program(guest, "/tmp/spin", code(SPIN, arch))
    guest.shell("/tmp/spin &")
    deadline = guest.k.clock.now + 50_000_000
    assert guest.run(lambda: guest.k.clock.now >= deadline) == Stop("done")
    assert guest.k.clock.now < deadline + 10_000_000
    assert guest.shell("echo others run").output == "others run\n"


def test_an_oops_in_a_timer_spares_whom_it_interrupted(arch):
    guest = boot(arch)
    address = place(guest, code(FAULT, arch))
    assert guest.call("msleep", 10) == 0
    timer = guest.alloc(40)
    guest.call("init_timer_key", timer, address, 0, 0, 0)
    guest.call("mod_timer", timer, guest.k.clock.jiffies + 5)
    assert guest.call("msleep", 100) == 0
    log = "\n".join(record.text for record in guest.dmesg())
    assert "kernel NULL pointer dereference, address: 0000000000000008" in log
    assert "Fatal exception in interrupt: its function was abandoned" in log
    assert guest.shell("echo fine").output == "fine\n"


@continuation
def sleepy_timer(k, rv, **data):
    """What no timer may do."""
    return Wait(("never",))


@continuation
def broken_timer(k, rv, address):
    """A timer's Python half that trips over guest memory."""
    return k.mem.u64(address)


@pytest.mark.parametrize(("timer", "data"), [(sleepy_timer, {}), (broken_timer, {"address": 8})])
def test_a_failing_timer_handler_hurts_nobody(arch, timer, data):
    guest = boot(arch)
    write_program(guest, "/tmp/spin", code(SPIN, arch))
    for delay in (5_000_000, 50_000_000):
        guest.k.timers.add(guest.k.clock.now + delay, timer, **data)
    assert guest.shell("/tmp/spin & sleep 0.1; kill -9 $!; echo fine").output == "fine\n"
    assert "D" in guest.k.taints
    assert guest.call("msleep", 1) == 0


def test_a_timer_that_never_ends_is_abandoned_once(arch):
    guest = boot(arch)
    guest.k.lockup_blocks = 5_000_000
    timer = guest.alloc(40)
    guest.call("init_timer_key", timer, place(guest, code(SPIN, arch)), 0, 0, 0)
    guest.call("mod_timer", timer, guest.k.clock.jiffies + 2)
    write_program(guest, "/tmp/spin", code(SPIN, arch))
    guest.shell("/tmp/spin & sleep 0.1; kill -9 $!")
    lockups = [record.text for record in guest.dmesg() if "soft lockup" in record.text]
    assert len(lockups) == 1


def test_a_full_machine_kills_the_hog_and_goes_on(arch):
    guest = boot(arch, memory=96 << 20)
    free = guest.k.pages.total - guest.k.pages.used
    held = [guest.k.pages.alloc() for _ in range(free - 400)]
    assert guest.shell("memtests").status  # some find no memory, and say so
    for phys in held:
        guest.k.pages.free(phys)
    assert guest.shell("memtests").status == 0


def test_a_program_is_killed_while_it_spins(arch):
    guest = boot(arch)
    write_program(guest, "/tmp/spin", code(SPIN, arch))
    assert guest.shell("/tmp/spin & sleep 0.1; kill -9 $!; echo over").output == "over\n"
    assert [task.name for task in guest.k.sched.tasks.values() if task.user] == ["init", "sh"]
