"""The terminal device of a borrowed kernel's serial line, for the host that sits at its other end.

A person's terminal has a size, which the guest's programs ask for. A script's lines must come one at a time, when a
program asks for input, unchanged and without an echo, whatever bytes they hold. Offsets are the kernel's own, from its
BTF; `find` asks for them once, and they are kept with the booted kernel.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from emukern.errors import GuestFault, UsageError

if TYPE_CHECKING:
    from emukern.linux.guest import LinuxGuest

ASKING = ("n_tty_read", "n_tty_poll")  # both begin with (struct tty_struct *tty, struct file *file
ICANON, IEXTEN = 0o2, 0o100000  # include/uapi/asm-generic/termbits.h
VEOF, VLNEXT = 4, 15  # places in c_cc
END, QUOTE = b"\x04", b"\x16"  # the only bytes that mean something to the terminal of a script
QUOTED = {byte[0]: QUOTE + byte for byte in (END, QUOTE)}


@dataclass(frozen=True, slots=True)
class Places:
    """Where the kernel has what is needed: addresses of the device and of `ASKING`, offsets of members, sizes."""

    tty: int
    asking: tuple[int, ...]
    winsize: int  # of struct tty_struct
    disc_data: int
    termios: int
    ktermios: int  # its size
    iflag: int  # of struct ktermios
    lflag: int
    cc: int
    cc_count: int
    head: int  # of struct n_tty_data
    tail: int


def find(guest: LinuxGuest) -> Places | None:
    """The device that the parked agent has as its standard input; None when that is no terminal."""
    try:
        return _find(guest)
    except (GuestFault, UsageError, LookupError):
        return None


def _find(guest: LinuxGuest) -> Places:
    mem, offset = guest.mem, guest.btf.offset
    file = guest.call("fget", 0)
    tty = mem.u64(mem.u64(file + offset("struct file", "private_data")) + offset("struct tty_file_private", "tty"))
    guest.call("fput", file)
    return Places(
        tty=tty,
        asking=tuple(guest.address(name) for name in ASKING),
        winsize=offset("struct tty_struct", "winsize"),
        disc_data=offset("struct tty_struct", "disc_data"),
        termios=offset("struct tty_struct", "termios"),
        ktermios=guest.btf.size("struct ktermios"),
        iflag=offset("struct ktermios", "c_iflag"),
        lflag=offset("struct ktermios", "c_lflag"),
        cc=offset("struct ktermios", "c_cc"),
        cc_count=guest.btf.size("struct ktermios", "c_cc"),
        head=offset("struct n_tty_data", "read_head"),
        tail=offset("struct n_tty_data", "read_tail"),
    )


class Tty:
    """The device in a guest."""

    def __init__(self, guest: LinuxGuest) -> None:
        """Raises UsageError when its console is no serial line."""
        if guest.facts.tty is None:
            raise UsageError(f"the kernel {guest.release} has no serial line as its console (see --append)")
        self.guest, self.places = guest, guest.facts.tty

    def resize(self, rows: int, columns: int) -> None:
        """What programs are told from now on. They get no signal: that would take the kernel's help, in no process."""
        self.guest.mem.write(self.places.tty + self.places.winsize, struct.pack("<HH", rows, columns))

    def take_lines(self) -> None:
        """Pass on every line as it is. The guest must be parked."""
        at, guest = self.places, self.guest
        modes = bytearray(guest.mem.read(at.tty + at.termios, at.ktermios))
        modes[at.iflag : at.iflag + 4] = bytes(4)
        modes[at.lflag : at.lflag + 4] = struct.pack("<I", ICANON | IEXTEN)
        keys = bytearray(at.cc_count)  # 0: no key has this meaning
        keys[VEOF], keys[VLNEXT] = END[0], QUOTE[0]
        modes[at.cc : at.cc + at.cc_count] = keys
        block = guest.alloc(bytes(modes))
        guest.call("tty_set_termios", at.tty, block)
        guest.free(block)

    def unread(self) -> tuple[int, int]:
        """How far the line has been written and read, in bytes."""
        mem, at = self.guest.mem, self.places
        data = mem.u64(at.tty + at.disc_data)
        return mem.u64(data + at.head), mem.u64(data + at.tail)


class Lines(Protocol):
    """Where a script's lines come from; None at the end."""

    def wait(self, timeout_ns: int | None, /) -> bytes | None: ...


class Feed:
    """Gives the guest a line whenever a program asks for input and has read all there was; the console's Input."""

    paced = False

    def __init__(self, tty: Tty, lines: Lines) -> None:
        self._tty, self._lines = tty, lines
        self._wanted = False
        self._head: int | None = None  # before the line that is on its way
        guest = tty.guest
        for address in tty.places.asking:
            guest.overrides[address] = self._asked
            guest.watch(address)

    def _asked(self) -> None:
        """A program is about to read, or to wait until it can."""
        guest = self._tty.guest
        first = guest.machine.arch.registers.args[0]
        if guest.machine.cpu.gpr[first] != self._tty.places.tty:
            return
        self._wanted = True
        line = self._next()
        if line:
            guest.machine.board.receive(line)

    def poll(self) -> bytes:
        """Nothing before it is asked for."""
        return b""

    def wait(self, timeout_ns: int | None) -> bytes | None:
        """The CPU is idle: nothing is on its way any more."""
        self._head = None
        return self._next()

    def _next(self) -> bytes:
        head, tail = self._tty.unread()
        if not self._wanted or head != tail or head == self._head:
            return b""
        self._wanted, self._head = False, head
        line = self._lines.wait(None)
        if line is None:
            return END
        quoted = b"".join(QUOTED.get(byte) or bytes((byte,)) for byte in line)
        return quoted if line.endswith(b"\n") else quoted + END  # which ends a line without being in it
