"""A kernel image file as distributions ship it → KernelImage: plain bytes, where they go in memory, what it says it is.

Wrappings come off until a vmlinux ELF or a RISC-V Image is left (`_unwrap`). x86_64 kernels are taken at their link
address: with `nokaslr` that is where they run. Formats: Documentation/arch/x86/boot.rst (bzImage) and
Documentation/arch/riscv/boot-image-header.rst.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from emukern import arch as architectures
from emukern import elf
from emukern.errors import ImageError
from emukern.kmod.compression import LARGEST
from emukern.linux import pe
from emukern.linux.decompress import decompress

if TYPE_CHECKING:
    from emukern.linux.kallsyms import Kallsyms

_BANNER = re.compile(rb"Linux version ([^ %\0]+) [^\0\n]+\n?\0")
_BUILD_NUMBER = re.compile(rb"#\d")
_DEEPEST = 4  # wrappings around a kernel: an image in an image in a compressed file is already odd

# bzImage setup header: boot.rst, "The Real-Mode Kernel Header"
_HDRS, _HDRS_AT = b"HdrS", 0x202
_HAS_PAYLOAD_FIELDS, _HAS_XLOADFLAGS = 0x208, 0x20C
_XLF_KERNEL_64 = 1

# Image header: code0 code1 text_offset image_size flags version res1 res2 magic magic2
_IMAGE = struct.Struct("<IIQQQIIQQI")
_RISCV_MAGIC2, _ARM64_MAGIC2 = b"RSC\x05", b"ARMd"
_BIG_ENDIAN = 1
# arch/riscv/include/asm/pgtable.h: KERNEL_LINK_ADDR, the last 2 GB since Linux 5.13
_RISCV_LINK = 0xFFFF_FFFF_8000_0000


@dataclass(frozen=True, slots=True)
class Segment:
    """`filesz` bytes at `offset` of the plain image go to `paddr`; up to `memsz` follow zeros."""

    paddr: int
    vaddr: int
    offset: int
    filesz: int
    memsz: int


@dataclass(frozen=True, slots=True)
class ImageSection:
    """A section of the plain image; `size` bytes of content, 0 for one that has none."""

    name: str
    vaddr: int
    offset: int
    size: int


@dataclass(frozen=True)
class KernelImage:
    """A kernel, unpacked. `format` says what the file was, for people: "bzImage (xz)", "Image", "EFI zboot (zstd)"."""

    arch: str
    format: str
    digest: str  # SHA-256 of the file as it is, in hexadecimal
    release: str  # what uname -r will say
    banner: str  # first line of the kernel log, "Linux version …"
    data: bytes = field(repr=False)  # the vmlinux ELF, or the Image
    segments: tuple[Segment, ...]
    entry: int  # physical address of the first instruction
    setup_header: bytes | None = None  # bzImage: the boot protocol's header, from 0x1f1 on
    sections: tuple[ImageSection, ...] = field(default=(), repr=False)  # none in an Image

    @property
    def limit(self) -> int:
        """The first virtual address beyond the image in memory."""
        return max(s.vaddr + s.memsz for s in self.segments)

    def read(self, vaddr: int, n: int) -> bytes:
        """Memory as the linker left it; zeros where the file has none. Raises `ImageError` outside the image."""
        for s in self.segments:
            at = vaddr - s.vaddr
            if at >= 0 and at + n <= s.memsz:
                return self.data[s.offset + at : s.offset + min(at + n, s.filesz)].ljust(n, b"\0")
        raise ImageError(f"the kernel {self.release} has nothing at {vaddr:#x}..{vaddr + n:#x}")

    def text(self, vaddr: int) -> str:
        """The NUL-terminated string at `vaddr`; raises `ImageError` outside the image."""
        for s in self.segments:
            at = vaddr - s.vaddr
            if 0 <= at < s.filesz:
                end = self.data.find(b"\0", s.offset + at, s.offset + s.filesz)
                return self.data[s.offset + at : end if end >= 0 else s.offset + s.filesz].decode("latin-1")
        raise ImageError(f"the kernel {self.release} has no string at {vaddr:#x}")

    def vaddr_of(self, offset: int) -> int | None:
        """The virtual address of a byte of `data`; None for one that is not loaded."""
        return next((offset - s.offset + s.vaddr for s in self.segments if 0 <= offset - s.offset < s.filesz), None)

    def section(self, name: str, symbols: Kallsyms | None = None) -> bytes | None:
        """The content of a section such as `.BTF`; None if there is none.

        Images without a section table need `symbols`: the linker script brackets a section that the kernel
        itself wants to find with __start_NAME and __stop_NAME (NAME without its dots).
        """
        for section in self.sections:
            if section.name == name:
                return self.data[section.offset : section.offset + section.size]
        bare = name.lstrip(".")
        return self.between(symbols, f"__start_{bare}", f"__stop_{bare}") if symbols else None

    def between(self, symbols: Kallsyms, start: str, stop: str) -> bytes | None:
        """What lies between two symbols; None if either is missing or there is nothing between them."""
        first, last = symbols.address(start), symbols.address(stop)
        if first is None or last is None or first >= last:
            return None
        return self.read(first, last - first)


def load(path: str | Path) -> KernelImage:
    """The kernel in the file at `path`; raises `ImageError` with one sentence that names the file."""
    blob = _bytes_of(Path(path))
    try:
        return parse(blob)
    except ImageError as refused:
        raise ImageError(f"{path}: {refused}") from None


def digest(path: str | Path) -> str:
    """The `digest` that `load` would give, without unpacking anything; raises `ImageError`."""
    return sha256(_bytes_of(Path(path))).hexdigest()


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_char_device() or path.is_fifo():  # which may have no end
            raise ImageError(f"cannot read {path}: not a file")
        if path.stat().st_size > LARGEST:
            raise ImageError(f"{path}: not a kernel image: it has more than {LARGEST} bytes")
        return path.read_bytes()
    except OSError as failed:
        raise ImageError(f"cannot read {path}: {failed.strerror}") from None


def parse(blob: bytes) -> KernelImage:
    """The kernel in an image file's bytes; raises `ImageError`."""
    kind, plain, setup_header = _unwrap(blob)
    if plain.startswith(elf.MAGIC):
        arch, segments, entry = _elf(plain)
        sections = tuple(_sections(plain))
    else:
        arch, segments, entry = _riscv_image(plain)
        sections = ()
    banner, release = _banner(plain)
    return KernelImage(
        arch=arch,
        format=kind,
        digest=sha256(blob).hexdigest(),
        release=release,
        banner=banner,
        data=plain,
        segments=segments,
        entry=entry,
        setup_header=setup_header,
        sections=sections,
    )


def _banner(plain: bytes) -> tuple[str, str]:
    """(banner, release). Before the real one lies a weak one, whose build number is not filled in (init/version.c)."""
    found = list(_BANNER.finditer(plain))
    if not found:
        raise ImageError('not a kernel image: nowhere does it say "Linux version"')
    best = next((b for b in found if _BUILD_NUMBER.search(b[0])), found[0])
    return best[0].rstrip(b"\n\0").decode("latin-1"), best[1].decode("latin-1")


def _unwrap(blob: bytes) -> tuple[str, bytes, bytes | None]:
    """(what the file is, the ELF or Image in it, the bzImage's setup header)."""
    outer, setup = "", None
    around: list[str] = []  # compressions
    for _ in range(_DEEPEST):
        if blob.startswith(elf.MAGIC):
            return _described(outer or "vmlinux ELF", around), blob, setup
        if blob[_HDRS_AT : _HDRS_AT + 4] == _HDRS:
            outer = outer or "bzImage"
            setup = _setup_header(blob)
            name, blob = _bzimage_payload(blob)
            around.append(name)
            continue
        if blob[0x38:0x3C] in (_RISCV_MAGIC2, _ARM64_MAGIC2):
            return _described(outer or "Image", around), blob, setup
        zboot, unified, packed = pe.zboot_payload(blob), pe.unified_payload(blob), decompress(blob)
        if zboot:
            outer = outer or "EFI zboot"
            name, blob = _unpacked(*zboot)
            around.append(name)
        elif unified is not None:
            outer, blob = outer or "EFI unified kernel image", unified
        elif packed:
            around.append(packed[0])
            blob = packed[1]
        else:
            break
    raise ImageError(_what_else(blob))


def _described(outer: str, around: list[str]) -> str:
    return f"{outer} ({', '.join(around)})" if around else outer


def _what_else(blob: bytes) -> str:
    found = pe.headers(blob)
    if found:
        return f"not a kernel image but an EFI program for {found.machine}"
    return "not a kernel image" if blob else "not a kernel image: the file is empty"


def _unpacked(payload: bytes, name: str) -> tuple[str, bytes]:
    packed = decompress(payload)
    if packed is None:
        raise ImageError(f"its payload is compressed in a way that emukern does not know ({name})")
    return packed


def _setup_header(blob: bytes) -> bytes:
    return blob[0x1F1 : _HDRS_AT + blob[0x201]]


def _bzimage_payload(blob: bytes) -> tuple[str, bytes]:
    """(compression, vmlinux) of a bzImage."""
    if len(blob) < 0x250:
        raise ImageError("it is cut short within its header")
    (protocol,) = struct.unpack_from("<H", blob, 0x206)
    if protocol < _HAS_PAYLOAD_FIELDS:
        raise ImageError(f"its boot protocol {protocol >> 8}.{protocol & 255:02} is older than 2.08")
    if protocol >= _HAS_XLOADFLAGS and not blob[0x236] & _XLF_KERNEL_64:
        raise ImageError(_foreign("i386"))
    start = ((blob[0x1F1] or 4) + 1) * 512
    offset, size = struct.unpack_from("<II", blob, 0x248)
    end = start + offset + size
    if end > len(blob):
        raise ImageError(f"it is cut short: {len(blob)} of at least {end} bytes are there")
    payload = blob[start + offset : end]
    name, plain = _unpacked(payload, payload[:4].hex())
    (announced,) = struct.unpack("<I", payload[-4:])  # every payload ends with its plain size
    if len(plain) != announced:
        raise ImageError(f"its payload is damaged: {len(plain)} bytes instead of {announced}")
    return name, plain


def _foreign(machine: str) -> str:
    return f"a kernel for {machine}, and emukern runs those for {' and '.join(architectures.NAMES)}"


def _elf(data: bytes) -> tuple[str, tuple[Segment, ...], int]:
    """(architecture, segments, physical entry) of a vmlinux."""
    try:
        head = elf.header(data)
        if head.type == elf.ET_REL:
            raise ImageError("not a kernel image but a module or another object file")
        machine = elf.MACHINE_NAMES.get(head.machine, f"ELF machine {head.machine}")
        if machine not in architectures.NAMES or head.bits != 64:
            raise ImageError(_foreign(machine if head.bits == 64 else machine.replace("64", "32")))
        loads = [s for s in elf.program_headers(data) if s.type == elf.PT_LOAD and s.memsz]
    except elf.ElfError as broken:
        raise ImageError(f"it is damaged or cut short: {broken}") from None
    if not loads:
        raise ImageError("not a kernel image: nothing in it goes into memory")
    found = tuple(Segment(s.paddr, s.vaddr, s.offset, s.filesz, s.memsz) for s in loads)
    if machine == "riscv64":
        return _riscv_elf(data, found)
    return machine, found, head.entry


def _sections(data: bytes) -> Iterator[ImageSection]:
    """The allocated sections that have content; nothing for a file without a usable table."""
    head = elf.header(data)
    table = data[head.shoff : head.shoff + head.shnum * head.shentsize]
    if head.shentsize != 64 or len(table) < head.shnum * 64 or head.shstrndx >= head.shnum:
        return
    rows = list(struct.iter_unpack("<IIQQQQ24x", table))
    names = data[rows[head.shstrndx][4] :][: rows[head.shstrndx][5]]
    for name, kind, flags, vaddr, offset, size in rows:
        if flags & elf.SHF_ALLOC and kind != elf.SHT_NOBITS and offset + size <= len(data):
            text = names[name : names.find(b"\0", name)].decode("latin-1")
            yield ImageSection(text, vaddr, offset, size)


def _riscv_elf(data: bytes, loads: tuple[Segment, ...]) -> tuple[str, tuple[Segment, ...], int]:
    """The same kernel as its Image, so placed as that says: its header is the first thing in the ELF's memory."""
    first = min(loads, key=lambda s: s.vaddr)
    base, _ = _riscv_header(data[first.offset : first.offset + first.filesz])
    moved = tuple(Segment(base + s.vaddr - first.vaddr, s.vaddr, s.offset, s.filesz, s.memsz) for s in loads)
    return "riscv64", moved, base


def _riscv_image(data: bytes) -> tuple[str, tuple[Segment, ...], int]:
    """(architecture, the one segment, physical entry) of an Image."""
    base, size = _riscv_header(data)
    found = pe.headers(data)
    if found and found.end > len(data):
        raise ImageError(f"it is cut short: {len(data)} of at least {found.end} bytes are there")
    return "riscv64", (Segment(base, _RISCV_LINK, 0, len(data), max(size, len(data))),), base


def _riscv_header(data: bytes) -> tuple[int, int]:
    """(physical address, size in memory) that an Image header asks for."""
    if data[0x38:0x3C] == _ARM64_MAGIC2:
        raise ImageError(_foreign("aarch64"))
    if data[0x38:0x3C] != _RISCV_MAGIC2 or len(data) < 64:
        raise ImageError("not a kernel image: it does not begin with a RISC-V Image header")
    _, _, text_offset, size, flags, *_ = _IMAGE.unpack_from(data)
    if flags & _BIG_ENDIAN:
        raise ImageError(_foreign("big-endian riscv64"))
    return architectures.get("riscv64").layout.ram + text_offset, size
