"""EFI programs (PE/COFF) that carry a kernel: zboot images and unified kernel images; and what a PE header knows.

https://learn.microsoft.com/windows/win32/debug/pe-format; zboot: drivers/firmware/efi/libstub/zboot-header.S;
unified kernel images: https://uapi-group.org/specifications/specs/unified_kernel_image
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from emukern.errors import ImageError

MACHINES = {
    0x8664: "x86_64",
    0x5064: "riscv64",
    0xAA64: "aarch64",
    0x014C: "i386",
    0x01C0: "arm",
    0x01C2: "arm",
    0x5032: "riscv32",
    0x6264: "loongarch64",
}
_ZBOOT = struct.Struct("<2s2x4sII8x32s")  # MZ, "zimg", offset and size of the payload, name of its compression
_COFF = struct.Struct("<4sHH12xH2x")  # "PE", machine, number of sections, size of the optional header
_SECTION = struct.Struct("<8sIIII16x")  # name, size in memory, address, size and offset in the file


@dataclass(frozen=True, slots=True)
class PeSection:
    """One section's place in the file."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Pe:
    """A PE file's machine, by Linux's name where it has one, and its sections."""

    machine: str
    sections: tuple[PeSection, ...]

    @property
    def end(self) -> int:
        """The first byte of the file that no section holds."""
        return max((s.offset + s.size for s in self.sections), default=0)


def headers(blob: bytes) -> Pe | None:
    """The headers of a PE file; None for anything else."""
    if not blob.startswith(b"MZ") or len(blob) < 64:
        return None
    (at,) = struct.unpack_from("<I", blob, 0x3C)
    if at + _COFF.size > len(blob):
        return None
    magic, machine, count, optional = _COFF.unpack_from(blob, at)
    if magic != b"PE\0\0":
        return None
    at += _COFF.size + optional
    rows = _SECTION.iter_unpack(blob[at : at + len(blob[at : at + count * _SECTION.size]) // 40 * 40])
    sections = tuple(PeSection(name.rstrip(b"\0").decode("latin-1"), offset, size) for name, _, _, size, offset in rows)
    return Pe(MACHINES.get(machine, f"PE machine {machine:#x}"), sections)


def zboot_payload(blob: bytes) -> tuple[bytes, str] | None:
    """(compressed kernel, name of the compression) of an EFI zboot image; None for anything else."""
    if len(blob) < _ZBOOT.size:
        return None
    magic, kind, offset, size, name = _ZBOOT.unpack_from(blob)
    if magic != b"MZ" or kind != b"zimg":
        return None
    if offset + size > len(blob):
        raise ImageError(f"it is cut short: {len(blob)} of at least {offset + size} bytes are there")
    return blob[offset : offset + size], name.split(b"\0", 1)[0].decode("latin-1")


def unified_payload(blob: bytes) -> bytes | None:
    """The kernel inside a unified kernel image; None for anything else."""
    pe = headers(blob)
    section = next((s for s in pe.sections if s.name == ".linux"), None) if pe else None
    if section is None:
        return None
    if section.offset + section.size > len(blob):
        raise ImageError(f"it is cut short: {len(blob)} of at least {section.offset + section.size} bytes are there")
    return blob[section.offset : section.offset + section.size]
