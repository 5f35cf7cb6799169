"""Snapshots: back to any moment, on the same machine or on another like it."""


import pytest

from emukern import boot, power_on, snapshot
from emukern.errors import ModuleError, SnapshotError
from emukern.kernel.kernel import STATE


def story(guest):
    """What a guest prints and holds after a while: the same from the same moment on."""
    lines = (
        "insmod params.ko int=7",
        "lsmod",
        "ls -l / | wc",
        "hexdump -C /dev/urandom | head -2",
        "sleep 2; cat /proc/uptime",
        "echo new > /tmp/file; cat /tmp/file",
        "rmmod params",
        "dmesg",
    )
    told = [guest.shell(line) for line in lines]
    return told, guest.k.ram.hash(), guest.k.cpu.state.blocks, guest.k.clock.now


def test_the_future_is_the_same_from_the_same_moment(guest):
    guest.insmod("hello")
    saved = guest.save()
    first = story(guest)
    for _ in range(2):
        guest.restore(saved)
        assert story(guest) == first


def test_a_restored_machine_is_the_same_to_the_byte(guest):
    saved = guest.save()
    before = guest.k.ram.hash(), guest.k.cpu.save(), guest.dmesg(), guest.k.clock.now
    guest.insmod("hello")
    guest.shell("echo x > /tmp/x")
    guest.restore(saved)
    assert (guest.k.ram.hash(), guest.k.cpu.save(), guest.dmesg(), guest.k.clock.now) == before
    assert guest.lsmod() == []


def test_snapshots_in_any_order(guest):
    moments = [guest.save()]
    for name in ("hello", "adder", "params"):
        guest.insmod(name)
        moments.append(guest.save())
    for place in (1, 3, 0, 2, 3, 1):
        guest.restore(moments[place])
        assert len(guest.lsmod()) == place
        if place >= 2:
            assert guest.module("adder").call("add", 2, 3) == 5


def test_code_at_the_same_place_is_not_taken_for_the_old_one(guest):
    """Two modules in turn get the same pages: what was translated from the first must not run for the second."""
    empty = guest.save()
    guest.insmod("hello")
    hello = guest.save()
    guest.rmmod("hello")
    for _ in range(3):
        guest.restore(empty)
        guest.insmod("adder")
        adder = guest.save()
        assert guest.module("adder").call("add", 20, 22) == 42
        guest.restore(hello)
        guest.rmmod("hello")
        assert guest.dmesg()[-1].text == "hello: Goodbye, world!"
        guest.restore(adder)
        assert guest.module("adder").call("add", 40, 2) == 42


def test_every_moment_of_a_boot_can_be_saved(arch):
    """Between any two traps the machine is plain data; going on from there leads to the same end."""
    script = ("-c", "insmod kthread.ko; sleep 3; ls / | wc; rmmod kthread")
    whole = power_on(arch, init=script)
    whole.k.trace = []
    whole.run()
    end = whole.k.ram.hash(), whole.k.cpu.state.blocks, whole.k.clock.now, whole.dmesg()
    guest = power_on(arch, init=script)
    saved = guest.save()
    exits = len(whole.k.trace)
    for stop_at in range(1, exits, exits // 12):
        guest.restore(saved)
        stop_after(guest, stop_at)
        middle = guest.save()
        for _ in range(2):
            guest.restore(middle)
            guest.run()
            assert (guest.k.ram.hash(), guest.k.cpu.state.blocks, guest.k.clock.now, guest.dmesg()) == end


class Enough(Exception):
    """The loop is left between two exits of the guest."""


def stop_after(guest, exits):
    """Run so many exits and stop before the next run of the CPU."""
    left = iter(range(exits))

    def run_to(blocks):
        if next(left, None) is None:
            raise Enough
        return type(guest.k.cpu).run_to(guest.k.cpu, blocks)

    guest.k.cpu.run_to = run_to
    with pytest.raises(Enough):
        guest.run()
    del guest.k.cpu.run_to


def test_another_machine_goes_on_where_this_one_was(arch):
    one, two = boot(arch), boot(arch)
    one.insmod("adder")
    saved = one.save()
    two.shell("echo something else > /tmp/x")
    two.restore(saved)
    assert story(one) == story(two)
    assert two.module("adder").call("add", 1, 2) == 3


def test_what_does_not_fit_is_refused(arch):
    saved = boot(arch).save()
    other = "riscv64" if arch == "x86_64" else "x86_64"
    for machine in (power_on(other), power_on(arch, memory=64 << 20)):
        before = machine.k.ram.hash()
        with pytest.raises(SnapshotError, match="does not fit"):
            machine.restore(saved)
        assert machine.k.ram.hash() == before


def test_what_is_no_plain_data_is_refused(guest):
    guest.k.part_state["bad"] = lambda: None
    with pytest.raises(SnapshotError, match="plain data"):
        guest.save()


def test_every_part_of_the_kernel_is_in_the_snapshot(guest):
    """A new attribute of Kernel must be declared as state, or known as part of the machine."""
    machine = {*snapshot.MACHINE, "image", "names", "stack_size", "kernel_root", "kret", "enter_user", "percpu_base"}
    options = {"share", "init_args", "trace"}
    assert set(vars(guest.k)) - set(STATE) - machine - options == set()


def test_a_failed_load_is_undone_after_a_restore_too(guest):
    saved = guest.save()
    for _ in range(2):
        before = guest.k.ram.hash()
        with pytest.raises(ModuleError):
            guest.insmod("initfail")
        assert guest.k.ram.hash() == before
        guest.restore(saved)
