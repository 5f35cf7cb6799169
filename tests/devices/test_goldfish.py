"""The clock of the riscv64 board, used the way Linux's driver does."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.goldfish import GoldfishRtc
from tests.devices.board import Time, Wire

EPOCH = 1_700_000_000 * 10**9


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def rtc(time, wire):
    return GoldfishRtc(time, wire, EPOCH)


def told(rtc):
    low = rtc.read(0, 4)
    return rtc.read(4, 4) << 32 | low


def alarm(rtc, at):
    rtc.write(0x0C, 4, at >> 32)
    rtc.write(0x08, 4, at & 0xFFFF_FFFF)
    rtc.write(0x10, 4, 1)


def test_it_tells_the_time(rtc, time):
    assert told(rtc) == EPOCH
    time.now = 5 * 10**9
    assert told(rtc) == EPOCH + 5 * 10**9


def test_the_high_half_belongs_to_the_low_half_read_before(rtc, time):
    time.now = (1 << 32) - EPOCH % (1 << 32) - 1
    low = rtc.read(0, 4)
    time.now += 1
    assert (low, rtc.read(4, 4)) == (0xFFFF_FFFF, EPOCH >> 32)


def test_it_can_be_set(rtc, time):
    goal = 1_800_000_000 * 10**9
    rtc.write(4, 4, goal >> 32)
    rtc.write(0, 4, goal & 0xFFFF_FFFF)
    time.now += 7
    assert told(rtc) == goal + 7


def test_an_alarm_rings_until_it_is_cleared(rtc, time, wire):
    alarm(rtc, EPOCH + 1000)
    assert (rtc.deadline, rtc.read(0x18, 4), wire.level) == (1000, 1, False)
    rtc.expire(999)
    assert not wire.level
    rtc.expire(1000)
    assert (rtc.deadline, rtc.read(0x18, 4), wire.level) == (None, 0, True)
    rtc.write(0x1C, 4, 1)
    assert not wire.level


def test_an_alarm_can_be_taken_back(rtc, wire):
    alarm(rtc, EPOCH + 1000)
    rtc.write(0x14, 4, 1)
    assert rtc.deadline is None
    rtc.expire(2000)
    assert not wire.level


def test_an_alarm_in_the_past_rings_as_soon_as_it_may(rtc, wire):
    alarm(rtc, EPOCH)
    assert wire.level


def test_a_masked_alarm_is_silent(rtc, wire):
    alarm(rtc, EPOCH + 1000)
    rtc.write(0x10, 4, 0)
    rtc.expire(1000)
    assert not wire.level
    rtc.write(0x10, 4, 1)
    assert wire.level


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 15), st.integers(0, 0xFFFF_FFFF)), max_size=12))
def test_nothing_a_guest_does_breaks_it(accesses):
    rtc = GoldfishRtc(Time(), Wire(), EPOCH)
    for write, register, value in accesses:
        if write:
            rtc.write(4 * register, 4, value)
        else:
            assert 0 <= rtc.read(4 * register, 4) <= 0xFFFF_FFFF
    assert told(pickle.loads(pickle.dumps(rtc))) == told(rtc)
