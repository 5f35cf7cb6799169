"""Arguments that several subcommands have."""

from __future__ import annotations

import argparse

from emukern.arch import NAMES

MIB = 1 << 20


def add_arch(parser: argparse.ArgumentParser, default: str | None, note: str) -> None:
    """--arch."""
    parser.add_argument("--arch", choices=NAMES, default=default, help=f"architecture ({note})")


def add_machine(parser: argparse.ArgumentParser) -> None:
    """What the machine is like: --memory, --seed, --lazy-symbols, --verbose."""
    parser.add_argument("--memory", type=int, default=128, metavar="MIB", help="RAM in MiB (128)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all randomness (0)")
    parser.add_argument(
        "--lazy-symbols",
        action="store_true",
        help="load modules with missing imports; calling one of these stops with its name",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show the boot messages")
