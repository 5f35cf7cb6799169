"""What the build says about a module besides its code: the tail that Linux's modpost writes into NAME.mod.c.

The tail holds struct module and the metadata nobody types (name, vermagic, depends). To write it one must
know which symbols the module's objects define and miss, hence the few lines of ELF reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

VERMAGIC = "0.1.0 emukern mod_unload"
SHT_SYMTAB = 2
SHN_UNDEF = 0


@dataclass(frozen=True)
class Symbols:
    """Names a module's objects define, and names they want from elsewhere."""

    defined: frozenset[str]
    missing: frozenset[str]

    @property
    def exported(self) -> frozenset[str]:
        """What EXPORT_SYMBOL offers to other modules: it leaves a __ksymtab_NAME behind for each."""
        mark = "__ksymtab_"
        return frozenset(name.removeprefix(mark) for name in self.defined if name.startswith(mark))


def symbols_of(objects: Iterable[Path]) -> Symbols:
    """The symbols of several 64-bit little-endian relocatable files taken together."""
    defined: set[str] = set()
    missing: set[str] = set()
    for path in objects:
        for name, section in _symbols(path.read_bytes()):
            (missing if section == SHN_UNDEF else defined).add(name)
    return Symbols(frozenset(defined), frozenset(missing - defined - {""}))


def _symbols(elf: bytes) -> Iterable[tuple[str, int]]:
    """(name, section index) of every symbol."""
    (headers,) = struct.unpack_from("<Q", elf, 0x28)
    size, count = struct.unpack_from("<HH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, headers + i * size) for i in range(count)]
    for section in sections:
        if section[1] != SHT_SYMTAB:
            continue
        start, length, strings = section[4], section[5], sections[section[6]][4]
        for at in range(start, start + length, 24):
            name, _, _, index = struct.unpack_from("<IBBH", elf, at)
            end = elf.index(b"\0", strings + name)
            yield elf[strings + name : end].decode(), index


def module_name(path: str) -> str:
    """`exports_a` for exports-a: file names may have dashes, module names are C identifiers."""
    return path.replace("-", "_")


def dependencies(of: Symbols, others: Mapping[str, Symbols]) -> list[str]:
    """The modules among `others` whose exports `of` needs, in order of name."""
    return sorted(name for name, symbols in others.items() if symbols.exported & of.missing)


def tail(symbols: Symbols, needs: Iterable[str]) -> str:
    """The C text of the tail of one module; it is compiled with the module's own KBUILD_MODNAME."""
    depends = ",".join(module_name(name) for name in needs)
    init = "\t.init = init_module,\n" if "init_module" in symbols.defined else ""
    leave = "\t.exit = cleanup_module,\n" if "cleanup_module" in symbols.defined else ""
    return (
        "#include <linux/module.h>\n\n"
        'struct module __this_module __section(".gnu.linkonce.this_module") = {\n'
        f"\t.name = KBUILD_MODNAME,\n{init}{leave}}};\n\n"
        f'MODULE_INFO(depends, "{depends}");\n'
        'MODULE_INFO(intree, "Y");\n'
        "MODULE_INFO(name, KBUILD_MODNAME);\n"
        f'MODULE_INFO(vermagic, "{VERMAGIC}");\n'
    )
