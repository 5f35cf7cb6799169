"""What the kernel checks before it gives a module memory, and how what it has to say of an odd one gets into its log.

Our loader takes the modules that the kernel would take. For all others the kernel's own loader is asked, so that the
errno and the words are its own in whatever version it is: `Refused`, here and in what is called from here, means that.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emukern import elf
from emukern.kmod.file import THIS_MODULE, ModuleFile
from emukern.kmod.module import TAINT_BITS, Module
from emukern.kmod.refusal import NOTICE, WARNING, Refused
from emukern.kmod.resolve import Resolver
from emukern.linux.loaded import Chain

if TYPE_CHECKING:
    from emukern.kmod.symbols import Symbol
    from emukern.linux.loaded import Present
    from emukern.linux.struct_module import Kernel

LOCKDEP_STILL_OK, LOCKDEP_NOW_UNRELIABLE = 0, 1
RETPOLINE_MISSING = "loading module not compiled with retpoline compiler."
LICENSE = "module license taints kernel."
RETPOLINE_CHECK = "retpoline_module_ok"  # says something itself
UNSIGNED = "module verification failed: signature and/or required key missing - tainting kernel"
STAGING = "module is from the staging directory, the quality is unknown, you have been warned."
OUT_OF_TREE, TEST = "loading out-of-tree module taints kernel.", "loading test module taints kernel."
NAMED = "module:"  # a namespace that lists the modules that may use it
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that taints: `text` is said unless the kernel has that taint already; always when `again`."""

    letter: str
    text: str
    level: int = WARNING
    again: bool = False
    lockdep: int = LOCKDEP_STILL_OK
    unless: str = ""  # a function of the kernel that may find it in order


def check_file(kernel: Kernel, file: ModuleFile) -> None:
    """What the file alone decides. Raises Refused."""
    this = [s for s in file.elf.sections if s.name == THIS_MODULE]
    info = [s for s in file.elf.sections if s.name == ".modinfo"]
    tables = [s for s in file.elf.sections if s.type == elf.SHT_SYMTAB]
    _insist(len(this) == len(tables) == 1 and len(info) == 1)
    _insist(this[0].allocated and this[0].type != elf.SHT_NOBITS and this[0].size == kernel.module.size)
    place = kernel.module.place("name") or (0, 0)
    own = file.elf.bytes_of(this[0])[place[0] : sum(place)].split(b"\0", 1)[0]
    _insist(own == file.name.encode("latin-1", "replace"))
    strings = file.elf.bytes_of(file.elf.sections[tables[0].link])
    _insist(strings[:1] == b"\0" == strings[-1:] and int(file.elf.symbols["name"].max()) < len(strings))
    for section in file.elf.sections:
        both = elf.SHF_WRITE | elf.SHF_EXECINSTR
        _insist(not (section.allocated and section.flags & both == both))
    _insist(not (file.elf.section(".ctors") and file.elf.section(".init_array")))
    _insist(file.elf.section("__obsparm") is None and file.info("livepatch") is None)
    _insist(not file.percpu or file.elf.sections[file.percpu].align <= PAGE)
    _insist(not any(space.startswith(NAMED) for space in file.infos("import_ns")))


def check_kernel(kernel: Kernel, file: ModuleFile, modules: list[Present]) -> None:
    """What the kernel has against it. Raises Refused."""
    mem = kernel.guest.machine.mem
    _insist(not kernel.word("modules_disabled", 4))
    blacklist = kernel.word("module_blacklist")
    _insist(not blacklist or file.name not in mem.cstr(blacklist).decode("latin-1").split(","))
    _insist(all(one.name != file.name for one in modules))
    layout = kernel.guest.facts.exports.find("module_layout")
    with_versions = layout is not None and layout.crc is not None
    if with_versions:
        _insist(file.versions.get("module_layout") == layout.crc)
        names = {section.name for section in file.elf.sections if section.size}
        _insist("__ksymtab" not in names or "__kcrctab" in names)
        _insist("__ksymtab_gpl" not in names or "__kcrctab_gpl" in names)
    magic = file.info("vermagic")
    _insist(magic is not None and _magic(magic, with_versions) == _magic(kernel.vermagic, with_versions))


def _magic(text: str | None, with_versions: bool) -> str | None:
    """With symbol versions the release, the first word, may differ."""
    return text.partition(" ")[2] if text and with_versions else text


def _insist(condition: bool) -> None:
    if not condition:
        raise Refused(errno.ENOEXEC)


class LinuxResolver(Resolver):
    """With the namespaces that name modules, as kernels since 6.16 have them."""

    def wrong_namespace(self, symbol: Symbol) -> int:
        """errno when the symbol is in a namespace that is not the module's."""
        if symbol.namespace.startswith(NAMED):
            name = self.file.name.replace("-", "_")
            patterns = symbol.namespace.removeprefix(NAMED).replace("-", "_").split(",")
            fits = any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)
            return 0 if fits else errno.EINVAL
        return super().wrong_namespace(symbol)


def resolver(kernel: Kernel, file: ModuleFile, modules: list[Present], percpu: int) -> Resolver:
    """Who finds the symbols of a module. Raises Refused if it exports what is exported already."""
    chain = Chain.of(kernel, modules, file.depends)
    _insist(all(chain.find(export.name) is None for export in file.exports))
    module = Module(file.name, modinfo=file.modinfo, gpl_compatible=file.gpl_compatible, percpu_offset=percpu)
    return LinuxResolver(chain, chain.modules, _no_stand_in, file, module)  # type: ignore[arg-type]


def _no_stand_in(name: str, module: str) -> None:
    """What a symbol that nobody offers is replaced with: nothing."""


def oddities(kernel: Kernel, file: ModuleFile, signed: bool) -> Iterator[Oddity]:
    """What is odd about a module that loads, in the order in which the kernel mentions it."""
    if file.info("intree") is None:
        yield Oddity("O", OUT_OF_TREE)
    if file.info("retpoline") is None and kernel.find(RETPOLINE_CHECK) is not None:
        yield Oddity("", RETPOLINE_MISSING, again=True, unless=RETPOLINE_CHECK)
    if file.info("staging") is not None:
        yield Oddity("C", STAGING, again=True)
    if not file.gpl_compatible:
        text = f"module license '{file.license}' taints kernel."
        yield Oddity("P", text, lockdep=LOCKDEP_NOW_UNRELIABLE)
    if file.info("test") is not None:
        yield Oddity("N", TEST)
    if kernel.signed and not signed:
        yield Oddity("E", UNSIGNED, NOTICE)


def tell(kernel: Kernel, file: ModuleFile, found: list[Oddity], notes: list[tuple[int, str]]) -> None:
    """Say what is odd, taint the kernel, and say what resolving noted."""
    proprietary = TAINT_BITS["P"]
    before = kernel.word("tainted_mask") >> proprietary & 1
    for one in found:
        if one.unless and kernel.call(one.unless, 0) & 0xFF:  # a bool
            continue
        tainted = one.letter and kernel.word("tainted_mask") >> TAINT_BITS[one.letter] & 1
        if one.again or not tainted:
            say(kernel, one.level, f"{file.name}: {one.text}")
        if one.letter:
            kernel.call("add_taint", TAINT_BITS[one.letter], one.lockdep)
    # Kernels that have the blocks in pieces judge the license in another place, and mention it twice.
    if kernel.in_pieces and not before and any(one.letter == "P" for one in found):
        say(kernel, WARNING, f"{file.name}: {LICENSE}")
    for level, text in notes:
        say(kernel, level, text)


def say(kernel: Kernel, level: int, text: str) -> None:
    """Write a line into the kernel's log, by its own printk."""
    layout = b"\x01%d%%s\n\0" % level
    block = kernel.guest.alloc(layout + text.encode("utf-8", "replace") + b"\0")
    kernel.call(("_printk", "printk"), block, block + len(layout))
    kernel.guest.free(block)


__all__ = [
    "LinuxResolver",
    "Oddity",
    "check_file",
    "check_kernel",
    "oddities",
    "resolver",
    "say",
    "tell",
]
