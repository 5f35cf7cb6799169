"""emukern samples: which modules the package brings."""

from __future__ import annotations

import argparse

from emukern.commands import options as shared

ABOUT = "list the sample modules that come with emukern"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    shared.add_arch(parser, "x86_64", "x86_64")


def run(options: argparse.Namespace) -> int:
    """One line for each."""
    from emukern.samples import listing

    found = listing(options.arch)
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        print(f"{one.name:{width}}  {one.description}".rstrip())
    return 0
