"""MC146818 real-time clock with its battery-backed memory, as PCs have it (Motorola MC146818A data sheet).

The time is computed from the virtual time whenever somebody looks; nothing runs unless an interrupt is enabled.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from emukern.devices.bus import Line

PORT, SIZE = 0x70, 128
SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR = range(10)
CONTROL, SETTINGS, FLAGS, VALID = range(10, 14)  # registers A, B, C and D
CENTURY = 0x32  # where the ACPI tables say it is
TIME_REGISTERS = (SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY)
UIP = 0x80  # of A: the time changes within 244 µs
NORMAL_RATE = 0x26  # of A: 32768 Hz crystal, periodic interrupts at 1024 Hz
SET, PERIODIC, ALARM, UPDATE, BINARY, HOURS24 = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02  # of B; C has the same flags
EVENTS = PERIODIC | ALARM | UPDATE
INTERRUPT = 0x80  # of C
VALID_TIME = 0x80  # of D: the battery is fine
PM, ANY = 0x80, 0xC0  # of hours; of alarm registers: whatever the time
SECOND, CRYSTAL = 1_000_000_000, 32_768
UIP_NS = 244_141
HALF = SECOND // 2  # after the divider was reset, the first update comes after half a second
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
CALENDAR_END = 253_402_300_800  # seconds: the year 10000, when two digits of a century are over


class Mc146818:
    """The clock says `epoch_ns` (since 1970) at reset. Ports: 0 the index, 1 the register it chose."""

    width = 1

    def __init__(self, time: Any, irq: Line, epoch_ns: int) -> None:
        self._time, self._irq = time, irq
        self._offset = epoch_ns  # clock minus virtual time
        self._memory = bytearray(SIZE)
        self._memory[CONTROL], self._memory[SETTINGS] = NORMAL_RATE, HOURS24
        self._index = 0
        self._flags = 0
        self._settled = time.now  # virtual ns up to which `_flags` has been brought

    # The calendar.

    def _clock(self) -> int:
        return int(self._time.now) + self._offset

    def _stopped(self) -> bool:
        """Somebody sets the time, or the divider chain is held in reset."""
        return bool(self._memory[SETTINGS] & SET) or self._memory[CONTROL] & 0x60 == 0x60

    def _encode(self, value: int) -> int:
        return value if self._memory[SETTINGS] & BINARY else value // 10 * 16 + value % 10

    def _decode(self, value: int) -> int:
        return value if self._memory[SETTINGS] & BINARY else (value >> 4) * 10 + (value & 0x0F)

    def _encode_hour(self, hour: int) -> int:
        if self._memory[SETTINGS] & HOURS24:
            return self._encode(hour)
        return self._encode((hour + 11) % 12 + 1) | (PM if hour >= 12 else 0)

    def _decode_hour(self, value: int) -> int:
        if self._memory[SETTINGS] & HOURS24:
            return self._decode(value)
        return self._decode(value & ~PM) % 12 + (12 if value & PM else 0)

    def _show(self) -> None:
        """Bring the time registers up to date."""
        if self._stopped():
            return
        now, memory = EPOCH + timedelta(seconds=self._clock() // SECOND % CALENDAR_END), self._memory
        memory[HOURS] = self._encode_hour(now.hour)
        for register, value in (
            (SECONDS, now.second),
            (MINUTES, now.minute),
            (WEEKDAY, now.isoweekday() % 7 + 1),
            (DAY, now.day),
            (MONTH, now.month),
            (YEAR, now.year % 100),
            (CENTURY, now.year // 100),
        ):
            memory[register] = self._encode(value)

    def _adopt(self, phase: int) -> None:
        """What the time registers say is the time, `phase` ns into that second. Nonsense is ignored."""
        memory, decode = self._memory, self._decode
        year = decode(memory[CENTURY]) * 100 + decode(memory[YEAR])
        hour, minute, second = self._decode_hour(memory[HOURS]), decode(memory[MINUTES]), decode(memory[SECONDS])
        try:
            then = datetime(year, decode(memory[MONTH]), decode(memory[DAY]), hour, minute, second, tzinfo=timezone.utc)
        except ValueError:
            return
        self._offset = (then - EPOCH) // timedelta(seconds=1) * SECOND + phase - self._time.now

    # Interrupts.

    def _period(self) -> int:
        """Of the periodic interrupt in ns; 0 for none."""
        rate = self._memory[CONTROL] & 0x0F
        if not rate:
            return 0
        return SECOND * (1 << (rate + 6 if rate < 3 else rate - 1)) // CRYSTAL

    def _next_alarm(self, now: int) -> int | None:
        """The first whole second after `now` (virtual ns) that the alarm registers match."""
        memory = self._memory
        hour = None if memory[HOURS_ALARM] >= ANY else self._decode_hour(memory[HOURS_ALARM])
        minute = None if memory[MINUTES_ALARM] >= ANY else self._decode(memory[MINUTES_ALARM])
        second = None if memory[SECONDS_ALARM] >= ANY else self._decode(memory[SECONDS_ALARM])
        if (hour or 0) > 23 or (minute or 0) > 59 or (second or 0) > 59:
            return None
        at = (now + self._offset) // SECOND + 1
        while True:
            if hour not in (None, at // 3600 % 24):
                at += 3600 - at % 3600
            elif minute not in (None, at // 60 % 60):
                at += 60 - at % 60
            elif second not in (None, at % 60):
                at += 1
            else:
                return at * SECOND - self._offset

    def _next_update(self, now: int) -> int:
        return now + SECOND - (now + self._offset) % SECOND

    def _next_period(self, now: int) -> int:
        period = self._period()
        return now + period - now % period

    @property
    def deadline(self) -> int | None:
        """When the next enabled interrupt comes, in virtual ns."""
        enabled = self._memory[SETTINGS] & ~self._flags & EVENTS
        if not enabled:
            return None
        running = not self._stopped()
        times: list[int] = []
        if enabled & PERIODIC and self._period():
            times.append(self._next_period(self._settled))
        if enabled & UPDATE and running:
            times.append(self._next_update(self._settled))
        if enabled & ALARM and running:
            alarm = self._next_alarm(self._settled)
            times += [] if alarm is None else [alarm]
        return min(times, default=None)

    def expire(self, now: int) -> None:
        """Interrupt when it is time."""
        self._settle(now)

    def _settle(self, now: int) -> None:
        """Set the flags of what has happened up to `now`."""
        since = self._settled
        if self._period() and self._next_period(since) <= now:
            self._flags |= PERIODIC
        if not self._stopped():
            if self._next_update(since) <= now:
                self._flags |= UPDATE
            alarm = None if self._flags & ALARM else self._next_alarm(since)
            if alarm is not None and alarm <= now:
                self._flags |= ALARM
        self._settled = now
        self._signal()

    def _signal(self) -> None:
        self._irq.set(bool(self._flags & self._memory[SETTINGS] & EVENTS))

    # Ports.

    def read(self, offset: int, size: int) -> int:
        """The register; the index cannot be read."""
        if not offset & 1:
            return 0xFF
        index, now = self._index, self._time.now
        if index == FLAGS:
            self._settle(now)
            value = self._flags | (INTERRUPT if self._flags & self._memory[SETTINGS] & EVENTS else 0)
            self._flags = 0
            self._signal()
            return value
        if index == CONTROL:
            changing = not self._stopped() and self._clock() % SECOND >= SECOND - UIP_NS
            return self._memory[CONTROL] | (UIP if changing else 0)
        if index == VALID:
            return VALID_TIME
        if index in TIME_REGISTERS:
            self._show()
        return self._memory[index]

    def write(self, offset: int, size: int, value: int) -> None:
        """The index (without the NMI mask, bit 7), or the register it chose."""
        if not offset & 1:
            self._index = value & 0x7F
            return
        index = self._index
        if index in (FLAGS, VALID):
            return
        self._settle(self._time.now)
        self._show()
        if index in (CONTROL, SETTINGS):
            self._control(index, value)
        else:
            self._memory[index] = value
            if index in TIME_REGISTERS and not self._stopped():
                self._adopt(self._clock() % SECOND)
        self._signal()

    def _control(self, index: int, value: int) -> None:
        stopped, phase = self._stopped(), self._clock() % SECOND
        if self._memory[CONTROL] & 0x60 == 0x60:
            phase = HALF
        self._memory[index] = value & ~UIP if index == CONTROL else value
        if self._memory[SETTINGS] & SET:
            self._memory[SETTINGS] &= ~UPDATE
        if stopped and not self._stopped():
            self._adopt(phase)
