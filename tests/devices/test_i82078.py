"""The floppy controller without drives, asked what Linux's floppy driver asks."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.i82078 import FIFO, I82078, INPUT, MAIN_STATUS, OUTPUT
from tests.devices.board import Wire


class Controller:
    """The controller with the driver's output_byte and result."""

    def __init__(self):
        self.irq = Wire()
        self.chip = I82078(self.irq)

    def put(self, *data):
        for byte in data:
            assert self.chip.read(MAIN_STATUS, 1) & 0xC0 == 0x80
            self.chip.write(FIFO, 1, byte)

    def result(self):
        data = bytearray()
        while self.chip.read(MAIN_STATUS, 1) & 0xD0 == 0xD0:
            data.append(self.chip.read(FIFO, 1))
        assert self.chip.read(MAIN_STATUS, 1) == 0x80
        return bytes(data)

    def reset(self):
        self.chip.write(OUTPUT, 1, 0x08)
        self.chip.write(OUTPUT, 1, 0x0C)


@pytest.fixture
def controller():
    controller = Controller()
    controller.reset()
    return controller


def test_a_reset_interrupts_and_four_drives_have_changed(controller):
    assert controller.irq.level
    for drive in range(4):
        controller.put(0x08)
        assert controller.result() == bytes((0xC0 | drive, 0))
        assert not controller.irq.level
    controller.put(0x08)
    assert controller.result() == b"\x80"


def test_the_driver_finds_an_82078(controller):
    """get_fdc_version."""
    controller.put(0x0E)
    assert len(controller.result()) == 10
    controller.put(0x13, 0, 0x1A, 0)
    controller.put(0x12)
    assert controller.chip.read(MAIN_STATUS, 1) & 0xC0 == 0x80, "it wants more"
    controller.put(0)
    controller.put(0x14)
    assert controller.result() == b"\0"
    controller.put(0x18)
    assert controller.result()[0] >> 5 == 2, "S82078B"
    controller.put(0x10)
    assert controller.result() == b"\x90"


def test_what_was_set_is_told_and_can_be_locked(controller):
    controller.put(0x03, 0xDF, 0x02)
    controller.put(0x13, 0, 0x57, 0x10)
    controller.put(0x94)
    assert controller.result() == b"\x10"
    controller.reset()
    controller.put(0x0E)
    assert controller.result() == bytes((0, 0, 0, 0, 0xDF, 0x02, 0, 0x80, 0x57, 0x10))


def test_no_drive_finds_track_0(controller):
    controller.put(0x07, 1)
    assert controller.irq.level
    controller.put(0x08)
    assert controller.result() == bytes((0x71, 0))
    controller.put(0x0F, 1, 20)
    controller.put(0x08)
    assert controller.result() == bytes((0x21, 0))


def test_nothing_can_be_read(controller):
    controller.put(0xE6, 0, 0, 0, 1, 2, 18, 27, 255)
    assert controller.irq.level
    assert controller.result() == bytes((0x40, 0x01, 0, 0, 0, 0, 0))
    assert not controller.irq.level
    controller.put(0x4A, 0)
    assert len(controller.result()) == 7
    controller.put(0x04, 1)
    assert controller.result() == b"\x01"


def test_unknown_commands_are_invalid(controller):
    controller.put(0x1F)
    assert controller.result() == b"\x80"


def test_held_in_reset_it_says_nothing(controller):
    controller.chip.write(OUTPUT, 1, 0x08)
    assert controller.chip.read(MAIN_STATUS, 1) == 0
    assert not controller.irq.level
    controller.chip.write(FIFO, 1, 0x18)
    controller.chip.write(OUTPUT, 1, 0x04)
    assert not controller.irq.level, "interrupts are gated off"


def test_the_other_registers(controller):
    controller.chip.write(2, 1, 0xFF)
    controller.chip.write(MAIN_STATUS, 1, 0x80)
    controller.chip.write(INPUT, 1, 1)
    assert [controller.chip.read(offset, 1) for offset in (0, 1, 2, INPUT)] == [0xC0, 0x0C, 3, 0]


@given(st.lists(st.tuples(st.integers(0, 6), st.none() | st.integers(0, 255))))
def test_nothing_a_guest_does_breaks_it(accesses):
    controller = Controller()
    for offset, value in accesses:
        if value is None:
            assert 0 <= controller.chip.read(offset, 1) <= 255
        else:
            controller.chip.write(offset, 1, value)
    assert pickle.loads(pickle.dumps(controller.chip)).read(MAIN_STATUS, 1) == controller.chip.read(MAIN_STATUS, 1)
