"""Taking a module out of a borrowed kernel, and other system calls on modules: the kernel's own, from a program.

Whoever loaded the module, it is the kernel's: delete_module knows all the rules and runs exit.
"""

from __future__ import annotations

from typing import Any

from emukern.linux import agent


def init_module(guest: Any, blob: bytes, params: str, flags: int) -> None:
    """Let the kernel's own loader load a module, from a file with finit_module, as insmod does."""
    guest.system_call(agent.InitModule(blob, params, flags))


def unload(guest: Any, name: str, flags: int | None = None) -> None:
    """delete_module; without `flags`, O_NONBLOCK as everybody passes it. Raises ModuleError with the kernel's errno."""
    guest.system_call(agent.DeleteModule(name) if flags is None else agent.DeleteModule(name, flags))
    guest.loaded.pop(name, None)
