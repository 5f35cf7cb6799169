"""The CPU: both views of its registers and both kinds of hooks tell the same story."""

import pytest

from emukern import arch as arches
from emukern.guest import power_on

SCRIPT = ("-c", "ls / | wc; cat /proc/modules; sleep 1; echo done")


def story(arch, *, native, fast):
    printed = []
    guest = power_on(arch, console=printed.append, init=SCRIPT, native=native, fast=fast)
    stop = guest.run()
    cpu = guest.k.cpu
    return cpu, (stop, b"".join(printed), guest.k.clock.now, cpu.state.blocks, guest.k.ram.hash())


@pytest.mark.parametrize("arch", arches.NAMES)
def test_every_way_to_watch_the_cpu_sees_the_same_run(arch):
    cpu, expected = story(arch, native=True, fast=True)
    assert (cpu.native, cpu.fast) == (True, True), "the package was built without its native hooks"
    assert b"done" in expected[1]
    for native, fast in ((True, False), (False, True), (False, False)):
        cpu, told = story(arch, native=native, fast=fast)
        assert (cpu.native, cpu.fast) == (native, fast)
        assert told == expected


@pytest.mark.parametrize("arch", arches.NAMES)
def test_a_saved_cpu_comes_back_whole(arch):
    guest = power_on(arch, init=("-s",))
    guest.run()
    cpu = guest.k.cpu
    saved, registers, pc = cpu.save(), list(cpu.gpr), cpu.pc
    for i in range(1, len(cpu.gpr)):
        cpu.gpr[i] = i
    cpu.pc = 0x1000
    cpu.restore(saved)
    assert (list(cpu.gpr), cpu.pc) == (registers, pc)
