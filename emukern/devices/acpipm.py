"""The fixed ACPI hardware of the PIIX4: power management events, control and timer (ACPI 1.0b, 4.7.3).

The machine is always in ACPI mode. Left out: sleeping other than switching off (S5), general purpose events, and the
timer as a wake-up source.
"""

from __future__ import annotations

from typing import Any

from emukern.devices.bus import Line

HZ = 3_579_545
SECOND = 1_000_000_000
PORTS = 12
STATUS, ENABLE, CONTROL, TIMER = 0, 2, 4, 8
TIMER_MASK, TIMER_TOP = 0xFF_FFFF, 0x80_0000  # 24 bits; a change of the top one is an event
TIMER_EVENT, POWER_BUTTON = 0x0001, 0x0100
EVENTS = 0x0721  # what can be enabled: timer, global lock, power button, sleep button, clock; most never happen
SCI_ENABLED, SLEEP_TYPE, SLEEP = 0x0001, 0x1C00, 0x2000
S5_TYPE = 0  # of `SLEEP_TYPE`


def ticks(now: int) -> int:
    """The timer's value at a virtual time in ns."""
    return now * HZ // SECOND


class AcpiPm:
    """12 ports: events (status, enable), control, timer. `power.off()` is called when the guest chooses S5."""

    width = 4

    def __init__(self, time: Any, irq: Line, power: Any) -> None:
        self._time, self._irq, self._power = time, irq, power
        self._status = self._enabled = 0
        self._control = 0
        self._seen = 0  # how often the timer's top bit had changed when its event was last cleared
        self._told = False  # the change after that has interrupted

    def press_power_button(self) -> None:
        """Somebody wants the machine to shut down."""
        self._status |= POWER_BUTTON
        self._signal()

    @property
    def deadline(self) -> int | None:
        """When the timer's top bit changes, in virtual ns, if that is to interrupt."""
        if self._told or not self._enabled & TIMER_EVENT:
            return None
        return -(-(self._seen + 1) * TIMER_TOP * SECOND // HZ)

    def expire(self, now: int) -> None:
        """Interrupt when the timer's top bit has changed."""
        self._told = self._changes() != self._seen
        self._signal()

    def _changes(self) -> int:
        return ticks(self._time.now) // TIMER_TOP

    def _events(self) -> int:
        return self._status | (TIMER_EVENT if self._changes() != self._seen else 0)

    def _signal(self) -> None:
        self._irq.set(bool(self._events() & self._enabled))

    def read(self, offset: int, size: int) -> int:
        """Part of the 12 bytes."""
        if offset < TIMER:
            whole = self._events() | self._enabled << 16 | (self._control | SCI_ENABLED) << 32
            return whole >> 8 * offset & (1 << 8 * size) - 1
        return (ticks(self._time.now) & TIMER_MASK) >> 8 * (offset - TIMER) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Registers are 16 bits; narrower writes change their part, wider ones both registers."""
        if size == 4:
            self.write(offset, 2, value & 0xFFFF)
            self.write(offset + 2, 2, value >> 16)
            return
        shift, register = 8 * (offset & 1), offset & ~1
        bits, value = ((1 << 8 * size) - 1) << shift, value << shift
        if register == STATUS:
            self._status &= ~value
            if value & TIMER_EVENT:
                self._seen, self._told = self._changes(), False
        elif register == ENABLE:
            self._enabled = (self._enabled & ~bits | value) & EVENTS
        elif register == CONTROL:
            self._control = self._control & ~bits | value & ~SLEEP
            if value & SLEEP and (self._control & SLEEP_TYPE) >> 10 == S5_TYPE:
                self._power.off()
        self._signal()
