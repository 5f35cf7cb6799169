"""Power management events, the timer, and switching off."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.acpipm import HZ, SECOND, AcpiPm
from tests.devices.board import Switch, Time, Wire

STATUS, ENABLE, CONTROL, TIMER = 0, 2, 4, 8
HALF_WRAP = (1 << 23) * SECOND // HZ + 1  # ns until the timer's top bit changes


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def pm(time, wire, switch):
    return AcpiPm(time, wire, switch)


def test_the_timer_counts_and_wraps(pm, time):
    time.now = SECOND
    assert pm.read(TIMER, 4) == HZ
    time.now = 10 * SECOND
    assert pm.read(TIMER, 4) == 10 * HZ & 0xFF_FFFF
    assert pm.read(TIMER + 1, 1) == 10 * HZ >> 8 & 0xFF


def test_it_is_in_acpi_mode_and_stays(pm):
    pm.write(CONTROL, 2, 0)
    assert pm.read(CONTROL, 2) & 1


def test_s5_switches_off(pm, switch):
    """acpi_hw_legacy_sleep: first the type, then with SLP_EN."""
    pm.write(CONTROL, 2, 0x0001)
    assert switch.state == "on"
    pm.write(CONTROL, 2, 0x2001)
    assert switch.state == "poweroff"
    assert not pm.read(CONTROL, 2) & 0x2000


def test_other_sleeps_do_not(pm, switch):
    pm.write(CONTROL, 2, 0x2000 | 1 << 10)
    assert switch.state == "on"
    assert pm.read(CONTROL, 2) == 1 << 10 | 1


def test_the_power_button_is_an_event(pm, wire):
    pm.press_power_button()
    assert not wire.level
    pm.write(ENABLE, 2, 0x0100)
    assert wire.level
    assert pm.read(STATUS, 2) == 0x0100
    pm.write(STATUS, 2, 0x0001)
    assert wire.level
    pm.write(STATUS, 2, 0x0100)
    assert not wire.level


def test_events_can_be_enabled_each_for_itself(pm):
    """acpi_enable_event reads back what it wrote."""
    for bit in (0x0001, 0x0020, 0x0100, 0x0200, 0x0400):
        pm.write(ENABLE, 2, bit)
        assert pm.read(ENABLE, 2) == bit
    pm.write(ENABLE, 2, 0xFFFF)
    pm.write(ENABLE + 1, 1, 0)
    assert pm.read(STATUS, 4) == 0x0021 << 16


def test_the_timer_interrupts_when_its_top_bit_changes(pm, time, wire):
    assert pm.deadline is None
    pm.write(ENABLE, 2, 1)
    assert pm.deadline == HALF_WRAP
    time.now = HALF_WRAP + 5
    assert pm.deadline == HALF_WRAP, "until somebody looks"
    pm.expire(time.now)
    assert wire.level
    assert pm.deadline is None
    assert pm.read(STATUS, 2) == 1
    pm.write(STATUS, 2, 1)
    assert not wire.level
    assert HALF_WRAP < pm.deadline <= 2 * HALF_WRAP


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([(at, size) for size in (1, 2, 4) for at in range(0, 12, size)]),
            st.integers(0, 0xFFFF_FFFF),
            st.integers(0, 10**10),
        )
    )
)
def test_nothing_a_guest_does_breaks_it(accesses):
    time, wire = Time(), Wire()
    pm = AcpiPm(time, wire, Switch())
    for write, (offset, size), value, wait in accesses:
        if write:
            pm.write(offset, size, value & (1 << 8 * size) - 1)
        assert 0 <= pm.read(offset, size) < 1 << 8 * size
        time.now += wait
        pm.expire(time.now)
        assert pm.deadline is None or pm.deadline > time.now
    assert pickle.loads(pickle.dumps(pm)).read(0, 4) == pm.read(0, 4)
