"""PCI configuration space by mechanism #1 (PCI Local Bus Specification 2.1, 3.2.2.3.2 and chapter 6): one bus.

Address ranges stay where firmware has put them: what a guest writes into a base address register can be read back, but
moves nothing. No function here interrupts by a pin of its own or masters the bus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ADDRESS, PORTS = 0xCF8, 8
ENABLE = 0x8000_0000
RESET_CONTROL = 1  # port 0xCF9, where the PIIX has it
RESET_CPU, RESET_KIND = 4, 2
COMMAND, CACHE_LINE, BAR0, INTERRUPT_LINE, OWN = 0x04, 0x0C, 0x10, 0x3C, 0x40
COMMAND_WRITABLE = 0x0547  # I/O, memory, bus master, parity, SERR, INTx disable
SIZE = 256


class Function:
    """One function: 256 bytes, and which of their bits can be written.

    `words` are the 32-bit registers that are not 0; `io_ranges` the base address registers by number, as (ports'
    address, count). All registers from 0x40 on are the device's own and can be written.
    """

    def __init__(self, words: Mapping[int, int], io_ranges: Mapping[int, tuple[int, int]] | None = None) -> None:
        self._space = bytearray(SIZE)
        self._writable = bytearray(OWN) + b"\xff" * (SIZE - OWN)
        self._writable[COMMAND : COMMAND + 2] = COMMAND_WRITABLE.to_bytes(2, "little")
        self._writable[CACHE_LINE] = self._writable[INTERRUPT_LINE] = 0xFF
        for offset, word in words.items():
            self._space[offset : offset + 4] = word.to_bytes(4, "little")
        for number, (address, count) in (io_ranges or {}).items():
            at = BAR0 + 4 * number
            self._space[at : at + 4] = (address | 1).to_bytes(4, "little")
            self._writable[at : at + 4] = (0x1_0000_0000 - count).to_bytes(4, "little")

    def read(self, offset: int, size: int) -> int:
        """A register."""
        return int.from_bytes(self._space[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """A register, as far as it can be written."""
        mask = int.from_bytes(self._writable[offset : offset + size], "little")
        new = self.read(offset, size) & ~mask | value & mask
        self._space[offset : offset + size] = new.to_bytes(size, "little")


class ConfigPorts:
    """Ports 0xCF8-0xCFF: which register, and its value; and the reset control register between them.

    `functions` by number: device * 8 + function.
    """

    width = 4

    def __init__(self, functions: Mapping[int, Function], power: Any) -> None:
        self._functions = functions
        self._power = power
        self._address = 0
        self._reset = 0

    def _selected(self) -> Function | None:
        if not self._address & ENABLE or self._address >> 16 & 0xFF:
            return None
        return self._functions.get(self._address >> 8 & 0xFF)

    def read(self, offset: int, size: int) -> int:
        """The address register is a double word; the data may be read in any size, all ones if nobody is there."""
        if offset >= 4:
            function = self._selected()
            if function is None:
                return (1 << 8 * size) - 1
            return function.read(self._address & 0xFC | offset & 3, size)
        if size == 4:
            return self._address
        return self._reset if offset == RESET_CONTROL and size == 1 else (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Narrow writes to the address register go by it, but for the byte that resets the machine."""
        if offset >= 4:
            function = self._selected()
            if function is not None:
                function.write(self._address & 0xFC | offset & 3, size, value)
        elif size == 4:
            self._address = value & 0x80FF_FFFC
        elif offset == RESET_CONTROL and size == 1:
            self._reset = value & RESET_KIND
            if value & RESET_CPU:
                self._power.reset()
