"""Writes small kernels with all the tables of real ones, in every form and wrapping, so that tests need no kernel."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import lz4.block
import zstandard

RELEASE = "6.7.8-test"
BANNER = f"Linux version {RELEASE} (me@here) (gcc) #1 SMP 2024\n"
BASE = {"x86_64": 0xFFFF_FFFF_8100_0000, "riscv64": 0xFFFF_FFFF_8000_0000}
RAM = {"x86_64": 0x100_0000, "riscv64": 0x8020_0000}  # where BASE is in physical memory
MACHINE = {"x86_64": 62, "riscv64": 243}
TEXT, TEXT_SIZE = 0x1000, 0x3000
PERCPU = (("fixed_percpu_data", 0), ("__per_cpu_start", 0), ("this_cpu_off", 0x80))
LAYOUTS = ("6.1", "6.1 with order", "6.4", "7.2", "addresses")


def aligned(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)


@dataclass
class Export:
    name: str
    gpl: bool = False
    namespace: str = ""
    crc: int = 0
    data: bool = False


@dataclass
class Kernel:
    """What to write. `layout` is the form of kallsyms, `ksymtab` one of "split", "merged" and "pointers"."""

    arch: str = "x86_64"
    layout: str = "6.4"
    percpu: bool = False  # per-CPU symbols at absolute addresses
    names: tuple[str, ...] = ()  # of functions, in addition to a few hundred of our own
    exports: tuple[Export, ...] = ()
    ksymtab: str = "split"
    crcs: bool = False
    relocatable: bool = False  # pointers only in __rela_dyn_start
    config: bytes = b""  # IKCONFIG
    btf: bytes = b"\x9f\xeb\x01\0"
    kallsyms: bool = True
    symbols: list[tuple[int, str, str]] = field(default_factory=list)
    memory: bytes = b""

    def __post_init__(self) -> None:
        self.base = BASE[self.arch]
        self._put("_start" if self.arch == "riscv64" else "startup_64", b"\x13" + bytes(TEXT - 1), "T")
        names = [f"function_{number}" for number in range(700)]
        names[100:100] = self.names
        names[300] = names[500] = "twin"
        self.symbols += [(self.base + TEXT, "T", "_text"), (self.base + TEXT, "T", "_stext")]
        step = TEXT_SIZE // (len(names) + len(self.exports) + 1)
        for number, name in enumerate([*names, *(e.name for e in self.exports if not e.data)]):
            self.symbols.append((self.base + TEXT + step * number, "tT"[number % 2], name))
        self.memory += bytes(TEXT_SIZE)
        self.symbols.append((self.base + TEXT + TEXT_SIZE, "T", "_etext"))
        for export in self.exports:
            if export.data:  # "T" is what nm says where data lies in an executable section
                self._put(export.name, bytes(8), "T")
        self._put("weak", BANNER.replace("#1", "#").encode() + b"\0", "r")
        self._put("linux_banner", BANNER.encode() + b"\0", "D")
        self._put("kernel_config_data", self.config, "r")
        self._bracketed("BTF", self.btf)
        if self.exports:
            self._put_exports()
        if self.percpu:
            self.symbols += [(value, "A", name) for name, value in PERCPU]
        self.symbols.sort(key=lambda row: row[0])
        if self.kallsyms:
            self.memory = aligned(self.memory, 64)
            self.memory += kallsyms(self.symbols, self.layout, self.base + len(self.memory), self.percpu)
        self.memory = aligned(self.memory, 4096)

    def _put(self, name: str, data: bytes, kind: str = "R", align: int = 8) -> int:
        self.memory = aligned(self.memory, align)
        self.symbols.append((self.base + len(self.memory), kind, name))
        self.memory += data
        return self.symbols[-1][0]

    def _bracketed(self, name: str, data: bytes) -> int:
        at = self._put(f"__start_{name}", data)
        self.symbols.append((at + len(data), "R", f"__stop_{name}"))
        return at

    def address(self, name: str) -> int:
        return next(value for value, _, found in self.symbols if found == name)

    def _put_exports(self) -> None:
        texts = self._put("__kstrtab", b"")
        places: dict[str, int] = {}
        for text in dict.fromkeys([t for e in self.exports for t in (e.name, e.namespace)]):
            places[text] = texts + len(self.memory) - (texts - self.base)
            self.memory += text.encode() + b"\0"
        rows = sorted(self.exports, key=lambda e: e.name)
        if self.ksymtab == "split":
            self._put_table("", [e for e in rows if not e.gpl], places)
            self._put_table("_gpl", [e for e in rows if e.gpl], places)
        else:
            self._put_table("", rows, places)
            if self.ksymtab == "merged":
                self._bracketed("__kflagstab", bytes(e.gpl for e in rows))

    def _put_table(self, suffix: str, rows: list[Export], places: dict[str, int]) -> None:
        self.memory = aligned(self.memory, 8)
        at = self.base + len(self.memory)
        fields = [f for e in rows for f in (self.address(e.name), places[e.name], places[e.namespace])]
        if self.ksymtab == "pointers" and self.relocatable:
            self._bracketed(f"__ksymtab{suffix}", bytes(8 * len(fields)))
            relas = b"".join(struct.pack("<QQQ", at + 8 * i, 3, value) for i, value in enumerate(fields))
            first = self._put("__rela_dyn_start", struct.pack("<QQQ", self.base, 3, 0) + relas)
            self.symbols.append((first + 24 + len(relas), "R", "__rela_dyn_end"))
        elif self.ksymtab == "pointers":
            self._bracketed(f"__ksymtab{suffix}", struct.pack(f"<{len(fields)}Q", *fields))
        else:
            near = [value - (at + 4 * i) for i, value in enumerate(fields)]
            self._bracketed(f"__ksymtab{suffix}", struct.pack(f"<{len(near)}i", *near))
        if self.crcs:
            self._bracketed(f"__kcrctab{suffix}", struct.pack(f"<{len(rows)}I", *(e.crc for e in rows)))

    def elf(self, sections: bool = True, machine: int | None = None, type: int = 2, bits: int = 64) -> bytes:
        """The vmlinux."""
        loads = [(0x1000, self.base, RAM["x86_64"], len(self.memory), len(self.memory) + 0x2000)]
        content = bytes(0x1000) + self.memory
        if self.percpu:
            loads.append((len(content), 0, RAM["x86_64"] + 0x80_0000, 0x100, 0x100))
            content += bytes(0x100)
        rows, names = b"", b""
        if sections:
            start, stop = self.address("__start_BTF"), self.address("__stop_BTF")
            names = b"\0.BTF\0.shstrtab\0"
            rows = bytes(64)
            rows += struct.pack("<IIQQQQIIQQ", 1, 1, 2, start, 0x1000 + start - self.base, stop - start, 0, 0, 1, 0)
            rows += struct.pack("<IIQQQQIIQQ", 6, 3, 0, 0, len(content), len(names), 0, 0, 1, 0)
        ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
        entry = RAM["x86_64"] if self.arch == "x86_64" else self.base
        shoff, count = len(content) + len(names), len(rows) // 64
        machine = machine or MACHINE[self.arch]
        counts = (64, 56, len(loads), 64, count, max(count - 1, 0))
        head = ident + struct.pack("<HHIQQQIHHHHHH", type, machine, 1, entry, 64, shoff, 0, *counts)
        for offset, vaddr, paddr, filesz, memsz in loads:
            head += struct.pack("<IIQQQQQQ", 1, 7, offset, vaddr, paddr, filesz, memsz, 0x1000)
        return head + content[len(head) :] + names + rows

    def image(self, magic2: bytes = b"RSC\x05", flags: int = 0) -> bytes:
        """The RISC-V Image."""
        size = len(self.memory) + 0x2000
        head = struct.pack("<IIQQQIIQQ4sI", 0x6F5A4D, 0, 0x20_0000, size, flags, 2, 0, 0, 0, magic2, 0)
        return head + self.memory[64:]

    def bzimage(self, compression: str = "gzip", protocol: int = 0x20F, xloadflags: int = 0x7F) -> bytes:
        return bzimage(self.elf(), compression, protocol, xloadflags)

    def file(self) -> bytes:
        """The usual image of the architecture, without compression that costs time."""
        return self.elf() if self.arch == "x86_64" else self.image()


def _lz4(plain: bytes) -> bytes:
    blocks = [lz4.block.compress(plain[at : at + (8 << 20)], store_size=False) for at in range(0, len(plain), 8 << 20)]
    return b"\x02\x21\x4c\x18" + b"".join(struct.pack("<I", len(block)) + block for block in blocks)


def _xz(plain: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 1}]
    return lzma.compress(plain, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda plain: gzip.compress(plain, 1, mtime=0),
    "xz": _xz,
    "zstd": lambda plain: zstandard.ZstdCompressor(1, write_content_size=False).compress(plain),
    "lz4": _lz4,
    "lzma": lambda plain: lzma.compress(plain, lzma.FORMAT_ALONE, preset=1),
    "bzip2": lambda plain: bz2.compress(plain, 1),
}


def bzimage(vmlinux: bytes, compression: str = "gzip", protocol: int = 0x20F, xloadflags: int = 0x7F) -> bytes:
    payload = COMPRESS[compression](vmlinux)
    if compression != "gzip":  # which ends with the size anyway
        payload += struct.pack("<I", len(vmlinux))
    setup = bytearray(1024)
    setup[0x1F1] = 1  # sectors of setup code
    setup[0x201] = 0x6A
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<H", setup, 0x236, xloadflags)
    struct.pack_into("<II", setup, 0x248, 0x80, len(payload))
    return bytes(setup) + b"\xcc" * 0x80 + payload + b"\xcc" * 0x40


def zboot(plain: bytes, compression: str, name: str | None = None) -> bytes:
    payload = COMPRESS[compression](plain)
    head = struct.pack("<4s4sIIQ32s", b"MZ", b"zimg", 0x80, len(payload), 0, (name or compression).encode())
    return head.ljust(0x80, b"\0") + payload + struct.pack("<I", len(plain))


def pe(machine: int, sections: dict[str, bytes]) -> bytes:
    """An EFI program."""
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += struct.pack("<4sHHIIIHH", b"PE", machine, len(sections), 0, 0, 0, 16, 0) + bytes(16)
    at, rows, body = 0x400, b"", b""
    for name, content in sections.items():
        padded = aligned(content, 0x200)
        rows += struct.pack("<8sIIII16x", name.encode(), len(content), 0x1000, len(padded), at + len(body))
        body += padded
    return (head + rows).ljust(at, b"\0") + body


def kallsyms(symbols: list[tuple[int, str, str]], layout: str, address: int, percpu: bool) -> bytes:
    """The tables for sorted symbols, to lie at `address`; as scripts/kallsyms.c orders and encodes them."""
    align = 4 if layout == "7.2" else 8
    texts = _tokens([kind + name for _, kind, name in symbols])
    codes = {text: code for code, text in enumerate(texts)}
    token = re.compile("|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)))
    names, markers = b"", []
    for row, (_, kind, name) in enumerate(symbols):
        if row % 256 == 0:
            markers.append(len(names))
        packed = _encode(kind + name, codes, token)
        length = bytes([len(packed)]) if len(packed) < 128 else bytes([len(packed) & 127 | 128, len(packed) >> 7])
        names += length + packed
    token_table = b"".join(text.encode() + b"\0" for text in texts)
    ends = [0]
    for text in texts:
        ends.append(ends[-1] + len(text) + 1)
    by_name = sorted(range(len(symbols)), key=lambda row: symbols[row][2])
    order = aligned(b"".join(row.to_bytes(3, "big") for row in by_name), align)
    count = aligned(struct.pack("<I", len(symbols)), align)
    named = count + aligned(names, align) + aligned(struct.pack(f"<{len(markers)}I", *markers), align)
    tokens = aligned(token_table, align) + struct.pack("<256H", *ends[:256])
    values = [value for value, _, _ in symbols]
    before = b"some other data.".ljust(0x1000, b"\xa5")
    if layout == "addresses":
        return before + struct.pack(f"<{len(values)}Q", *values) + named + tokens
    if layout.startswith("6.1"):
        middle = order if "order" in layout else b""
        return before + _offsets(values, percpu) + named + middle + tokens
    if layout == "6.4":
        return before + named + tokens + _offsets(values, percpu) + order
    at = address + len(before + named + tokens)
    near = (value - at - 4 * i for i, value in enumerate(values))
    return before + named + tokens + struct.pack(f"<{len(values)}i", *near) + order


def _offsets(values: list[int], percpu: bool) -> bytes:
    base = next(value for value in values if value >> 63)
    if percpu:
        offsets = [value if not value >> 63 else base - 1 - value for value in values]
    else:
        offsets = [value - base for value in values]
    return aligned(struct.pack(f"<{len(values)}i", *offsets), 8) + struct.pack("<Q", base)


def _tokens(texts: list[str]) -> list[str]:
    """256 of them: each character in use at its own place, and common strings elsewhere."""
    used = set("".join(texts)) | set("0123456789")
    pairs = [f"{a}{b}" for a in "efnortu" for b in "acdeilmnopst_123456789"]
    common = iter(["function_", "__start_", "__stop_", "tion", "__", *pairs, *pairs])
    return [chr(code) if chr(code) in used else next(common) for code in range(256)]


def _encode(text: str, codes: dict[str, int], token: re.Pattern[str]) -> bytes:
    return bytes(codes[found] for found in token.findall(text))
