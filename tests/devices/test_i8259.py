"""The interrupt controllers, initialised and served as Linux's i8259.c does."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.i8259 import Pics

MASTER_BASE, SLAVE_BASE = 0x30, 0x38


class Pair:
    """Controllers with the ports a PC has them at."""

    def __init__(self, auto_eoi=False):
        self.pics = Pics()
        for chip, base, icw3 in ((self.pics.master, MASTER_BASE, 4), (self.pics.slave, SLAVE_BASE, 2)):
            chip.write(1, 1, 0xFF)
            chip.write(0, 1, 0x11)
            for word in (base, icw3, 3 if auto_eoi else 1):
                chip.write(1, 1, word)
            chip.write(1, 1, 0)

    def mask(self, irqs):
        self.pics.master.write(1, 1, irqs & 0xFF)
        self.pics.slave.write(1, 1, irqs >> 8)

    def pulse(self, irq):
        self.pics.line(irq).set(True)
        self.pics.line(irq).set(False)

    def end(self, irq):
        """Specific end of interrupt."""
        if irq >= 8:
            self.pics.slave.write(0, 1, 0x60 + (irq & 7))
            irq = 2
        self.pics.master.write(0, 1, 0x60 + irq)

    def take(self):
        """The IRQ that the CPU gets now; None for none."""
        pending = self.pics.pending()
        if pending is None:
            return None
        assert self.pics.acknowledge() == pending
        return pending - MASTER_BASE


@pytest.fixture
def pair():
    return Pair()


def test_linux_finds_it_by_its_mask(pair):
    pair.pics.master.write(1, 1, 0xFB)
    assert pair.pics.master.read(1, 1) == 0xFB


@pytest.mark.parametrize("irq", [irq for irq in range(16) if irq != 2])
def test_each_line_has_its_vector(pair, irq):
    pair.pics.line(irq).set(True)
    assert pair.take() == irq
    assert pair.pics.pending() is None


def test_urgent_ones_interrupt_others_and_the_rest_waits(pair):
    pair.pulse(4)
    assert pair.take() == 4
    pair.pulse(5)
    assert pair.take() is None
    pair.pulse(1)
    assert pair.take() == 1
    pair.end(1)
    assert pair.take() is None
    pair.end(4)
    assert pair.take() == 5


def test_the_slave_comes_between_1_and_3(pair):
    for irq in (3, 12, 8, 0):
        pair.pulse(irq)
    order = []
    while (irq := pair.take()) is not None:
        order.append(irq)
        pair.end(irq)
    assert order == [0, 8, 12, 3]


def test_a_masked_interrupt_waits_for_its_mask(pair):
    pair.mask(0xFFFF & ~0x0004)
    pair.pulse(14)
    pair.pulse(4)
    assert pair.take() is None
    pair.mask(0xFFFF & ~0x4004)
    assert pair.take() == 14
    pair.end(14)
    pair.mask(0xFFFF & ~0x0010)
    assert pair.take() == 4


def test_an_edge_counts_once_and_a_level_as_long_as_it_lasts(pair):
    pair.pics.write(1, 1, 0x02)  # IRQ 9
    assert (pair.pics.read(0, 1), pair.pics.read(1, 1)) == (0, 0x02)
    for irq in (4, 9):
        pair.pics.line(irq).set(True)
    assert pair.take() == 9
    pair.end(9)
    assert pair.take() == 9
    pair.pics.line(9).set(False)
    pair.end(9)
    assert pair.take() == 4
    pair.end(4)
    assert pair.take() is None


def test_the_timer_and_keyboard_stay_edge_triggered(pair):
    pair.pics.write(0, 1, 0xFF)
    pair.pics.write(1, 1, 0xFF)
    assert (pair.pics.read(0, 1), pair.pics.read(1, 1)) == (0xF8, 0xDE)


def test_which_registers_are_read(pair):
    """As Linux tells a real interrupt from a spurious one."""
    pair.pulse(6)
    assert pair.pics.master.read(0, 1) == 1 << 6
    assert pair.take() == 6
    assert pair.pics.master.read(0, 1) == 0
    pair.pics.master.write(0, 1, 0x0B)
    assert pair.pics.master.read(0, 1) == 1 << 6
    pair.pics.master.write(0, 1, 0x0A)
    assert pair.pics.master.read(0, 1) == 0


def test_an_interrupt_that_went_away_is_number_seven(pair):
    pair.pics.write(1, 1, 0x02)
    pair.pics.line(9).set(True)
    pair.pics.master.write(1, 1, 0xFF)
    assert pair.pics.acknowledge() == MASTER_BASE + 7
    pair.pics.master.write(0, 1, 0x0B)
    assert pair.pics.master.read(0, 1) == 0, "nothing is being served"


def test_the_unspecific_end_is_the_most_urgent_ones(pair):
    pair.pulse(4)
    pair.take()
    pair.pulse(1)
    pair.take()
    pair.pics.master.write(0, 1, 0x20)
    pair.pics.master.write(0, 1, 0x0B)
    assert pair.pics.master.read(0, 1) == 1 << 4
    pair.pics.master.write(0, 1, 0x20)
    pair.pics.master.write(0, 1, 0x20)
    assert pair.pics.master.read(0, 1) == 0


def test_automatic_end_of_interrupt():
    pair = Pair(auto_eoi=True)
    for irq in (10, 11, 1):
        pair.pulse(irq)
    assert [pair.take() for _ in range(4)] == [1, 10, 11, None]


@given(st.lists(st.integers(0, 15).filter(lambda irq: irq != 2)), st.integers(0, 0xFFFF).map(lambda mask: mask & ~4))
def test_every_unmasked_edge_is_served_in_order_of_urgency(irqs, mask):
    pair = Pair()
    pair.mask(mask)
    for irq in irqs:
        pair.pulse(irq)
    served = []
    while (irq := pair.take()) is not None:
        served.append(irq)
        pair.end(irq)
    urgency = [0, 1, *range(8, 16), *range(3, 8)]
    assert served == [irq for irq in urgency if irq in irqs and not mask >> irq & 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 255))))
def test_nothing_a_guest_does_breaks_it(accesses):
    pics = Pics()
    for port, write, value in accesses:
        device = (pics.master, pics.slave, pics)[port >> 1]
        if write:
            device.write(port & 1, 1, value)
        else:
            assert 0 <= device.read(port & 1, 1) <= 255
        pics.line(value % 16).set(write)
        if pics.pending() is not None:
            assert pics.pending() == pics.acknowledge()
    assert pickle.loads(pickle.dumps(pics)).pending() == pics.pending()
