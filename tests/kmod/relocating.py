"""Relocates one place of a made-up object, and whole objects as a linker would, for tests of the tables."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np

from emukern import arch, elf
from emukern.errors import ModuleError
from emukern.kmod.file import parse
from emukern.kmod.image import fill
from emukern.kmod.layout import place
from emukern.kmod.module import Module
from emukern.kmod.relocate import apply_relocations, got_slots
from emukern.kmod.resolve import Resolver, section_addresses
from emukern.kmod.symbols import Exports, Symbol, SymbolChain
from tests.elfwriter import ABS, TEXT, ElfWriter

MASK = 0xFFFF_FFFF_FFFF_FFFF


class Site:
    """One place with content `before` at address `P`, and the relocations that tests put on it."""

    def __init__(self, name, P, before):
        self.arch = arch.get(name)
        self.writer = ElfWriter(self.arch.e_machine)
        self.text = self.writer.section(".text", before, TEXT, align=1)
        self.writer.module(init="", leave="")
        self.P = P
        self.count = 0

    def add(self, number, S, A=0, at=0):
        """Put relocation type `number` against an absolute symbol `S` on byte `at`."""
        self.count += 1
        name = self.writer.symbol(f"s{self.count}", ABS, S & MASK)
        self.writer.rela(self.text, at, number, name, A)
        return self

    def result(self):
        """The relocated bytes; raises `ModuleError`."""
        file = parse(self.writer.build(), self.arch.e_machine)
        table = self.arch.relocations
        layout = place(file, got_slots(file, table)).at(self.P, 0)
        image = fill(file, layout)
        rows = file.elf.symbols
        bases = section_addresses(file, layout, 0)
        values = rows["value"] + bases[np.where(rows["shndx"] < len(bases), rows["shndx"], 0)]
        apply_relocations(file, layout, values, image, table)
        self.layout, self.image = layout, image
        return bytes(image[: file.elf.sections[self.text].size])

    def refusal(self):
        """What Linux logs, and the errno."""
        try:
            self.result()
        except ModuleError as refused:
            return [text for _, text in refused.messages], refused.errno
        raise AssertionError("the relocation was accepted")


TARGETS = {
    "x86_64": ["-target", "x86_64-freestanding-none", "-mcmodel=kernel", "-mno-red-zone", "-fno-pic"],
    "riscv64": ["-target", "riscv64-freestanding-none", "-mcpu=baseline_rv64", "-mcmodel=medany", "-fno-pic"],
}
GNU = {"x86_64": "x86_64-linux-gnu-ld", "riscv64": "riscv64-linux-gnu-ld"}
EMULATIONS = {"x86_64": "elf_x86_64", "riscv64": "elf64lriscv"}
ZIG = [sys.executable, "-m", "ziglang"]


def has_zig():
    return find_spec("ziglang") is not None


def linkers(name):
    """Commands of the linkers on this machine for architecture `name`."""
    found = {"lld": [*ZIG, "ld.lld"]} if has_zig() else {}
    gnu = shutil.which(GNU[name])
    if gnu:
        found["gnu"] = [gnu]
    return found


def compile(name, source, directory, *flags):  # noqa: A001
    """Compile C (or assemble, by the suffix) into an object; answers its path."""
    path = directory / source.name.replace(".", "-")
    object_ = path.with_suffix(".o")
    command = [*ZIG, "cc", "-c", "-O1", "-g0", "-ffreestanding", "-fno-sanitize=all", "-fno-asynchronous-unwind-tables"]
    command += ["-fno-unwind-tables"]
    subprocess.run([*command, *TARGETS[name], *flags, str(source), "-o", str(object_)], check=True)
    return object_


def place_at(name, blob, core, init):
    """(file, layout) of an object placed at these addresses."""
    record = arch.get(name)
    file = parse(blob, record.e_machine, plain=True)
    return file, place(file, got_slots(file, record.relocations), True).at(core, init)


def ours(name, blob, core, init, externals):
    """Section name → (address, relocated bytes), as our loader makes them; .bss has no bytes."""
    file, layout = place_at(name, blob, core, init)
    table = {n: Symbol(n, v) for n, v in externals.items()}
    chain = SymbolChain(kernel=[Exports("kernel", table)])
    values = Resolver(chain, {}, lambda *_: None, file, Module("oracle", gpl_compatible=True)).values(layout)
    image = fill(file, layout)
    apply_relocations(file, layout, values, image, arch.get(name).relocations)
    sections = {}
    for index, offset in layout.offsets.items():
        section = file.elf.sections[index]
        if section.size:
            size = section.size if section.type == elf.SHT_PROGBITS else 0
            sections[section.name] = (layout.address(offset), bytes(image[offset : offset + size]))
    return sections


def linked(name, linker, object_, sections, externals, directory):
    """The same, as a linker makes it when it puts each section where we did."""
    rows = "".join(f'  "{s}" {address:#x} : {{ *({s}) }}\n' for s, (address, _) in sections.items())
    script = directory / "link.lds"
    script.write_text("SECTIONS {\n" + rows + "  /DISCARD/ : { *(.comment) *(.note*) *(.eh_frame*) }\n}\n")
    out = directory / "linked.elf"
    symbols = [f"--defsym={n}={v:#x}" for n, v in externals.items()]
    options = ["-m", EMULATIONS[name], "--no-relax", "-static", "--no-check-sections", "-e", "0", "-o", str(out)]
    subprocess.run([*linker, *options, *symbols, "-T", str(script), str(object_)], check=True)
    data = out.read_bytes()
    head = elf.header(data)
    raw = list(elf._section_headers(data, head))
    names = data[raw[head.shstrndx][4] :]
    found = {}
    for row in raw:
        label = names[row[0] : names.index(b"\0", row[0])].decode()
        found[label] = (row[3], data[row[4] : row[4] + row[5]] if row[1] == elf.SHT_PROGBITS else b"")
    return {s: found[s] for s in sections}
