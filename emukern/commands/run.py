"""emukern run: insert a module into a fresh guest and remove it again, and tell what the kernel said."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emukern.commands import options as shared

if TYPE_CHECKING:
    from emukern.guest import Guest

ABOUT = "insert a module, remove it, and print the kernel's messages"
OOPS = 139  # exit status when the module's code died: insmod was killed by signal 11
QUIET = 0.02  # virtual seconds without a message, after which a module has nothing more to say
ROUNDS = 50  # of that length are waited at most
# Four errnos mean something else when they come from the module loader (kmod's insmod).
WORDS = {
    errno.ENOEXEC: "Invalid module format",
    errno.ENOENT: "Unknown symbol in module",
    errno.ESRCH: "Module has wrong symbol version",
    errno.EINVAL: "Invalid parameters",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("module", metavar="FILE.ko|NAME", help="a module file, or the name of a sample")
    parser.add_argument("params", nargs="*", metavar="name=value", help="module parameters")
    shared.add_arch(parser, None, "the file's; of a sample x86_64")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the messages")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="virtual time between insmod and rmmod (until 0.02 s pass without a message)",
    )
    parser.add_argument("--modules", type=Path, metavar="DIR", help="where the modules are that it needs")
    shared.add_machine(parser)


@dataclass
class Outcome:
    """What became of the module, in the words of the JSON object. An errno is None when it never came to that."""

    name: str
    insmod_errno: int | None = None
    insmod_kmsg: list[dict[str, Any]] = field(default_factory=list)
    rmmod_errno: int | None = None
    rmmod_kmsg: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> str:
        """One line."""
        fields = {
            "name": self.name,
            "insmod_errno": self.insmod_errno,
            "insmod_errname": errno_word(self.insmod_errno),
            "insmod_kmsg": self.insmod_kmsg,
            "rmmod_errno": self.rmmod_errno,
            "rmmod_errname": errno_word(self.rmmod_errno),
            "rmmod_kmsg": self.rmmod_kmsg,
        }
        return json.dumps(fields)


def errno_word(number: int | None) -> str | None:
    """"OK" for 0, the errno's name for others."""
    from emukern.errors import errno_name

    return None if number is None else errno_name(number) if number else "OK"


def run(options: argparse.Namespace) -> int:
    """The exit status is 0, the first errno that was not, or OOPS."""
    from emukern.commands.module_file import find
    from emukern.kmod.depends import module_name

    path = find(options.module, options.arch or "x86_64")
    outcome = Outcome(module_name(path.name))
    try:
        blob = path.read_bytes()
    except OSError as error:
        outcome.insmod_errno = error.errno or errno.EIO
        verb = "insert" if isinstance(error, IsADirectoryError) else "load"
        complain("insmod", f"could not {verb} module {options.module}: {os.strerror(outcome.insmod_errno)}")
        status = outcome.insmod_errno
    else:
        status = try_module(options, path, blob, outcome)
    if options.json:
        print(outcome.as_json())
    return status


def try_module(options: argparse.Namespace, path: Path, blob: bytes, outcome: Outcome) -> int:
    """Boot, insert what the module needs, insert it and remove it; the exit status."""
    from emukern.commands.module_file import needed, said_needs
    from emukern.errors import GuestOops

    before = needed(path, options.modules, said_needs(blob))
    guest = booted(options, blob)
    try:
        for file in before:
            status = insert(guest, file.read_bytes(), "", str(file))
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


def insert_and_remove(guest: Guest, blob: bytes, options: argparse.Namespace, outcome: Outcome) -> int:
    """Fill `outcome`; the exit status. Raises GuestOops when the module's code died."""
    loaded, seen = set(guest.k.modules), len(messages(guest))
    try:
        outcome.insmod_errno = insert(guest, blob, joined(options.params), options.module)
        settle(guest, options.seconds)
    finally:
        outcome.insmod_kmsg = messages(guest)[seen:]
    if outcome.insmod_errno:
        return outcome.insmod_errno
    (outcome.name,) = set(guest.k.modules) - loaded
    seen = len(messages(guest))
    try:
        outcome.rmmod_errno = remove(guest, outcome.name)
        settle(guest)
    finally:
        outcome.rmmod_kmsg = messages(guest)[seen:]
    return outcome.rmmod_errno


def insert(guest: Guest, blob: bytes, params: str, name: str) -> int:
    """0 or the errno, with kmod's sentence on standard error. Raises GuestOops."""
    from emukern.errors import ModuleError

    try:
        guest.insmod(blob, params)
    except ModuleError as error:
        why = WORDS.get(error.errno) or os.strerror(error.errno)
        complain("insmod", f"could not insert module {name}: {why}")
        return error.errno
    return 0


def remove(guest: Guest, name: str) -> int:
    """0 or the errno, with kmod's sentence on standard error. Raises GuestOops."""
    from emukern.errors import ModuleError

    try:
        guest.rmmod(name)
    except ModuleError as error:
        if error.errno == errno.EAGAIN:
            complain("rmmod", f"Module {name} is in use")
        else:
            complain("rmmod", f"could not remove module {name}: {os.strerror(error.errno)}")
        return error.errno
    return 0


def settle(guest: Guest, seconds: float | None = None) -> None:
    """Let virtual time pass until the module's timers and threads have said what they have to say, or so long."""
    if seconds is not None:
        guest.advance(seconds)
        return
    for _ in range(ROUNDS):
        seen = len(messages(guest))
        guest.advance(QUIET)
        if len(messages(guest)) == seen:
            return


def messages(guest: Guest) -> list[dict[str, Any]]:
    """The kernel log as JSON has it."""
    return [{"level": record.level, "text": record.text} for record in guest.dmesg()]


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
