"""Which block of memory each part of a module goes to, and where in it: the kernel's own layout, to the byte.

A kernel has either two blocks for a module, core and init, in which text, read-only data, data that is read-only after
init, and data follow each other (`layout_sections` up to 6.3), or a block for each of these (`struct module_memory`
since). The symbol table goes to the init data, and behind the core data what of it stays (`layout_symtab`).
All of it follows from the file alone, so it is worked out once for each file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from emukern import elf
from emukern.kmod.layout import align_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emukern.elf import Section
    from emukern.kmod.file import ModuleFile

PAGE = 4096
SYMBOL = 24  # bytes of an Elf64_Sym
KALLSYMS_ALIGN = 8
KINDS = ("text", "rodata", "ro_after_init", "data")
# Not kept: the file's own words about itself (rewrite_section_headers).
DROPPED = frozenset((".modinfo", "__versions", "__version_ext_crcs", "__version_ext_names"))
GATHERED = 1 << 16  # names copied at a time


@dataclass(slots=True)
class Block:
    """Memory that is allocated in one piece. `number` is its place among the module's blocks, `size` in bytes.

    `marks`: kind → bytes up to the end of that kind, where a block holds several.
    """

    number: int
    init: bool
    text: bool
    size: int = 0
    marks: dict[str, int] = field(default_factory=dict)

    def take(self, align: int, size: int) -> int:
        """Room for `size` bytes at the end: its offset."""
        at = align_up(self.size, align)
        self.size = at + size
        return at


@dataclass(frozen=True, slots=True)
class Style:
    """How a kernel lays modules out: the blocks' numbers by (kind, init), and bytes of struct mod_kallsyms.

    `pieces`: a block for each kind. `page`: what kinds that share a block are aligned to.
    """

    pieces: bool
    page: int
    numbers: tuple[tuple[tuple[str, bool], int], ...]
    kallsyms_size: int
    after_init: tuple[str, ...]  # names of sections that are read-only after init
    keep_exit: bool  # modules can be unloaded


@dataclass(frozen=True, slots=True)
class Names:
    """What of a symbol table stays: the rows `kept`, where their names start in `strings`; letters of all rows."""

    kept: NDArray[np.int64]
    starts: NDArray[np.uint32]
    strings: NDArray[np.uint8]
    letters: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Placement:
    """Blocks, and for each placed section its block and offset. The last six are offsets for kallsyms."""

    blocks: tuple[Block, ...]  # in the order in which they are allocated
    sections: dict[int, tuple[int, int]]
    names: Names
    data: int  # index into `blocks` of the block with the core data
    init_data: int
    symbols: int  # in the core data: symbols, strings, letters
    strings: int
    letters: int
    init_kallsyms: int  # in the init data
    init_letters: int


def place(file: ModuleFile, style: Style) -> Placement:
    """Lay a module out."""
    blocks: dict[int, Block] = {}
    where: dict[int, tuple[int, int]] = {}
    numbers = dict(style.numbers)

    def block(kind: str, init: bool) -> Block:
        number = numbers[kind, init]
        return blocks.setdefault(number, Block(number, init, kind == "text"))

    sections = [s for s in file.elf.sections if placed(file, s)]
    for init in (False, True):
        for kind in KINDS:
            if (kind, init) not in numbers:
                continue
            target = block(kind, init)
            for section in sections:
                if is_init(section, style) == init and kind_of(section, style) == kind:
                    where[section.index] = target.number, target.take(section.align, section.size)
            if not style.pieces and not (init and kind == "ro_after_init"):
                target.size = align_up(target.size, style.page)
            target.marks[kind] = target.size
    return _with_names(file, style, blocks, where, block("data", False), block("data", True))


def _with_names(
    file: ModuleFile,
    style: Style,
    blocks: dict[int, Block],
    where: dict[int, tuple[int, int]],
    data: Block,
    init: Block,
) -> Placement:
    """Add the room for kallsyms and finish."""
    symbols = file.elf.symbol_section
    assert symbols is not None
    strings = file.elf.sections[symbols.link]
    core = {index for index, (number, _) in where.items() if not blocks[number].init}
    names = _names(file, core)
    where[symbols.index] = init.number, init.take(symbols.align, symbols.size)
    at = data.take(symbols.align, SYMBOL * len(names.kept))
    string_at = data.take(1, len(names.strings))
    letters_at = data.take(1, len(names.kept))
    where[strings.index] = init.number, init.take(strings.align, strings.size)
    init_kallsyms = init.take(KALLSYMS_ALIGN, style.kallsyms_size)
    init_letters = init.take(1, len(names.letters))
    for one in blocks.values():
        one.size = align_up(one.size, PAGE if style.pieces else style.page)
    order = tuple(sorted((b for b in blocks.values() if b.size), key=lambda b: b.number))
    index = {one.number: i for i, one in enumerate(order)}
    return Placement(
        blocks=order,
        sections={i: (index[number], offset) for i, (number, offset) in where.items() if number in index},
        names=names,
        data=index[data.number],
        init_data=index[init.number],
        symbols=at,
        strings=string_at,
        letters=letters_at,
        init_kallsyms=init_kallsyms,
        init_letters=init_letters,
    )


def placed(file: ModuleFile, section: Section) -> bool:
    """Whether a section gets memory in the running module."""
    return section.allocated and section.name not in DROPPED and section.index != file.percpu


def kind_of(section: Section, style: Style) -> str:
    """Which kind of memory a placed section needs."""
    if section.flags & elf.SHF_EXECINSTR:
        return "text"
    if not section.flags & elf.SHF_WRITE:
        return "rodata"
    return "ro_after_init" if section.name in style.after_init else "data"


def is_init(section: Section, style: Style) -> bool:
    """Whether a section is gone once init has run."""
    return section.name.startswith(".init") or (not style.keep_exit and section.name.startswith(".exit"))


def _names(file: ModuleFile, core: set[int]) -> Names:
    """`add_kallsyms` (kernel/module/kallsyms.c) with CONFIG_KALLSYMS_ALL, for all symbols at once."""
    rows = file.elf.symbols
    count = len(file.elf.sections)
    shndx = rows["shndx"].astype(np.int64)
    inside = np.where(shndx < count, shndx, 0)
    stays = np.zeros(count, np.bool_)
    stays[list(core)] = True
    if file.percpu:
        stays[file.percpu] = True
    keep = stays[inside] & (rows["name"] != 0)
    keep[:1] = True
    kept = np.flatnonzero(keep)
    starts, strings = gather(file.elf.strings, rows["name"][kept])
    return Names(kept, starts, strings, _letters(file, shndx, inside))


def _letters(file: ModuleFile, shndx: NDArray[np.int64], inside: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The letter of each symbol (elf_type)."""
    info = file.elf.symbols["info"]
    table = np.array([ord(_letter(file, section)) for section in file.elf.sections], np.uint8)
    letters = table[inside]
    letters[shndx >= elf.SHN_LORESERVE] = ord("?")
    letters[shndx == elf.SHN_ABS] = ord("a")
    letters[shndx == elf.SHN_UNDEF] = ord("U")
    weak = info >> 4 == elf.STB_WEAK
    letters[weak] = np.where(info[weak] & 15 == elf.STT_OBJECT, ord("v"), ord("w"))
    return letters


def _letter(file: ModuleFile, section: Section) -> str:
    """The letter of a section's symbols."""
    if section.index == file.percpu and file.percpu:
        return "a"
    if section.flags & elf.SHF_EXECINSTR:
        return "t"
    if section.type == elf.SHT_NOBITS:
        return "b"
    if section.allocated and section.name not in DROPPED:
        return "d" if section.flags & elf.SHF_WRITE else "r"
    return "n" if section.name.startswith(".debug") else "?"


def gather(strings: bytes, starts: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Copies of the NUL-terminated strings at `starts`, one behind the other: where each begins, and their bytes."""
    source = np.frombuffer(strings, np.uint8)
    ends = np.flatnonzero(source == 0)
    lengths = ends[np.searchsorted(ends, starts)] - starts + 1
    after = np.cumsum(lengths)
    begin = after - lengths
    copies = np.empty(int(after[-1]) if len(after) else 0, np.uint8)
    for first in range(0, len(starts), GATHERED):
        part = slice(first, first + GATHERED)
        low, high = int(begin[first]), int(after[part][-1])
        shift = np.repeat(starts[part].astype(np.int64) - begin[part], lengths[part])
        copies[low:high] = source[np.arange(low, high) + shift]
    return begin.astype(np.uint32), copies
