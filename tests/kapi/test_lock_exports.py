"""Locks and completions: who blocks, who is next, what a mistake is called."""

from __future__ import annotations

import errno

SECOND = 1_000_000_000
INTERRUPTIBLE = 1


def done(*tasks):
    return [task.state == "Z" for task in tasks]


def let_run(m, seconds=0.001):
    m.guest.advance(seconds)


def test_a_mutex_is_handed_over_in_order(m):
    lock = m.put(32)
    m.call("__mutex_init", lock, 0, 0)
    assert m.call("mutex_trylock", lock) == 1
    first, second = m.start("mutex_lock", lock), m.start("mutex_lock", lock)
    let_run(m)
    assert done(first, second) == [False, False]
    assert m.call("mutex_trylock", lock) == 0
    m.call("mutex_unlock", lock)
    let_run(m)
    assert done(first, second) == [True, False]
    assert m.call("mutex_is_locked", lock) == 1
    m.call("mutex_unlock", lock)
    let_run(m)
    assert done(first, second) == [True, True]
    m.call("mutex_unlock", lock)
    assert m.call("mutex_is_locked", lock) == 0


def test_unlocking_what_nobody_holds_is_a_bug(m):
    lock = m.put(32)
    assert "mutex_unlock of a mutex that nobody holds" in m.oops("mutex_unlock", lock)


def test_a_semaphore_counts(m):
    sem = m.put(b"\0\0\0\0\2\0\0\0" + bytes(16))
    m.call("down", sem)
    assert m.call("down_trylock", sem) == 0
    assert m.call("down_trylock", sem) == 1
    waiter = m.start("down", sem)
    let_run(m)
    assert done(waiter) == [False]
    m.call("up", sem)
    let_run(m)
    assert done(waiter) == [True]
    assert m.k.mem.u32(sem + 4) == 0
    before = m.k.clock.now
    assert m.call("down_timeout", sem, 250) == -errno.ETIME
    assert SECOND - 5_000_000 <= m.k.clock.now - before <= SECOND + 5_000_000
    m.call("up", sem)
    assert m.k.mem.u32(sem + 4) == 1


def test_readers_share_and_a_waiting_writer_goes_before_later_readers(m):
    sem = m.put(40)
    m.call("__init_rwsem", sem, 0, 0)
    m.call("down_read", sem)
    m.call("down_read", sem)
    assert m.call("down_write_trylock", sem) == 0
    writer, reader = m.start("down_write", sem), m.start("down_read", sem)
    m.call("up_read", sem)
    let_run(m)
    assert done(writer, reader) == [False, False]
    assert m.call("down_read_trylock", sem) == 0
    m.call("up_read", sem)
    let_run(m)
    assert done(writer, reader) == [True, False]
    m.call("downgrade_write", sem)
    let_run(m)
    assert done(reader) == [True]
    m.call("up_read", sem)
    m.call("up_read", sem)
    assert "that nobody holds" in m.oops("up_write", sem)


def test_completions_count_too(m):
    x = m.put(32)
    m.call("complete", x)
    m.call("wait_for_completion", x)
    waiters = [m.start("wait_for_completion", x) for _ in range(3)]
    m.call("complete", x)
    let_run(m)
    assert done(*waiters) == [True, False, False]
    m.call("complete_all", x)
    let_run(m)
    assert done(*waiters) == [True, True, True]
    assert m.call("completion_done", x) == 1


def test_a_completion_can_time_out(m):
    x = m.put(32)
    assert m.call("wait_for_completion_timeout", x, 50) == 0
    waiter = m.start("wait_for_completion_timeout", x, 100)
    m.guest.advance(0.1)
    m.call("complete", x)
    let_run(m)
    assert 70 <= waiter.result <= 76


def test_a_spinlock_taken_twice_is_reported_at_once(m):
    lock = m.put(4)
    m.call("_raw_spin_lock", lock)
    assert "BUG: spinlock recursion on CPU#0, host/" in m.oops("_raw_spin_lock", lock)
    assert "is already held" in m.oops("_raw_spin_lock", lock)


def test_spinlocks_of_every_kind_come_and_go(m):
    lock, rwlock = m.put(4), m.put(8)
    for kind in ("", "_bh", "_irq"):
        m.call(f"_raw_spin_lock{kind}", lock)
        assert m.k.mem.u32(lock) == 1
        m.call(f"_raw_spin_unlock{kind}", lock)
        for what in ("read", "write"):
            m.call(f"_raw_{what}_lock{kind}", rwlock)
            assert m.k.mem.u32(rwlock)
            m.call(f"_raw_{what}_unlock{kind}", rwlock)
    assert m.k.mem.u32(lock) == m.k.mem.u32(rwlock) == 0
    assert m.call("_raw_spin_trylock", lock) == 1
    assert m.call("_raw_spin_trylock", lock) == 0
    m.call("_raw_spin_unlock", lock)
    assert "already unlocked" in m.oops("_raw_spin_unlock", lock)


def test_sleeping_under_a_spinlock_is_a_bug(m):
    lock = m.put(4)
    m.call("_raw_spin_lock", lock)
    assert "BUG: scheduling while atomic" in m.oops("msleep", 10)
    m.call("msleep", 10)  # what the dead task held does not count for others


def test_what_may_sleep_is_named_even_if_it_does_not(m):
    lock, mutex = m.put(4), m.put(32)
    m.call("_raw_spin_lock", lock)
    m.call("mutex_lock", mutex)
    m.call("kmalloc", 8, 0xA20)
    m.call("_raw_spin_unlock", lock)
    (line,) = [text for text in m.log() if "invalid context" in text]
    assert line.startswith("BUG: sleeping function called from invalid context at mutex_lock")


def test_wait_queues_wake_whom_they_should(m):
    """An entry of a task that sleeps in schedule(): __wake_up calls its function, which wakes it and takes it off."""
    head, entry = m.put(24), m.put(40)
    m.call("__init_waitqueue_head", head, 0, 0)
    sleeper = m.start("schedule_timeout_interruptible", 1000)
    let_run(m)
    m.call("init_wait_entry", entry, 0)
    m.k.mem.put_u64(entry + 8, sleeper.task_struct)
    m.call("add_wait_queue", head, entry)
    m.call("__wake_up", head, 2, 1, 0)
    let_run(m)
    assert done(sleeper) == [False]  # it sleeps interruptibly, and only the others were meant
    m.call("__wake_up", head, INTERRUPTIBLE, 1, 0)
    let_run(m)
    assert done(sleeper) == [True]
    assert 990 <= sleeper.result <= 1000
    assert m.k.mem.u64(head + 8) == head + 8
