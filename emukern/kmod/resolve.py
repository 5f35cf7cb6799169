"""Symbol values of one module: Linux's `simplify_symbols` and `resolve_symbol` (kernel/module/main.c, 6.1).

Every symbol that cannot be resolved is reported, one line each, before the load fails with the last one's
errno.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emukern import elf
from emukern.arch.relocation import Array
from emukern.kmod.file import ModuleFile
from emukern.kmod.layout import Layout
from emukern.kmod.module import Module, State
from emukern.kmod.refusal import ERR, WARNING, Refused
from emukern.kmod.symbols import Symbol, SymbolChain

_IGNORED = {elf.EM_386: "_GLOBAL_OFFSET_TABLE_", elf.EM_X86_64: "_GLOBAL_OFFSET_TABLE_"}


@dataclass
class Resolver:
    """What resolving needs of a kernel: the chain, the loaded modules, and a stand-in for missing names."""

    chain: SymbolChain
    modules: Mapping[str, Module]
    stand_in: Callable[[str, str], int | None]
    file: ModuleFile
    module: Module
    messages: list[tuple[int, str]] = field(default_factory=list)
    errno: int = 0

    def values(self, layout: Layout) -> Array:
        """S of each symbol. Raises `Refused` with a line for every symbol that has none."""
        rows = self.file.elf.symbols
        count = len(self.file.elf.sections)
        shndx = rows["shndx"].astype(np.int64)
        inside = (shndx > elf.SHN_UNDEF) & (shndx < count)
        bases = section_addresses(self.file, layout, self.module.percpu_offset)
        values: Array = rows["value"] + bases[np.where(inside, shndx, 0)]
        special = np.flatnonzero(~inside & (shndx != elf.SHN_ABS))[1:]  # the first symbol is the empty one
        for index in special.tolist():
            value = self.special(index, int(shndx[index]), layout)
            values[index] = np.uint64(value & 0xFFFF_FFFF_FFFF_FFFF)
        if self.errno:
            raise Refused(self.errno, *self.messages)
        return values

    def special(self, index: int, shndx: int, layout: Layout) -> int:
        """The value of a symbol that no section of the module holds; 0 with a message if there is none."""
        name = self.file.elf.symbol_name(index)
        if shndx == elf.SHN_UNDEF:
            return self.undefined(name, int(self.file.elf.symbols["info"][index]) >> 4 == elf.STB_WEAK)
        if shndx == elf.SHN_COMMON:
            if index in layout.commons:
                return layout.address(layout.commons[index])
            self.report(errno.ENOEXEC, WARNING, "please compile with -fno-common")
            return 0
        last = len(self.file.elf.sections) - 1
        self.report(errno.ENOEXEC, ERR, f"Symbol {name} has an invalid section index {shndx} (max {last})")
        return 0

    def undefined(self, name: str, weak: bool) -> int:
        """The value of an imported symbol; a weak one that nobody offers is 0."""
        symbol, error = self.resolve(name)
        if symbol is not None:
            return symbol.value
        if not error and (weak or name == _IGNORED.get(self.file.elf.header.machine)):
            return 0
        if not error:
            address = self.stand_in(name, self.file.name)
            if address is not None:
                return address
        error = error or errno.ENOENT
        self.report(error, WARNING, f"Unknown symbol {name} (err {-error})")
        return 0

    def resolve(self, name: str) -> tuple[Symbol | None, int]:
        """(the symbol, 0), or (None, errno); errno 0 means that nobody offers it."""
        symbol = self.chain.find(name, self.module)
        if symbol is None:
            return None, 0
        self.module.uses_gpl_symbols |= symbol.gpl
        owner = self.modules.get(symbol.owner) if symbol.owner else None
        if owner is not None and not self.inherits_taint(owner, name):
            return None, 0
        for wrong in (self.wrong_version(symbol), self.wrong_namespace(symbol)):
            if wrong:
                return None, wrong
        if owner is not None and owner.name not in self.module.uses:
            if owner.state is State.COMING:
                self.note(WARNING, f"gave up waiting for init of module {owner.name}.")
                return None, errno.EBUSY
            if owner.state is not State.LIVE:
                return None, errno.ENOENT
            owner.refcnt += 1
            owner.holders.insert(0, self.module.name)  # list_add: the newest user comes first
            self.module.uses.append(owner.name)
        return symbol, 0

    def inherits_taint(self, owner: Module, name: str) -> bool:
        """A user of a proprietary module is proprietary too; refused if it already used GPL-only symbols."""
        if "P" not in owner.taints:
            return True
        if self.module.uses_gpl_symbols:
            text = f"module using GPL-only symbols uses symbols {name} from proprietary module {owner.name}."
            self.note(ERR, text)
            return False
        if "P" not in self.module.taints:
            text = f"module uses symbols {name} from proprietary module {owner.name}, inheriting taint."
            self.note(WARNING, text)
            self.module.taint("P")
        return True

    def wrong_version(self, symbol: Symbol) -> int:
        """errno when the module was built against another version of the symbol."""
        if symbol.crc is None or not self.file.versions:
            return 0
        built = self.file.versions.get(symbol.name)
        if built == symbol.crc:
            return 0
        if built is None:
            self.note(WARNING, f"no symbol version for {symbol.name}")
        else:
            self.note(WARNING, f"disagrees about version of symbol {symbol.name}")
        return errno.EINVAL

    def wrong_namespace(self, symbol: Symbol) -> int:
        """errno when the symbol is in a namespace that the module does not import."""
        if not symbol.namespace or symbol.namespace in self.file.infos("import_ns"):
            return 0
        text = f"module uses symbol ({symbol.name}) from namespace {symbol.namespace}, but does not import it."
        self.note(ERR, text)
        return errno.EINVAL

    def note(self, level: int, text: str) -> None:
        """Say something that the log shows if the load fails."""
        self.messages.append((level, f"{self.file.name}: {text}"))

    def report(self, error: int, level: int, text: str) -> None:
        """Say something and let the load fail with `error`."""
        self.note(level, text)
        self.errno = error


def section_addresses(file: ModuleFile, layout: Layout, percpu: int) -> NDArray[np.uint64]:
    """The address of each section by index, 0 for those without memory."""
    addresses = np.zeros(len(file.elf.sections), np.uint64)
    for index, offset in layout.offsets.items():
        addresses[index] = layout.address(offset)
    if file.percpu:
        addresses[file.percpu] = percpu
    return addresses
