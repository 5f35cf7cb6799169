"""A shell on the console of a borrowed kernel: files into the guest, the program on its terminal, and the end."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emukern.errors import Errno, GuestOops, GuestPanic, UsageError
from emukern.linux.agent import Command, Died, Done, Exited, Folder, Link, PowerOff, Put, Result, Shell

if TYPE_CHECKING:
    from emukern.linux.guest import LinuxGuest
    from emukern.linux.machine import Stop

SHARE = "/mnt"
PART = 4  # a shared folder may take the guest's memory divided by this
PATIENCE = 86_400_000_000_000  # ns of virtual time: a day
PANIC = "Kernel panic"


def perform(guest: LinuxGuest, commands: Sequence[Command]) -> list[Result]:
    """Have the guest's agent do commands; what became of each."""
    guest.agent.results.clear()
    guest.agent.commands += commands
    guest.parked = False
    guest.park()
    results, guest.agent.results = guest.agent.results, []
    return results


def put(guest: LinuxGuest, commands: Sequence[Put | Folder | Link]) -> None:
    """Create files in the guest. Raises UsageError for the first one that cannot be."""
    for command, result in zip(commands, perform(guest, commands), strict=True):
        if not isinstance(result, Done) or result.status:
            why = Errno(result.status) if isinstance(result, Done) else result
            raise UsageError(f"cannot create {command.path} in the guest: {why}")


def shared(folder: Path, limit: int, at: str = SHARE) -> list[Put | Folder | Link]:
    """What makes a copy of a host's folder at `at`. Sockets, pipes and devices are left out.

    Raises UsageError when it is no folder, cannot be read, or holds more than `limit` bytes.
    """
    if not folder.is_dir():
        raise UsageError(f"cannot share {folder}: it is not a directory")
    commands: list[Put | Folder | Link] = [Folder(at)]
    size = 0
    for path in _below(folder):
        place = f"{at}/{path.relative_to(folder).as_posix()}"
        try:
            state = path.lstat()
            if stat.S_ISDIR(state.st_mode):
                commands.append(Folder(place))
            elif stat.S_ISLNK(state.st_mode):
                commands.append(Link(place, os.readlink(path)))
            elif stat.S_ISREG(state.st_mode):
                size += state.st_size
                if size > limit:
                    raise UsageError(f"cannot share {folder}: it holds more than {limit >> 20} MiB, which are copied")
                commands.append(Put(place, path, stat.S_IMODE(state.st_mode)))
        except OSError as error:
            raise UsageError(f"cannot share {path}: {error.strerror}") from None
    return commands


def _below(folder: Path) -> Iterator[Path]:
    """Everything below a folder, each folder before what is in it, in the order of names."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot share {error.filename}: {error.strerror}")

    for root, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        yield from (Path(root, name) for name in sorted([*folders, *files]))


def run(
    guest: LinuxGuest,
    argv: Sequence[str],
    *,
    env: Sequence[str] = (),
    size: tuple[int, int] = (0, 0),
    ended: Callable[[], object] = lambda: None,
    sign: Callable[[], object] | None = None,
) -> int | None:
    """Run a program on the console, then switch the guest off; the program's exit status.

    0 when somebody has switched the machine off or restarted it, None when nothing will ever happen again: nothing that
    changes what `sign` says, for PATIENCE. `size`: rows and columns. `ended` is called when the program has ended,
    before the kernel shuts down. Raises GuestPanic.
    """
    agent = guest.agent
    agent.results.clear()
    guest.park()
    agent.commands.append(Shell(tuple(argv), tuple(env), *size))
    try:
        stop = _run(guest, sign)
        if not agent.results:
            return None if stop.why in ("idle", "limit") else 0
        ended()
        status = _status(agent.results.pop(), argv[0])
        agent.commands.append(PowerOff())
        guest.run()
    except GuestPanic:
        if any(PANIC in line for line in guest.machine.console.lines):
            raise
        return 0
    return status


def _run(guest: LinuxGuest, sign: Callable[[], object] | None) -> Stop:
    """Run until the program has ended, or the guest has."""
    if sign is None:
        return guest.run(until=lambda: bool(guest.agent.results))
    while True:
        before = sign()
        stop = guest.run(guest.machine.clock.now + PATIENCE, lambda: bool(guest.agent.results))
        if stop.why != "limit" or sign() == before:
            return stop


def _status(result: Result, program: str) -> int:
    if isinstance(result, Exited):
        return result.status
    if isinstance(result, Died):
        raise GuestOops(f"the agent that ran {program} was killed")
    raise UsageError(f"cannot run {program}: {result}")
