"""Work queues and kernel threads. Exported functions stand in for those of a module."""

from __future__ import annotations

import errno

NO_POOL = 0xFFFFFFFE0


def make_work(m, function="strlen"):
    work = m.put(88)
    m.k.mem.put_u64(work, NO_POOL)
    m.k.mem.put_u64(work + 24, m.guest.address(function))
    m.k.mem.put_u64(work + 32 + 24, m.guest.address("delayed_work_timer_fn"))
    return work


def pending(m, work):
    return m.k.mem.u64(work) & 1


def system_wq(m):
    return m.k.mem.u64(m.guest.address("system_wq"))


def test_work_runs_once_for_any_number_of_requests(m):
    work, wq = make_work(m), system_wq(m)
    assert m.call("queue_work_on", 0, wq, work) == 1
    assert m.call("flush_work", work) in (0, 1)
    assert pending(m, work) == 0
    assert m.call("flush_work", work) == 0
    assert [t.name for t in m.k.sched.tasks.values()].count("kworker/0:events") == 1


def test_delayed_work_waits_and_can_be_cancelled_or_hurried(m):
    work, wq = make_work(m), system_wq(m)
    assert m.call("queue_delayed_work_on", 0, wq, work, 25) == 1
    assert m.call("queue_delayed_work_on", 0, wq, work, 25) == 0
    m.guest.advance(0.05)
    assert pending(m, work) == 1
    assert m.call("mod_delayed_work_on", 0, wq, work, 25) == 1
    m.guest.advance(0.08)
    assert pending(m, work) == 1
    m.guest.advance(0.1)
    assert pending(m, work) == 0
    m.call("queue_delayed_work_on", 0, wq, work, 250)
    assert m.call("cancel_delayed_work_sync", work) == 1
    assert m.call("cancel_delayed_work_sync", work) == 0
    m.call("queue_delayed_work_on", 0, wq, work, 250000)
    before = m.k.clock.now
    m.call("flush_delayed_work", work)
    assert m.k.clock.now - before < 10**9
    assert pending(m, work) == 0


def test_flushing_waits_for_work_that_sleeps(m):
    """The work takes itself for a completion that nobody has completed: its first word is 0."""
    work, wq = make_work(m, "wait_for_completion"), m.call("alloc_workqueue", m.put(b"mine\0"), 0, 1)
    m.k.mem.put_u64(work, 0)
    m.call("queue_work_on", 0, wq, work)
    m.guest.advance(0.01)
    flusher = m.start("__flush_workqueue", wq)
    canceller = m.start("cancel_work_sync", work)
    m.guest.advance(0.01)
    assert [flusher.state, canceller.state] == ["S", "S"]
    m.call("complete", work)
    m.guest.advance(0.01)
    assert [flusher.state, canceller.state] == ["Z", "Z"]
    m.call("destroy_workqueue", wq)
    m.guest.advance(0.01)
    assert "kworker/mine" not in [t.name for t in m.k.sched.tasks.values()]
    assert m.guest.leaks() == []
    assert "does not exist" in m.oops("queue_work_on", 0, wq, make_work(m))


def test_a_thread_sleeps_until_it_is_woken_and_answers_its_stopper(m):
    name = m.put(b"worker/%d\0")
    thread = m.call("kthread_create_on_node", m.guest.address("strlen"), m.put(b"four\0"), -1, name, 3)
    m.guest.advance(0.01)
    task = next(t for t in m.k.sched.tasks.values() if t.name == "worker/3")
    assert task.state == "S"
    assert m.call("wake_up_process", thread) == 1
    m.guest.advance(0.01)
    assert task.result == 4
    assert "has ended already" in m.oops("kthread_stop", thread)


def test_a_thread_stopped_before_it_ran_never_runs(m):
    thread = m.call("kthread_create_on_node", m.guest.address("panic"), 0, -1, m.put(b"never\0"))
    assert m.call("kthread_stop", thread) & 0xFFFFFFFF == -errno.EINTR & 0xFFFFFFFF


def test_a_work_that_dies_neither_blocks_its_queue_nor_those_who_wait(m):
    """The first work jumps to address 8; a work queued behind it still runs, and the flush comes back."""
    wq = m.call("alloc_workqueue", m.put(b"mine\0"), 0, 1)
    bad, good = make_work(m), make_work(m)
    m.k.mem.put_u64(bad + 24, 8)
    m.call("queue_work_on", 0, wq, bad)
    m.call("queue_work_on", 0, wq, good)
    m.call("__flush_workqueue", wq)
    assert [pending(m, bad), pending(m, good)] == [0, 0]
    m.call("cancel_work_sync", bad)
    m.call("destroy_workqueue", wq)
    assert m.guest.leaks() == []


def test_stopping_a_thread_that_died_comes_back(m):
    thread = m.call("kthread_create_on_node", 8, 0, -1, m.put(b"doomed\0"))
    m.call("wake_up_process", thread)
    assert m.call("kthread_stop", thread) == 0
    sleeper = m.call("kthread_create_on_node", m.guest.address("msleep"), 10, -1, m.put(b"sleeper\0"))
    m.call("wake_up_process", sleeper)
    m.call("kthread_stop", sleeper)
