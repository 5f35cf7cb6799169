"""try_module_get and module_put: a module that somebody uses cannot be removed. Modules by address of struct module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kernel.bug import KernelBug
from emukern.kmod.module import Module, State

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


def module_at(k: Kernel, address: int) -> Module | None:
    """The module whose THIS_MODULE is `address`; None for NULL, which stands for the kernel itself."""
    return next((one for one in k.modules.values() if address and one.this_module == address), None)


def get(k: Kernel, address: int) -> bool:
    """One more user; False for a module that is on its way out (or gone)."""
    if not address:
        return True
    module = module_at(k, address)
    if module is None or module.state not in (State.LIVE, State.COMING):
        return False
    module.refcnt += 1
    return True


def put(k: Kernel, address: int) -> None:
    """One user less."""
    module = module_at(k, address)
    if module is None:
        return
    if not module.refcnt:
        raise KernelBug(f"BUG: module_put of {module.name}, which nobody holds")
    module.refcnt -= 1
