"""The real-time clock, read, set and armed as Linux's rtc-mc146818-lib and rtc-cmos do."""

import pickle
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.mc146818 import SECOND, Mc146818
from tests.devices.board import Time, Wire

EPOCH = 1_700_000_000 * SECOND  # 2023-11-14 22:13:20, a Tuesday
A, B, C, D = range(10, 14)


class Clock:
    """A clock whose registers are items."""

    def __init__(self):
        self.time, self.wire = Time(), Wire()
        self.rtc = Mc146818(self.time, self.wire, EPOCH)

    def __getitem__(self, register):
        self.rtc.write(0, 1, register)
        return self.rtc.read(1, 1)

    def __setitem__(self, register, value):
        self.rtc.write(0, 1, register)
        self.rtc.write(1, 1, value)

    def told(self):
        """The time, from BCD registers."""
        year, month, day, hour, minute, second = (
            int(f"{self[register]:x}") for register in (9, 8, 7, 4, 2, 0)
        )  # fmt: skip
        return datetime(int(f"{self[0x32]:x}") * 100 + year, month, day, hour, minute, second, tzinfo=timezone.utc)

    def set(self, then):
        """As mc146818_set_time does: stop, reset the divider, write, go."""
        control, frequency = self[B], self[A]
        self[B] = control | 0x80
        self[A] = frequency | 0x70
        fields = (then.second, then.minute, then.hour, then.day, then.month, then.year % 100, then.year // 100)
        for register, value in zip((0, 2, 4, 7, 8, 9, 0x32), fields, strict=True):
            self[register] = int(str(value), 16)
        self[B] = control
        self[A] = frequency

    def run(self, now):
        """Time passes, with everything due on the way; when the line rose, C was read."""
        heard = []
        while (deadline := self.rtc.deadline) is not None and deadline <= now:
            self.time.now = deadline
            self.rtc.expire(deadline)
            if self.wire.level:
                heard.append((deadline, self[C]))
        self.time.now = now
        return heard


@pytest.fixture
def clock():
    return Clock()


def test_it_is_valid_and_counts_24_hours_in_bcd(clock):
    assert clock[D] == 0x80
    assert clock[B] & 0x86 == 0x02
    assert clock[A] == 0x26
    assert clock.rtc.read(0, 1) == 0xFF


@given(st.integers(0, 10**18))
def test_the_time_goes_on(now):
    clock = Clock()
    clock.time.now = now
    assert clock.told() == datetime.fromtimestamp((EPOCH + now) // SECOND, timezone.utc)
    assert clock[6] == clock.told().isoweekday() % 7 + 1


def test_an_update_announces_itself(clock):
    assert not clock[A] & 0x80
    clock.time.now = SECOND - 1000
    assert clock[A] & 0x80
    clock.time.now = SECOND
    assert not clock[A] & 0x80


def test_binary_and_twelve_hours(clock):
    clock[B] = 0x02 | 0x04
    assert (clock[4], clock[2], clock[9]) == (22, 13, 23)
    clock[B] = 0
    assert clock[4] == 0x10 | 0x80
    clock.time.now = 2 * 3600 * SECOND
    assert clock[4] == 0x12


@given(st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31)))
def test_it_can_be_set(then):
    clock = Clock()
    then = then.replace(microsecond=0, tzinfo=timezone.utc)
    clock.set(then)
    assert clock.told() == then
    clock.time.now = SECOND // 2 - 1
    assert clock.told() == then
    clock.time.now = SECOND // 2
    assert clock.told() == then + timedelta(seconds=1), "the first update comes after half a second"


def test_while_it_is_being_set_nothing_changes(clock):
    clock[B] = 0x82
    before = clock[0]
    clock.time.now = 10 * SECOND
    assert clock[0] == before
    assert not clock[A] & 0x80
    clock[B] = 0x02
    assert clock[0] == before


def test_nonsense_is_not_taken_for_a_time(clock):
    clock[8] = 0x77
    assert clock.told() == datetime.fromtimestamp(EPOCH // SECOND, timezone.utc)


def test_periodic_interrupts(clock):
    clock[A] = 0x26  # 1024 Hz
    clock[B] = 0x42
    heard = clock.run(SECOND)
    assert len(heard) == 1024
    assert {flags & 0xC0 for _, flags in heard} == {0xC0}
    clock[A] = 0x2F  # 2 Hz
    assert len(clock.run(11 * SECOND)) == 20
    clock[A] = 0x20
    assert clock.rtc.deadline is None


def test_an_interrupt_each_second(clock):
    clock.time.now = SECOND // 3
    clock[B] = 0x12
    assert [at for at, flags in clock.run(5 * SECOND) if flags & 0x10] == [n * SECOND for n in (1, 2, 3, 4, 5)]


def test_an_unread_interrupt_stays_and_wants_no_time(clock):
    clock[B] = 0x12
    clock.time.now = clock.rtc.deadline
    clock.rtc.expire(clock.time.now)
    assert clock.wire.level
    assert clock.rtc.deadline is None
    assert clock[C] == 0x90 | 0x40, "the periodic flag is set without being enabled"
    assert not clock.wire.level
    assert clock[C] == 0


def test_an_alarm(clock):
    clock[5], clock[3], clock[1] = 0x22, 0x14, 0x05  # 45 seconds from the start
    clock[C]
    clock[B] = 0x22
    assert clock.rtc.deadline == 45 * SECOND
    assert [at for at, flags in clock.run(2 * 86400 * SECOND) if flags & 0xA0 == 0xA0] == [
        45 * SECOND,
        (45 + 86400) * SECOND,
    ]


def test_an_alarm_whatever_the_hour(clock):
    clock[5], clock[3], clock[1] = 0xFF, 0x00, 0x30
    clock[C]
    clock[B] = 0x22
    first = (46 * 60 + 40 + 30) * SECOND
    assert [at for at, _ in clock.run(3 * 3600 * SECOND)] == [first, first + 3600 * SECOND, first + 7200 * SECOND]


def test_an_impossible_alarm_never_rings(clock):
    clock[5], clock[3], clock[1] = 0x22, 0x14, 0x75
    clock[C]
    clock[B] = 0x22
    assert clock.rtc.deadline is None


def test_memory_is_kept(clock):
    for register in range(14, 128):
        if register != 0x32:
            clock[register] = register ^ 0xA5
    clock.time.now = 10**12
    assert all(clock[register] == register ^ 0xA5 for register in range(14, 128) if register != 0x32)


def test_the_nmi_mask_is_no_part_of_the_index(clock):
    assert clock[0x80 | D] == 0x80


@given(st.lists(st.tuples(st.integers(0, 255), st.none() | st.integers(0, 255), st.integers(0, 10**14))))
def test_nothing_a_guest_does_breaks_it(accesses):
    clock = Clock()
    for register, value, wait in accesses:
        if value is None:
            assert 0 <= clock[register] <= 255
        else:
            clock[register] = value
        clock.time.now += wait
        clock.rtc.expire(clock.time.now)
        assert clock.rtc.deadline is None or clock.rtc.deadline > clock.time.now
    assert pickle.loads(pickle.dumps(clock.rtc)).deadline == clock.rtc.deadline
