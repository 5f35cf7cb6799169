"""The module's bytes before they are guest memory, and what the relocated bytes say about the module."""

from __future__ import annotations

import numpy as np

from emukern.arch.relocation import Array, Image
from emukern.elf import SHN_UNDEF
from emukern.kmod.file import THIS_MODULE, ModuleFile
from emukern.kmod.kallsyms import symbol_table
from emukern.kmod.layout import Layout
from emukern.kmod.module import Module, Region
from emukern.kmod.symbols import Symbol

# Where struct module keeps `init` and `exit`, by its size: Linux 6.1 on both architectures, 6.12 on riscv64.
BUG_TABLE = "__bug_table"
_ENTRY_POINTS = {896: (312, 848), 1216: (312, 1152)}


def fill(file: ModuleFile, layout: Layout) -> Image:
    """Both blocks in a row with every section's content in its place."""
    image = np.zeros(layout.size, np.uint8)
    for index, offset in layout.offsets.items():
        content = file.elf.bytes_of(file.elf.sections[index])
        image[offset : offset + len(content)] = np.frombuffer(content, np.uint8)
    return image


def describe(file: ModuleFile, layout: Layout, values: Array, image: Image, module: Module) -> None:
    """Fill in what is known of `module` once its addresses and its content are final."""
    module.regions = tuple(
        Region(span.kind, span.init, layout.address(span.offset), span.size, span.prot) for span in layout.spans
    )
    for index, offset in layout.offsets.items():
        section = file.elf.sections[index]
        if section.size:
            module.sections.setdefault(section.name, layout.address(offset))
            if section.name == BUG_TABLE:
                module.bug_table = layout.address(offset), section.size
    module.this_module = module.sections.get(THIS_MODULE, 0)
    module.init, module.exit = entry_points(file, layout, values, image)
    module.exports = exports(file, layout, image)
    module.symbols = symbol_table(file, layout, values)
    module.build_id = file.build_id


def entry_points(file: ModuleFile, layout: Layout, values: Array, image: Image) -> tuple[int, int]:
    """Addresses of init and exit, 0 for one that is missing.

    modpost lets relocations of struct module name init_module and cleanup_module. Where they name something
    else (a section, after some linkers), known offsets tell; an object without struct module has the symbols.
    """
    this = file.elf.section(THIS_MODULE)
    if this is None or this.index not in layout.offsets:
        named = _named(file, values, range(len(values)))
        return named.get("init_module", 0), named.get("cleanup_module", 0)
    rows = file.relocations
    mine = rows[rows["section"] == this.index]
    named = _named(file, values, mine["symbol"].tolist())
    if not named and len(mine) and this.size in _ENTRY_POINTS:
        start = layout.offsets[this.index]
        init, leave = (int(image[start + at : start + at + 8].view("<u8")[0]) for at in _ENTRY_POINTS[this.size])
        return init, leave
    return named.get("init_module", 0), named.get("cleanup_module", 0)


def _named(file: ModuleFile, values: Array, symbols: range | list[int]) -> dict[str, int]:
    defined = file.elf.symbols["shndx"]
    found = {}
    for index in symbols:
        name = file.elf.symbol_name(index)
        if name in ("init_module", "cleanup_module") and defined[index] != SHN_UNDEF:
            found[name] = int(values[index])
    return found


def exports(file: ModuleFile, layout: Layout, image: Image) -> tuple[Symbol, ...]:
    """The symbols in the relocated __ksymtab sections.

    A struct kernel_symbol is three 32-bit distances (12 bytes) or pointers (24); the first is the value's.
    """
    sections = file.elf.symbols["shndx"]
    count = np.bincount(sections[[export.entry for export in file.exports]]) if file.exports else np.zeros(0, int)
    text = [(layout.address(s.offset), s.size) for s in layout.spans if s.kind == "text"]
    found = []
    for export in file.exports:
        index = int(sections[export.entry])
        at = layout.offsets[index] + int(file.elf.symbols["value"][export.entry])
        if file.elf.sections[index].size // int(count[index]) == 12:
            distance = int(image[at : at + 4].view("<i4")[0])
            value = layout.address(at) + distance
        else:
            value = int(image[at : at + 8].view("<u8")[0])
        kind = "func" if any(start <= value < start + size for start, size in text) else "data"
        found.append(Symbol(export.name, value, file.name, export.gpl, kind, export.namespace))
    return tuple(found)
