"""The host's side of the console: a person at a terminal, or a script that is fed to the guest.

Ctrl-A is the prefix for what is meant for emukern: x leaves, h helps, Ctrl-A again sends one Ctrl-A. All other
keys go to the guest as they come, Ctrl-C too. The terminal is put back as it was whatever happens.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from emukern.errors import UsageError

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PREFIX = 0x01
ICANON = 0o2  # include/uapi/asm-generic/termbits.h
HELP = "\r\nCtrl-A x  leave emukern\r\nCtrl-A h  this help\r\nCtrl-A Ctrl-A  send Ctrl-A\r\n"
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Left(Exception):
    """The person at the terminal has left: `status` is the exit status that says how."""

    def __init__(self, status: int = 0) -> None:
        super().__init__(status)
        self.status = status


def write_all(fd: int, data: bytes) -> None:
    """Write everything, also where a write takes only part of it or would block."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


class Clock(Protocol):
    """The guest's time, which a person's waiting lets pass."""

    def advance(self, ns: int, /) -> None: ...


class Terminal:
    """A person's terminal as the console's Input, and its output. `attach` it to a guest before that runs.

    Signals are only noted where they come in; they take effect where the loop asks for keys.
    """

    paced = True

    def __init__(self, input_fd: int = 0, output_fd: int = 1) -> None:
        self._in, self._out = input_fd, output_fd
        self._clock: Clock | None = None
        self._tell_size: Callable[[int, int], object] = lambda rows, columns: None
        self._early: bytearray | None = None  # what was typed while nobody reads
        self._typed = b""  # and is still to be read
        self._ended = False
        self._prefixed = False
        self._signals: set[int] = set()
        self._wake_read = -1  # readable when a signal has come: it must end a wait

    def attach(self, clock: Clock, resize: Callable[[int, int], object]) -> None:
        """Serve the console of a guest; `resize(rows, columns)` tells it the size of this terminal, now and later."""
        self._clock, self._tell_size = clock, resize
        self._resize()

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns; 0 when nobody knows."""
        try:
            columns, rows = os.get_terminal_size(self._out)
        except OSError:
            return 0, 0
        return rows, columns

    @contextmanager
    def early(self) -> Iterator[Terminal]:
        """Inside this block nobody reads yet: time does not wait for keys, and they are kept for later."""
        self._early = bytearray()
        try:
            yield self
        finally:
            self._typed, self._early = bytes(self._early), None

    def write(self, data: bytes) -> None:
        """The console's sink."""
        write_all(self._out, data)

    @contextmanager
    def raw(self) -> Iterator[Terminal]:
        """Every key comes at once and unchanged inside this block; afterwards all is as before."""
        before = termios.tcgetattr(self._in)
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        handlers: dict[int, Any] = {}
        wakeup = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        try:
            for noted in (*ENDING, signal.SIGWINCH, signal.SIGCONT):
                handlers[noted] = signal.signal(noted, self._note)
            tty.setraw(self._in, termios.TCSADRAIN)
            yield self
        finally:
            # In the background this would stop us before we have left.
            ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            with suppress(termios.error):  # the terminal may be gone, and its state with it
                termios.tcsetattr(self._in, termios.TCSADRAIN, before)
            signal.signal(signal.SIGTTOU, ignored)
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(self._wake_read)
            os.close(wake_write)
            self._wake_read = -1

    def poll(self) -> bytes:
        """Keys that were typed already."""
        self._serve_signals()
        keys, self._typed = self._typed, b""
        if not self._ended and select.select([self._in], [], [], 0)[0]:
            keys += self._read()
        if self._early is not None:
            self._early += keys
            return b""
        return keys

    def wait(self, timeout_ns: int | None) -> bytes | None:
        """Keys, or b"" after `timeout_ns` of the host's time; when keys come, the guest's clock has gone on too."""
        if self._early is not None or self._typed:
            return self.poll()
        start = time.monotonic_ns()
        while not self._ended:
            self._serve_signals()
            passed = time.monotonic_ns() - start
            if timeout_ns is not None and passed >= timeout_ns:
                return b""
            left = None if timeout_ns is None else (timeout_ns - passed) / 1e9
            ready = select.select([self._in, *([self._wake_read] if self._wake_read >= 0 else [])], [], [], left)[0]
            keys = self._read() if self._in in ready else b""
            if keys:
                if self._clock is not None:
                    self._clock.advance(time.monotonic_ns() - start)
                return keys
        return None

    def _read(self) -> bytes:
        """What can be read now, without what is meant for emukern; b"" also at the end."""
        try:
            data = os.read(self._in, 4096)
        except OSError:
            data = b""  # EIO: the terminal hung up
        self._ended = not data
        keys = bytearray()
        for byte in data:
            if self._prefixed:
                self._prefixed = False
                self._command(byte, keys)
            elif byte == PREFIX:
                self._prefixed = True
            else:
                keys.append(byte)
        return bytes(keys)

    def _command(self, byte: int, keys: bytearray) -> None:
        """The key behind Ctrl-A."""
        if byte == PREFIX:
            keys.append(PREFIX)
        elif byte in b"xX":
            raise Left
        elif byte in b"hH?":
            self.write(HELP.encode())

    def _note(self, number: int, _frame: object) -> None:
        self._signals.add(number)

    def _serve_signals(self) -> None:
        if not self._signals:
            return
        came, self._signals = self._signals, set()
        if self._wake_read >= 0:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        for ending in ENDING:
            if ending in came:
                raise Left(128 + ending)
        if signal.SIGCONT in came:
            tty.setraw(self._in, termios.TCSADRAIN)
        self._resize()

    def _resize(self) -> None:
        """Tell the guest how large the terminal is."""
        rows, columns = self.size
        if rows and columns:
            self._tell_size(rows, columns)


class Script:
    """Lines for the guest's standard input, given out when it asks for one, and then the end."""

    paced = False
    LONGEST = 4095  # bytes of a line, as a terminal has it

    def __init__(self, lines: BinaryIO | None) -> None:
        self._lines = lines

    def close(self) -> None:
        """Nobody will ask any more."""
        if self._lines is not None and not (sys.stdin and self._lines is sys.stdin.buffer):
            self._lines.close()

    def attach(self, k: Kernel) -> None:
        """Make the guest's terminal pass on every line as it is: no echo, and no byte is a key."""
        k.tty.iflag = 0
        k.tty.lflag = ICANON
        k.tty.keys = bytes(len(k.tty.keys))

    def poll(self) -> bytes:
        """Nothing before it is asked for: it would be as if somebody typed too fast."""
        return b""

    def wait(self, timeout_ns: int | None) -> bytes | None:
        """The next line at once, None at the end. Raises UsageError for one that is too long."""
        line = self._lines.readline(self.LONGEST + 1) if self._lines else b""
        if len(line) > self.LONGEST:
            raise UsageError(f"a line of the input is longer than a terminal takes ({self.LONGEST} bytes)")
        return line or None


def script_from(name: str) -> Script:
    """A Script of the file `name`, "-" for standard input. Raises UsageError when it cannot be read."""
    if name == "-":
        return Script(sys.stdin.buffer if sys.stdin else None)
    try:
        file = open(name, "rb")  # noqa: SIM115 - it is read while the guest runs
        file.peek(1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    return Script(file)
