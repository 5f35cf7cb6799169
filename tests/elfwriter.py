"""Builds relocatable objects in memory, whole or damaged, so that tests need no compiler."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from emukern.elf import (
    EM_X86_64,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHN_ABS,
    SHN_COMMON,
    SHN_UNDEF,
    SHT_NOBITS,
    SHT_PROGBITS,
    SHT_RELA,
    SHT_STRTAB,
    SHT_SYMTAB,
    STB_GLOBAL,
    STB_LOCAL,
    STB_WEAK,
)

TEXT = SHF_ALLOC | SHF_EXECINSTR
RODATA = SHF_ALLOC
DATA = SHF_ALLOC | SHF_WRITE
GLOBAL, WEAK, LOCAL = STB_GLOBAL, STB_WEAK, STB_LOCAL
ABS, COMMON, UNDEF = SHN_ABS, SHN_COMMON, SHN_UNDEF
THIS_MODULE_SIZE, INIT_AT, EXIT_AT = 896, 312, 848
ABS64 = {EM_X86_64: 1, 243: 2}  # R_X86_64_64, R_RISCV_64


@dataclass
class WrittenSection:
    name: str
    data: bytes
    flags: int
    type: int
    align: int
    size: int
    link: int = 0
    info: int = 0
    entsize: int = 0
    relas: list[tuple[int, int, str, int]] = field(default_factory=list)


@dataclass
class WrittenSymbol:
    name: str
    shndx: int
    value: int = 0
    size: int = 0
    bind: int = GLOBAL
    type: int = 0


class ElfWriter:
    """An object under construction; `header` and `patches` overrule fields at the end."""

    def __init__(self, machine=EM_X86_64):
        self.machine = machine
        self.sections = [WrittenSection("", b"", 0, 0, 0, 0)]
        self.symbols = [WrittenSymbol("", 0, bind=LOCAL)]
        self.header = {"type": 1}

    def section(self, name, data=b"", flags=DATA, type=SHT_PROGBITS, align=8, size=None):
        """Add a section; answers its index. `size` is for sections without content."""
        size = len(data) if size is None else size
        self.sections.append(WrittenSection(name, data, flags, type, align, size))
        return len(self.sections) - 1

    def bss(self, size, name=".bss", align=8):
        return self.section(name, flags=DATA, type=SHT_NOBITS, size=size, align=align)

    def symbol(self, name, shndx=UNDEF, value=0, size=0, bind=GLOBAL, type=0):
        """Add a symbol; answers its name, by which relocations mention it."""
        self.symbols.append(WrittenSymbol(name, shndx, value, size, bind, type))
        return name

    def rela(self, section, offset, type, symbol, addend=0):
        """Relocate a place in `section`; a symbol that was not added is undefined."""
        if symbol and all(s.name != symbol for s in self.symbols):
            self.symbol(symbol)
        self.sections[section].relas.append((offset, type, symbol, addend))

    def modinfo(self, *entries, **more):
        """Add .modinfo with "key=value" entries."""
        texts = [*entries, *(f"{k}={v}" for k, v in more.items())]
        return self.section(".modinfo", b"".join(t.encode() + b"\0" for t in texts), RODATA, align=1)

    def module(self, name="probe", init="init_module", leave="cleanup_module", **info):
        """Add what makes an object a Linux module: its modinfo and its struct module."""
        self.modinfo(**{"license": "GPL", "intree": "Y", "name": name, **info})
        named = bytes(24) + name.encode()
        this = self.section(".gnu.linkonce.this_module", named.ljust(THIS_MODULE_SIZE, b"\0"), DATA, align=64)
        self.symbol("__this_module", this)
        for at, function in ((INIT_AT, init), (EXIT_AT, leave)):
            if function:
                self.rela(this, at, ABS64[self.machine], function)
        return this

    def kernel_param(self, name, ops, arg):
        """Add a parameter: `ops` and `arg` are symbols."""
        strings = self.section(".rodata.param", name.encode() + b"\0", RODATA, align=1)
        self.symbol(f"__param_str_{name}", strings, bind=LOCAL)
        param = next((i for i, s in enumerate(self.sections) if s.name == "__param"), None)
        if param is None:
            param = self.section("__param", b"", RODATA)
        at = self.sections[param].size
        self.sections[param].data += bytes(40)
        self.sections[param].size += 40
        kind = ABS64[self.machine]
        for offset, symbol in ((0, f"__param_str_{name}"), (16, ops), (32, arg)):
            self.rela(param, at + offset, kind, symbol)

    def build(self):
        """The bytes of the object."""
        sections = list(self.sections)
        order = sorted(range(len(self.symbols)), key=lambda i: (self.symbols[i].bind != LOCAL, i))
        place = {self.symbols[i].name: n for n, i in enumerate(order)}
        names, rows = bytearray(b"\0"), bytearray()
        for i in order:
            s = self.symbols[i]
            at = len(names) if s.name else 0
            names += s.name.encode() + b"\0" if s.name else b""
            rows += struct.pack("<IBBHQQ", at, s.bind << 4 | s.type, 0, s.shndx, s.value, s.size)
        symtab = len(sections) + sum(bool(s.relas) for s in sections)
        for index, s in enumerate(self.sections):
            if s.relas:
                data = b"".join(struct.pack("<QIIq", o, t, place[y], a) for o, t, y, a in s.relas)
                rela = WrittenSection(f".rela{s.name}", data, 0x40, SHT_RELA, 8, len(data), symtab, index, 24)
                sections.append(rela)
        local = sum(s.bind == LOCAL for s in self.symbols)
        sections.append(WrittenSection(".symtab", bytes(rows), 0, SHT_SYMTAB, 8, len(rows), symtab + 1, local, 24))
        sections.append(WrittenSection(".strtab", bytes(names), 0, SHT_STRTAB, 1, len(names)))
        return self._write(sections)

    def _write(self, sections):
        names = bytearray(b"\0")
        starts = []
        sections = [*sections, WrittenSection(".shstrtab", b"", 0, SHT_STRTAB, 1, 0)]
        for s in sections:
            starts.append(len(names) if s.name else 0)
            names += s.name.encode() + b"\0" if s.name else b""
        sections[-1].data, sections[-1].size = bytes(names), len(names)
        body, headers = bytearray(), bytearray()
        for s, start in zip(sections, starts, strict=True):
            body += bytes(-len(body) % 16)
            offset = 64 + len(body) if s.type else 0
            body += s.data
            headers += struct.pack(
                "<IIQQQQIIQQ", start, s.type, s.flags, 0, offset, s.size, s.link, s.info, s.align, s.entsize
            )
        body += bytes(-len(body) % 8)
        fields = {
            "type": 1,
            "machine": self.machine,
            "shoff": 64 + len(body),
            "shentsize": 64,
            "shnum": len(sections),
            "shstrndx": len(sections) - 1,
        } | self.header
        ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
        head = struct.pack(
            "<HHIQQQIHHHHHH", fields["type"], fields["machine"], 1, 0, 0, fields["shoff"], 0, 64, 0, 0,
            fields["shentsize"], fields["shnum"], fields["shstrndx"],
        )  # fmt: skip
        return ident + head + bytes(body) + bytes(headers)


def section_field(blob, index, name, value):
    """The same object with one field of a section header changed."""
    at, form = {
        "name": (0, "<I"), "type": (4, "<I"), "flags": (8, "<Q"), "addr": (16, "<Q"), "offset": (24, "<Q"),
        "size": (32, "<Q"), "link": (40, "<I"), "info": (44, "<I"), "align": (48, "<Q"),
    }[name]  # fmt: skip
    shoff = struct.unpack_from("<Q", blob, 40)[0]
    changed = bytearray(blob)
    struct.pack_into(form, changed, shoff + 64 * index + at, value)
    return bytes(changed)
