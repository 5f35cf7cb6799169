"""Taking a module out of a borrowed kernel, and other system calls on modules: the kernel's own, from a program.

Whoever loaded the module, it is the kernel's: delete_module knows all the rules and runs exit.
"""

from __future__ import annotations

from typing import Any

from emukern.errors import ModuleError
from emukern.linux import agent


def init_module(guest: Any, blob: bytes, params: str, flags: int) -> None:
    """Let the kernel's own loader load a module: init_module, or finit_module when there are flags."""
    system_call(guest, agent.InitModule(blob, params, flags or None))


def unload(guest: Any, name: str, flags: int | None = None) -> None:
    """delete_module; without `flags`, O_NONBLOCK as everybody passes it. Raises ModuleError with the kernel's errno."""
    system_call(guest, agent.DeleteModule(name) if flags is None else agent.DeleteModule(name, flags))
    guest.loaded.pop(name, None)


def system_call(guest: Any, command: Any) -> None:
    """Have the agent make a system call. Raises ModuleError with the kernel's errno and its last words about it."""
    guest.park()
    seen = guest.dmesg()[-1:]
    guest.agent.commands.append(command)
    guest.parked = False
    guest.park()
    number = guest.agent.results.pop().status
    if number:
        since = seen[0].seq if seen else -1
        texts = [record.text for record in guest.dmesg() if record.seq > since]
        raise ModuleError(number, texts[-1] if texts else "")
