"""Who sleeps on what and who wakes first."""

from emukern.kernel.sched import Sched
from emukern.kernel.task import Task


def tasks(sched, n):
    made = [Task(sched.new_pid(), 0, f"t{i}", 0, 0) for i in range(n)]
    for task in made:
        sched.add(task)
    return made


def test_tasks_run_in_the_order_they_became_ready():
    sched = Sched()
    a, b, c = tasks(sched, 3)
    assert [sched.pick(), sched.pick(), sched.pick(), sched.pick()] == [a, b, c, None]


def test_wake_takes_the_oldest_sleepers_first():
    sched = Sched()
    made = tasks(sched, 3)
    while sched.pick():
        pass
    for task in made:
        sched.sleep(task, ("pipe", 1), None)
    assert sched.wake(("pipe", 1), 2) == 2
    assert [sched.pick(), sched.pick(), sched.pick()] == [made[0], made[1], None]
    assert made[0].woken == "event"
    assert sched.wake(("pipe", 2)) == 0


def test_deadlines_expire_in_order_and_only_once():
    sched = Sched()
    a, b = tasks(sched, 2)
    while sched.pick():
        pass
    sched.sleep(a, ("x",), 200)
    sched.sleep(b, None, 100)
    assert sched.next_deadline() == 100
    sched.expire(150)
    assert (a.woken, b.woken) == (None, "timeout")
    sched.wake(("x",))
    assert sched.next_deadline() is None


def test_a_removed_sleeper_leaves_nothing_behind():
    sched = Sched()
    (a,) = tasks(sched, 1)
    sched.pick()
    sched.sleep(a, ("x",), 100)
    sched.remove(a)
    assert sched.wake(("x",)) == 0
    assert sched.next_deadline() is None
    assert sched.pick() is None
