"""emukern run: insert a module into a fresh guest and remove it again, and tell what the kernel said."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emukern.commands import kernel
from emukern.commands import options as shared

if TYPE_CHECKING:
    from emukern.guest import Guest
    from emukern.linux.outcome import Guest as Subject
    from emukern.linux.outcome import Outcome

ABOUT = "insert a module, remove it, and print the kernel's messages"
OOPS = 139  # exit status when the module's code died: insmod was killed by signal 11
# Four errnos mean something else when they come from the module loader (kmod's insmod).
WORDS = {
    errno.ENOEXEC: "Invalid module format",
    errno.ENOENT: "Unknown symbol in module",
    errno.ESRCH: "Module has wrong symbol version",
    errno.EINVAL: "Invalid parameters",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument(
        "module", metavar="FILE.ko|NAME", help="a module file, a sample's name, or with --kernel one in its module tree"
    )
    parser.add_argument("params", nargs="*", metavar="name=value", help="module parameters")
    shared.add_arch(parser, None, "the file's; of a sample x86_64; with --kernel the image's")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the messages")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="virtual time between insmod and rmmod (until 0.02 s pass without a message)",
    )
    shared.add_machine(parser)
    shared.add_kernel(parser, "where the modules are that it needs (with --kernel beside the image, or /lib/modules/…)")
    parser.add_argument("--via", choices=kernel.VIAS, help="who loads it into that kernel: ours (default) or itself")


def run(options: argparse.Namespace) -> int:
    """The exit status is 0, the first errno that was not, or OOPS."""
    from emukern.commands.module_file import find
    from emukern.errors import GuestPanic
    from emukern.kmod.depends import module_name
    from emukern.linux.outcome import Outcome

    shared.check(options)
    path = find(options.module, options.arch or "x86_64")
    outcome = Outcome(module_name(path.name))
    try:
        status = kernel.try_module(options, outcome) if options.kernel else try_module(options, path, outcome)
    except OSError as error:
        status = outcome.insmod_errno = unreadable(options.module, error)
    except GuestPanic:
        show_record(options, outcome)
        raise
    show_record(options, outcome)
    return status


def show_record(options: argparse.Namespace, outcome: Outcome) -> None:
    """Print the outcome with --json."""
    if options.json:
        print(json.dumps(outcome.record()))


def unreadable(module: str, error: OSError) -> int:
    """Say as insmod does that there is no such file; the errno."""
    number = error.errno or errno.EIO
    verb = "insert" if isinstance(error, IsADirectoryError) else "load"
    complain("insmod", f"could not {verb} module {module}: {os.strerror(number)}")
    return number


def try_module(options: argparse.Namespace, path: Path, outcome: Outcome) -> int:
    """Boot, insert what the module needs, insert it and remove it; the exit status. Raises OSError for the file."""
    from emukern.commands.module_file import needed, said_needs
    from emukern.errors import GuestOops

    blob = path.read_bytes()
    before = needed(path, options.modules, said_needs(blob))
    guest = booted(options, blob)
    try:
        for file in before:
            status = insert_needed(guest, file)
            if status:
                return status
        return insert_and_remove(guest, blob, options, outcome)
    except GuestOops:
        return OOPS


def booted(options: argparse.Namespace, blob: bytes) -> Guest:
    """A guest of the module's architecture. Its messages go to standard output, except with --json."""
    from emukern.commands.boot import Output, power_on

    options.arch, options.share = options.arch or arch_of(blob), None
    output = Output(options.verbose)
    guest = power_on(options, console=None if options.json else output.write)
    output.kernel = guest.k
    guest.run()
    return guest


def arch_of(blob: bytes) -> str:
    """The architecture to boot for a ko; x86_64 for bytes that no kernel here will take."""
    from emukern.arch import NAMES
    from emukern.errors import ModuleError
    from emukern.kmod.file import machine_of

    try:
        machine = machine_of(blob)
    except ModuleError:
        machine = ""
    return machine if machine in NAMES else NAMES[0]


def insert_and_remove(
    guest: Subject,
    blob: bytes,
    options: argparse.Namespace,
    outcome: Outcome,
    show: Callable[[], object] = lambda: None,
) -> int:
    """Fill `outcome`; the exit status. Raises GuestOops when the module's code died.

    `show` is called when there may be messages to print, before anything is said about what they are of.
    """
    from emukern.linux.outcome import insert, remove

    def refused(say: Callable[[str, int], None], module: str, number: int) -> None:
        show()
        say(module, number)

    insert(
        guest,
        blob,
        outcome,
        params=joined(options.params),
        seconds=options.seconds,
        refused=partial(refused, not_inserted, options.module),
    )
    show()
    if outcome.insmod_errno == 0:
        remove(guest, outcome, refused=partial(refused, not_removed, outcome.name))
    return outcome.insmod_errno or outcome.rmmod_errno or 0


def insert_needed(guest: Guest, file: Path) -> int:
    """Insert what the module needs; 0 or the errno. Raises GuestOops."""
    from emukern.errors import ModuleError

    try:
        guest.insmod(file.read_bytes())
    except ModuleError as error:
        not_inserted(str(file), error.errno)
        return error.errno
    return 0


def not_inserted(module: str, number: int) -> None:
    """Say so as insmod does."""
    complain("insmod", f"could not insert module {module}: {WORDS.get(number) or os.strerror(number)}")


def not_removed(module: str, number: int) -> None:
    """Say so as rmmod does."""
    if number == errno.EAGAIN:
        complain("rmmod", f"Module {module} is in use")
    else:
        complain("rmmod", f"could not remove module {module}: {os.strerror(number)}")


def joined(params: list[str]) -> str:
    """One string for the kernel; the shell took the quotes off a value with spaces, so put them back."""
    words = []
    for param in params:
        name, equals, value = param.partition("=")
        quote = '"' if " " in value and not value.startswith('"') else ""
        words.append(f"{name}{equals}{quote}{value}{quote}")
    return " ".join(words)


def complain(tool: str, text: str) -> None:
    """A line as kmod's tools print it."""
    sys.stdout.flush()
    print(f"{tool}: ERROR: {text}", file=sys.stderr)
