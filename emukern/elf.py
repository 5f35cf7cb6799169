"""ELF bytes to tables: headers, sections, symbols, relocations. No I/O, no policy.

Two readers live here. `header`, `program_headers` and `symbols` use `struct` alone, for the boot path and for
user programs (ELF32 and ELF64). `parse` reads a relocatable object into an `Elf` with numpy tables, after the
checks that Linux makes in `elf_validity_check` (kernel/module/main.c, 6.1), in its order and in its words.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emukern.errors import ModuleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"\x7fELF"
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
EM_386, EM_X86_64, EM_RISCV = 3, 62, 243
MACHINE_NAMES = {EM_386: "i386", EM_X86_64: "x86_64", 183: "aarch64", EM_RISCV: "riscv64"}
PT_LOAD, PT_TLS = 1, 7
PF_X, PF_W, PF_R = 1, 2, 4
SHT_NULL, SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 0, 1, 2, 3, 4, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_UNDEF, SHN_LORESERVE, SHN_ABS, SHN_COMMON, SHN_XINDEX = 0, 0xFF00, 0xFFF1, 0xFFF2, 0xFFFF
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE = 0, 1, 2, 3, 4

_HEADER = {32: struct.Struct("<HHIIIIIHHHHHH"), 64: struct.Struct("<HHIQQQIHHHHHH")}
_PROGRAM_HEADER = {32: struct.Struct("<IIIIIIII"), 64: struct.Struct("<IIQQQQQQ")}
_SECTION_HEADER = {32: struct.Struct("<10I"), 64: struct.Struct("<IIQQQQIIQQ")}
_SYMBOL = {32: struct.Struct("<IIIBBH"), 64: struct.Struct("<IBBHQQ")}
_IDENT_SIZE = 16


class ElfError(ModuleError):
    """These bytes are no usable ELF file; the text is what Linux logs, `errno` is ENOEXEC."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ENOEXEC, reason)


@dataclass(frozen=True, slots=True)
class Header:
    """The ELF header's fields that anybody asks for; `bits` is 32 or 64."""

    bits: int
    type: int
    machine: int
    entry: int
    flags: int
    phoff: int
    phentsize: int
    phnum: int
    shoff: int
    shentsize: int
    shnum: int
    shstrndx: int

    @property
    def size(self) -> int:
        """Bytes that the ELF header itself takes."""
        return _IDENT_SIZE + _HEADER[self.bits].size


@dataclass(frozen=True, slots=True)
class ProgramHeader:
    """One segment; `flags` are PF_R, PF_W and PF_X."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True)
class ElfSymbol:
    """One row of a symbol table."""

    name: str
    value: int
    size: int
    bind: int
    type: int
    shndx: int


@dataclass(frozen=True, slots=True)
class Section:
    """One section header; `align` is at least 1."""

    index: int
    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int

    @property
    def allocated(self) -> bool:
        """Whether the section occupies memory in the running module."""
        return bool(self.flags & SHF_ALLOC)


def header(data: bytes) -> Header:
    """The ELF header of `data`; raises `ElfError` when there is none for a little-endian machine."""
    if len(data) < _IDENT_SIZE:
        raise ElfError(f"Invalid ELF header len {len(data)}")
    if data[:4] != MAGIC:
        raise ElfError(f"Invalid ELF header magic: != {MAGIC.decode('latin-1')}")
    bits = {1: 32, 2: 64}.get(data[4])
    if bits is None or data[5] != 1:
        raise ElfError(f"Invalid ELF class {data[4]} or byte order {data[5]}")
    layout = _HEADER[bits]
    if len(data) < _IDENT_SIZE + layout.size:
        raise ElfError(f"Invalid ELF header len {len(data)}")
    kind, machine, _version, entry, phoff, shoff, flags, _size, *rest = layout.unpack_from(data, _IDENT_SIZE)
    phentsize, phnum, shentsize, shnum, shstrndx = rest
    return Header(
        bits, kind, machine, entry, flags, phoff, phentsize, phnum, shoff, shentsize, shnum, shstrndx
    )


def program_headers(data: bytes) -> list[ProgramHeader]:
    """The segments of an executable, in file order; raises `ElfError` if they reach outside the file."""
    head = header(data)
    layout = _PROGRAM_HEADER[head.bits]
    if head.phnum and (head.phentsize != layout.size or head.phoff + head.phnum * layout.size > len(data)):
        raise ElfError("Invalid ELF program header table")
    segments = []
    for at in range(head.phoff, head.phoff + head.phnum * layout.size, layout.size):
        fields = layout.unpack_from(data, at)
        if head.bits == 64:
            segment = ProgramHeader(*fields)
        else:  # ELF32 keeps the flags near the end
            kind, offset, vaddr, paddr, filesz, memsz, flags, align = fields
            segment = ProgramHeader(kind, flags, offset, vaddr, paddr, filesz, memsz, align)
        if segment.type == PT_LOAD and (
            segment.offset + segment.filesz > len(data) or segment.filesz > segment.memsz
        ):
            raise ElfError(f"Invalid ELF segment at {segment.vaddr:#x}")
        segments.append(segment)
    return segments


def symbols(data: bytes) -> list[ElfSymbol]:
    """The named rows of the (first) symbol table, in file order; an empty list for a stripped file."""
    head = header(data)
    sections = list(_section_headers(data, head))
    table = next((s for s in sections if s[1] == SHT_SYMTAB), None)
    if table is None or table[6] >= len(sections):
        return []
    strings = sections[table[6]]
    names = data[strings[4] : strings[4] + strings[5]]
    layout = _SYMBOL[head.bits]
    rows = data[table[4] : table[4] + table[5] // layout.size * layout.size]
    found = []
    for fields in layout.iter_unpack(rows):
        if head.bits == 64:
            name, info, _other, shndx, value, size = fields
        else:
            name, value, size, info, _other, shndx = fields
        text = names[name : names.find(b"\0", name)] if 0 < name < len(names) else b""
        if text:
            found.append(ElfSymbol(text.decode("latin-1"), value, size, info >> 4, info & 15, shndx))
    return found


def _section_headers(data: bytes, head: Header) -> Iterator[tuple[int, ...]]:
    layout = _SECTION_HEADER[head.bits]
    end = head.shoff + head.shnum * layout.size
    if head.shnum and (head.shentsize != layout.size or end > len(data)):
        raise ElfError("Invalid ELF section header overflow")
    return layout.iter_unpack(data[head.shoff : end])


@dataclass(frozen=True)
class Elf:
    """A checked relocatable object. Tables are read on first use and shared; treat them as read-only."""

    data: bytes
    header: Header
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        return self._by_name.get(name)

    def bytes_of(self, section: Section) -> bytes:
        """The section's content; empty for a section that has none in the file."""
        if section.type in (SHT_NOBITS, SHT_NULL):
            return b""
        return self.data[section.offset : section.offset + section.size]

    @cached_property
    def _by_name(self) -> dict[str, Section]:
        found: dict[str, Section] = {}
        for section in self.sections[1:]:
            found.setdefault(section.name, section)
        return found

    @cached_property
    def symbol_section(self) -> Section | None:
        """The symbol table's section."""
        return next((s for s in self.sections if s.type == SHT_SYMTAB), None)

    @cached_property
    def strings(self) -> bytes:
        """The symbol table's strings; always NUL-terminated."""
        table = self.symbol_section
        return self.bytes_of(self.sections[table.link]) + b"\0" if table else b"\0"

    @cached_property
    def symbols(self) -> NDArray[np.void]:
        """Fields name info other shndx value size, one row per symbol including the empty first one.

        `shndx` is 32 bits wide: an SHN_XINDEX is left as it is, for Linux does not follow it either.
        """
        import numpy as np

        table = self.symbol_section
        raw = self.bytes_of(table) if table else b""
        row = _symbol_rows(self.header.bits)
        found = np.frombuffer(raw, row, len(raw) // row.itemsize)
        if len(found) and int(found["name"].max()) >= len(self.strings):
            raise ElfError("Invalid ELF symbol name in module")
        return found

    def symbol_name(self, index: int) -> str:
        """The name of symbol `index`; section symbols have none."""
        at = int(self.symbols["name"][index])
        return self.strings[at : self.strings.index(b"\0", at)].decode("latin-1")

    @cached_property
    def relocation_sections(self) -> tuple[Section, ...]:
        """The relocation sections whose target occupies memory, in file order (Linux skips others too)."""
        count = len(self.sections)
        return tuple(
            s
            for s in self.sections
            if s.type in (SHT_REL, SHT_RELA) and s.info < count and self.sections[s.info].allocated
        )

    def relocations(self, section: Section) -> NDArray[np.void]:
        """A relocation section's rows: offset, type, symbol, addend (0 for SHT_REL, whose field holds it)."""
        import numpy as np

        raw = self.bytes_of(section)
        rows = _relocation_rows(self.header.bits, section.type == SHT_RELA)
        table = np.frombuffer(raw, rows, len(raw) // rows.itemsize)
        found = np.zeros(len(table), RELOCATION_ROWS)
        found["offset"] = table["offset"]
        if self.header.bits == 64:
            found["type"] = table["type"]
            found["symbol"] = table["symbol"]
        else:
            found["type"] = table["info"] & 0xFF
            found["symbol"] = table["info"] >> 8
        if section.type == SHT_RELA:
            found["addend"] = table["addend"]
        return found


RELOCATION_ROWS = [("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")]


def _symbol_rows(bits: int) -> np.dtype[Any]:
    import numpy as np

    if bits == 64:
        fields = [
            ("name", "<u4"),
            ("info", "u1"),
            ("other", "u1"),
            ("shndx", "<u2"),
            ("value", "<u8"),
            ("size", "<u8"),
        ]
    else:
        fields = [
            ("name", "<u4"),
            ("value", "<u4"),
            ("size", "<u4"),
            ("info", "u1"),
            ("other", "u1"),
            ("shndx", "<u2"),
        ]
    return np.dtype(fields)


def _relocation_rows(bits: int, addends: bool) -> np.dtype[Any]:
    import numpy as np

    if bits == 64:
        fields = [("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4")] + [("addend", "<i8")] * addends
    else:
        fields = [("offset", "<u4"), ("info", "<u4")] + [("addend", "<i4")] * addends
    return np.dtype(fields)


def parse(data: bytes, machine: int, bits: int = 64) -> Elf:
    """A relocatable object for `machine`, checked as Linux checks it; raises `ElfError` in Linux's words."""
    head = _check_header(data, machine, bits)
    raw = [
        _SECTION_HEADER[bits].unpack_from(data, head.shoff + i * head.shentsize) for i in range(head.shnum)
    ]
    names = _check_section_names(data, head, raw)
    _check_sections(data, head, raw, len(names))
    sections = tuple(
        Section(i, _name_at(names, f[0]), f[1], f[2], f[3], f[4], f[5], f[6], f[7], max(f[8], 1), f[9])
        for i, f in enumerate(raw)
    )
    return Elf(data, head, sections)


def _check_header(data: bytes, machine: int, bits: int) -> Header:
    size = _IDENT_SIZE + _HEADER[bits].size
    if len(data) < size:
        raise ElfError(f"Invalid ELF header len {len(data)}")
    if data[:4] != MAGIC:
        raise ElfError(f"Invalid ELF header magic: != {MAGIC.decode('latin-1')}")
    kind, found = struct.unpack_from("<HH", data, _IDENT_SIZE)
    if kind != ET_REL:
        raise ElfError(f"Invalid ELF header type: {kind} != {ET_REL}")
    # Linux looks at the machine number alone; a class or byte order that belies it must not be misread here.
    if found != machine or data[4] != bits // 32 or data[5] != 1:
        raise ElfError(f"Invalid architecture in ELF header: {found}")
    head = header(data)
    if head.shentsize != _SECTION_HEADER[bits].size:
        raise ElfError("Invalid ELF section header size")
    if head.shoff >= len(data) or head.shnum * head.shentsize > len(data) - head.shoff:
        raise ElfError("Invalid ELF section header overflow")
    if head.shstrndx == SHN_UNDEF or head.shstrndx >= head.shnum:
        raise ElfError(
            f"Invalid ELF section name index: {head.shstrndx} || "
            f"e_shstrndx ({head.shstrndx}) >= e_shnum ({head.shnum})"
        )
    return head


def _check_section_names(data: bytes, head: Header, raw: list[tuple[int, ...]]) -> bytes:
    _, kind, _, _, offset, size, *_ = raw[head.shstrndx]
    if offset + size > len(data):
        raise ElfError(f"Invalid ELF section hdr(type {kind})")
    if size == 0:
        raise ElfError("empty section name table")
    names = data[offset : offset + size]
    if names[-1] != 0:
        raise ElfError("ELF Spec violation: section name table isn't null terminated")
    return names


def _check_sections(data: bytes, head: Header, raw: list[tuple[int, ...]], names_size: int) -> None:
    first = raw[0]
    if first[1] != SHT_NULL or first[5] or first[3]:
        raise ElfError(f"ELF Spec violation: section 0 type({first[1]})!=SH_NULL or non-zero len or addr")
    for i, (name, kind, flags, _, offset, size, link, _, align, _) in enumerate(raw):
        if i == 0 or kind == SHT_NULL:
            continue
        where = f"(section {i} type {kind})"
        if align & (align - 1):  # Linux trusts it and would place the section anywhere
            raise ElfError(f"Invalid ELF section in module {where}")
        if kind == SHT_NOBITS:
            continue
        if kind == SHT_SYMTAB and (link == SHN_UNDEF or link >= head.shnum):
            raise ElfError(
                f"Invalid ELF sh_link!=SHN_UNDEF({link}) or (sh_link({link}) >= hdr->e_shnum({head.shnum})"
            )
        if offset + size > len(data):
            raise ElfError(f"Invalid ELF section in module {where}")
        if flags & SHF_ALLOC and name >= names_size:
            raise ElfError(f"Invalid ELF section name in module {where}")


def _name_at(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode("latin-1") if at < len(names) else ""
