"""emukern boot: a machine with a shell, for a person or for a script."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emukern.commands import options as shared
from emukern.commands.console import NEVER
from emukern.errors import UsageError

if TYPE_CHECKING:
    from emukern.guest import Guest
    from emukern.kernel.kernel import Kernel
    from emukern.terminal import Script

ABOUT = "boot to a shell; scripted with -c, --stdin or when standard input is no terminal"
INIT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("files", nargs="*", metavar="FILE.ko|NAME", help="modules to put into /, with --kernel")
    shared.add_arch(parser, None, "x86_64; with --kernel the image's")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("-c", dest="script", metavar="SCRIPT", help="run SCRIPT and power off")
    source.add_argument("--stdin", metavar="FILE", help="run the commands in FILE (- is standard input)")
    parser.add_argument("--share", type=Path, metavar="DIR", help="show the folder DIR at /mnt (a copy with --kernel)")
    shared.add_machine(parser)
    shared.add_kernel(parser, "the module tree for modprobe (beside the image, or /lib/modules/RELEASE)")
    parser.add_argument("--init", type=Path, metavar="PROGRAM", help="a static busybox: its shell, and all it can do")


def run(options: argparse.Namespace) -> int:
    """Boot; the exit status is the shell's."""
    from emukern.commands import console
    from emukern.terminal import script_from

    shared.check(options)
    if options.files and not options.kernel:
        raise UsageError(f"{options.files[0]}: modules are put into the guest with --kernel IMAGE; see also --share")
    terminal = bool(sys.stdin and sys.stdin.isatty())
    by_script, by_hand = (console.scripted, console.interactive) if options.kernel else (scripted, interactive)
    if options.script is None and options.stdin is None and terminal:
        return by_hand(options)
    words = ("-s",) if options.script is None else ("-c", options.script)
    own = options.script is not None and terminal  # the script's input is not what somebody types
    with closing(script_from("/dev/null" if own else options.stdin or "-")) as source:
        return by_script(options, words, source)


def power_on(options: argparse.Namespace, **more: object) -> Guest:
    """The machine that the command line describes."""
    from emukern import guest

    return guest.power_on(
        options.arch or "x86_64",
        memory=(shared.TINY_MEMORY if options.memory is None else options.memory) * shared.MIB,
        seed=options.seed or 0,
        share=options.share,
        lazy_symbols=options.lazy_symbols,
        **more,  # type: ignore[arg-type]
    )


def interactive(options: argparse.Namespace) -> int:
    """A session of a person at this terminal."""
    from emukern.terminal import Left, Terminal

    terminal = Terminal()
    with terminal.raw():
        guest = power_on(options, console=terminal.write, source=terminal, init=())
        terminal.attach(guest.k.clock, partial(guest.k.tty.resize, guest.k))
        try:
            return guest.run().status
        except Left as left:
            return left.status
        finally:
            if guest.k.tty.column:
                terminal.write(b"\r\n")


def scripted(options: argparse.Namespace, init: tuple[str, ...], source: Script) -> int:
    """A session without a person: what the guest prints goes to standard output, with plain line ends."""
    output = Output(options.verbose)
    guest = power_on(options, console=output.write, source=source, init=init)
    output.kernel = guest.k
    source.attach(guest.k)
    stop = guest.run()
    if stop.why == "poweroff":
        return stop.status
    print("emukern: everything in the guest waits for what will never happen", file=sys.stderr)
    return NEVER


class Output:
    """The console's sink of a script. Without `verbose` it starts when the shell does."""

    def __init__(self, verbose: bool) -> None:
        self.open = verbose
        self.kernel: Kernel | None = None

    def write(self, data: bytes) -> None:
        """Print."""
        from emukern.terminal import write_all

        if not self.open and self.kernel is not None:
            self.open = any(pid > INIT for pid in self.kernel.sched.tasks)
        if self.open:
            write_all(1, data.replace(b"\r\n", b"\n"))
