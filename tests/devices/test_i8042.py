"""Keyboard controller, keyboard and mouse, in the order in which Linux's i8042, atkbd and psmouse ask them."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.i8042 import I8042, Port92
from tests.devices.board import Switch, Wire

DATA, COMMAND = 0, 4
FULL, FROM_MOUSE = 0x01, 0x20


class Controller:
    """The controller with the helpers that drivers have."""

    def __init__(self):
        self.keyboard_irq, self.mouse_irq, self.switch = Wire(), Wire(), Switch()
        self.chip = I8042(self.keyboard_irq, self.mouse_irq, self.switch)

    @property
    def status(self):
        return self.chip.read(COMMAND, 1)

    def take(self):
        """What can be read now: (byte, whether it is the mouse's) …"""
        taken = []
        while (status := self.status) & FULL:
            taken.append((self.chip.read(DATA, 1), bool(status & FROM_MOUSE)))
        return taken

    def command(self, command, *parameter):
        self.chip.write(COMMAND, 1, command)
        for byte in parameter:
            self.chip.write(DATA, 1, byte)
        return [byte for byte, _ in self.take()]

    def keyboard(self, *data):
        for byte in data:
            self.chip.write(DATA, 1, byte)
        taken = self.take()
        assert not any(mouse for _, mouse in taken)
        return bytes(byte for byte, _ in taken)

    def mouse(self, *data):
        for byte in data:
            self.chip.write(COMMAND, 1, 0xD4)
            self.chip.write(DATA, 1, byte)
        taken = self.take()
        assert all(mouse for _, mouse in taken)
        return bytes(byte for byte, _ in taken)


@pytest.fixture
def controller():
    return Controller()


@pytest.fixture
def ready(controller):
    """As the driver leaves it: both ports on, both interrupts on, translation on."""
    controller.command(0x60, 0x47)
    return controller


def test_nothing_waits_at_reset(controller):
    assert controller.take() == []
    assert controller.status & 0x10, "no key lock"


def test_self_tests(controller):
    assert controller.command(0xAA) == [0x55]
    assert controller.command(0xAB) == [0]
    assert controller.command(0xA9) == [0]


def test_the_command_byte(controller):
    assert controller.command(0x20)[0] & 0x40, "firmware has switched translation on"
    controller.command(0x60, 0x74)
    assert controller.command(0x20) == [0x74]


def test_there_is_a_mouse_port(controller):
    """i8042_check_aux: loop back, the disable bit, and delivery of interrupt 12."""
    controller.command(0x60, 0x74)
    controller.chip.write(COMMAND, 1, 0xD3)
    controller.chip.write(DATA, 1, 0x5A)
    assert controller.take() == [(0x5A, True)]
    controller.command(0xA8)
    assert not controller.command(0x20)[0] & 0x20
    controller.command(0xA7)
    assert controller.command(0x20)[0] & 0x20
    controller.command(0x60, 0x56)
    controller.chip.write(COMMAND, 1, 0xD3)
    controller.chip.write(DATA, 1, 0xA5)
    assert controller.mouse_irq.level
    assert not controller.keyboard_irq.level
    assert controller.take() == [(0xA5, True)]
    assert not controller.mouse_irq.level


def test_no_multiplexer(controller):
    """i8042_set_mux_mode: a multiplexing controller would answer the third with its version."""
    for byte in (0xF0, 0x56, 0xA4):
        assert controller.command(0xD3, byte) == [byte]


def test_the_keyboard_is_an_at_keyboard(ready):
    assert ready.keyboard(0xF2) == bytes((0xFA, 0xAB, 0x41)), "0x83, translated"
    ready.command(0x60, 0x07)
    assert ready.keyboard(0xF2) == bytes((0xFA, 0xAB, 0x83))
    assert ready.keyboard(0xFF) == bytes((0xFA, 0xAA))
    assert ready.keyboard(0xEE) == b"\xee"


def test_the_keyboard_takes_what_atkbd_sets(ready):
    assert ready.keyboard(0xED, 0x07) == b"\xfa\xfa"
    assert ready.chip.keyboard.leds == 7
    assert ready.keyboard(0xF3, 0x00) == b"\xfa\xfa"
    assert ready.keyboard(0xF5) == b"\xfa"
    assert ready.chip.keyboard.leds == 0
    assert ready.keyboard(0xF4) == b"\xfa"
    assert ready.keyboard(0xF0, 0x00) == b"\xfa\xfa\x02"
    assert ready.keyboard(0xF0, 0x03, 0xF0, 0x00) == b"\xfa\xfa\xfa\xfa\x03"
    assert ready.keyboard(0xF0, 0x07) == b"\xfa\xfe"
    assert ready.keyboard(0xEA) == b"\xfe", "no such command"


def test_each_byte_interrupts(ready):
    ready.chip.write(DATA, 1, 0xF2)
    for byte in (0xFA, 0xAB, 0x41):
        assert ready.keyboard_irq.level
        assert not ready.mouse_irq.level
        assert ready.chip.read(DATA, 1) == byte
    assert not ready.keyboard_irq.level
    assert ready.chip.read(DATA, 1) == 0x41, "the last byte stays"


def test_a_disabled_port_holds_its_bytes_back(controller):
    controller.command(0x60, 0x44)
    controller.chip.write(DATA, 1, 0xFF)
    controller.chip.write(COMMAND, 1, 0xAD)
    controller.chip._send(b"\x1e", False)
    assert controller.keyboard_irq.level is False
    assert [byte for byte, _ in controller.take()] == [0xFA, 0xAA]
    controller.command(0x60, 0x45)
    assert controller.take() == []
    controller.chip.write(COMMAND, 1, 0xAE)
    assert controller.take() == []


def test_a_port_that_is_switched_on_again_says_what_it_held(controller):
    controller.command(0x60, 0x75)
    controller.chip._send(b"\x1e", False)
    controller.chip._send(b"\x08", True)
    assert controller.take() == []
    controller.chip.write(COMMAND, 1, 0xA8)
    assert controller.take() == [(0x08, True)]
    controller.chip.write(COMMAND, 1, 0xAE)
    assert controller.take() == [(0x1E, False)]


def test_a_plain_mouse(ready):
    assert ready.mouse(0xFF) == bytes((0xFA, 0xAA, 0x00))
    assert ready.mouse(0xF2) == bytes((0xFA, 0x00))
    assert ready.mouse(0xE9) == bytes((0xFA, 0x00, 0x02, 100))
    assert ready.mouse(0xF3, 40, 0xE8, 1, 0xE7, 0xF4, 0xE9)[-3:] == bytes((0x30, 1, 40))
    assert ready.mouse(0xF6, 0xE9)[-3:] == bytes((0, 2, 100))
    assert ready.mouse(0xEB) == bytes((0xFA, 0x08, 0, 0))
    assert ready.mouse(0xEE, 0x42, 0xEC) == bytes((0xFA, 0x42, 0xFA))
    assert ready.mouse(0x42) == b"\xfe"


@pytest.mark.parametrize(("rates", "identity"), [((200, 100, 80), 3), ((200, 200, 80), 4), ((200, 80, 100), 0)])
def test_knocking_makes_it_a_wheel_mouse(ready, rates, identity):
    """intellimouse_detect and im_explorer_detect."""
    for rate in rates:
        assert ready.mouse(0xF3, rate) == b"\xfa\xfa"
    assert ready.mouse(0xF2) == bytes((0xFA, identity))
    assert ready.mouse(0xEB) == bytes((0xFA, 0x08, 0, 0)) + (b"\0" if identity else b"")
    assert ready.mouse(0xFF, 0xF2)[-1] == 0


def test_ways_to_reset(controller):
    controller.command(0xFE)
    assert controller.switch.state == "reset"
    controller.switch.state = "on"
    controller.command(0xF1)
    controller.command(0xD1, 0xDF)
    assert controller.switch.state == "on"
    controller.command(0xD1, 0xDE)
    assert controller.switch.state == "reset"
    switch = Switch()
    fast = Port92(switch)
    fast.write(0, 1, 0)
    assert (fast.read(0, 1), switch.state) == (0, "on")
    fast.write(0, 1, 1)
    assert switch.state == "reset"


@given(st.lists(st.tuples(st.sampled_from([DATA, COMMAND]), st.none() | st.integers(0, 255)), max_size=300))
def test_nothing_a_guest_does_breaks_it(accesses):
    controller = Controller()
    for offset, value in accesses:
        if value is None:
            assert 0 <= controller.chip.read(offset, 1) <= 255
        else:
            controller.chip.write(offset, 1, value)
    restored = pickle.loads(pickle.dumps(controller.chip))
    assert restored.read(COMMAND, 1) == controller.status
    assert len(controller.take()) <= 2 * 64
