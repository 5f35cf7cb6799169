"""The names of a module's addresses, with kallsyms' letters (elf_type in kernel/module/kallsyms.c)."""

from __future__ import annotations

from array import array

import numpy as np

from emukern import elf
from emukern.arch.relocation import Array
from emukern.kmod.file import ModuleFile
from emukern.kmod.layout import Layout
from emukern.kmod.symbols import SymbolTable


def symbol_table(file: ModuleFile, layout: Layout, values: Array) -> SymbolTable:
    """The names of the module's addresses, as kallsyms shows them while init is there too."""
    rows = file.elf.symbols
    letters = np.zeros(len(file.elf.sections), np.uint8)
    for index in layout.offsets:
        letters[index] = ord(_letter(file.elf.sections[index]))
    if file.percpu:
        letters[file.percpu] = ord("a")
    shndx = rows["shndx"].astype(np.int64)
    inside = shndx < len(letters)
    kinds = np.where(inside, letters[np.where(inside, shndx, 0)], 0)
    starts = rows["name"]
    kept = np.flatnonzero((kinds != 0) & (starts != 0))
    weak = rows["info"][kept] >> 4 == elf.STB_WEAK
    data = rows["info"][kept] & 15 == elf.STT_OBJECT
    chosen = np.where(weak, np.where(data, ord("v"), ord("w")), kinds[kept]).astype(np.uint8)
    exported = {export.name for export in file.exports}
    if exported:
        for place, index in enumerate(kept.tolist()):
            if file.elf.symbol_name(index) in exported:
                chosen[place] = ord(chr(chosen[place]).upper())
    return SymbolTable(
        array("Q", values[kept].tobytes()),
        array("I", starts[kept].astype(np.uint32).tobytes()),
        chosen.tobytes(),
        file.elf.strings,
        max(layout.core + layout.core_size, layout.init + layout.init_size),
    )


def _letter(section: elf.Section) -> str:
    if section.flags & elf.SHF_EXECINSTR:
        return "t"
    if section.type == elf.SHT_NOBITS:
        return "b"
    return "d" if section.flags & elf.SHF_WRITE else "r"
