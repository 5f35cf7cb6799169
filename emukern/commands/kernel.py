"""A distribution's kernel as the command line asks for it, booted, and a module tried on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from emukern.commands import options as shared
from emukern.errors import UsageError

if TYPE_CHECKING:
    from emukern.errors import ModuleError
    from emukern.linux.depends import ModuleTree
    from emukern.linux.guest import LinuxGuest
    from emukern.linux.outcome import Guest, Outcome

VIAS = ("loader", "kernel")
PANIC = "Kernel panic - not syncing: "
MEMORY = (96, 3072)  # MiB: what the smallest kernels need, and what the PC has room for
LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")  # as dmesg calls them


def boot(options: argparse.Namespace, *, seen: bool = False, **more: Any) -> LinuxGuest:
    """The guest that the command line describes, parked. Raises what makes it impossible.

    A kernel that panics has its last lines on standard error, unless they were `seen`.
    """
    from emukern.errors import GuestPanic
    from emukern.linux.boot import boot as boot_image

    more |= {"arch": options.arch, "modules": options.modules, "cache": not options.no_cache}
    if options.memory is not None:
        if not MEMORY[0] <= options.memory <= MEMORY[1] or options.memory % 2:
            raise UsageError(f"memory must be an even number of MiB from {MEMORY[0]} to {MEMORY[1]}")
        more["memory"] = options.memory * shared.MIB
    if options.modules is not None and not options.modules.is_dir():
        raise UsageError(f"there is no module tree at {options.modules}")
    try:
        guest = boot_image(options.kernel, cmdline=options.append or "", **more)
    except GuestPanic as panic:
        if not seen:
            print(*panic.report.splitlines(), sep="\n", file=sys.stderr)
        raise
    if options.modules is not None:
        _ = guest.tree  # raises UsageError when it is another kernel's
    return guest


def sentence(report: str) -> str:
    """What a panic comes to: the kernel's own words for it, or the first line of the report."""
    for line in report.splitlines():
        if PANIC in line:
            return f"kernel panic: {line.partition(PANIC)[2]}"
    first = report.partition("\n")[0]
    return first if first.startswith("the kernel ") else f"kernel panic: {first}"


def show_log(guest: LinuxGuest) -> None:
    """The kernel log as dmesg prints it."""
    for record in guest.dmesg():
        print(record.formatted)
    sys.stdout.flush()


# A module.


class Messages:
    """What the kernel says from now on, with its level and time, on standard output unless nobody wants it."""

    def __init__(self, guest: LinuxGuest, wanted: bool) -> None:
        self._guest, self._wanted = guest, wanted
        self._seen = guest.last_record()

    def show(self) -> None:
        """Print what is new."""
        if not self._wanted:
            return
        for record in self._guest.dmesg():
            if record.seq > self._seen:
                self._seen = record.seq
                for line in record.formatted.splitlines():
                    print(f"{LEVELS[record.level]:6} {line}")
        sys.stdout.flush()


def try_module(options: argparse.Namespace, outcome: Outcome) -> int:
    """Boot, insert what the module needs, insert it and remove it; the exit status. Raises OSError for the file."""
    from emukern.commands import run
    from emukern.commands.module_file import find
    from emukern.errors import EmukernError, GuestOops
    from emukern.kmod.depends import module_name
    from emukern.linux import modprobe

    path = find(options.module, options.arch or "x86_64")
    if path.suffix or "/" in options.module:
        path.open("rb").close()  # before a kernel boots for nothing
    guest = boot(options, meanwhile=prepare)
    if options.verbose and not options.json:
        show_log(guest)
    path = modprobe.find(guest, options.module)
    outcome.name = module_name(path.name)
    blob = modprobe.plain(path)
    messages = Messages(guest, not options.json)
    try:
        insert_needed(guest, path, messages)
        return run.insert_and_remove(through(guest, options.via), blob, options, outcome, messages.show)
    except GuestOops:
        return run.OOPS
    finally:
        with suppress(EmukernError):  # of a guest in ruins
            messages.show()


def prepare(find_tree: Callable[[], ModuleTree]) -> None:
    """What a module will take that no guest is needed for."""
    import_module("emukern.linux.loader")
    with suppress(UsageError):  # which is told when it matters
        _ = find_tree().paths


def through(guest: LinuxGuest, via: str | None) -> Guest:
    """The guest, with `via` decided."""
    from functools import partial

    insmod = guest.insmod if via is None else partial(guest.insmod, via=via)
    parts = {"rmmod": guest.rmmod, "dmesg": guest.dmesg, "advance": guest.advance, "machine": guest.machine}
    return cast("Guest", SimpleNamespace(insmod=insmod, **parts))


def insert_needed(guest: LinuxGuest, path: Path, messages: Messages) -> None:
    """Insert what a module needs, and let it settle. A refusal is told; the module is tried all the same."""
    from emukern.commands import run
    from emukern.linux import modprobe
    from emukern.linux.outcome import settle

    def refused(file: Path, refusal: ModuleError) -> None:
        messages.show()
        run.not_inserted(str(file), refusal.errno)

    if modprobe.insert_needed(guest, path, refused):
        settle(guest)
    messages.show()
