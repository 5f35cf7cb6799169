"""Goldfish real-time clock: nanoseconds since 1970 in two registers, one alarm (Linux: drivers/rtc/rtc-goldfish.c)."""

from __future__ import annotations

from typing import Any

SIZE = 0x1000
TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH = 0x00, 0x04, 0x08, 0x0C
IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT = 0x10, 0x14, 0x18, 0x1C
WORD = 0xFFFF_FFFF


class GoldfishRtc:
    """Tells `epoch_ns` plus the virtual time, plus what the guest set it ahead; `irq` is high while an alarm waits."""

    width = 4

    def __init__(self, time: Any, irq: Any, epoch_ns: int) -> None:
        self._time, self._irq = time, irq
        self._offset = epoch_ns
        self._latched = 0  # the high half of the time whose low half was read last
        self._alarm = 0  # ns since 1970
        self._armed = self._enabled = self._ringing = False

    @property
    def deadline(self) -> int | None:
        """When the alarm rings, in virtual ns."""
        return self._alarm - self._offset if self._armed else None

    def expire(self, now: int) -> None:
        """Ring when it is time."""
        if self._armed and self._alarm - self._offset <= now:
            self._armed, self._ringing = False, True
            self._signal()

    def _signal(self) -> None:
        self._irq.set(self._ringing and self._enabled)

    def read(self, offset: int, size: int) -> int:
        """Reading TIME_LOW latches what TIME_HIGH will say."""
        if offset == TIME_LOW:
            now: int = self._time.now + self._offset
            self._latched = now >> 32
            return now & WORD
        values = {
            TIME_HIGH: self._latched,
            ALARM_LOW: self._alarm & WORD,
            ALARM_HIGH: self._alarm >> 32,
            IRQ_ENABLED: int(self._enabled),
            ALARM_STATUS: int(self._armed),
        }
        return values.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Writing ALARM_LOW arms the alarm, so the high half comes first; the time is set by halves."""
        now = self._time.now + self._offset
        if offset == TIME_LOW:
            self._offset += (now & ~WORD | value) - now
        elif offset == TIME_HIGH:
            self._offset += (now & WORD | value << 32) - now
        elif offset == ALARM_HIGH:
            self._alarm = self._alarm & WORD | value << 32
        elif offset == ALARM_LOW:
            self._alarm = self._alarm & ~WORD | value
            self._armed = True
            self.expire(self._time.now)
        elif offset == IRQ_ENABLED:
            self._enabled = bool(value & 1)
        elif offset == CLEAR_ALARM:
            self._armed = False
        elif offset == CLEAR_INTERRUPT:
            self._ringing = False
        self._signal()
