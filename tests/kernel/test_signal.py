"""Who gets a signal, and what it does to whoever sleeps."""

import pytest

from emukern.errors import Errno
from emukern.kernel import signal
from tests.kernel.machine import MemoryKernel

SIGINT, SIGKILL, SIGTERM, SIGCHLD = 2, 9, 15, 17


def asleep(k, interruptible):
    task = k.process("sleeper")
    k.sched.queue.clear()
    task.interruptible = interruptible
    k.sched.sleep(task, ("event",), None)
    return task


@pytest.mark.parametrize("sig", [SIGINT, SIGKILL])
def test_a_signal_wakes_who_may_be_interrupted(sig):
    k = MemoryKernel()
    task = asleep(k, True)
    signal.send(k, task.pid, sig)
    assert (task.state, task.woken, task.signals) == ("R", "signal", {sig})


@pytest.mark.parametrize("sig", [SIGINT, SIGKILL])
def test_an_uninterruptible_sleep_goes_on_and_the_signal_waits(sig):
    k = MemoryKernel()
    task = asleep(k, False)
    signal.send(k, task.pid, sig)
    assert (task.state, task.signals) == ("S", {sig})


def test_ignored_signals_change_nothing():
    k = MemoryKernel()
    task = asleep(k, True)
    task.ignored = {SIGTERM}
    for sig in (SIGTERM, SIGCHLD, 0):
        signal.send(k, task.pid, sig)
    assert (task.state, task.signals) == ("S", set())
    signal.send(k, task.pid, SIGKILL)
    assert task.signals == {SIGKILL}


def test_init_takes_no_fatal_signal():
    k = MemoryKernel()
    signal.send(k, 1, SIGKILL)
    assert k.init.signals == set()


def test_groups_get_signals_together():
    k = MemoryKernel()
    children = [k.fork(k.current) for _ in range(3)]
    children[2].pgid = children[2].pid
    signal.send_group(k, k.current.pgid, SIGTERM)
    assert [bool(task.signals) for task in (k.current, *children)] == [True, True, True, False]
    with pytest.raises(Errno, match="ESRCH"):
        signal.send_group(k, 4711, SIGTERM)
    with pytest.raises(Errno, match="ESRCH"):
        signal.send(k, 4711, SIGTERM)
