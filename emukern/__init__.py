"""Runs compiled Linux kernel modules in a CPU that lives inside a Python process.

import emukern
guest = emukern.boot()                  # or boot("riscv64")
guest.insmod("hello", who="world")      # a path, bytes, or the name of a sample
print(guest.dmesg()[-1].text)           # hello: Hello, world!

guest = emukern.boot(kernel="/boot/vmlinuz-6.1.0-56-amd64")     # a distribution's kernel instead of emukern's own
guest.modprobe("dummy")                 # from its module tree, with what it needs
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "Completed",
    "EmukernError",
    "Guest",
    "GuestFault",
    "GuestOops",
    "GuestPanic",
    "ImageError",
    "LinuxGuest",
    "ModuleError",
    "ModuleHandle",
    "SnapshotError",
    "Unimplemented",
    "UsageError",
    "boot",
    "power_on",
    "sample",
]

if TYPE_CHECKING:
    from os import PathLike

    from emukern.errors import (
        BuildError,
        EmukernError,
        GuestFault,
        GuestOops,
        GuestPanic,
        ImageError,
        ModuleError,
        SnapshotError,
        Unimplemented,
        UsageError,
    )
    from emukern.exchange import Completed
    from emukern.guest import Guest, ModuleHandle, power_on
    from emukern.linux.guest import LinuxGuest
    from emukern.samples import sample

_HOMES = {name: "guest" for name in ("Guest", "ModuleHandle", "power_on")}
_HOMES |= {"Completed": "exchange", "LinuxGuest": "linux.guest", "sample": "samples"}


@overload
def boot(arch: str | None = None, *, kernel: None = None, **options: Any) -> Guest: ...
@overload
def boot(arch: str | None = None, *, kernel: str | PathLike[str], **options: Any) -> LinuxGuest: ...
def boot(arch: str | None = None, *, kernel: str | PathLike[str] | None = None, **options: Any) -> Guest | LinuxGuest:
    """A machine booted to its shell, for "x86_64" unless told.

    With `kernel`, the path of a distribution's kernel image, that kernel runs instead of emukern's own: restored from a
    cache when it has booted before, for the image's architecture. Options as in `power_on`, or with `kernel` those of
    `emukern.linux.boot.boot`: modules, memory, cmdline, console, cache. Raises EmukernError.
    """
    if kernel is None:
        return import_module("emukern.guest").boot(arch or "x86_64", **options)  # type: ignore[no-any-return]
    return import_module("emukern.linux.boot").boot(kernel, arch=arch, **options)  # type: ignore[no-any-return]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import emukern` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'emukern' has no attribute {name!r}")
    value = getattr(import_module(f"emukern.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
