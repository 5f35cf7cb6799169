"""emukern cache: the booted kernels kept on disk, and how to get rid of them."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emukern.linux.cache import Entry

ABOUT = "list and remove the booted kernels kept on disk"
MIB = 1 << 20
# Of each unit, in seconds.
UNITS = (("minute", 60), ("hour", 3600), ("day", 86400), ("week", 7 * 86400), ("year", 365 * 86400))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.set_defaults(action="list")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="what there is (the default)")
    remove = actions.add_parser("remove", help="remove some, or everything")
    remove.add_argument("names", nargs="*", metavar="NAME", help="a name as listed, its beginning, or a kernel release")
    remove.add_argument("--all", action="store_true", help="remove everything")
    actions.add_parser("path", help="print the folder they are in")


def run(options: argparse.Namespace) -> int:
    """Removing what is not there is an error; an empty cache is none."""
    from emukern.errors import UsageError
    from emukern.linux.cache import Cache

    cache = Cache()
    if options.action == "path":
        print(cache.folder)
    elif options.action == "remove":
        if options.all == bool(options.names):
            raise UsageError("say which to remove, or --all")
        gone = cache.clear() if options.all else cache.remove(*options.names)
        print(f"removed {_total(gone)}")
    elif entries := cache.entries():
        show(entries)
        print(f"{_total(entries)} in {cache.folder}")
    else:
        print(f"nothing in {cache.folder}")
    return 0


def show(entries: list[Entry]) -> None:
    """A table with a line for each."""
    from rich.console import Console
    from rich.table import Table

    from emukern.linux.cache import SHORT

    table = Table("name", "kernel", "architecture", box=None, pad_edge=False, header_style="bold")
    for heading in ("memory", "size", "last used"):
        table.add_column(heading, justify="right", no_wrap=True)
    now = time.time()
    for entry in entries:
        boot = entry.boot
        what = (boot.release, boot.arch, f"{boot.memory // MIB} MiB") if boot else ("(unreadable)", "", "")
        table.add_row(entry.name[:SHORT], *what, f"{entry.size / MIB:.1f} MiB", age(now - entry.used))
    wide = None if sys.stdout.isatty() else 200
    Console(width=wide, highlight=False, markup=False, emoji=False).print(table)


def age(seconds: float) -> str:
    """In words: "just now", "3 hours ago"."""
    said = "just now"
    for unit, length in UNITS:
        if seconds < length:
            break
        number = int(seconds // length)
        said = f"{number} {unit}{'s' if number > 1 else ''} ago"
    return said


def _total(entries: list[Entry]) -> str:
    size = sum(entry.size for entry in entries)
    return f"{len(entries)} booted kernel{'' if len(entries) == 1 else 's'}, {size / MIB:.1f} MiB"
