"""Time: sleeping, conversions, timers, the clocks."""

from __future__ import annotations

import struct

import pytest

MS = 1_000_000
JIFFY = 4 * MS


@pytest.mark.parametrize(
    ("function", "argument", "least", "most"),
    [
        ("msleep", 100, 100 * MS, 108 * MS),
        ("msleep", 0, 0, 4 * MS),
        ("usleep_range_state", 50, 50_000, 100_000),
        ("schedule_timeout_uninterruptible", 25, 96 * MS, 100 * MS),
        ("__udelay", 30, 30_000, 40_000),
        ("__const_udelay", 30 * 0x10C7, 30_000, 40_000),
    ],
)
def test_sleeping_takes_virtual_time(m, function, argument, least, most):
    before = m.k.clock.now
    m.call(function, argument, argument, 2)
    assert least <= m.k.clock.now - before <= most + 20_000


def test_schedule_timeout_says_what_was_left(m):
    sleeper = m.start("schedule_timeout_interruptible", 250)
    m.guest.advance(0.4)
    assert m.call("wake_up_process", sleeper.task_struct) == 1
    m.guest.advance(0.001)
    assert 148 <= sleeper.result <= 151


@pytest.mark.parametrize(
    ("function", "argument", "result"),
    [
        ("__msecs_to_jiffies", 1, 1),
        ("__msecs_to_jiffies", 1000, 250),
        ("__msecs_to_jiffies", 1001, 251),
        ("__msecs_to_jiffies", 0xFFFFFFFF, (1 << 62) - 1),
        ("__usecs_to_jiffies", 4001, 2),
        ("jiffies_to_msecs", 25, 100),
        ("jiffies_to_usecs", 1, 4000),
        ("nsecs_to_jiffies", 9 * MS, 2),
    ],
)
def test_conversions(m, function, argument, result):
    assert m.call(function, argument) == result


def test_jiffies_move_with_the_clock(m):
    address = m.guest.address("jiffies")
    before = m.k.mem.u64(address)
    m.guest.advance(1)
    assert 249 <= m.k.mem.u64(address) - before <= 251
    assert m.guest.address("jiffies_64") == address


def test_clocks_agree(m):
    ts = m.put(16)
    m.call("ktime_get_real_ts64", ts)
    seconds, ns = struct.unpack("<qq", m.k.mem.read(ts, 16))
    assert abs(seconds * 10**9 + ns - m.k.clock.realtime) < MS
    assert m.call("ktime_get_with_offset", 0) - m.call("ktime_get") == pytest.approx(m.k.clock.realtime - m.k.clock.now)


def test_random_numbers_are_the_same_in_every_run(m):
    state = m.k.rng.getstate()
    first = [m.call("get_random_u32") for _ in range(3)]
    m.k.rng.setstate(state)
    assert [m.call("get_random_u32") for _ in range(3)] == first


def make_timer(m, function="complete", data=b""):
    """A struct timer_list with a struct completion right behind it, so that `complete` of timer + 40 can be seen."""
    timer = m.put(bytes(40) + data)
    m.call("init_timer_key", timer, m.guest.address(function), 0, 0, 0)
    return timer


def test_a_timer_fires_at_its_jiffy_in_interrupt_context(m):
    """complete() stands in for a module's function: it counts in the first word of what it gets, the timer's list."""
    timer = make_timer(m)
    jiffies = m.k.clock.jiffies
    assert m.call("mod_timer", timer, jiffies + 25) == 0
    assert m.call("mod_timer", timer, jiffies + 50) == 1
    m.guest.advance(0.15)
    assert m.k.mem.u32(timer) == 0
    m.guest.advance(0.1)
    assert m.k.mem.u32(timer) == 1
    assert m.call("timer_delete_sync", timer) == 0


def test_reducing_a_timer_never_puts_it_off(m):
    timer = make_timer(m)
    jiffies = m.k.clock.jiffies
    m.call("mod_timer", timer, jiffies + 50)
    assert m.call("timer_reduce", timer, jiffies + 90) == 1
    assert m.call("timer_reduce", timer, jiffies + 10) == 1
    m.guest.advance(0.1)
    assert m.k.mem.u32(timer) == 1


def test_a_deleted_timer_does_not_fire(m):
    timer = make_timer(m)
    m.call("mod_timer", timer, m.k.clock.jiffies + 10)
    assert m.call("del_timer", timer) == 1
    assert m.call("del_timer", timer) == 0
    m.guest.advance(1)
    assert m.k.mem.u32(timer) == 0


def test_sleeping_in_a_timer_is_a_bug_that_kills_nobody(m):
    timer = make_timer(m, "msleep")
    m.call("mod_timer", timer, m.k.clock.jiffies + 1)
    m.guest.advance(0.1)
    assert any("scheduling while atomic" in text for text in m.log())
    assert m.guest.shell("echo alive").output == "alive\n"


def test_a_timer_without_a_function_is_a_bug(m):
    assert "without a function" in m.oops("mod_timer", m.put(40), 5)


def test_hrtimers_forward_in_whole_intervals(m):
    timer = m.put(72)
    m.call("hrtimer_init", timer, 1, 1)
    m.k.mem.put_u64(timer + 40, m.guest.address("completion_done"))
    m.call("hrtimer_start_range_ns", timer, 10 * MS, 0, 1)
    assert m.call("hrtimer_active", timer) == 1
    assert m.call("hrtimer_cancel", timer) == 1
    assert m.call("hrtimer_cancel", timer) == 0
    expires = m.k.mem.u64(timer + 24)
    assert m.call("hrtimer_forward", timer, expires - 1, MS) == 0
    assert m.call("hrtimer_forward", timer, expires, MS) == 1
    assert m.call("hrtimer_forward", timer, expires + 5 * MS, MS) == 5
    assert m.k.mem.u64(timer + 24) == expires + 6 * MS
