"""The chip set of the board: Intel 440FX, PIIX3 and the power management of the PIIX4, as firmware leaves them.

Intel 82441FX, 82371SB and 82371AB data sheets; the values are those of QEMU's pc board after SeaBIOS.
"""

from __future__ import annotations

from emukern.devices.pci import Function

SUBSYSTEM = 0x1100_1AF4  # what the board's maker writes into each function
SCI = 9
PM_BASE, SMBUS_BASE, BUS_MASTER_BASE = 0x600, 0x700, 0xC000
CHANNELS = ((0x1F0, 0x3F6), (0x170, 0x376))  # command and control ports of the two IDE channels
IDE_PORTS, BUS_MASTER_PORTS, SMBUS_PORTS = 8, 16, 16
HOST_STATUS, HOST_CONTROL, START, DEVICE_ERROR = 0, 2, 0x40, 0x04  # of the SMBus host


def functions() -> dict[int, Function]:
    """What sits on the PCI bus, by device * 8 + function."""
    host = {0x00: 0x1237_8086, 0x04: 0x0000_0103, 0x08: 0x0600_0002, 0x2C: SUBSYSTEM}
    memory_attributes = {0x58: 0x1111_1000, 0x5C: 0x3311_1111, 0x70: 0x000A_0000}
    isa = {0x00: 0x7000_8086, 0x04: 0x0200_0103, 0x08: 0x0601_0000, 0x0C: 0x0080_0000, 0x2C: SUBSYSTEM}
    routes = {0x4C: 0x0003_004D, 0x60: 0x0B0B_0A0A, 0x68: 0x0000_0200, 0x70: 0x0000_0080, 0x74: 0x0C0C_0000}
    ide = {0x00: 0x7010_8086, 0x04: 0x0280_0103, 0x08: 0x0101_8000, 0x2C: SUBSYSTEM, 0x40: 0x8000_8000}
    power = {0x00: 0x7113_8086, 0x04: 0x0280_0103, 0x08: 0x0680_0003, 0x2C: SUBSYSTEM, 0x3C: 0x0100 | SCI}
    bases = {0x40: PM_BASE | 1, 0x80: 0x0000_0001, 0x90: SMBUS_BASE | 1, 0xD0: 0x0009_0000}
    return {
        0x00: Function(host | memory_attributes),
        0x08: Function(isa | routes | {0x78: 0x0000_0002, 0xA0: 0x0000_0008, 0xA8: 0x0000_000F}),
        0x09: Function(ide, {4: (BUS_MASTER_BASE, BUS_MASTER_PORTS)}),
        0x0B: Function(power | bases),
    }


class EmptyChannel:
    """An IDE channel without drives: its status, and everything else, reads 0, so nobody waits for a drive."""

    width = 4

    def read(self, offset: int, size: int) -> int:
        """Nothing drives the lines, and they are pulled down."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Nobody listens."""


class BusMaster:
    """The IDE controller's two DMA engines, which have nothing to do. 8 ports each: command, status, table address."""

    width = 1

    def __init__(self) -> None:
        self._registers = bytearray(BUS_MASTER_PORTS)

    def read(self, offset: int, size: int) -> int:
        """A byte; there is nothing at 1 and 3."""
        return 0xFF if offset & 7 in (1, 3) else self._registers[offset]

    def write(self, offset: int, size: int, value: int) -> None:
        """Commands keep their direction and never start; of the status, two bits say which drives can do DMA."""
        masks = (0x08, 0, 0x60, 0, 0xFC, 0xFF, 0xFF, 0xFF)
        self._registers[offset] = value & masks[offset & 7]


class SmBus:
    """The PIIX4's SMBus host, on a bus without devices: every transfer ends with "nobody answered"."""

    width = 1

    def __init__(self) -> None:
        self._registers = bytearray(SMBUS_PORTS)

    def read(self, offset: int, size: int) -> int:
        """A register."""
        return self._registers[offset]

    def write(self, offset: int, size: int, value: int) -> None:
        """Ones clear the status; START fails at once."""
        if offset == HOST_STATUS:
            self._registers[HOST_STATUS] &= ~value
            return
        self._registers[offset] = value
        if offset == HOST_CONTROL and value & START:
            self._registers[HOST_CONTROL] = value & ~START
            self._registers[HOST_STATUS] |= DEVICE_ERROR
