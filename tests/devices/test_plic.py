"""The interrupt controller of the riscv64 board."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.plic import SIZE, Plic, Wire

ENABLE, THRESHOLD, CLAIM = 0x2080, 0x20_1000, 0x20_1004  # of the supervisor's context


@pytest.fixture
def plic():
    """Sources 10 and 11 are enabled, at priority 1."""
    controller = Plic()
    controller.write(ENABLE, 4, 3 << 10)
    for source in (10, 11):
        controller.write(4 * source, 4, 1)
    return controller


def test_claim_and_complete(plic):
    wire = Wire(plic, 10)
    wire.set(True)
    assert plic.external
    assert plic.read(0x1000, 4) == 1 << 10
    assert plic.read(CLAIM, 4) == 10
    assert not plic.external
    assert plic.read(CLAIM, 4) == 0
    wire.set(False)
    plic.write(CLAIM, 4, 10)
    assert not plic.external


def test_a_wire_still_high_asks_again(plic):
    plic.set(10, True)
    plic.read(CLAIM, 4)
    plic.write(CLAIM, 4, 10)
    assert plic.external


def test_a_wire_that_drops_is_forgotten(plic):
    plic.set(10, True)
    plic.set(10, False)
    assert not plic.external


def test_the_highest_priority_then_the_lowest_number_comes_first(plic):
    plic.set(10, True)
    plic.set(11, True)
    assert plic.read(CLAIM, 4) == 10
    plic.write(CLAIM, 4, 10)
    plic.write(4 * 11, 4, 2)
    assert [plic.read(CLAIM, 4), plic.read(CLAIM, 4)] == [11, 10]


def test_a_threshold_masks_its_own_priority_too(plic):
    plic.set(10, True)
    plic.write(THRESHOLD, 4, 1)
    assert not plic.external
    plic.write(4 * 10, 4, 2)
    assert plic.external


def test_priority_zero_and_disabled_sources_never_interrupt(plic):
    plic.set(10, True)
    plic.write(40, 4, 0)
    assert not plic.external
    plic.write(40, 4, 7)
    plic.write(ENABLE, 4, 0)
    assert not plic.external
    plic.set(12, True)
    assert not plic.external


def test_the_machine_context_is_another(plic):
    plic.set(10, True)
    plic.write(0x2000, 4, 1 << 10)
    plic.write(ENABLE, 4, 0)
    assert not plic.external
    assert plic.read(0x20_0004, 4) == 10


def test_registers_hold_what_exists(plic):
    plic.write(0, 4, 7)
    plic.write(4 * 97, 4, 7)
    assert (plic.read(0, 4), plic.read(4 * 97, 4)) == (0, 0)
    plic.write(ENABLE + 12, 4, 0xFFFF_FFFF)
    assert plic.read(ENABLE + 12, 4) == 1, "source 96 is the last"
    plic.write(ENABLE, 4, 0xFFFF_FFFF)
    assert plic.read(ENABLE, 4) == 0xFFFF_FFFE, "source 0 does not exist"
    plic.write(4 * 10, 4, 0xFF)
    assert plic.read(4 * 10, 4) == 7


@given(st.lists(st.tuples(st.booleans(), st.integers(0, SIZE // 4 - 1), st.integers(0, 0xFFFF_FFFF)), max_size=12))
def test_nothing_a_guest_does_breaks_it(accesses):
    controller = Plic()
    controller.set(1, True)
    for write, register, value in accesses:
        if write:
            controller.write(4 * register, 4, value)
        else:
            assert 0 <= controller.read(4 * register, 4) <= 0xFFFF_FFFF
    copy = pickle.loads(pickle.dumps(controller))
    assert vars(copy) == vars(controller)
