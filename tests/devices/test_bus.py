"""The bus: who answers where, and what floats."""

import pytest

from emukern.devices.bus import Bus
from emukern.errors import UsageError


class Bytes:
    """Eight registers that can be written, one byte wide."""

    width = 1

    def __init__(self):
        self.values = bytearray(range(8))

    def read(self, offset, size):
        assert size == 1
        return self.values[offset]

    def write(self, offset, size, value):
        assert size == 1
        self.values[offset] = value


class Words(Bytes):
    """The same in any width."""

    width = 8

    def read(self, offset, size):
        return int.from_bytes(self.values[offset : offset + size], "little")

    def write(self, offset, size, value):
        self.values[offset : offset + size] = value.to_bytes(size, "little")


@pytest.fixture
def bus():
    return Bus()


@pytest.mark.parametrize("size", [1, 2, 4])
def test_nobody_there_reads_all_ones_and_writes_vanish(bus, size):
    bus.write_port(0x378, size, 0x55)
    bus.write_mmio(0xFED0_0000, size, 0x55)
    assert bus.read_port(0x378, size) == bus.read_mmio(0xFED0_0000, size) == (1 << 8 * size) - 1


def test_a_device_sees_offsets_and_its_own_width(bus):
    narrow, wide = Bytes(), Words()
    bus.add_ports(0x3F8, 8, narrow, "narrow")
    bus.add_mmio(0x1000_0000, 8, wide, "wide")
    assert bus.read_port(0x3F9, 2) == 0x0201
    bus.write_port(0x3FC, 4, 0x44332211)
    assert narrow.values.hex() == "0001020311223344"
    assert bus.read_mmio(0x1000_0000, 8) == 0x0706050403020100
    bus.write_mmio(0x1000_0004, 2, 0x1BEEF)
    assert wide.values.hex() == "00010203efbe0607"


def test_a_narrow_device_behind_memory_addresses(bus):
    narrow = Bytes()
    bus.add_mmio(0x1000, 8, narrow, "narrow")
    assert bus.read_mmio(0x1002, 4) == 0x05040302
    bus.write_mmio(0x1000, 2, 0xBBAA)
    assert narrow.values[:2].hex() == "aabb"


def test_an_access_across_the_end_of_a_device_floats_there(bus):
    bus.add_ports(0x60, 1, Bytes(), "data")
    assert bus.read_port(0x60, 2) == 0xFF00
    assert bus.read_port(0x5F, 2) == 0x00FF
    bus.write_port(0x5F, 4, 0)
    assert bus.read_port(0xFFFF, 4) == 0xFFFF_FFFF


def test_a_range_may_begin_within_a_device(bus):
    device = Bytes()
    bus.add_ports(0x60, 1, device, "keyboard")
    bus.add_ports(0x64, 1, device, "keyboard", 4)
    assert (bus.read_port(0x60, 1), bus.read_port(0x64, 1)) == (0, 4)


def test_ranges_do_not_overlap(bus):
    bus.add_ports(0x60, 5, Bytes(), "first")
    with pytest.raises(UsageError, match="I/O port 0x64 cannot be given to second"):
        bus.add_ports(0x64, 1, Bytes(), "second")
    with pytest.raises(UsageError, match="0x10000"):
        bus.add_ports(0xFFFC, 8, Bytes(), "too far")
    bus.add_mmio(0x1000, 0x1000, Bytes(), "first")
    with pytest.raises(UsageError, match="0x1fff-0x2ffe cannot be given to second"):
        bus.add_mmio(0x1FFF, 0x1000, Bytes(), "second")
