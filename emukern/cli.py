"""The command line. No traceback ever reaches a user, unless he asks for it with --traceback or EMUKERN_TRACEBACK=1."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from emukern import __version__
from emukern.commands import boot, cache, console, kernel, modinfo, run, samples, sweep
from emukern.errors import EmukernError, GuestOops, GuestPanic, UsageError

COMMANDS = {"boot": boot, "run": run, "sweep": sweep, "modinfo": modinfo, "samples": samples, "cache": cache}
INTERNAL = 70  # EX_SOFTWARE
PANIC = 134
INTERRUPTED = 130
EPILOG = f"""exit status: `boot` answers that of the guest's shell, `run` 0 or the errno of the module's refusal.
Besides: 1 a failure of emukern, 2 a command line that makes no sense, {console.NEVER} the guest waits for what
will never happen, {INTERRUPTED} interrupted, {PANIC} the guest kernel panicked, {run.OOPS} the module's code died."""


def parser() -> argparse.ArgumentParser:
    """The whole command line as argparse has it."""
    whole = argparse.ArgumentParser(
        prog="emukern",
        description="Runs compiled Linux kernel modules in a CPU that lives inside a Python process.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"emukern {__version__}")
    whole.add_argument("--traceback", action="store_true", help="show where in emukern an error comes from")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.ABOUT, description=command.ABOUT, allow_abbrev=False)
        command.add_arguments(one)
    return whole


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options; argparse itself does not take a module's parameters behind an option."""
    whole = parser()
    options, rest = whole.parse_known_args(argv)
    if options.command == "run" and not any(word.startswith("-") for word in rest):
        options.params += rest
    elif rest:
        whole.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (sys.argv's by default) and return the exit status."""
    options = parse(argv)
    tracebacks = options.traceback or os.environ.get("EMUKERN_TRACEBACK", "0") not in ("", "0")
    try:
        status: int = COMMANDS[options.command].run(options)
        if sys.stdout:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads what we print; Python would complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Exception as error:
        if tracebacks:
            raise
        return explain(error)


def explain(error: Exception) -> int:
    """Tell what went wrong in one sentence; returns the exit status for it."""
    if isinstance(error, GuestPanic):
        return fail(kernel.sentence(error.report), PANIC)
    if isinstance(error, GuestOops):
        return fail(str(error), run.OOPS)
    if isinstance(error, UsageError):
        return fail(str(error), 2)
    if isinstance(error, EmukernError):
        return fail(str(error), 1)
    if isinstance(error, OSError):
        return fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
    return fail(f"internal error: {type(error).__name__}: {error} (EMUKERN_TRACEBACK=1 shows where)", INTERNAL)


def fail(text: str, status: int) -> int:
    """Print a line on standard error; returns `status`."""
    print(f"emukern: {text}", file=sys.stderr)
    return status
