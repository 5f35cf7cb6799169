"""Arguments that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from emukern.arch import NAMES
from emukern.errors import UsageError

MIB = 1 << 20
TINY_MEMORY = 128  # MiB
# What makes sense for one of the two kernels alone: attribute and option.
TINY_ONLY = (("seed", "--seed"), ("lazy_symbols", "--lazy-symbols"))
KERNEL_ONLY = (("append", "--append"), ("init", "--init"), ("no_cache", "--no-cache"), ("via", "--via"))


def add_arch(parser: argparse.ArgumentParser, default: str | None, note: str) -> None:
    """--arch."""
    parser.add_argument("--arch", choices=NAMES, default=default, help=f"architecture ({note})")


def add_machine(parser: argparse.ArgumentParser) -> None:
    """What the machine is like: --memory, --seed, --lazy-symbols, --verbose."""
    parser.add_argument("--memory", type=int, metavar="MIB", help="RAM in MiB (128; with --kernel 256)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all randomness (0)")
    parser.add_argument(
        "--lazy-symbols",
        action="store_true",
        help="load modules with missing imports; calling one of these stops with its name",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show the boot messages")


def add_kernel(parser: argparse.ArgumentParser, modules: str) -> None:
    """--kernel and what goes with it; `modules` is the help for --modules."""
    group = parser.add_argument_group("a distribution's kernel")
    group.add_argument("--kernel", type=Path, metavar="IMAGE", help="run this kernel image (emukern's own tiny kernel)")
    group.add_argument("--modules", type=Path, metavar="DIR", help=modules)
    group.add_argument("--append", metavar="PARAMETERS", help="kernel parameters to add to its command line")
    group.add_argument("--no-cache", action="store_true", help="boot anew, and keep nothing for the next time")


def check(options: argparse.Namespace) -> None:
    """Raise UsageError for an option of the other kernel."""
    wrong, whose = (TINY_ONLY, "emukern's own kernel") if options.kernel else (KERNEL_ONLY, "--kernel IMAGE")
    for attribute, option in wrong:
        if getattr(options, attribute, None):
            raise UsageError(f"{option} is for {whose} only")
