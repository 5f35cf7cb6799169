"""The serial port, probed and used in the order in which Linux's 8250 driver does."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.uart16550 import TIMEOUT_NS, Uart16550
from tests.devices.board import Screen, Time, Wire

RX = TX = 0
IER, IIR, LCR, MCR, LSR, MSR, SCR = range(1, 8)
FCR = IIR
NONE, THRE, RDA, TIMEOUT, STATUS = 0x01, 0x02, 0x04, 0x0C, 0x06


class Port:
    """A port whose registers are items."""

    def __init__(self):
        self.time, self.screen, self.wire = Time(), Screen(), Wire()
        self.uart = Uart16550(self.time, self.screen, self.wire)

    def __getitem__(self, register):
        return self.uart.read(register, 1)

    def __setitem__(self, register, value):
        self.uart.write(register, 1, value)


@pytest.fixture
def port():
    return Port()


def test_autoconfig_finds_a_16550a(port):
    port[IER] = 0
    assert port[IER] & 0x0F == 0
    port[IER] = 0x0F
    assert port[IER] == 0x0F
    port[IER] = 0
    port[MCR] = 0x10 | 0x0A
    assert port[MSR] & 0xF0 == 0x90
    port[MCR] = 0
    port[LCR] = 0xBF
    port[2] = 0
    port[LCR] = 0
    port[FCR] = 1
    assert port[IIR] >> 6 == 3
    port[LCR] = 0x80
    assert port[2] != 0, "not a 16650 with an EFR at this place"
    port[LCR] = 0xE0
    assert not (port[2] ^ port[MCR]) & 0x10, "no National Semiconductor Super I/O"
    port[LCR] = 0
    port[IER] = 0x40
    assert not port[IER] & 0x40, "no XScale"
    port[SCR] = 0x5A
    assert port[SCR] == 0x5A


def test_the_fifo_holds_sixteen(port):
    port[FCR] = 7
    port[MCR] = 0x10
    port[LCR] = 0x80
    port[0], port[1] = 1, 0
    assert (port[0], port[1]) == (1, 0)
    port[LCR] = 3
    for value in range(256):
        port[TX] = value
    received = []
    while port[LSR] & 1:
        received.append(port[RX])
    assert received == list(range(16))
    assert port.screen.text == b"", "what loops back does not leave"


def test_overrun_is_told_once(port):
    port[MCR] = 0x10
    port[IER] = 4
    port[TX] = port[TX] = 0x41
    assert port[IIR] == STATUS
    assert port.wire.level
    assert port[LSR] & 2
    assert not port[LSR] & 2
    assert not port.wire.level


def test_characters_are_sent_at_once(port):
    for byte in b"hello":
        assert port[LSR] & 0x60 == 0x60
        port[TX] = byte
    assert port.screen.text == b"hello"


def test_enabling_the_transmitter_interrupt_interrupts_every_time(port):
    """Linux tests for chips that do not (UART_BUG_THRE, UART_BUG_TXEN)."""
    for _ in range(2):
        port[IER] = 2
        assert port.wire.level
        assert port[IIR] & 0x0F == THRE
        assert port[IIR] & 0x0F == NONE
        assert not port.wire.level
        port[IER] = 0


def test_sending_makes_an_edge(port):
    class Edges(Wire):
        rises = 0

        def set(self, level):
            self.rises += level and not self.level
            self.level = level

    port.uart._irq = edges = Edges()
    port[IER] = 2
    port[TX] = port[TX] = 0x41
    assert edges.rises == 3


def test_received_characters_interrupt_at_the_trigger_level(port):
    port[FCR] = 0x80 | 1  # 8 characters
    port[IER] = 1
    port.uart.receive(b"1234567")
    assert not port.wire.level
    port.uart.receive(b"8")
    assert port.wire.level
    assert port[IIR] == 0xC0 | RDA
    assert bytes(port[RX] for _ in range(8)) == b"12345678"
    assert not port.wire.level
    assert port[RX] == 0


def test_fewer_characters_interrupt_after_a_while(port):
    port[FCR] = 0xC0 | 1
    port[IER] = 1
    port.time.now = 1000
    port.uart.receive(b"x")
    assert port.uart.deadline == 1000 + TIMEOUT_NS
    port.uart.expire(999 + TIMEOUT_NS)
    assert not port.wire.level
    port.uart.expire(1000 + TIMEOUT_NS)
    assert port[IIR] == 0xC0 | TIMEOUT
    assert port[RX] == ord("x")
    assert port[IIR] == 0xC0 | NONE
    assert (port.wire.level, port.uart.deadline) == (False, None)


def test_more_than_the_fifo_waits_on_the_line(port):
    port[FCR] = 1
    typed = bytes(range(100))
    port.uart.receive(typed)
    read = bytearray()
    while port[LSR] & 1:
        read.append(port[RX])
    assert read == typed


def test_clearing_the_fifo_forgets_what_it_holds(port):
    port[FCR] = 1
    port.uart.receive(b"abc")
    port[FCR] = 3
    assert not port[LSR] & 1
    assert port.uart.deadline is None


@given(st.lists(st.one_of(st.binary(max_size=20), st.tuples(st.integers(0, 7), st.none() | st.integers(0, 255)))))
def test_nothing_a_guest_does_breaks_it(accesses):
    port = Port()
    for access in accesses:
        if isinstance(access, bytes):
            port.uart.receive(access)
        elif access[1] is None:
            assert 0 <= port[access[0]] <= 255
        else:
            port[access[0]] = access[1]
        if port.uart.deadline is not None:
            port.time.now = max(port.time.now, port.uart.deadline - 1)
            port.uart.expire(port.time.now)
    assert port[IIR] & 0xF in (NONE, THRE, RDA, TIMEOUT, STATUS)
    assert vars(pickle.loads(pickle.dumps(port.uart))).keys() == vars(port.uart).keys()
