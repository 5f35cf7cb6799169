"""ELF bytes to tables, and what Linux says of bytes that are none."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern import elf
from emukern.elf import ElfError
from tests.elfwriter import DATA, LOCAL, TEXT, ElfWriter, section_field

X86, RISCV = elf.EM_X86_64, elf.EM_RISCV


def sample():
    writer = ElfWriter()
    text = writer.section(".text", b"\x90" * 16, TEXT)
    writer.section(".data", b"12345678", DATA)
    writer.symbol("local", text, 4, bind=LOCAL)
    writer.symbol("entry", text, 0, 16, type=elf.STT_FUNC)
    writer.rela(text, 8, 4, "printk", -4)
    writer.rela(text, 12, 2, "entry", 1)
    return writer


def test_parse_reads_sections_symbols_and_relocations():
    found = elf.parse(sample().build(), X86)
    assert [s.name for s in found.sections[:3]] == ["", ".text", ".data"]
    assert found.bytes_of(found.section(".data")) == b"12345678"
    assert [found.symbol_name(i) for i in range(len(found.symbols))] == ["", "local", "entry", "printk"]
    (section,) = found.relocation_sections
    assert section.info == 1
    rows = found.relocations(section)
    assert rows["offset"].tolist() == [8, 12]
    assert rows["type"].tolist() == [4, 2]
    assert rows["symbol"].tolist() == [3, 2]
    assert rows["addend"].tolist() == [-4, 1]


def test_symbols_without_numpy():
    rows = elf.symbols(sample().build())
    assert [(s.name, s.value, s.size, s.bind, s.type) for s in rows][:2] == [
        ("local", 4, 0, 0, 0),
        ("entry", 0, 16, elf.STB_GLOBAL, elf.STT_FUNC),
    ]


def executable(bits):
    """An ELF header and two program headers, as struct knows them."""
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    size = 64 if bits == 64 else 52
    entsize = 56 if bits == 64 else 32
    form = "<HHIQQQIHHHHHH" if bits == 64 else "<HHIIIIIHHHHHH"
    machine = X86 if bits == 64 else elf.EM_386
    head = struct.pack(form, 2, machine, 1, 0x401000, size, 0, 0, size, entsize, 2, 0, 0, 0)
    segments = [(1, 5, 0, 0x400000, 0xC0, 0xC0, 4096), (1, 6, 0xC0, 0x402000, 0x10, 0x40, 4096)]
    body = b""
    for kind, flags, offset, vaddr, filesz, memsz, align in segments:
        if bits == 64:
            body += struct.pack("<IIQQQQQQ", kind, flags, offset, vaddr, vaddr, filesz, memsz, align)
        else:
            body += struct.pack("<IIIIIIII", kind, offset, vaddr, vaddr, filesz, memsz, flags, align)
    return (ident + head + body).ljust(0x100, b"\0")


@pytest.mark.parametrize("bits", [32, 64])
def test_program_headers(bits):
    data = executable(bits)
    head = elf.header(data)
    assert (head.bits, head.type, head.entry) == (bits, elf.ET_EXEC, 0x401000)
    first, second = elf.program_headers(data)
    assert (first.type, first.flags, first.vaddr, first.filesz) == (elf.PT_LOAD, elf.PF_R | elf.PF_X, 0x400000, 0xC0)
    assert (second.flags, second.offset, second.memsz) == (elf.PF_R | elf.PF_W, 0xC0, 0x40)
    assert elf.symbols(data) == []


@pytest.mark.parametrize("bits", [32, 64])
def test_a_segment_outside_the_file_is_refused(bits):
    with pytest.raises(ElfError, match="Invalid ELF segment"):
        elf.program_headers(executable(bits)[:0xCF])


def broken(what):
    """An object damaged in one way; indices: 1 .text 2 .data 3 .rela.text 4 .symtab 5 .strtab 6 .shstrtab."""
    writer = sample()
    match what:
        case "short":
            return writer.build()[:40]
        case "magic":
            return b"~" + writer.build()[1:]
        case "not null-terminated":
            data = writer.build()
            at = data.index(b".shstrtab\0") + 9
            return data[:at] + b"A" + data[at + 1 :]
    fields = {
        "type": {"type": 3},
        "machine": {"machine": 183},
        "shentsize": {"shentsize": 40},
        "shoff": {"shoff": 1 << 40},
        "shnum": {"shnum": 0xFFFF},
        "no names": {"shstrndx": 0},
        "names beyond": {"shstrndx": 0x1000},
    }
    if what in fields:
        writer.header |= fields[what]
        return writer.build()
    section = {
        "names outside": (6, "offset", 1 << 40),
        "names empty": (6, "size", 0),
        "section 0": (0, "size", 1),
        "size": (1, "size", 1 << 40),
        "wraps": (1, "offset", (1 << 64) - 1),
        "link": (4, "link", 0),
        "link beyond": (4, "link", 99),
        "name": (1, "name", 0x7FFFFFFF),
        "alignment": (1, "align", 3),
    }[what]
    return section_field(writer.build(), *section)


WORDS = {
    "short": "Invalid ELF header len 40",
    "magic": "Invalid ELF header magic: != \x7fELF",
    "type": "Invalid ELF header type: 3 != 1",
    "machine": "Invalid architecture in ELF header: 183",
    "shentsize": "Invalid ELF section header size",
    "shoff": "Invalid ELF section header overflow",
    "shnum": "Invalid ELF section header overflow",
    "no names": "Invalid ELF section name index: 0 || e_shstrndx (0) >= e_shnum (7)",
    "names beyond": "Invalid ELF section name index: 4096 || e_shstrndx (4096) >= e_shnum (7)",
    "names outside": "Invalid ELF section hdr(type 3)",
    "names empty": "empty section name table",
    "not null-terminated": "ELF Spec violation: section name table isn't null terminated",
    "section 0": "ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr",
    "size": "Invalid ELF section in module (section 1 type 1)",
    "wraps": "Invalid ELF section in module (section 1 type 1)",
    "link": "Invalid ELF sh_link!=SHN_UNDEF(0) or (sh_link(0) >= hdr->e_shnum(7)",
    "link beyond": "Invalid ELF sh_link!=SHN_UNDEF(99) or (sh_link(99) >= hdr->e_shnum(7)",
    "name": "Invalid ELF section name in module (section 1 type 1)",
    "alignment": "Invalid ELF section in module (section 1 type 1)",
}


@pytest.mark.parametrize("what", WORDS)
def test_linux_words_for_broken_files(what):
    with pytest.raises(ElfError) as refused:
        elf.parse(broken(what), X86)
    assert str(refused.value) == WORDS[what]
    assert refused.value.errno == 8


def test_another_class_with_the_right_machine_number_is_refused():
    data = bytearray(sample().build())
    data[4] = 1
    with pytest.raises(ElfError, match="Invalid architecture"):
        elf.parse(bytes(data), X86)


def read_everything(data, machine):
    """Touch each table of an object; only `ElfError` may come out."""
    found = elf.parse(data, machine)
    for i in range(len(found.symbols)):
        found.symbol_name(i)
    for section in found.relocation_sections:
        found.relocations(section)


@given(st.data())
def test_damage_is_refused_and_never_crashes(data):
    blob = bytearray(sample().build())
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    blob = bytes(blob[: data.draw(st.integers(0, len(blob)))]) if data.draw(st.booleans()) else bytes(blob)
    for read in (lambda d: read_everything(d, X86), elf.symbols, elf.program_headers):
        with contextlib.suppress(ElfError):
            read(blob)
