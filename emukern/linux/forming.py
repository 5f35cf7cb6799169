"""A module from its file to memory: blocks from the kernel's allocator, symbols, relocation, struct module.

What is done here needs nothing of the kernel but memory, and the kernel knows nothing of it: it can all be given back.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emukern.kmod.layout import Layout
from emukern.kmod.module import State
from emukern.kmod.refusal import Refused
from emukern.linux import patch
from emukern.linux.loaded import block_places
from emukern.linux.placement import SYMBOL, Placement
from emukern.linux.struct_module import SECTIONS, missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emukern.arch.relocation import Array
    from emukern.kmod.file import ModuleFile
    from emukern.linux.struct_module import Kernel

GFP_KERNEL = 0xCC0
FARTHEST = 1 << 31  # bytes that the blocks of one module may be apart; no code reaches farther
Undo = Callable[[], object]


@dataclass
class Forming:
    """A module that is being placed. `undo`: what gives back what it has got so far, in reverse order."""

    kernel: Kernel
    file: ModuleFile
    placement: Placement
    bases: list[int] = field(default_factory=list)  # addresses of the blocks
    percpu: int = 0
    address: int = 0  # of its struct module
    undo: list[Undo] = field(default_factory=list)
    settled: dict[str, int] = field(default_factory=dict)  # members of struct module that patch.py found out
    hidden: set[str] = field(default_factory=set)  # sections the architecture's code need not see any more

    def give_back(self) -> None:
        """Undo everything."""
        while self.undo:
            self.undo.pop()()

    def allocate(self) -> None:
        """Get the memory. Raises Refused when there is none."""
        kernel = self.kernel
        for block in self.placement.blocks:
            base = allocate(kernel, block.size, block.text)
            if not base:
                raise Refused(errno.ENOMEM)
            self.bases.append(base)
            self.undo.append(partial(release, kernel, base, block.size, block.text))
        if self.file.percpu:
            section = self.file.elf.sections[self.file.percpu]
            self.percpu = reserve_percpu(kernel, section.size, section.align) if section.size else 0
            if section.size and not self.percpu:
                raise Refused(errno.ENOMEM)
            self.undo.append(lambda: kernel.call("free_percpu", self.percpu))

    @property
    def layout(self) -> Layout:
        """Where the sections are, as one image from the lowest block to the end of the highest.

        Between the blocks there may be a lot of nothing, which costs nothing either: numpy's zeros are not touched.
        """
        low = min(self.bases)
        span = max(base + block.size for base, block in zip(self.bases, self.placement.blocks, strict=True)) - low
        if span > FARTHEST:
            raise missing("it places the parts of a module too far apart")
        offsets = {i: self.bases[b] - low + at for i, (b, at) in self.placement.sections.items()}
        return Layout(span, 0, (), offsets, {}, got=0, got_slots=0, core=low, init=0)

    def section(self, name: str) -> tuple[int, int]:
        """Address and size of the first section of that name that is placed; zeros when there is none."""
        for section in self.file.elf.sections:
            if section.name == name and section.index in self.placement.sections:
                return self.at(section.index), section.size
        return 0, 0

    def at(self, index: int) -> int:
        """Address of section `index`, 0 for one that has none."""
        block, offset = self.placement.sections.get(index, (-1, 0))
        return self.bases[block] + offset if block >= 0 else 0

    def fill(self, values: Array, relocations: Any) -> tuple[Layout, NDArray[np.uint8]]:
        """The image with everything in it but what only the kernel can tell. Raises Refused."""
        from emukern.kmod import image
        from emukern.kmod.relocate import apply_relocations

        layout = self.layout
        content = image.fill(self.file, layout)
        apply_relocations(self.file, layout, values, content, relocations)
        patch.settle_call_sites(self, layout, content)
        patch.sort_unwind_tables(self, layout, content)
        self._fill_names(layout, content, values)
        return layout, content

    def _fill_names(self, layout: Layout, content: NDArray[np.uint8], values: Array) -> None:
        """What add_kallsyms leaves: all symbols in the init data, and those that stay in the core data."""
        kernel, placement = self.kernel, self.placement
        names = placement.names
        table = self.file.elf.symbol_section
        assert table is not None
        count = len(names.letters)
        start = layout.offsets[table.index]
        rows = content[start : start + count * SYMBOL].view(self.file.elf.symbols.dtype)
        rows["value"] = values
        data, init = self.bases[placement.data], self.bases[placement.init_data]
        raw, low = content.data, layout.core
        record = kernel.kallsyms
        spot = init + placement.init_kallsyms - low
        record.put(raw, "symtab", start + low, spot)
        record.put(raw, "num_symtab", count, spot)
        record.put(raw, "strtab", self.at(table.link), spot)
        record.put(raw, "typetab", init + placement.init_letters, spot)
        put(content, init + placement.init_letters - low, names.letters)
        kept = content[data + placement.symbols - low :][: SYMBOL * len(names.kept)].view(rows.dtype)
        np.take(rows, names.kept, out=kept)
        kept["name"] = names.starts
        put(content, data + placement.strings - low, names.strings)
        put(content, data + placement.letters - low, names.letters[names.kept])
        record_place = self.this_module() - low
        put_member = kernel.module.put
        put_member(raw, "kallsyms", init + placement.init_kallsyms, record_place)
        put_member(raw, "core_kallsyms.symtab", data + placement.symbols, record_place)
        put_member(raw, "core_kallsyms.num_symtab", len(names.kept), record_place)
        put_member(raw, "core_kallsyms.strtab", data + placement.strings, record_place)
        put_member(raw, "core_kallsyms.typetab", data + placement.letters, record_place)

    def this_module(self) -> int:
        """Address of its struct module."""
        from emukern.kmod.file import THIS_MODULE

        section = self.file.elf.section(THIS_MODULE)
        assert section is not None
        self.address = self.at(section.index)
        return self.address

    def describe(self, layout: Layout, content: NDArray[np.uint8], known: dict[str, int]) -> None:
        """Fill in struct module; `known` are members that others found out."""
        kernel, start = self.kernel, self.this_module() - layout.core
        raw, record = content.data, self.kernel.module
        record.put(raw, "state", State.UNFORMED, start)
        for name in ("source_list", "target_list"):
            for end in ("next", "prev"):
                if record.has(name):
                    record.put(raw, f"{name}.{end}", self.address + record.offset(name), start)
        record.put(raw, "refcnt", 2, start)  # MODULE_REF_BASE, and one while it comes
        record.put(raw, "percpu", self.percpu, start)
        if self.file.percpu:
            record.put(raw, "percpu_size", self.file.elf.sections[self.file.percpu].size, start)
        for name, pointer, count in SECTIONS:
            address, size = self.section(name)
            if address and record.has(pointer):
                record.put(raw, pointer, address, start)
                if count:
                    record.put(raw, count, size // record.element(pointer), start)
        if record.has("build_id"):
            at = start + record.offset("build_id")
            own = bytes.fromhex(self.file.build_id)
            raw[at : at + len(own)] = own
        for place, number in zip(block_places(kernel), range(len(block_places(kernel))), strict=True):
            self._describe_block(raw, start + place, number)
        for path, value in (known | self.settled).items():
            record.put(raw, path, value, start)

    def _describe_block(self, raw: memoryview, start: int, number: int) -> None:
        for base, block in zip(self.bases, self.placement.blocks, strict=True):
            if block.number == number:
                record, marks = self.kernel.block, block.marks
                record.put(raw, "base", base, start)
                record.put(raw, "size", block.size, start)
                record.put(raw, "text_size", marks.get("text", 0), start)
                record.put(raw, "ro_size", marks.get("rodata", 0), start)
                after = "rodata" if block.init else "ro_after_init"
                record.put(raw, "ro_after_init_size", marks.get(after, 0), start)
                record.put(raw, "is_rox", is_rox(self.kernel, block.text), start)

    def write(self, layout: Layout, content: NDArray[np.uint8]) -> None:
        """Put the image into the guest's memory."""
        machine = self.kernel.guest.machine
        for base, block in zip(self.bases, self.placement.blocks, strict=True):
            start = base - layout.core
            machine.mem.write(base, content[start : start + block.size].data)
        machine.forget_code(list(patch.code_in_ram(machine, self._code())))
        if self.percpu:
            section = self.file.elf.sections[self.file.percpu]
            for offset in self.kernel.cpu_offsets():
                machine.mem.write(self.percpu + offset & (1 << 64) - 1, self.file.elf.bytes_of(section))

    def _code(self) -> list[tuple[int, int]]:
        """(address, size) of the blocks' parts that hold code."""
        found = []
        for base, block in zip(self.bases, self.placement.blocks, strict=True):
            if block.text:
                found.append((base, block.marks["text"] if len(block.marks) > 1 else block.size))
        return found


def put(content: NDArray[np.uint8], at: int, part: NDArray[np.uint8]) -> None:
    """Copy `part` to offset `at` of the image."""
    content[at : at + len(part)] = part


def allocate(kernel: Kernel, size: int, text: bool) -> int:
    """Module memory from the kernel's own allocator; 0 when it has none."""
    if kernel.find("execmem_alloc") is None:
        return kernel.call("module_alloc", size)
    kind = kernel.constant("EXECMEM_MODULE_TEXT" if text else "EXECMEM_MODULE_DATA")
    return kernel.call(("execmem_alloc_rw", "execmem_alloc"), kind, size)


def release(kernel: Kernel, base: int, size: int, text: bool) -> None:
    """Give a block of module memory back."""
    if is_rox(kernel, text):
        kernel.call_if_there("execmem_restore_rox", base, size)
    kernel.call(("execmem_free", "module_memfree"), base)


def is_rox(kernel: Kernel, text: bool) -> int:
    """Whether such memory comes out of a store of read-only executable pages."""
    if kernel.find("execmem_is_rox") is None or not kernel.block.has("is_rox"):
        return 0
    kind = kernel.constant("EXECMEM_MODULE_TEXT" if text else "EXECMEM_MODULE_DATA")
    return kernel.call("execmem_is_rox", kind) & 0xFF


def reserve_percpu(kernel: Kernel, size: int, align: int) -> int:
    """Per-CPU memory within reach of modules; 0 when there is none left."""
    if kernel.find("__alloc_reserved_percpu") is not None:
        return kernel.call("__alloc_reserved_percpu", size, align)
    return kernel.call(("pcpu_alloc_noprof", "pcpu_alloc"), size, align, 1, GFP_KERNEL)


__all__ = ["Forming", "allocate", "reserve_percpu"]
