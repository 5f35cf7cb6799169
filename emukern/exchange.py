"""What goes into a guest and comes out, whatever its kernel: a module's bytes, its parameters, a finished command."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from emukern.errors import ModuleError


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran in the guest: what it printed and its exit status (128 + signal when killed)."""

    output: str
    status: int


def argument(name: str, value: object) -> str:
    """A module parameter as insmod writes it: sequences with commas, values with spaces in quotes."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f'{name}="{text}"' if " " in text else f"{name}={text}"


def module_bytes(name: str, arch: str) -> bytes:
    """The file at path `name`, or the sample module of that name. Raises ModuleError with the host's errno."""
    path = Path(name)
    if not path.suffix and not path.exists():
        from emukern.samples import sample

        path = sample(name, arch)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModuleError(error.errno or errno.EIO, f"could not load module {name}: {error.strerror}") from None
