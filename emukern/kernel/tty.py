"""The console terminal: termios, line editing and echo, signals from keys (drivers/tty/n_tty.c).

The host's side calls `receive` for what was typed, `end_of_input` when a script is over and `resize`; what
the guest prints goes to `k.console`. There is one terminal; /dev/console and /dev/tty are both it.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kernel import signal
from emukern.kernel.openfile import File, device
from emukern.kernel.sequence import Answer

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

# include/uapi/asm-generic/termbits.h and ioctls.h; x86 has the same.
ICRNL, INLCR, IGNCR, ISTRIP, IUTF8 = 0o400, 0o100, 0o200, 0o40, 0o40000
OPOST, ONLCR, OCRNL, ONOCR, ONLRET = 0o1, 0o4, 0o10, 0o20, 0o40
ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL = 0o1, 0o2, 0o10, 0o20, 0o40, 0o100
NOFLSH, ECHOCTL, ECHOKE, IEXTEN = 0o200, 0o1000, 0o4000, 0o100000
B38400_CS8_CREAD = 0o17 | 0o60 | 0o200
VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VEOL, VWERASE, VEOL2 = 0, 1, 2, 3, 4, 5, 6, 11, 14, 16
TCGETS, TCSETS, TCSETSW, TCSETSF, TCSBRK, TCFLSH = 0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540B
TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TIOCSWINSZ = 0x540E, 0x540F, 0x5410, 0x5413, 0x5414
FIONREAD, TIOCNOTTY, TIOCGSID = 0x541B, 0x5422, 0x5429
TCIFLUSH, TCIOFLUSH = 0, 2  # TCFLSH's arguments
SIGINT, SIGQUIT, SIGWINCH = 2, 3, 28

TERMIOS = Struct("<IIIIB19s")  # struct ktermios: four flag words, line discipline, control characters
WINSIZE = Struct("<HHHH")  # rows, columns, and pixels that nobody counts
BUFFER = 4096  # typed bytes kept; more are refused with a bell (N_TTY_BUF_SIZE)
DISABLED = 0  # a control character that is no key (_POSIX_VDISABLE)
TENTH = 100_000_000  # VTIME's unit, in nanoseconds
TAB = 8


def default_keys() -> bytes:
    """c_cc of INIT_C_CC. Keys for what this terminal lacks (stop, suspend, reprint, literal) are disabled."""
    keys = bytearray(19)
    keys[VINTR], keys[VQUIT], keys[VERASE], keys[VKILL], keys[VWERASE], keys[VEOF] = 3, 28, 127, 21, 23, 4
    keys[VMIN] = 1
    return bytes(keys)


class Tty:
    """The terminal. `ready` holds what reads may take: whole lines, or in raw mode whatever was typed."""

    def __init__(self, rows: int = 24, columns: int = 80) -> None:
        self.iflag = ICRNL | IUTF8
        self.oflag = OPOST | ONLCR
        self.cflag = B38400_CS8_CREAD
        self.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
        self.keys = default_keys()
        self.rows, self.columns = rows, columns
        self.session = 0  # whose controlling terminal this is; 0: nobody's yet
        self.foreground = 0  # process group that keys send signals to
        self.line = bytearray()  # being edited
        self.ready: list[bytes] = []
        self.ended = False  # no more input will come
        self.column = 0  # of the cursor, as far as output tells
        self.line_column = 0  # where the line being edited began
        self.waiting = False  # a task was put to sleep for input and none has come since

    # The host's side.

    def receive(self, k: Kernel, data: bytes) -> None:
        """Bytes from the keyboard."""
        for byte in data:
            self._key(k, byte)
        self.waiting = False
        k.sched.wake(("tty",))

    def end_of_input(self, k: Kernel) -> None:
        """The keyboard is gone: reads get what is left, then 0 bytes for ever."""
        self._commit()
        self.ended = True
        self.waiting = False
        k.sched.wake(("tty",))

    def resize(self, k: Kernel, rows: int, columns: int) -> None:
        """A new window size, with SIGWINCH if it differs."""
        if (rows, columns) != (self.rows, self.columns):
            self.rows, self.columns = rows, columns
            self._signal(k, SIGWINCH)

    # Input.

    def _key(self, k: Kernel, byte: int) -> None:
        if self.iflag & ISTRIP:
            byte &= 0x7F
        if byte == 13:
            if self.iflag & IGNCR:
                return
            byte = 10 if self.iflag & ICRNL else 13
        elif byte == 10 and self.iflag & INLCR:
            byte = 13
        if self.lflag & ISIG and byte != DISABLED and byte in (self.keys[VINTR], self.keys[VQUIT]):
            self._interrupt(k, byte)
        elif self.lflag & ICANON:
            self._edit(k, byte)
        elif self._room(k):
            self.ready.append(bytes([byte]))
            self._echo(k, byte)

    def _interrupt(self, k: Kernel, byte: int) -> None:
        if not self.lflag & NOFLSH:
            self.flush_input()
        self._echo(k, byte)
        self._signal(k, SIGINT if byte == self.keys[VINTR] else SIGQUIT)

    def _signal(self, k: Kernel, number: int) -> None:
        if self.foreground:
            with suppress(Errno):  # nobody may be left in the group
                signal.send_group(k, self.foreground, number)

    def _edit(self, k: Kernel, byte: int) -> None:
        """One key of a line being edited (canonical mode)."""
        key = None if byte == DISABLED else byte
        if key == self.keys[VERASE]:
            self._erase(k, len(self.line) - self._last_character())
        elif key == self.keys[VWERASE] and self.lflag & IEXTEN:
            self._erase(k, len(self.line) - self._last_word())
        elif key == self.keys[VKILL]:
            self._erase(k, len(self.line))
            if self.lflag & ECHOK and not self.lflag & ECHOKE:
                self._echo(k, 10)
        elif key == self.keys[VEOF]:
            self._commit(end=True)
        elif byte == 10 or key == self.keys[VEOL] or (key == self.keys[VEOL2] and self.lflag & IEXTEN):
            if byte == 10 and self.lflag & (ECHO | ECHONL):
                self._output(k, b"\n")
            elif byte != 10:
                self._echo(k, byte)
            self.line.append(byte)
            self._commit()
        elif self._room(k):
            if not self.line:
                self.line_column = self.column
            self.line.append(byte)
            self._echo(k, byte)

    def _commit(self, end: bool = False) -> None:
        """The line being edited may be read; at its `end` even an empty one, as the end of the file."""
        if self.line or end:
            self.ready.append(bytes(self.line))
            self.line.clear()

    def _room(self, k: Kernel) -> bool:
        if len(self.line) + sum(map(len, self.ready)) < BUFFER - 1:
            return True
        k.console.write(b"\a")
        return False

    def _last_character(self) -> int:
        """Where the last character of the line starts."""
        start = len(self.line)
        while start > 0:
            start -= 1
            if not self.iflag & IUTF8 or self.line[start] & 0xC0 != 0x80:
                break
        return start

    def _last_word(self) -> int:
        """Where the last word of the line starts; blanks after it belong to it."""
        start = len(self.line)
        while start and self.line[start - 1 : start] in b" \t":
            start -= 1
        while start and self.line[start - 1 : start] not in b" \t":
            start -= 1
        return start

    def _erase(self, k: Kernel, count: int) -> None:
        """Take `count` bytes from the line's end, and from the screen."""
        before = self._width()
        tab = 9 in self.line[len(self.line) - count :]
        del self.line[len(self.line) - count :]
        if self.lflag & ECHO and self.lflag & ECHOE:
            columns = before - self._width()
            # A tab leaves nothing to wipe out: going back is enough.
            k.console.write(b"\b" * columns if tab and count == 1 else b"\b \b" * columns)
            self.column = max(0, self.column - columns)

    def _width(self) -> int:
        """Columns that the echo of the line takes."""
        column = self.line_column
        for byte in self.line:
            if byte == 9:
                column += TAB - column % TAB
            elif byte < 32 or byte == 127:
                column += 2 if self.lflag & ECHOCTL else 0
            elif not self.iflag & IUTF8 or byte & 0xC0 != 0x80:
                column += 1
        return column - self.line_column

    def _echo(self, k: Kernel, byte: int) -> None:
        if not self.lflag & ECHO:
            return
        if self.lflag & ECHOCTL and (byte < 32 or byte == 127) and byte not in (9, 10):
            self._output(k, bytes([0x5E, byte ^ 0x40]))
        else:
            self._output(k, bytes([byte]))

    # Output.

    def _output(self, k: Kernel, data: bytes) -> None:
        """Print, with the line ends a terminal wants."""
        if self.oflag & OPOST:
            if self.oflag & OCRNL:
                data = data.replace(b"\r", b"\n")
            if self.oflag & ONLCR:
                data = data.replace(b"\n", b"\r\n")
        k.console.write(data)
        for byte in data[max(data.rfind(b"\r"), data.rfind(b"\n") if self.oflag & ONLRET else -1, 0) :]:
            if byte == 13:
                self.column = 0
            elif byte == 8:
                self.column = max(0, self.column - 1)
            elif byte == 9:
                self.column += TAB - self.column % TAB
            elif byte >= 32 and (not self.iflag & IUTF8 or byte & 0xC0 != 0x80):
                self.column += 1

    def write(self, k: Kernel, data: bytes) -> int:
        self._output(k, data)
        return len(data)

    # The guest's side.

    def read(self, k: Kernel, buf: int, count: int, nonblocking: bool = False) -> Answer:
        """Up to a line, or in raw mode what VMIN and VTIME say (both: the first byte ends the wait)."""
        task = k.current
        if self.session and task.sid == self.session and task.pgid != self.foreground != 0:
            raise Errno(errno.EIO)  # there is no job control that could stop a background reader
        canonical = self.lflag & ICANON
        wanted = 1 if canonical else min(count, self.keys[VMIN])
        if self.ready and (canonical or self.available() >= min(wanted, 1 if self.keys[VTIME] else wanted)):
            return self._take(k, buf, count)
        if self.ended or (wanted == 0 and self.keys[VTIME] == 0) or task.woken == "timeout":
            return self._take(k, buf, count)
        if nonblocking:
            raise Errno(errno.EAGAIN)
        if task.woken == "signal":
            raise Errno(errno.EINTR)
        self.waiting = True
        timeout = self.keys[VTIME] * TENTH if not canonical and wanted == 0 else None
        return Wait(("tty",), timeout=timeout)

    def available(self) -> int:
        """Bytes a read could take now."""
        return sum(map(len, self.ready))

    def _take(self, k: Kernel, buf: int, count: int) -> int:
        chunks = self.ready[:1] if self.lflag & ICANON else self.ready
        data = b"".join(chunks)
        k.user.copy_to(buf, data[:count])
        self.waiting = False
        rest = data[count:]
        self.ready[: len(chunks)] = [rest] if rest else []
        return min(count, len(data))

    def flush_input(self) -> None:
        self.line.clear()
        self.ready.clear()

    def ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        if cmd == TCGETS:
            flags = (self.iflag, self.oflag, self.cflag, self.lflag)
            k.user.copy_to(arg, TERMIOS.pack(*flags, 0, self.keys))
        elif cmd in (TCSETS, TCSETSW, TCSETSF):
            self._set_termios(k, arg, flush=cmd == TCSETSF)
        elif cmd == TCFLSH:
            if arg in (TCIFLUSH, TCIOFLUSH):
                self.flush_input()
        elif cmd != TCSBRK:  # which waits for output, and output never waits
            return self._session_ioctl(k, cmd, arg)
        return 0

    def _set_termios(self, k: Kernel, arg: int, flush: bool) -> None:
        fields = TERMIOS.unpack(k.user.copy_from(arg, TERMIOS.size))
        if flush:
            self.flush_input()
        if self.lflag & ICANON and not fields[3] & ICANON:
            self._commit()  # what was typed so far may now be read
        self.iflag, self.oflag, self.cflag, self.lflag, _, self.keys = fields
        k.sched.wake(("tty",))

    def _session_ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        if cmd == TIOCGPGRP:
            k.user.put_u32(arg, self.foreground)
        elif cmd == TIOCGSID:
            k.user.put_u32(arg, self.session)
        elif cmd == TIOCSPGRP:
            group = k.user.u32(arg)
            if self.session and k.current.sid != self.session:
                raise Errno(errno.ENOTTY)
            self.foreground = group
        elif cmd == TIOCSCTTY:
            if self.session not in (0, k.current.sid):
                raise Errno(errno.EPERM)
            self.session, self.foreground = k.current.sid, k.current.pgid
        elif cmd == TIOCNOTTY:
            if self.session == k.current.sid == k.current.pid:
                self.session = self.foreground = 0
        elif cmd == TIOCGWINSZ:
            k.user.copy_to(arg, WINSIZE.pack(self.rows, self.columns, 0, 0))
        elif cmd == TIOCSWINSZ:
            rows, columns, _, _ = WINSIZE.unpack(k.user.copy_from(arg, WINSIZE.size))
            self.resize(k, rows, columns)
        elif cmd == FIONREAD:
            k.user.put_u32(arg, self.available())
        else:
            raise Errno(errno.ENOTTY)
        return 0


@device(5, 1)
class TtyFile(File):
    """An open terminal."""

    __slots__ = ()

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        return k.tty.read(k, buf, count, self.nonblocking)

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        return k.tty.write(k, data)

    def ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        return k.tty.ioctl(k, cmd, arg)


@device(5, 0)
class ControllingTtyFile(TtyFile):
    """/dev/tty: the terminal of the process's session; ENXIO if that has none."""

    __slots__ = ()

    def start(self, k: Kernel) -> Answer:
        if k.tty.session not in (0, k.current.sid):
            raise Errno(errno.ENXIO)
        return 0
