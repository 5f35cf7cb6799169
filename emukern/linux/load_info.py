"""struct load_info and the copy of the file it refers to, for those functions of the kernel that read them.

The copy holds what they read and no more: the ELF header, the section headers with the addresses of the sections in
memory, the sections' names, .modinfo, and the types, for which the header says where they are in the copy.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern import elf
from emukern.errors import ModuleError
from emukern.kmod.file import THIS_MODULE
from emukern.kmod.layout import align_up
from emukern.linux.placement import DROPPED
from emukern.linux.struct_module import COPIED

if TYPE_CHECKING:
    from emukern.linux.forming import Forming
    from emukern.linux.struct_module import Kernel

HEADER, SECTION_HEADER = 64, struct.Struct("<IIQQQQIIQQ")
SHF_RO_AFTER_INIT = 0x00200000  # kernel/module/internal.h
E_SHOFF = 0x28
LARGE = 1 << 20  # bytes from which on memory need not be in one piece


@dataclass
class LoadInfo:
    """The block in guest memory: struct load_info at `address`, the copy of the file at `header`.

    `names`: address and content of names of sections that are hidden until `show` is called.
    """

    kernel: Kernel
    address: int
    header: int
    sections: int  # of the section headers
    offsets: dict[int, int]  # section → offset in the copy
    large: bool
    names: list[tuple[int, int]] = field(default_factory=list)

    def copied(self, index: int) -> int:
        """Address of a section in the copy, 0 when it is not there."""
        return self.header + self.offsets[index] if index in self.offsets else 0

    def show(self) -> None:
        """Let hidden sections have their names."""
        for place, name in self.names:
            self.kernel.guest.machine.mem.put_u32(place, name)

    def free(self) -> None:
        """Give the block back."""
        if self.large:
            self.kernel.call("vfree", self.address)
        else:
            self.kernel.guest.free(self.address)


def build(forming: Forming) -> LoadInfo:
    """Make the block; what depends on the module's place in memory is filled in by `finish`. Raises ModuleError."""
    kernel, file = forming.kernel, forming.file
    wanted = {name for name, *_ in COPIED} | {".modinfo"}
    chosen = [s for s in file.elf.sections if s.name in wanted or s.index == file.elf.header.shstrndx]
    at = align_up(kernel.load_info.size, 8)
    start = at
    at += HEADER + SECTION_HEADER.size * len(file.elf.sections)
    offsets = {}
    for section in chosen:
        at = align_up(at, 8)
        offsets[section.index] = at - start
        at += section.size
    large = at > LARGE
    address = kernel.call(("vmalloc", "vmalloc_noprof"), at) if large else kernel.guest.alloc(at)
    if not address:
        raise ModuleError(errno.ENOMEM, "")
    return LoadInfo(kernel, address, address + start, address + start + HEADER, offsets, large)


def finish(info: LoadInfo, forming: Forming, signed: bool) -> None:
    """Write the block."""
    kernel, file = forming.kernel, forming.file
    last = max(info.offsets, key=info.offsets.__getitem__)
    size = info.header - info.address + info.offsets[last] + file.elf.sections[last].size
    raw = bytearray(size)
    view, start = memoryview(raw), info.header - info.address
    raw[start : start + HEADER] = file.elf.data[:HEADER]
    raw[start + E_SHOFF : start + E_SHOFF + 8] = HEADER.to_bytes(8, "little")
    headers = b"".join(SECTION_HEADER.pack(*_header(info, forming, section)) for section in file.elf.sections)
    raw[start + HEADER : start + HEADER + len(headers)] = headers
    for index, offset in info.offsets.items():
        content = file.elf.bytes_of(file.elf.sections[index])
        raw[start + offset : start + offset + len(content)] = content
    for path, value in _members(info, forming, signed).items():
        kernel.load_info.put(view, path, value)
    kernel.guest.machine.mem.write(info.address, raw)


def _header(info: LoadInfo, forming: Forming, section: elf.Section) -> tuple[int, ...]:
    """A section's header as the kernel has it at the end: name, type, flags, address, offset, size …"""
    file = forming.file
    offset = file.elf.header.shoff + section.index * SECTION_HEADER.size
    name, kind, flags, _, at, size, link, other, align, entry = SECTION_HEADER.unpack_from(file.elf.data, offset)
    address = forming.at(section.index)
    symbols = file.elf.symbol_section
    if section.name in DROPPED or (file.percpu and section.index == file.percpu):
        flags &= ~elf.SHF_ALLOC
    elif symbols is not None and section.index in (symbols.index, symbols.link):
        flags |= elf.SHF_ALLOC
    elif section.name in forming.kernel.style.after_init:
        flags |= SHF_RO_AFTER_INIT
    if section.name in forming.hidden:
        info.names.append((info.sections + section.index * SECTION_HEADER.size, name))
        name = 0
    if section.index in info.offsets:
        at = info.offsets[section.index]
        address = address or info.copied(section.index)
    return name, kind, flags, address, at, size, link, other, align, entry


def _members(info: LoadInfo, forming: Forming, signed: bool) -> dict[str, int]:
    file, kernel = forming.file, forming.kernel
    index = {section.name: section.index for section in reversed(file.elf.sections)}
    symbols = file.elf.symbol_section
    assert symbols is not None
    dyndbg, classes = forming.section("__dyndbg"), forming.section("__dyndbg_classes")
    return {
        "name": forming.address + kernel.module.offset("name"),
        "mod": forming.address,
        "hdr": info.header,
        "len": len(file.elf.data),
        "sechdrs": info.sections,
        "secstrings": info.copied(file.elf.header.shstrndx),
        "strtab": forming.at(symbols.link),
        "sig_ok": signed,
        "index.sym": symbols.index,
        "index.str": symbols.link,
        "index.mod": index[THIS_MODULE],
        "index.vers": index.get("__versions", 0),
        "index.info": index.get(".modinfo", 0),
        "index.pcpu": file.percpu,
        "dyndbg.descs": dyndbg[0],
        "dyndbg.num_descs": dyndbg[1] // debug_size(kernel, "descs"),
        "dyndbg.classes": classes[0],
        "dyndbg.num_classes": classes[1] // debug_size(kernel, "classes"),
    }


def debug_size(kernel: Kernel, path: str) -> int:
    """Bytes of what a pointer in the description of a module's debug messages points to; 1 if it has no such thing."""
    record = kernel.load_info
    return record.element(f"dyndbg.{path}") if record.has(f"dyndbg.{path}") else 1
