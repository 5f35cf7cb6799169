"""The kernel log: printk's ring of records, levels, the console (kernel/printk/printk.c).

A record is what one printk call said: its text may hold several lines. A message without a newline at its end
is a record too, and stays open: the next one is added to it if it starts with KERN_CONT. Text is str, decoded
as UTF-8 with surrogates for bytes that are none, so nothing a module prints is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

DEFAULT_LEVEL = 4  # of a message that names none: CONFIG_MESSAGE_LOGLEVEL_DEFAULT
CONSOLE_LEVEL = 7  # messages below it are printed on the console: CONFIG_CONSOLE_LOGLEVEL_DEFAULT
CONSOLE_MINIMUM = 1
CAPACITY = 1 << 17  # bytes, as CONFIG_LOG_BUF_SHIFT=17
LINE_MAX = 991  # bytes of one printk that Linux keeps: LOG_LINE_MAX less the NUL
SOH = 0x01
NEWS = ("log",)  # what readers of an empty log wait for


class Clock(Protocol):
    """Where time stamps come from."""

    @property
    def now(self) -> int: ...


class Output(Protocol):
    """Where console lines go."""

    def write(self, data: bytes, /) -> None: ...


class Wakes(Protocol):
    """Who is told that there is something to read."""

    def wake(self, on: Hashable, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One message. `level` is 0 (emergency) to 7 (debug); `text` has no newline at its end."""

    seq: int
    level: int
    time_ns: int
    text: str

    def lines(self) -> Iterator[str]:
        """The record as syslog(2) shows it, one `<6>[    0.004000] text` a line."""
        seconds, ns = divmod(self.time_ns, 1_000_000_000)
        for line in self.text.split("\n"):
            yield f"<{self.level}>[{seconds:5}.{ns // 1000:06}] {line}\n"

    @property
    def formatted(self) -> str:
        """The record as dmesg prints it."""
        return "\n".join(line[line.index(">") + 1 : -1] for line in self.lines())


class Log:
    """The ring, its console level and the positions of its readers."""

    def __init__(self, clock: Clock, output: Output | None = None, sched: Wakes | None = None) -> None:
        self.clock = clock
        self.output = output
        self.sched = sched
        self.records: deque[Record] = deque()
        self.console_level = CONSOLE_LEVEL
        self._saved_level: int | None = None  # while syslog(2) has switched the console off
        self._next_seq = 0
        self._bytes = 0
        self._open = False  # the last record had no newline and may be continued
        self._column = False  # the console's cursor is behind such a record
        self._read_seq = 0  # next record for the destructive reader
        self._read_skip = 0  # bytes of it that he has got
        self._clear_seq = 0  # first record that dmesg shows

    def emit(self, level: int, text: str) -> None:
        """Log `text` as one record of `level`, as if it ended with a newline."""
        self._add(level, text.removesuffix("\n"), ended=True)

    def printk(self, data: bytes) -> int:
        """Log what printk formatted; returns its length without level prefix and newline at the end."""
        level, continues = None, False
        while len(data) >= 2 and data[0] == SOH and (48 <= data[1] <= 55 or data[1] == 0x63):
            if data[1] == 0x63:
                continues = True
            elif level is None:
                level = data[1] - 48
            data = data[2:]
        data = data[:LINE_MAX]
        text = data.decode("utf-8", "surrogateescape")
        ended = text.endswith("\n")
        if continues and self._open:
            self._continue(text[:-1] if ended else text, ended)
        else:
            self._add(DEFAULT_LEVEL if level is None else level, text[:-1] if ended else text, ended)
        return len(text) - ended

    def _add(self, level: int, text: str, ended: bool) -> None:
        record = Record(self._next_seq, level, self.clock.now, text)
        self._next_seq += 1
        self.records.append(record)
        self._bytes += len(text) + 1
        if self._column:
            self._column = False
            self._print("\n")
        self._open = not ended
        self._show(record.level, text, ended)
        self._published()

    def _continue(self, text: str, ended: bool) -> None:
        record = self.records[-1]
        self.records[-1] = replace(record, text=record.text + text)
        self._bytes += len(text)
        self._open = not ended
        self._show(record.level, text, ended)
        self._published()

    def _published(self) -> None:
        while self._bytes > CAPACITY and len(self.records) > 1:
            self._bytes -= len(self.records.popleft().text) + 1
        if self.sched is not None:
            self.sched.wake(NEWS)

    def _show(self, level: int, text: str, ended: bool) -> None:
        if level < self.console_level:
            self._column = not ended
            self._print(text + "\n" * ended)

    def _print(self, text: str) -> None:
        if self.output is not None:  # a terminal line needs its carriage return, as from any driver
            self.output.write(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))

    # What syslog(2) needs.

    def read(self, size: int) -> bytes:
        """At most `size` bytes for the one destructive reader; b"" when there is no news (wait for NEWS)."""
        found = bytearray()
        for record in self._since(self._read_seq):
            if record.seq != self._read_seq:
                self._read_seq, self._read_skip = record.seq, 0
            text = encode(record)[self._read_skip :]
            room = size - len(found)
            if len(text) > room and found:
                break  # Linux splits a record only if it would otherwise return nothing
            found += text[:room]
            if len(text) > room:
                self._read_skip += room
                break
            self._read_seq, self._read_skip = record.seq + 1, 0
        return bytes(found)

    def read_all(self, size: int, *, clear: bool = False) -> bytes:
        """The newest records since the last clear that fit `size` bytes whole, oldest first."""
        texts: list[bytes] = []
        for record in reversed(self.records):
            text = encode(record)
            size -= len(text)
            if record.seq < self._clear_seq or size < 0:
                break
            texts.append(text)
        if clear:
            self.clear()
        return b"".join(reversed(texts))

    def clear(self) -> None:
        """Hide everything so far from `read_all`."""
        self._clear_seq = self._next_seq

    def size_unread(self) -> int:
        """Bytes that `read` could return."""
        unread = self._since(self._read_seq)
        got = self._read_skip if unread and unread[0].seq == self._read_seq else 0
        return sum(len(encode(record)) for record in unread) - got

    def size_buffer(self) -> int:
        """Bytes the ring has room for."""
        return CAPACITY

    def console_off(self) -> None:
        """Print emergencies only."""
        if self._saved_level is None:
            self._saved_level = self.console_level
        self.console_level = CONSOLE_MINIMUM

    def console_on(self) -> None:
        """Undo `console_off`."""
        if self._saved_level is not None:
            self.console_level, self._saved_level = self._saved_level, None

    def set_console_level(self, level: int) -> None:
        """Print messages below `level`, which is 1 to 8."""
        self.console_level = max(level, CONSOLE_MINIMUM)
        self._saved_level = None

    def _since(self, seq: int) -> list[Record]:
        return [record for record in self.records if record.seq >= seq]


def encode(record: Record) -> bytes:
    """The lines of a record as a user program reads them."""
    return "".join(record.lines()).encode("utf-8", "surrogateescape")
