"""emukern modinfo: what a module says about itself, as kmod's modinfo prints it."""

from __future__ import annotations

import argparse
import errno
import os
import sys

from emukern.commands import options as shared

ABOUT = "print what a module says about itself"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("module", metavar="FILE.ko|NAME", help="a module file, or the name of a sample")
    parser.add_argument("-F", dest="field", metavar="FIELD", help="print this field alone")
    shared.add_arch(parser, "x86_64", "of a sample: x86_64")


def run(options: argparse.Namespace) -> int:
    """The exit status is 1 when there is nothing to print, as kmod's."""
    from emukern import arch as arches
    from emukern.commands.module_file import find
    from emukern.errors import ModuleError
    from emukern.kmod import modinfo
    from emukern.kmod.file import machine_of, parse

    path = find(options.module, options.arch)
    if not path.exists():
        print(f"modinfo: ERROR: Module {options.module} not found.", file=sys.stderr)
        return 1
    try:
        blob = path.read_bytes()
        machine = machine_of(blob)
        if machine not in arches.NAMES:
            raise ModuleError(errno.ENOEXEC)
        file = parse(blob, arches.get(machine).e_machine, plain=True, name=path.name.partition(".")[0])
    except (ModuleError, OSError) as error:
        why = os.strerror(error.errno or errno.EIO)
        print(f"modinfo: ERROR: could not get modinfo from '{path}': {why}", file=sys.stderr)
        return 1
    if options.field is None:
        print(modinfo.modinfo(file, str(path.absolute())))
    elif options.field == "filename":
        print(path.absolute())
    else:
        for value in modinfo.field(file, options.field):
            print(value)
    return 0
