"""RCU callbacks, tasklets, suspicious reference counts; and that all of it survives a snapshot."""

from __future__ import annotations


def test_rcu_callbacks_run_at_the_next_tick(m):
    head = m.put(16)
    m.call("call_rcu", head, m.guest.address("complete"))
    assert m.k.mem.u32(head) == 0
    m.call("rcu_barrier")
    assert m.k.mem.u32(head) == 1


def test_kfree_rcu_knows_both_spellings(m):
    first, second = m.call("kmalloc", 64, 0xCC0), m.call("kmalloc", 64, 0xCC0)
    m.call("kvfree_call_rcu", first + 16, 16)
    m.call("kvfree_call_rcu", second + 16, second)
    assert len(m.guest.leaks()) == 2
    m.call("synchronize_rcu")
    m.call("rcu_barrier")
    assert m.guest.leaks() == []


def test_a_tasklet_runs_and_can_be_waited_for(m):
    tasklet, target = m.put(40), m.put(32)
    m.call("tasklet_init", tasklet, m.guest.address("complete"), target)
    m.k.mem.put_u64(tasklet + 8, 1)
    m.call("__tasklet_schedule", tasklet)
    m.call("tasklet_kill", tasklet)
    assert m.k.mem.u64(tasklet + 8) == 0
    assert m.k.mem.u32(target) == 1


def test_a_reference_count_that_cannot_be_right_warns(m):
    counter = m.put(4)
    m.call("refcount_warn_saturate", counter, 3)
    assert "refcount_t: underflow; use-after-free." in m.log()
    assert m.k.mem.u32(counter) == 0xC0000000


def test_those_who_wait_are_part_of_a_snapshot(m):
    mutex, x = m.put(32), m.put(32)
    m.call("__mutex_init", mutex, 0, 0)
    m.call("mutex_lock", mutex)
    pids = [m.start("mutex_lock", mutex).pid, m.start("wait_for_completion_timeout", x, 500).pid]
    m.guest.advance(0.01)
    saved = m.guest.save()
    for _ in range(2):
        m.guest.restore(saved)
        tasks = [m.k.sched.tasks[pid] for pid in pids]
        assert [task.state for task in tasks] == ["S", "S"]
        m.call("mutex_unlock", mutex)
        m.call("complete", x)
        m.guest.advance(0.01)
        assert [task.state for task in tasks] == ["Z", "Z"]
        assert 490 <= tasks[1].result <= 500
