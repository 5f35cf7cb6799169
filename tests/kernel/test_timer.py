"""Timers as data: order, cancelling, arming again."""

from __future__ import annotations

from emukern.flow import continuation
from emukern.kernel.timer import Timers


@continuation
def ring(k, rv, bell):
    return bell


def drain(timers, now):
    fired = []
    while (timer := timers.pop_due(now)) is not None:
        fired.append(timer.data["bell"])
    return fired


def test_timers_fire_in_order_of_deadline_then_of_arming():
    timers = Timers()
    for deadline, bell in [(30, "c"), (10, "a"), (20, "b1"), (20, "b2")]:
        timers.add(deadline, ring, bell=bell)
    assert timers.next_deadline() == 10
    assert drain(timers, 20) == ["a", "b1", "b2"]
    assert drain(timers, 29) == []
    assert drain(timers, 30) == ["c"]
    assert timers.next_deadline() is None


def test_a_timer_is_named_by_its_continuation():
    timers = Timers()
    timers.add(5, ring, bell=1)
    assert timers.pop_due(5).continuation.endswith("test_timer.ring")


def test_a_key_is_armed_once():
    timers = Timers()
    timers.add(10, ring, key="k", bell=1)
    timers.add(20, ring, key="k", bell=2)
    assert timers.deadline("k") == 20
    assert drain(timers, 15) == []
    assert drain(timers, 20) == [2]
    assert not timers.pending("k")


def test_cancel_says_whether_it_was_armed():
    timers = Timers()
    number = timers.add(10, ring, bell=1)
    assert timers.cancel(number)
    assert not timers.cancel(number)
    assert drain(timers, 99) == []


def test_pushing_a_timer_back_for_ever_takes_no_memory():
    timers = Timers()
    for now in range(10_000):
        timers.add(now + 1_000_000, ring, key="k", bell=now)
    assert len(timers.queue) < 100
    assert drain(timers, 2_000_000) == [9999]
