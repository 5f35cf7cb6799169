"""include/linux/module.h: holding on to modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.kernel import moduleref
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


@export("bool try_module_get(struct module *module)")
def try_module_get(k: Kernel, module: Ptr) -> bool:
    return moduleref.get(k, module.addr_)


@export("void __module_get(struct module *module)")
def __module_get(k: Kernel, module: Ptr) -> None:
    moduleref.get(k, module.addr_)


@export("void module_put(struct module *module)")
def module_put(k: Kernel, module: Ptr) -> None:
    moduleref.put(k, module.addr_)


@export("int module_refcount(struct module *module)")
def module_refcount(k: Kernel, module: Ptr) -> int:
    found = moduleref.module_at(k, module.addr_)
    return found.refcnt if found else -1


@export("void *__symbol_get(const char *name)", gpl=True)
def __symbol_get(k: Kernel, name: Ptr) -> int:
    """The address of an exported symbol, whose module cannot go away until __symbol_put; NULL if there is none."""
    found = k.symbols.find(name.str_())
    if found is None:
        return 0
    owner = k.modules.get(found.owner or "")
    if owner is not None and not moduleref.get(k, owner.this_module):
        return 0
    return found.value


@export("void __symbol_put(const char *name)")
def __symbol_put(k: Kernel, name: Ptr) -> None:
    found = k.symbols.find(name.str_())
    owner = k.modules.get(found.owner or "") if found else None
    if owner is not None:
        moduleref.put(k, owner.this_module)
