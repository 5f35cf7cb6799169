"""The interval timer, used the way Linux does: as a clock event, and to calibrate the CPU's counter."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.i8254 import HZ, I8254, SECOND, Port61, ns, ticks
from tests.devices.board import Time, Wire

CONTROL = 3


class Edges(Wire):
    """Counts how often the line rose."""

    rises = 0

    def set(self, level):
        self.rises += level and not self.level
        self.level = level


class Clock:
    """A timer and the time, with outb and inb."""

    def __init__(self):
        self.time, self.irq = Time(), Edges()
        self.pit = I8254(self.time, self.irq)
        self.port = Port61(self.time, self.pit)

    def out(self, *writes):
        for offset, value in writes:
            self.pit.write(offset, 1, value)

    def run(self, now):
        """Time passes, with everything due on the way."""
        while (deadline := self.pit.deadline) is not None and deadline <= now:
            self.time.now = max(self.time.now, deadline)
            self.pit.expire(self.time.now)
        self.time.now = now

    def latched(self, counter):
        self.out((CONTROL, counter << 6))
        return self.pit.read(counter, 1) | self.pit.read(counter, 1) << 8


@pytest.fixture
def clock():
    return Clock()


def test_ticks_and_times_agree():
    assert ticks(SECOND) == HZ
    for count in (1, 2, 3, 11932, HZ, 10**9):
        assert ticks(ns(count)) >= count > ticks(ns(count) - 1)


def test_periodic_ticks(clock):
    """pit_set_periodic at 250 Hz."""
    latch = (HZ + 125) // 250
    clock.out((CONTROL, 0x34), (0, latch & 0xFF), (0, latch >> 8))
    before = clock.irq.rises
    clock.run(SECOND)
    assert clock.irq.rises - before == HZ // latch


def test_one_shot_ticks(clock):
    """pit_set_oneshot, pit_next_event, pit_shutdown."""
    clock.out((CONTROL, 0x38))
    before = clock.irq.rises
    clock.time.now = 12_345
    clock.out((0, 0x10), (0, 0x27))
    assert clock.pit.deadline == 12_345 + ns(0x2710 + 1)
    clock.run(SECOND)
    assert clock.irq.rises - before == 1
    assert clock.pit.deadline is None
    clock.out((0, 1), (0, 0))
    clock.run(2 * SECOND)
    assert clock.irq.rises - before == 2
    clock.out((CONTROL, 0x30))
    assert clock.pit.deadline is None


def test_terminal_count_raises_the_line_and_leaves_it(clock):
    clock.out((CONTROL, 0x30))
    assert not clock.irq.level
    clock.out((0, 100), (0, 0))
    clock.run(ns(99))
    assert not clock.irq.level
    clock.run(SECOND)
    assert clock.irq.level
    assert clock.irq.rises == 1


def test_many_missed_ticks_are_one(clock):
    clock.out((CONTROL, 0x34), (0, 0), (0, 4))
    before = clock.irq.rises
    clock.time.now = SECOND
    clock.pit.expire(SECOND)
    assert clock.irq.rises - before == 1
    assert SECOND < clock.pit.deadline <= SECOND + ns(1024)


def test_quick_calibration_sees_each_high_byte_in_turn(clock):
    """quick_pit_calibrate: counter 2 in mode 0 from 0xFFFF, low and high byte read alternately."""
    clock.port.write(0, 1, clock.port.read(0, 1) & ~2 | 1)
    clock.out((CONTROL, 0xB0), (2, 0xFF), (2, 0xFF))
    high = []
    for _ in range(1000):
        clock.time.now += 1000
        clock.pit.read(2, 1)
        value = clock.pit.read(2, 1)
        if value not in high[-1:]:
            high.append(value)
    assert high == [0xFF, 0xFE, 0xFD, 0xFC, 0xFB]


def test_slow_calibration_ends_when_counter_2_says_so(clock):
    """pit_calibrate_tsc: 10 ms in mode 0, bit 5 of port 0x61 tells the end."""
    latch = HZ // 100
    clock.port.write(0, 1, clock.port.read(0, 1) & ~2 | 1)
    clock.out((CONTROL, 0xB0), (2, latch & 0xFF), (2, latch >> 8))
    while not clock.port.read(0, 1) & 0x20:
        clock.time.now += 1000
    assert abs(clock.time.now - SECOND // 100) < 2000


def test_the_gate_stops_and_starts_counter_2(clock):
    clock.port.write(0, 1, 1)
    clock.out((CONTROL, 0xB0), (2, 0), (2, 1))
    clock.time.now = ns(56)
    clock.port.write(0, 1, 0)
    clock.time.now = SECOND
    assert clock.latched(2) == 200
    assert not clock.port.read(0, 1) & 0x20
    clock.port.write(0, 1, 1)
    clock.time.now = SECOND + ns(200)
    assert clock.port.read(0, 1) & 0x20


def test_the_refresh_signal_toggles(clock):
    seen = set()
    for clock.time.now in range(0, 100_000, 5_000):
        seen.add(clock.port.read(0, 1) & 0x10)
    assert seen == {0, 0x10}


@pytest.mark.parametrize(("mode", "period"), [(2, 1000), (3, 1000)])
def test_periodic_counters_count_down_and_start_again(clock, mode, period):
    clock.out((CONTROL, 0x30 | mode << 1), (0, period & 0xFF), (0, period >> 8))
    clock.time.now = ns(period * 7 + 10)
    assert clock.latched(0) == period - (10 if mode == 2 else 20)


def test_a_latched_count_stays(clock):
    clock.out((CONTROL, 0x34), (0, 0xFF), (0, 0xFF))
    clock.out((CONTROL, 0x00))
    clock.time.now = SECOND
    assert clock.pit.read(0, 1) | clock.pit.read(0, 1) << 8 == 0xFFFF
    assert clock.latched(0) != 0xFFFF


def test_read_back_tells_status_first(clock):
    clock.out((CONTROL, 0xB6), (CONTROL, 0xE0 | 2 << 2))
    assert clock.pit.read(2, 1) == 0xC0 | 0x36, "output high, no count yet, both bytes, mode 3"
    clock.out((2, 0x34), (2, 0x12), (CONTROL, 0xC0 | 2 << 2))
    assert clock.pit.read(2, 1) & 0x7F == 0x36
    assert clock.pit.read(2, 1) | clock.pit.read(2, 1) << 8 == 0x1234


def test_single_bytes_can_be_counted_from_and_read(clock):
    clock.out((CONTROL, 0x14), (0, 0x80))
    assert (clock.pit.read(0, 1), clock.pit.read(0, 1)) == (0x80, 0x80)
    clock.out((CONTROL, 0x24), (0, 0x80))
    assert (clock.pit.read(0, 1), clock.pit.read(0, 1)) == (0x80, 0x80)
    assert clock.pit.deadline == ns(0x8000)


@given(st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(0, 255), st.integers(0, 10**7))))
def test_nothing_a_guest_does_breaks_it(accesses):
    clock = Clock()
    for offset, value, wait in accesses:
        device, at = (clock.port, 0) if offset == 4 else (clock.pit, offset)
        if value is None:
            assert 0 <= device.read(at, 1) <= 255
        else:
            device.write(at, 1, value)
        now = clock.time.now + wait
        deadline = clock.pit.deadline
        assert deadline is None or deadline >= clock.time.now
        clock.time.now = now
        clock.pit.expire(now)
        assert clock.pit.deadline is None or clock.pit.deadline > now
    assert pickle.loads(pickle.dumps(clock.pit)).deadline == clock.pit.deadline
