"""Birth and death of tasks."""

import pytest

from emukern.errors import Errno
from emukern.kernel import process
from emukern.machine.ram import PAGE
from tests.kernel.machine import MemoryKernel

EAGAIN = 11


def test_a_family_that_comes_and_goes_costs_nothing():
    k = MemoryKernel()
    k.put(b"content")
    first = k.fork(k.current)
    k.end(first)
    process.reap(k, first)
    before = (k.pages.used, len(k.sched.tasks), len(k.vmalloc_area.allocations))
    for _ in range(3):
        children = [k.fork(k.current) for _ in range(5)]
        for child in children:
            k.end(child)
            process.reap(k, child)
    assert (k.pages.used, len(k.sched.tasks), len(k.vmalloc_area.allocations)) == before


def test_a_zombie_keeps_its_code_until_its_parent_asks():
    k = MemoryKernel()
    child = k.fork(k.current)
    k.end(child, 7 << 8)
    assert (child.state, child.exit_code) == ("Z", 7 << 8)
    assert child.pid in k.sched.tasks
    assert k.current.signals == set()  # SIGCHLD is ignored by default


def test_who_ignores_sigchld_leaves_no_zombies():
    k = MemoryKernel()
    k.current.ignored.add(17)
    child = k.fork(k.current)
    k.end(child)
    assert child.pid not in k.sched.tasks


def test_orphans_become_inits_and_it_hears_of_the_dead_ones():
    k = MemoryKernel()
    middle = k.fork(k.current)
    alive, dead = k.fork(middle), k.fork(middle)
    k.end(dead)
    k.sched.queue.clear()
    k.sched.sleep(k.init, ("child", 1), None)
    k.end(middle)
    assert (alive.ppid, dead.ppid) == (1, 1)
    assert k.init.woken == "event"


def test_there_are_only_so_many_tasks():
    k = MemoryKernel()
    limit = k.pages.total // process.PAGES_PER_TASK
    while len(k.sched.tasks) < limit:
        k.fork(k.current)
    with pytest.raises(Errno) as failure:
        k.fork(k.current)
    assert failure.value.number == EAGAIN


@pytest.mark.parametrize("free", range(4))
def test_a_fork_that_finds_no_memory_leaves_nothing_behind(free):
    k = MemoryKernel()
    k.put(bytes(4 * PAGE))
    k.hold(free)
    before = (k.pages.used, sorted(k.sched.tasks), len(k.vmalloc_area.allocations))
    with pytest.raises(MemoryError):
        k.fork(k.current)
    assert (k.pages.used, sorted(k.sched.tasks), len(k.vmalloc_area.allocations)) == before
