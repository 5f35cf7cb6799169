"""A shell on the console of a distribution's kernel, for a person or for a script."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any, TextIO, cast

from emukern.commands.kernel import boot, show_log

if TYPE_CHECKING:
    from emukern.linux.guest import LinuxGuest
    from emukern.terminal import Script

NEVER = 124  # exit status when all that is left waits for what will never happen
SHELL = "/bin/sh"
STDIN = "/proc/self/fd/0"  # as a script; with -s, busybox's shell takes a terminal for a person


def interactive(options: argparse.Namespace) -> int:
    """A session of a person at this terminal."""
    from emukern.linux import session
    from emukern.linux.tty import Tty
    from emukern.terminal import Left, Terminal

    terminal = Terminal()
    with terminal.raw():
        output = Column(terminal)
        try:
            with terminal.early(), redirect_stderr(cast(TextIO, Complaints(output))):
                guest = boot(options, seen=True, console=output.write, source=terminal)
                furnish(guest, options)
            tty = Tty(guest)
            terminal.attach(guest.machine.clock, tty.resize)
            return ended(session.run(guest, [SHELL], size=terminal.size))
        except Left as left:
            return left.status
        finally:
            output.finish()


class Column:
    """A terminal's output, which ends with a whole line."""

    def __init__(self, terminal: Any) -> None:
        self._terminal, self._last = terminal, b"\n"

    def write(self, data: bytes) -> None:
        """Print."""
        self._terminal.write(data)
        self._last = data[-1:] or self._last

    def finish(self) -> None:
        """Go to the next line unless the guest has."""
        if self._last != b"\n":
            self.write(b"\r\n")


class Complaints:
    """Standard error while the terminal needs a carriage return for each line."""

    def __init__(self, output: Column) -> None:
        self._output = output

    def write(self, text: str) -> None:
        """Print."""
        self._output.write(text.replace("\n", "\r\n").encode("utf-8", "replace"))

    def flush(self) -> None:
        """Nothing is held back."""


def scripted(options: argparse.Namespace, words: tuple[str, ...], source: Script) -> int:
    """A session without a person: what the guest prints goes to standard output, with plain line ends."""
    from emukern.linux import session
    from emukern.linux.tty import Feed, Tty

    output = Plain()
    guest = boot(options, console=output.write)
    if options.verbose:
        show_log(guest)
    furnish(guest, options)
    tty = Tty(guest)
    tty.take_lines()
    guest.machine.console.console.input = Feed(tty, source)
    output.open = True
    if words == ("-s",):
        words = (STDIN,)
    return ended(session.run(guest, [SHELL, *words], ended=output.close, sign=lambda: output.count))


class Plain:
    """The console's sink of a script, with plain line ends; it prints while the script runs."""

    def __init__(self) -> None:
        self.open = False
        self.count = 0  # bytes so far
        self._held = b""  # a carriage return, which may belong to the end of a line

    def write(self, data: bytes) -> None:
        """Print."""
        from emukern.terminal import write_all

        self.count += len(data)
        if self.open:
            data = self._held + data
            self._held = b"\r" if data.endswith(b"\r") else b""
            write_all(1, data.removesuffix(b"\r").replace(b"\r\n", b"\n"))

    def close(self) -> None:
        """The script is over."""
        self.open = False


def ended(status: int | None) -> int:
    """The exit status for a session's."""
    if status is None:
        print("emukern: everything in the guest waits for what will never happen", file=sys.stderr)
        return NEVER
    return status


def furnish(guest: LinuxGuest, options: argparse.Namespace) -> None:
    """What the command line puts into the guest: modules into /, a folder, somebody's busybox."""
    from emukern.commands.module_file import for_guest
    from emukern.linux import session
    from emukern.linux.agent import Put

    commands: list[Any] = [Put(f"/{name}", data) for name, data in (for_guest(guest, one) for one in options.files)]
    if options.share is not None:
        commands += session.shared(options.share, guest.machine.ram.size // session.PART)
    if commands:
        session.put(guest, commands)
    if options.init is not None:
        from functools import partial

        from emukern.linux import busybox

        busybox.install(partial(session.perform, guest), options.init, guest.arch)
