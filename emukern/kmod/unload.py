"""Removing a module, because delete_module asks or because loading it failed. Nothing of it remains."""

from __future__ import annotations

import errno
from typing import Any

from emukern.errors import Errno
from emukern.flow import Call, continuation
from emukern.kmod.host import ModuleHost
from emukern.kmod.module import Module, State

O_TRUNC = 0o1000  # delete_module: force


def unload_module(k: ModuleHost, name: str, flags: int = 0) -> Any:
    """Run the module's exit and free it: the body of delete_module. Raises `Errno`."""
    module = k.modules.get(name)
    if module is None:
        raise Errno(errno.ENOENT)
    forced = bool(flags & O_TRUNC)
    if module.holders:
        raise Errno(errno.EWOULDBLOCK)
    if module.state is not State.LIVE:
        raise Errno(errno.EBUSY)
    if module.init and not module.exit:
        if not forced:
            raise Errno(errno.EBUSY)
        k.taints.add("R")
    if module.refcnt:
        if not forced:
            raise Errno(errno.EWOULDBLOCK)
        k.taints.add("R")
    set_state(k, module, State.GOING)
    if module.exit:
        return Call(module.exit, then=finish_exit, module=name)
    return leave(k, module, 0)


@continuation
def finish_exit(k: ModuleHost, rv: int, module: str) -> Any:
    """exit has returned; it has no result."""
    return leave(k, k.modules[module], 0)


def leave(k: ModuleHost, module: Module, result: int) -> Any:
    """Let every parameter free what it holds, then free the module; answers `result`."""
    set_state(k, module, State.GOING)
    return free_params(k, 0, module=module.name, index=0, result=result)


@continuation
def free_params(k: ModuleHost, rv: int, module: str, index: int, result: int) -> Any:
    """Call the `free` function of each parameter from number `index` on that has one (destroy_params)."""
    owner = k.modules[module]
    for place in range(index, len(owner.parameters)):
        parameter = owner.parameters[place]
        free = k.mem.u64(parameter.ops + 24)
        if free:
            return Call(free, parameter.arg, then=free_params, module=module, index=place + 1, result=result)
    discard(k, owner)
    return result


def discard(k: ModuleHost, module: Module) -> None:
    """Take back all that a module in any state was given; also undoes a load that failed half-way."""
    for name in module.uses:
        used = k.modules[name]
        used.holders.remove(module.name)
        used.refcnt -= 1
    module.uses.clear()
    if k.modules.get(module.name) is module:
        k.symbols.remove_module(module.name)
        del k.modules[module.name]
    module.state = State.UNFORMED
    if module.args_address:
        k.heap.free(module.args_address)
        module.args_address = 0
    if module.percpu:
        k.module_area.free(module.percpu)
        module.percpu = 0
    if module.init_core:
        k.module_area.free(module.init_core)
        module.init_core = module.init_size = 0
    if module.core:
        k.module_area.free(module.core)
        module.core = module.core_size = 0


def set_state(k: ModuleHost, module: Module, state: State) -> None:
    """Change the state, also in the module's own struct module, whose first member it is."""
    module.state = state
    if module.this_module:
        k.mem.put_u32(module.this_module, state)
