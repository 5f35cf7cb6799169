"""The same inputs lead to the same run, to the bit: trace, RAM, time, console; in another process too."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emukern import boot, power_on

ROOT = Path(__file__).parent.parent
SCRIPT = """\
insmod kthread.ko; insmod timer-and-work.ko; sleep 2
insmod params.ko int=3 charp=x; insmod oops.ko
ls -l / | sort | wc; hexdump -C /dev/urandom | head -2; ps; cat /proc/uptime /proc/modules
sh -c 'kill -9 $$'; rmmod kthread timer-and-work params
dmesg | tail -5
"""


def tale(arch, **options):
    """Everything that can be seen of a run."""
    printed = []
    guest = power_on(arch, console=printed.append, init=("-c", SCRIPT), **options)
    guest.k.trace = []
    stop = guest.run()
    trace = hashlib.sha256(repr(guest.k.trace).encode()).hexdigest()
    output = hashlib.sha256(b"".join(printed)).hexdigest()
    assert len(guest.k.trace) > 1000
    return stop, trace, output, guest.k.ram.hash(), guest.k.cpu.state.blocks, guest.k.clock.now


def test_two_boots_are_equal(arch):
    assert tale(arch) == tale(arch)


def test_another_process_makes_no_difference(arch):
    """Nor do hash seeds, other modules in memory, the environment or the folder."""
    code = f"import test_determinism; print(test_determinism.tale({arch!r}))"
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": "7", "NOISE": "x" * 5000}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd="/", check=True)
    assert done.stdout.strip() == str(tale(arch))


def test_the_slow_ways_lead_to_the_same_run(arch):
    """The Python block hook and the portable register view change nothing but the speed."""
    assert tale(arch) == tale(arch, native=False) == tale(arch, fast=False)


def test_seed_and_memory_change_what_they_should(arch):
    usual, seeded = tale(arch), tale(arch, seed=1)
    assert usual[2] != seeded[2]
    assert usual[0] == seeded[0]


@pytest.mark.parametrize("name", ["hello", "params", "exports-a", "adder", "bss-and-common"])
def test_a_module_comes_and_goes_without_a_trace(guest, name):
    before = guest.k.ram.hash()
    guest.insmod(name)
    assert guest.k.ram.hash() != before
    guest.rmmod(guest.lsmod()[0][0])
    assert guest.k.ram.hash() == before
    assert guest.leaks() == []


def test_the_host_clock_plays_no_part(arch, monkeypatch):
    import time

    usual = tale(arch)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: 0)
    assert tale(arch) == usual


def test_commands_in_one_guest_do_not_depend_on_what_ran_in_another(arch):
    one = boot(arch)
    other = boot(arch)
    other.shell("insmod hello.ko; ls")
    alone = boot(arch)
    assert one.shell(SCRIPT) == alone.shell(SCRIPT)
