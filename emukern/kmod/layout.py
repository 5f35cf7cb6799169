"""Where every section of a module will live: Linux 6.1's `layout_sections`, a pure function of the file.

A module has two blocks of pages. The core block holds text, rodata, data that is read-only after init, and
data, each on pages of its own so that each can have its own permissions; the init block holds the same for
sections named .init*, and is freed when init is done. An offset below `core_size` is in the core block,
others in the init block.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from emukern.elf import SHF_EXECINSTR, SHF_WRITE, SHN_COMMON, Section
from emukern.kmod.file import ModuleFile
from emukern.kmod.refusal import ERR, Refused

PAGE = 4096
_AFTER_INIT = (".data..ro_after_init", "__jump_table")

# (kind, permissions while init runs, permissions afterwards), in the order of the block.
_KINDS = (("text", "rx", "rx"), ("rodata", "r", "r"), ("ro_after_init", "rw", "r"), ("data", "rw", "rw"))


@dataclass(frozen=True, slots=True)
class Span:
    """Pages of one kind in a block; `offset` and `size` are bytes, multiples of a page."""

    kind: str
    init: bool
    offset: int
    size: int
    prot: str
    prot_after: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets of everything; `core` and `init` are the blocks' addresses once they are known."""

    core_size: int
    init_size: int
    spans: tuple[Span, ...]
    offsets: dict[int, int]  # section index → offset
    commons: dict[int, int]  # symbol index of a COMMON symbol → offset
    got: int  # offset of the global offset table
    got_slots: int
    core: int = 0
    init: int = 0

    @property
    def size(self) -> int:
        """Bytes of both blocks."""
        return self.core_size + self.init_size

    def at(self, core: int, init: int) -> Layout:
        """The same layout with its blocks at these addresses."""
        return replace(self, core=core, init=init)

    def address(self, offset: int) -> int:
        """The guest address of a byte of the image."""
        return self.core + offset if offset < self.core_size else self.init + offset - self.core_size


def place(file: ModuleFile, got_slots: int = 0, allow_common: bool = False) -> Layout:
    """Lay out the module's sections. Raises `ModuleError` for a section that is writable and executable."""
    sections = [s for s in file.elf.sections if file.placed(s)]
    for section in sections:
        if section.flags & SHF_WRITE and section.flags & SHF_EXECINSTR:
            text = f"{file.name}: section {section.name} (index {section.index}) has invalid WRITE|EXEC flags"
            raise Refused(errno.ENOEXEC, (ERR, text))
    block = _Block(init=False, start=0)
    core = [s for s in sections if not s.name.startswith(".init")]
    commons = _commons(file) if allow_common else ()
    got = block.lay(core, got_slots * file.elf.header.bits // 8, commons)
    core_size = block.end
    tail = _Block(init=True, start=core_size)
    tail.lay([s for s in sections if s.name.startswith(".init")])
    return Layout(
        core_size=core_size,
        init_size=tail.end - core_size,
        spans=(*block.spans, *tail.spans),
        offsets=block.offsets | tail.offsets,
        commons=block.commons,
        got=got,
        got_slots=got_slots,
    )


class _Block:
    """One block while it is being laid out."""

    def __init__(self, init: bool, start: int) -> None:
        self.init = init
        self.end = start
        self.spans: list[Span] = []
        self.offsets: dict[int, int] = {}
        self.commons: dict[int, int] = {}

    def lay(self, sections: list[Section], got_bytes: int = 0, commons: tuple[tuple[int, int, int], ...] = ()) -> int:
        """Place everything, and say where the global offset table went."""
        got = 0
        for kind, prot, after in _KINDS:
            start = self.end
            for section in sections:
                if kind_of(section) == kind:
                    self.offsets[section.index] = self._take(section.align, section.size)
            if kind == "rodata" and got_bytes:
                got = self._take(8, got_bytes)
            if kind == "data":
                for symbol, align, size in commons:
                    self.commons[symbol] = self._take(align, size)
            self.end = align_up(self.end, PAGE)
            if self.end > start:
                self.spans.append(Span(kind, self.init, start, self.end - start, prot, after))
        return got

    def _take(self, align: int, size: int) -> int:
        at = align_up(self.end, align)
        self.end = at + size
        return at


def kind_of(section: Section) -> str:
    """Which kind of pages a placed section needs."""
    if section.flags & SHF_EXECINSTR:
        return "text"
    if section.name in _AFTER_INIT:
        return "ro_after_init"
    return "data" if section.flags & SHF_WRITE else "rodata"


def align_up(value: int, align: int) -> int:
    """The first multiple of `align` (a power of two) that is not below `value`."""
    return (value + align - 1) & -align


def _commons(file: ModuleFile) -> tuple[tuple[int, int, int], ...]:
    """(symbol index, alignment, size) of each COMMON symbol, whose value is its alignment."""
    rows = file.elf.symbols
    found = (rows["shndx"] == SHN_COMMON).nonzero()[0].tolist()
    return tuple((i, max(int(rows["value"][i]), 1), int(rows["size"][i])) for i in found)
