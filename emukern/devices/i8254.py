"""The 8254 interval timer of a PC, and port 0x61 that gates its third counter (Intel 8254 data sheet).

Counters are computed from the time whenever somebody looks. A new count starts at once, also where the data sheet lets
the old period end first; BCD counting is left out. Only counter 0 has an interrupt.
"""

from __future__ import annotations

from typing import Any

from emukern.devices.bus import Line

HZ = 1_193_182
SECOND = 1_000_000_000
REFRESH_NS = 15_085  # DRAM refresh, which port 0x61 lets programs watch
PORTS, CONTROL = 0x40, 3
COUNTER_LATCH, LOW, HIGH, BOTH = range(4)  # access modes
ON_TERMINAL_COUNT, ONE_SHOT, RATE, SQUARE, STROBE, TRIGGERED_STROBE = range(6)
PERIODIC = (RATE, SQUARE)
TRIGGERED = (ONE_SHOT, RATE, SQUARE, TRIGGERED_STROBE)  # modes that start anew when the gate rises
OUT, NULL_COUNT = 0x80, 0x40  # of the status byte


def ticks(ns: int) -> int:
    """Whole clock periods in `ns`."""
    return ns * HZ // SECOND


def ns(count: int) -> int:
    """The first ns at which `count` periods are over."""
    return -(-count * SECOND // HZ)


class Counter:
    """One of the three. `irq` follows its output."""

    def __init__(self, time: Any, irq: Line | None, gate: bool) -> None:
        self._time, self._irq = time, irq
        self.gate = gate
        self.mode = ON_TERMINAL_COUNT
        self.access = BOTH
        self._count = 0x10000
        self._loaded = False  # a count has been written since the mode was chosen
        self._start = 0  # ns; since then it has counted
        self._held = 0  # ticks counted before the gate stopped it
        self._told = 0  # ticks up to which `irq` has been told
        self._latch: list[int] = []  # bytes to be read next
        self._status: int | None = None
        self._low: int | None = None  # first half of a count being written
        self._high_next = False  # which half is read next

    def _elapsed(self) -> int:
        if not self.gate and self.mode not in (ONE_SHOT, TRIGGERED_STROBE):
            return self._held
        return ticks(self._time.now - self._start)

    def _value(self) -> int:
        """The counting element."""
        if not self._loaded:
            return self._count & 0xFFFF
        elapsed = self._elapsed()
        if self.mode == SQUARE:
            return self._count - 2 * elapsed % self._count & 0xFFFE
        if self.mode == RATE:
            return self._count - elapsed % self._count & 0xFFFF
        return self._count - elapsed & 0xFFFF

    def output(self) -> bool:
        """The output pin."""
        if self.mode == ON_TERMINAL_COUNT:
            return self._loaded and self._elapsed() >= self._count
        if not self._loaded:
            return True
        elapsed = self._elapsed()
        if self.mode == ONE_SHOT:
            return elapsed >= self._count
        if self.mode == RATE:
            return elapsed % self._count != self._count - 1
        if self.mode == SQUARE:
            return 2 * (elapsed % self._count) < self._count + 1
        return elapsed != self._count

    @property
    def deadline(self) -> int | None:
        """When the output rises next, in virtual ns."""
        if self._irq is None or not self._loaded or not self.gate:
            return None
        if self.mode in PERIODIC:
            return self._start + ns((self._told // self._count + 1) * self._count)
        edge = self._count + (1 if self.mode == STROBE else 0)
        return self._start + ns(edge) if self._told < edge else None

    def expire(self, now: int) -> None:
        """Let the interrupt know what has happened up to `now`; several rising edges are one."""
        deadline = self.deadline
        if deadline is None or self._irq is None:
            return
        self._told = ticks(now - self._start)
        if deadline <= now:
            if self.mode != ON_TERMINAL_COUNT:
                self._irq.set(False)
            self._irq.set(True)

    def control(self, value: int) -> None:
        """A control word for this counter."""
        access = value >> 4 & 3
        if access == COUNTER_LATCH:
            self.latch()
            return
        mode = value >> 1 & 7
        self.mode = mode & 3 if mode > TRIGGERED_STROBE else mode
        self.access = access
        self._loaded = self._high_next = False
        self._low = None
        self._latch.clear()
        if self._irq is not None:
            self._irq.set(self.output())

    def latch(self) -> None:
        """Keep the count for the next reads."""
        if not self._latch:
            value = self._value()
            self._latch = {LOW: [value & 0xFF], HIGH: [value >> 8]}.get(self.access, [value & 0xFF, value >> 8])

    def latch_status(self) -> None:
        """Keep the status for the next read."""
        if self._status is None:
            pin, empty = self.output(), not self._loaded
            self._status = (OUT if pin else 0) | (NULL_COUNT if empty else 0) | self.access << 4 | self.mode << 1

    def read(self) -> int:
        """The next byte: latched status, latched count, or the count as it is."""
        if self._status is not None:
            value, self._status = self._status, None
            return value
        if self._latch:
            return self._latch.pop(0)
        value = self._value()
        if self.access == BOTH:
            self._high_next = not self._high_next
            high = not self._high_next
        else:
            high = self.access == HIGH
        return value >> 8 if high else value & 0xFF

    def write(self, value: int) -> None:
        """A byte of the count."""
        if self.access == LOW:
            self._load(value)
        elif self.access == HIGH:
            self._load(value << 8)
        elif self._low is None:
            self._low = value
        else:
            self._load(self._low | value << 8)
            self._low = None

    def _load(self, count: int) -> None:
        self._count = count or 0x10000
        self._loaded = True
        self._start = self._time.now
        self._held = self._told = 0
        if self._irq is not None:
            self._irq.set(self.output())

    def set_gate(self, level: bool) -> None:
        """The gate: counting stops while it is low, some modes start anew when it rises."""
        if level == self.gate:
            return
        if not level:
            self._held = self._elapsed()
        elif self.mode in TRIGGERED:
            self._start = self._time.now
        else:
            self._start = self._time.now - ns(self._held)
        self.gate = level


class I8254:
    """The three counters and their control register: ports 0-3."""

    width = 1

    def __init__(self, time: Any, irq: Line) -> None:
        self.counters = (Counter(time, irq, True), Counter(time, None, True), Counter(time, None, False))

    @property
    def deadline(self) -> int | None:
        """When counter 0 interrupts next."""
        return self.counters[0].deadline

    def expire(self, now: int) -> None:
        """Interrupt when it is time."""
        self.counters[0].expire(now)

    def read(self, offset: int, size: int) -> int:
        """A counter; the control register cannot be read."""
        return 0xFF if offset == CONTROL else self.counters[offset].read()

    def write(self, offset: int, size: int, value: int) -> None:
        """A byte of a count, a control word or a read-back command."""
        if offset != CONTROL:
            self.counters[offset].write(value)
        elif value >> 6 != 3:
            self.counters[value >> 6].control(value)
        else:
            for number, counter in enumerate(self.counters):
                if value >> number & 2:
                    if not value & 0x20:
                        counter.latch()
                    if not value & 0x10:
                        counter.latch_status()


class Port61:
    """System control port B: gate and output of counter 2, the speaker, the refresh signal."""

    width = 1

    def __init__(self, time: Any, pit: I8254) -> None:
        self._time, self._pit = time, pit
        self._data = 0  # bits 0-3: gate, speaker and two error enables

    def read(self, offset: int, size: int) -> int:
        """Bits 4 and 5 are the refresh signal and counter 2's output; no errors are reported in 6 and 7."""
        refresh: int = self._time.now // REFRESH_NS & 1
        return self._data | refresh << 4 | self._pit.counters[2].output() << 5

    def write(self, offset: int, size: int, value: int) -> None:
        """Set bits 0-3."""
        self._data = value & 0x0F
        self._pit.counters[2].set_gate(bool(value & 1))
