"""Loading a module, from a ko's bytes to State.LIVE: Linux's load_module and do_init_module, in their order.

`load_module` is the body of init_module and finit_module. Like every handler it answers a value or a `Call`:
parameters are set and init is run by guest code, and the continuations below take the results. Whatever
fails, everything is undone (unload.py): memory, symbols, references.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from emukern.errors import ModuleError
from emukern.flow import Call, continuation
from emukern.kmod import checks
from emukern.kmod.host import ModuleHost
from emukern.kmod.module import Module, Parameter, State
from emukern.kmod.params import NOARG, UNSAFE, entries, same_name, split
from emukern.kmod.refusal import ERR, NOTICE, WARNING, Refused, log_lines
from emukern.kmod.unload import discard, leave, set_state

if TYPE_CHECKING:
    from emukern.kmod.file import ModuleFile
    from emukern.kmod.layout import Layout

__all__ = ["ModuleHost", "load_module", "prepare"]

PAGE = 4096


def load_module(k: ModuleHost, blob: bytes, args: bytes | str = b"", flags: int = 0, name: str = "") -> Any:
    """Load the ko in `blob` with the argument string `args`; answers what the system call shall answer.

    `name` is used for an object that does not say its own. Raises `ModuleError` after the reason was logged.
    """
    module = prepare(k, blob, args.encode() if isinstance(args, str) else args, flags, name)
    return set_params(k, module, 0, 0)


def prepare(k: ModuleHost, blob: bytes, args: bytes, flags: int = 0, name: str = "") -> Module:
    """Everything before guest code runs: the module is in memory, relocated, published, and State.COMING."""
    from emukern.kmod.file import parse

    module = Module(name)
    try:
        file = parse(blob, k.arch.e_machine, plain=getattr(k, "plain_objects", True), name=name)
        module = Module(file.name, modinfo=file.modinfo, gpl_compatible=file.gpl_compatible)
        form(k, file, module, flags)
        copy_args(k, module, args)
        checks.check_exports(k, module)
        complete(k, module)
    except ModuleError as refusal:
        discard(k, module)
        for level, text in log_lines(refusal):
            k.log.emit(level, text)
        raise
    except BaseException:
        discard(k, module)
        raise
    return module


def form(k: ModuleHost, file: ModuleFile, module: Module, flags: int) -> None:
    """File → layout → symbols → image → memory."""
    from emukern.kmod import image
    from emukern.kmod.layout import place
    from emukern.kmod.relocate import apply_relocations, got_slots
    from emukern.kmod.resolve import Resolver

    table = k.arch.relocations
    if flags & checks.IGNORE_MODVERSIONS:
        file.versions.clear()
    checks.check_module_layout(k, file)
    checks.check_modinfo(k, file, module, flags)
    layout = place(file, got_slots(file, table), getattr(k, "allow_common", True))
    checks.check_unique(k, file.name)
    layout = allocate(k, module, layout)
    k.modules[module.name] = module
    allocate_percpu(k, file, module)
    checks.check_sections(file)
    resolver = Resolver(k.symbols, k.modules, k.lazy_stub, file, module)
    values = resolver.values(layout)
    content = image.fill(file, layout)
    apply_relocations(file, layout, values, content, table)
    image.describe(file, layout, values, content, module)
    for level, text in resolver.messages:
        k.log.emit(level, text)
    for address, size, part in (
        (layout.core, layout.core_size, 0),
        (layout.init, layout.init_size, layout.core_size),
    ):
        if size:
            k.mem.write(address, content[part : part + size].tobytes())
    param = file.elf.section("__param")
    if param is not None and param.index in layout.offsets:
        start = layout.address(layout.offsets[param.index])
        module.parameters = tuple(entries(k.mem, start, param.size))


def allocate(k: ModuleHost, module: Module, layout: Layout) -> Layout:
    """Give the layout its memory."""
    try:
        module.core = k.module_area.alloc(layout.core_size // PAGE) if layout.core_size else 0
        module.core_size = layout.core_size
        module.init_core = k.module_area.alloc(layout.init_size // PAGE) if layout.init_size else 0
        module.init_size = layout.init_size
    except MemoryError:
        raise Refused(errno.ENOMEM) from None
    return layout.at(module.core, module.init_core)


def allocate_percpu(k: ModuleHost, file: ModuleFile, module: Module) -> None:
    """Give the module's per-CPU variables their memory and first content."""
    if not file.percpu:
        return
    section = file.elf.sections[file.percpu]
    if section.align > PAGE:
        k.log.emit(WARNING, f"{file.name}: per-cpu alignment {section.align} > {PAGE}")
    try:
        # There is one CPU, so any pages that a module reaches will do.
        module.percpu = k.module_area.alloc(-(-section.size // PAGE))
    except MemoryError:
        text = f"{file.name}: Could not allocate {section.size} bytes percpu data"
        raise Refused(errno.ENOMEM, (WARNING, text)) from None
    module.percpu_offset = module.percpu - k.percpu_base
    k.mem.write(module.percpu, file.elf.bytes_of(section))


def copy_args(k: ModuleHost, module: Module, args: bytes) -> None:
    """Put the argument string into guest memory, cut into words, where it stays as long as the module."""
    words, text, module.after_dashes = split(args)
    module.args = args.decode("utf-8", "surrogateescape")
    if args:
        module.args_address = k.heap.alloc(len(text), by=f"arguments of {module.name}")
        if not module.args_address:
            raise Refused(errno.ENOMEM)
        k.mem.write(module.args_address, text)
    base = module.args_address
    module.words = tuple((w.name, None if w.value is None else base + w.value) for w in words)


def complete(k: ModuleHost, module: Module) -> None:
    """Set the pages' permissions and publish the module: complete_formation."""
    for region in module.regions:
        k.module_area.protect(region.address, region.size // PAGE, region.prot)
    k.symbols.add_module(module.name, module.exports, module.symbols, module.ranges)
    module.refcnt = 1  # until init is done
    set_state(k, module, State.COMING)


def set_params(k: ModuleHost, module: Module, first: int, error: int) -> Any:
    """Hand arguments from number `first` on to their parameters, then run init; `error`: the last errno."""
    for index in range(first, len(module.words)):
        name, value = module.words[index]
        parameter = next((p for p in module.parameters if same_name(p.name, name)), None)
        if parameter is None:
            if not same_name(name, "async_probe") and name not in ("dyndbg", f"{module.name}.dyndbg"):
                k.log.emit(WARNING, f"{module.name}: unknown parameter '{name}' ignored")
            continue
        if value is None and not k.mem.u32(parameter.ops) & NOARG:
            error = bad_param(k, module, index, errno.EINVAL)
            continue
        warn_unsafe(k, module, parameter)
        setter = k.mem.u64(parameter.ops + 8)
        return Call(
            setter,
            value or 0,
            parameter.address,
            then=param_set,
            module=module.name,
            index=index,
            error=error,
        )
    if error:
        return leave(k, module, -error)
    if module.after_dashes is not None:
        k.log.emit(WARNING, f"{module.name}: parameters '{module.after_dashes}' after `--' ignored")
    module.words = ()
    if module.init:
        return Call(module.init, then=finish_init, module=module.name)
    return go_live(k, module)


@continuation
def param_set(k: ModuleHost, rv: int, module: str, index: int, error: int) -> Any:
    """A parameter's `set` function has returned."""
    owner = k.modules[module]
    result = int32(rv)
    if result:
        error = bad_param(k, owner, index, -result)
    return set_params(k, owner, index + 1, error)


def bad_param(k: ModuleHost, module: Module, index: int, error: int) -> int:
    """Say that an argument was not taken; answers `error`."""
    name, value = module.words[index]
    text = k.mem.cstr(value).decode("utf-8", "surrogateescape") if value else ""
    if error == errno.ENOENT:
        line = f"Unknown parameter `{name}'"
    elif error == errno.ENOSPC:
        line = f"`{text}' too large for parameter `{name}'"
    else:
        line = f"`{text}' invalid for parameter `{name}'"
    k.log.emit(ERR, f"{module.name}: {line}")
    return error


def warn_unsafe(k: ModuleHost, module: Module, parameter: Parameter) -> None:
    """A parameter marked unsafe taints the kernel when it is set."""
    if parameter.flags & UNSAFE:
        k.log.emit(NOTICE, f"Setting dangerous option {parameter.name} - tainting kernel")
        k.taints.add("U")


@continuation
def finish_init(k: ModuleHost, rv: int, module: str) -> Any:
    """init has returned: below zero it failed, above zero it is misguided, zero is success."""
    owner = k.modules[module]
    result = int32(rv)
    if result < 0:
        return leave(k, owner, result)
    if result > 0:
        who = "do_init_module"
        text = f"{who}: '{module}'->init suspiciously returned {result}, it should follow 0/-E convention"
        k.log.emit(WARNING, text)
        k.log.emit(WARNING, f"{who}: loading module anyway...")
    return go_live(k, owner)


def go_live(k: ModuleHost, module: Module) -> int:
    """The module stays: its init part goes, and what is read-only after init becomes so."""
    set_state(k, module, State.LIVE)
    module.refcnt -= 1
    for region in module.regions:
        if region.kind == "ro_after_init" and not region.init:
            k.module_area.protect(region.address, region.size // PAGE, "r")
    drop_init(k, module)
    return 0


def drop_init(k: ModuleHost, module: Module) -> None:
    """Free the init block and forget the names in it."""
    if not module.init_size:
        return
    k.module_area.free(module.init_core)
    module.regions = tuple(region for region in module.regions if not region.init)
    start, end = module.init_core, module.init_core + module.init_size
    module.sections = {name: at for name, at in module.sections.items() if not start <= at < end}
    module.symbols = module.symbols.without(start, end, module.core + module.core_size)
    module.init_core = module.init_size = 0
    k.symbols.set_table(module.name, module.symbols, module.ranges)


def int32(word: int) -> int:
    """A return register as the C int that is in it."""
    return ((word & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
