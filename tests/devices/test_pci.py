"""Configuration space by mechanism #1 and the chip set behind it, probed as Linux does."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices import piix
from emukern.devices.pci import ConfigPorts
from tests.devices.board import Switch

ENABLE = 0x8000_0000
WINDOWS = [(at, size) for size in (1, 2, 4) for at in range(0, 8, size)]
HOST, ISA, IDE, POWER = 0x00, 0x08, 0x09, 0x0B


class Config:
    """The ports, and reads and writes the way pci_conf1_read and _write make them."""

    def __init__(self):
        self.switch = Switch()
        self.functions = piix.functions()
        self.ports = ConfigPorts(self.functions, self.switch)

    def address(self, function, register, bus=0):
        self.ports.write(0, 4, ENABLE | bus << 16 | function << 8 | register & 0xFC)
        return 4 + (register & 3)

    def read(self, function, register, size=4, bus=0):
        return self.ports.read(self.address(function, register, bus), size)

    def write(self, function, register, size, value):
        self.ports.write(self.address(function, register), size, value)


@pytest.fixture
def config():
    return Config()


def test_linux_finds_mechanism_1(config):
    config.ports.write(3, 1, 1)
    kept = config.ports.read(0, 4)
    config.ports.write(0, 4, ENABLE)
    assert config.ports.read(0, 4) == ENABLE
    config.ports.write(0, 4, kept)
    assert config.ports.read(0, 4) == kept
    assert config.read(HOST, 0x0A, 2) == 0x0600


def test_who_is_there(config):
    found = {n: config.read(n, 0) for n in range(256) if config.read(n, 0) != 0xFFFF_FFFF}
    assert found == {HOST: 0x1237_8086, ISA: 0x7000_8086, IDE: 0x7010_8086, POWER: 0x7113_8086}
    assert config.read(HOST, 0, bus=1) == 0xFFFF_FFFF
    assert config.read(ISA, 0x0E, 1) == 0x80, "several functions"
    assert config.read(POWER, 0x3C, 2) == 0x0109, "pin A, IRQ 9"


def test_nothing_answers_without_the_enable_bit(config):
    config.ports.write(0, 4, 0)
    assert config.ports.read(4, 4) == 0xFFFF_FFFF
    config.ports.write(4, 4, 0)
    assert config.read(HOST, 0) == 0x1237_8086


def test_a_base_address_tells_its_size(config):
    assert config.read(IDE, 0x20) == 0xC001
    config.write(IDE, 0x20, 4, 0xFFFF_FFFF)
    assert config.read(IDE, 0x20) == 0xFFFF_FFF1
    config.write(IDE, 0x20, 4, 0xC001)
    assert config.read(IDE, 0x20) == 0xC001
    for register in (0x10, 0x14, 0x18, 0x1C, 0x24, 0x30):
        config.write(IDE, register, 4, 0xFFFF_FFFF)
        assert config.read(IDE, register) == 0


def test_identity_cannot_be_written_and_the_command_can(config):
    for register in (0, 8, 0x0E, 0x2C):
        before = config.read(ISA, register & 0xFC)
        config.write(ISA, register, 1, ~before & 0xFF)
        assert config.read(ISA, register & 0xFC) == before
    config.write(IDE, 4, 2, 0x0005)
    assert config.read(IDE, 4, 2) == 0x0005
    config.write(IDE, 0x40, 2, 0xA307)
    assert config.read(IDE, 0x40, 2) == 0xA307


def test_where_the_smbus_is(config):
    """As i2c-piix4 and Linux's quirks find it."""
    assert config.read(POWER, 0x90, 2) & 0xFFF0 == 0x700
    assert config.read(POWER, 0xD2, 1) & 1
    assert config.read(POWER, 0xD6, 1) == 0
    assert config.read(POWER, 0x40) == 0x601


def test_port_cf9_resets(config):
    config.ports.write(1, 1, 0x02)
    assert config.ports.read(1, 1) == 0x02
    assert config.switch.state == "on"
    config.ports.write(1, 1, 0x06)
    assert config.switch.state == "reset"
    assert config.ports.read(0, 4) == 0, "the address register was not meant"


def test_an_empty_ide_channel(config):
    """libata writes two patterns and looks whether they stay."""
    channel = piix.EmptyChannel()
    for value in (0x55, 0xAA):
        channel.write(2, 1, value)
        channel.write(3, 1, ~value & 0xFF)
        assert (channel.read(2, 1), channel.read(3, 1)) == (0, 0)
    assert (channel.read(7, 1), channel.read(0, 2)) == (0, 0)


def test_the_bus_master_never_starts():
    master = piix.BusMaster()
    master.write(0, 1, 0x09)
    master.write(2, 1, 0xFF)
    assert (master.read(0, 1), master.read(1, 1), master.read(2, 1)) == (0x08, 0xFF, 0x60)
    master.write(12, 1, 0xFF)
    assert master.read(12, 1) == 0xFC


def test_nobody_answers_on_the_smbus():
    """piix4_transaction."""
    bus = piix.SmBus()
    bus.write(4, 1, 0x50 << 1 | 1)
    bus.write(2, 1, 0x08)
    assert bus.read(0, 1) == 0
    bus.write(2, 1, bus.read(2, 1) | 0x40)
    assert bus.read(2, 1) == 0x08, "START does not stay"
    assert bus.read(0, 1) == 0x04
    bus.write(0, 1, 0x04)
    assert bus.read(0, 1) == 0


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(WINDOWS), st.integers(0))))
def test_nothing_a_guest_does_breaks_it(accesses):
    config = Config()
    for write, (offset, size), value in accesses:
        if write:
            config.ports.write(offset, size, value & (1 << 8 * size) - 1)
        assert 0 <= config.ports.read(offset, size) < 1 << 8 * size
    pickle.dumps(config.ports)
