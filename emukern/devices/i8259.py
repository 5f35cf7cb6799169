"""The two 8259A interrupt controllers of a PC and the edge/level registers of its chip set (Intel 8259A data sheet).

Left out, as no kernel uses them on a PC: rotating priorities, polling, special mask and special fully nested mode,
8080 mode. A request on an edge-triggered input stays latched when the line drops before it is acknowledged.
"""

from __future__ import annotations

from emukern.devices.bus import Line

MASTER, SLAVE, ELCR = 0x20, 0xA0, 0x4D0
CASCADE = 2  # the master's input behind which the slave sits
SPURIOUS = 7
ICW1, ICW4_NEEDED, SINGLE, OCW3, READ_REGISTER = 0x10, 0x01, 0x02, 0x08, 0x02
AUTO_EOI = 0x02  # of ICW4
EOI, SPECIFIC = 0x20, 0x40  # of OCW2
EDGE_ONLY = (0xF8, 0xDE)  # writable bits of the two edge/level registers: never IRQ 0, 1, 2, 8 and 13


class I8259:
    """One controller: eight inputs, one output. Its registers are ports 0 (commands) and 1 (mask)."""

    width = 1

    def __init__(self, output: Line | None = None) -> None:
        self._output = output  # where a slave's requests go
        self.base = 0  # vector of input 0
        self.level_triggered = 0  # bit mask of inputs
        self._lines = self._requests = self._in_service = 0
        self._mask = 0
        self._auto_eoi = self._read_in_service = False
        self._expected: tuple[int, ...] = ()  # initialisation words still to come

    def set(self, number: int, level: bool) -> None:
        """Input `number` changes."""
        bit = 1 << number
        if not level:
            self._lines &= ~bit
            if self.level_triggered & bit:
                self._requests &= ~bit
        elif self.level_triggered & bit or not self._lines & bit:
            self._lines |= bit
            self._requests |= bit
        self._settle()

    def _settle(self) -> None:
        if self._output is not None:
            self._output.set(self.highest() is not None)

    def highest(self) -> int | None:
        """The input to be served next: requested, not masked, more urgent than all that are being served."""
        waiting = self._requests & ~self._mask
        if not waiting:
            return None
        lowest = waiting & -waiting
        served = self._in_service & -self._in_service
        return None if served and served <= lowest else lowest.bit_length() - 1

    def acknowledge(self) -> int:
        """INTA: the input now being served; 7 when the request has gone."""
        number = self.highest()
        if number is None:
            return SPURIOUS
        bit = 1 << number
        if not self._auto_eoi:
            self._in_service |= bit
        if not self.level_triggered & bit:
            self._requests &= ~bit
        if self._output is not None:
            self._output.set(False)  # the next request is another edge
            self._settle()
        return number

    def read(self, offset: int, size: int) -> int:
        """The mask, or the register that the last OCW3 chose."""
        if offset:
            return self._mask
        return self._in_service if self._read_in_service else self._requests

    def write(self, offset: int, size: int, value: int) -> None:
        """Initialisation words and operation commands."""
        if offset:
            self._data(value)
        elif value & ICW1:
            self._requests = self._lines & self.level_triggered
            self._in_service = self._mask = 0
            self._auto_eoi = self._read_in_service = False
            self._expected = (2,) + (() if value & SINGLE else (3,)) + ((4,) if value & ICW4_NEEDED else ())
        elif value & OCW3:
            if value & READ_REGISTER:
                self._read_in_service = bool(value & 1)
        elif value & EOI:
            self._in_service &= ~(1 << (value & 7)) if value & SPECIFIC else self._in_service - 1
        self._settle()

    def _data(self, value: int) -> None:
        if not self._expected:
            self._mask = value
            return
        word, *rest = self._expected
        self._expected = tuple(rest)
        if word == 2:
            self.base = value & 0xF8
        elif word == 4:
            self._auto_eoi = bool(value & AUTO_EOI)


class Pics:
    """Master and slave as a PC wires them. As a device it is the pair of edge/level registers."""

    width = 1

    def __init__(self) -> None:
        self.master = I8259()
        self.slave = I8259(Irq(self.master, CASCADE))

    def line(self, number: int) -> Irq:
        """IRQ `number`, 0-15."""
        return Irq(self.slave, number - 8) if number >= 8 else Irq(self.master, number)

    def pending(self) -> int | None:
        """The vector that `acknowledge` would return, if the CPU is to be interrupted."""
        number = self.master.highest()
        if number is None:
            return None
        if number != CASCADE:
            return self.master.base + number
        behind = self.slave.highest()
        return self.slave.base + (SPURIOUS if behind is None else behind)

    def acknowledge(self) -> int:
        """The CPU takes the interrupt: its vector."""
        number = self.master.acknowledge()
        if number != CASCADE:
            return self.master.base + number
        return self.slave.base + self.slave.acknowledge()

    def read(self, offset: int, size: int) -> int:
        """Which inputs are level-triggered."""
        return (self.master, self.slave)[offset & 1].level_triggered

    def write(self, offset: int, size: int, value: int) -> None:
        """Choose the level-triggered inputs."""
        (self.master, self.slave)[offset & 1].level_triggered = value & EDGE_ONLY[offset & 1]


class Irq:
    """Input `number` of a controller: the line a device drives."""

    def __init__(self, chip: I8259, number: int) -> None:
        self._chip, self._number = chip, number

    def set(self, level: bool) -> None:
        """Assert or release."""
        self._chip.set(self._number, level)
