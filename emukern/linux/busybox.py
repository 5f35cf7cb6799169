"""Somebody's busybox as the shell and the tools of a borrowed kernel's user space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from emukern import elf
from emukern.errors import Errno, UsageError
from emukern.linux.agent import Command, Exec, Exited, Link, Put, Result

PLACE = "/bin/busybox"
PT_INTERP = 3
# These stay ours: busybox's own look for a module tree in the guest, or tell an init of its kind to power off.
OURS = ("insmod", "rmmod", "lsmod", "modinfo", "modprobe", "poweroff")
NO_TOOLS = {*OURS, "busybox", "init", "linuxrc"}


def install(perform: Callable[[Sequence[Command]], list[Result]], program: Path, arch: str) -> list[str]:
    """Put the static busybox in the host's file `program` into a running guest, and all it can do into /bin.

    `perform` has the guest's agent do commands, and gives their results. The names of what is in /bin by now; its `sh`
    is the shell. Raises `UsageError` when `program` is no busybox for `arch`.
    """
    try:
        data = program.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {program}: {error.strerror}") from None
    _check(data, program, arch)
    _, listing = perform([Put(PLACE, data, 0o755), Exec((PLACE, "--list"))])
    if isinstance(listing, Errno):
        raise UsageError(f"the kernel cannot run {program}: {listing}")
    names = listing.output.decode("ascii", "replace").split() if isinstance(listing, Exited) else []
    if not isinstance(listing, Exited) or listing.status or "sh" not in names:
        raise UsageError(f"{program} is no busybox with a shell in it")
    links = [Link(f"/bin/{name}", PLACE) for name in names if name not in NO_TOOLS and "/" not in name]
    perform([Put(PLACE, without(data, names, OURS), 0o755), *links])
    return [link.path.rpartition("/")[2] for link in links]


def without(data: bytes, names: Sequence[str], hidden: Sequence[str]) -> bytes:
    """The program with some tools under names that nobody types; `names` is its table of them, in order.

    Its shell prefers its own tools to programs in PATH, and nothing but their names tells it what they are. The table
    stays sorted, for it is searched by halves. A program that keeps no such table comes back as it is.
    """
    table = b"".join(name.encode() + b"\0" for name in names)
    renamed = [name[:-1] + "\x7f" if name in hidden else name for name in names]
    if data.count(table) != 1 or (sorted(names) == list(names)) != (sorted(renamed) == renamed):
        return data
    return data.replace(table, b"".join(name.encode() + b"\0" for name in renamed))


def _check(data: bytes, program: Path, arch: str) -> None:
    """Say early what the kernel would say late, and with one word."""
    try:
        machine = elf.MACHINE_NAMES.get(elf.header(data).machine, "another architecture")
        segments = elf.program_headers(data)
    except elf.ElfError:
        raise UsageError(f"{program} is no program") from None
    if machine != arch:
        raise UsageError(f"{program} is a program for {machine}, the kernel is for {arch}")
    if any(segment.type == PT_INTERP for segment in segments):
        raise UsageError(f"{program} needs shared libraries; take a static one (Debian's busybox-static)")
