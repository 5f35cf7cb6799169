"""Our own way of loading a module into a borrowed kernel, at the end of which that kernel believes it did it itself.

The steps are those of `load_module` (kernel/module/main.c), in its order. Done here: parsing, checks, layout, symbols,
relocation, kallsyms, struct module. Done by the kernel's own functions: memory, alternatives and everything else its
architecture patches, jump labels, static calls, tracepoints and types (its module notifiers), page permissions,
parameters, sysfs, init, and unloading altogether. The time goes where it must: into the module's own code.

A module that the kernel would not take is handed to the kernel's own loader, to be refused in its words.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emukern.elf import ElfError
from emukern.errors import ModuleError
from emukern.kmod.refusal import Refused
from emukern.linux.loaded import Loaded, Present, present
from emukern.linux.struct_module import Kernel, kernel_of
from emukern.linux.unload import init_module, unload

if TYPE_CHECKING:
    from emukern.kmod.file import ModuleFile
    from emukern.linux.placement import Placement, Style
    from emukern.linux.publish import Formed

KEPT = 24 << 20  # bytes of module files whose parsed form is kept
WAIT = 30  # seconds for which a module that comes is waited for, as the kernel does (resolve_symbol_wait)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What follows from a file alone: its `plain` bytes, what they say, where its parts go."""

    plain: bytes
    file: ModuleFile
    placement: Placement


_prepared: OrderedDict[tuple[bytes, Style], Prepared] = OrderedDict()


def load(
    guest: Any,
    blob: bytes,
    params: str = "",
    flags: int = 0,
    name: str = "",
    before_init: Callable[[Loaded], object] | None = None,
) -> Loaded:
    """Load the module in `blob` with these parameters; `flags` are those of finit_module.

    `before_init` gets the module when it is in memory and has run nothing yet but setters of parameters; it is not
    called for a module that is left to the kernel. `name` is not used: such modules always say their name.
    Raises ModuleError with the errno and the words of the kernel, and what `guest.call` raises when its code dies.
    """
    kernel = kernel_of(guest)
    guest.park()
    formed = None if flags else _form(kernel, blob)  # forcing is the kernel's business
    if formed is None:
        return by_the_kernel(guest, blob, params, flags)
    from emukern.linux import publish

    since = guest.last_record()
    found = Loaded(kernel, formed.forming.file.name, 0, formed.sections)

    def ready(address: int) -> None:
        found.address = address
        guest.loaded[found.name] = found
        if before_init is not None:
            before_init(found)

    try:
        publish.publish(formed, params, lambda number: _failed(guest, number, since), ready)
    except ModuleError:
        guest.loaded.pop(found.name, None)
        raise
    return found


def _form(kernel: Kernel, blob: bytes) -> Formed | None:
    """Everything before the kernel learns of the module; None when it would not take it."""
    try:
        return _formed(kernel, blob)
    except (Refused, ElfError):
        return None


def _formed(kernel: Kernel, blob: bytes) -> Formed:
    from emukern.linux import acceptance, signature
    from emukern.linux.forming import Forming
    from emukern.linux.publish import Formed

    prepared = prepare(kernel, blob)
    file = prepared.file
    modules = _settled(kernel, file, present(kernel))
    acceptance.check_kernel(kernel, file, modules)
    forming = Forming(kernel, file, prepared.placement)
    try:
        forming.allocate()
        resolver = acceptance.resolver(kernel, file, modules, forming.percpu)
        layout, content = forming.fill(resolver.values(forming.layout), kernel.guest.machine.arch.relocations)
        signed = signature.check(kernel, prepared.plain)
    except ModuleError:
        forming.give_back()
        raise
    users = {one.name: one.address for one in modules}
    return Formed(forming, layout, content, resolver, [users[name] for name in resolver.module.uses], signed)


def prepare(kernel: Kernel, blob: bytes) -> Prepared:
    """Parse a file, or remember having done so. Raises Refused or ElfError."""
    from emukern.kmod.compression import unpack
    from emukern.kmod.file import parse
    from emukern.kmod.relocate import got_slots
    from emukern.linux.acceptance import check_file
    from emukern.linux.placement import place

    key = blob, kernel.style
    if key in _prepared:
        _prepared.move_to_end(key)
        return _prepared[key]
    try:
        plain = unpack(blob)
        file = parse(plain, kernel.guest.machine.arch.e_machine)
    except Refused:
        raise
    except ModuleError as broken:  # not even unpacked
        raise Refused(broken.errno) from None
    check_file(kernel, file)
    if got_slots(file, kernel.guest.machine.arch.relocations):
        raise Refused(errno.EINVAL)  # there is no such table in this kernel's modules
    found = Prepared(plain, file, place(file, kernel.style))
    _prepared[key] = found
    while sum(len(known.plain) for known in _prepared.values()) > KEPT:
        _prepared.popitem(last=False)
    return found


def _settled(kernel: Kernel, file: ModuleFile, modules: list[Present]) -> list[Present]:
    """Wait for those of the modules it needs that are still coming. The list as it is then."""
    from emukern.kmod.module import State

    for _ in range(WAIT * 10):
        if not any(one.state is State.COMING and one.name in file.depends for one in modules):
            break
        kernel.guest.advance(0.1)
        modules = present(kernel)
    return modules


def by_the_kernel(guest: Any, blob: bytes, params: str = "", flags: int = 0) -> Loaded:
    """Have the kernel's own loader decide. Raises ModuleError with its errno and its last words."""
    from emukern.kmod.compression import unpack

    with suppress(ModuleError):  # what cannot be unpacked is the kernel's to refuse
        blob = unpack(blob)
    kernel = kernel_of(guest)
    before = {one.address for one in present(kernel)}
    init_module(guest, blob, params, flags)
    new = [one for one in present(kernel) if one.address not in before]
    if not new:
        raise ModuleError(errno.ENOENT, "the module is gone again")
    first = new[-1]  # the list has the newest first, and init may have asked for more
    found = Loaded(kernel, first.name, first.address)
    guest.loaded[found.name] = found
    return found


def _failed(guest: Any, number: int, seen: int) -> ModuleError:
    """The error for what the kernel answered, with the last it said since record `seen`."""
    texts = [record.text for record in guest.dmesg() if record.seq > seen]
    return ModuleError(number, texts[-1] if texts else "")


__all__ = ["Loaded", "by_the_kernel", "load", "prepare", "unload"]
