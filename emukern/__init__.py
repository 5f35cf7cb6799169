"""Runs compiled Linux kernel modules in a CPU that lives inside a Python process.

import emukern
guest = emukern.boot()                  # or boot("riscv64")
guest.insmod("hello", who="world")      # a path, bytes, or the name of a sample
print(guest.dmesg()[-1].text)           # hello: Hello, world!
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "Completed",
    "EmukernError",
    "Guest",
    "GuestFault",
    "GuestOops",
    "GuestPanic",
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
    from emukern.errors import (
        BuildError,
        EmukernError,
        GuestFault,
        GuestOops,
        GuestPanic,
        ModuleError,
        SnapshotError,
        Unimplemented,
        UsageError,
    )
    from emukern.guest import Completed, Guest, ModuleHandle, boot, power_on
    from emukern.samples import sample

_HOMES = {name: "guest" for name in ("Completed", "Guest", "ModuleHandle", "boot", "power_on")}
_HOMES["sample"] = "samples"


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import emukern` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'emukern' has no attribute {name!r}")
    value = getattr(import_module(f"emukern.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
