"""A ko's bytes as a ModuleFile: what the file says about itself, before any address is known.

The checks are those of Linux's `setup_load_info` (kernel/module/main.c, 6.1), with its words. `parse` serves
loading and modinfo alike; nothing here touches a kernel.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from emukern import elf
from emukern.elf import Elf, Section
from emukern.kmod.compression import strip_signature, unpack
from emukern.kmod.refusal import WARNING, Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THIS_MODULE = ".gnu.linkonce.this_module"
PERCPU = ".data..percpu"
_NAME_IN_THIS_MODULE = slice(24, 24 + 56)  # struct module: state, list, then char name[MODULE_NAME_LEN]
_NAMELESS = "(missing .modinfo section or name field)"
_GPL_COMPATIBLE = {
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
}


@dataclass(frozen=True, slots=True)
class Export:
    """A symbol the module offers; `entry` is the symbol index of its __ksymtab_NAME row."""

    name: str
    entry: int
    gpl: bool
    namespace: str


@dataclass(frozen=True)
class ModuleFile:
    """The parsed form of a ko."""

    elf: Elf
    name: str
    modinfo: tuple[tuple[str, str], ...]
    signed: bool

    def info(self, key: str) -> str | None:
        """The first modinfo value of `key`."""
        return next((value for found, value in self.modinfo if found == key), None)

    def infos(self, key: str) -> list[str]:
        """Every modinfo value of `key`."""
        return [value for found, value in self.modinfo if found == key]

    @property
    def license(self) -> str:
        """MODULE_LICENSE's text, or Linux's word for none."""
        return self.info("license") or "unspecified"

    @property
    def gpl_compatible(self) -> bool:
        """Whether GPL-only symbols are there for this module (include/linux/license.h)."""
        return self.license in _GPL_COMPATIBLE

    @property
    def depends(self) -> list[str]:
        """Names of the modules this one needs."""
        return [name for name in (self.info("depends") or "").split(",") if name]

    @cached_property
    def params(self) -> tuple[tuple[str, str, str], ...]:
        """(name, type, description) of each parameter, as modinfo tells them."""
        told: dict[str, list[str]] = {}
        for place, key in enumerate(("parmtype", "parm")):
            for value in self.infos(key):
                name, _, text = value.partition(":")
                told.setdefault(name, ["", ""])[place] = text
        return tuple((name, *texts) for name, texts in told.items())  # type: ignore[misc]

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """Names the module needs from elsewhere, weak ones included, in symbol order."""
        import numpy as np

        rows = self.elf.symbols
        undefined = np.flatnonzero((rows["shndx"] == elf.SHN_UNDEF) & (rows["name"] != 0))
        return tuple(self.elf.symbol_name(i) for i in undefined.tolist())

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """The rows of __ksymtab and __ksymtab_gpl, found by their __ksymtab_NAME symbols as depmod does."""
        import numpy as np

        tables = {s.index: s.name for s in self.elf.sections if _is_export_table(s.name)}
        rows = self.elf.symbols
        found = []
        for i in np.flatnonzero(np.isin(rows["shndx"], list(tables))).tolist():
            name, table = self.elf.symbol_name(i), tables[int(rows["shndx"][i])]
            if name.startswith("__ksymtab_"):
                name = name.removeprefix("__ksymtab_")
                gpl = table.startswith(("__ksymtab_gpl", "___ksymtab_gpl"))
                found.append(Export(name, i, gpl, self._namespaces.get(name, "")))
        return tuple(found)

    @cached_property
    def _namespaces(self) -> dict[str, str]:
        strings = self.elf.section("__ksymtab_strings")
        if strings is None:
            return {}
        text = self.elf.bytes_of(strings)
        rows = self.elf.symbols
        found = {}
        for i in (rows["shndx"] == strings.index).nonzero()[0].tolist():
            name, at = self.elf.symbol_name(i), int(rows["value"][i])
            if name.startswith("__kstrtabns_") and text[at : at + 1] not in (b"", b"\0"):
                found[name.removeprefix("__kstrtabns_")] = text[at:].split(b"\0", 1)[0].decode("latin-1")
        return found

    @cached_property
    def versions(self) -> dict[str, int]:
        """Name → CRC that the module was built against (struct modversion_info, 64 bytes)."""
        table = self.elf.section("__versions")
        raw = self.elf.bytes_of(table) if table else b""
        return {
            raw[at + 8 : at + 64].split(b"\0", 1)[0].decode("latin-1"): int.from_bytes(raw[at : at + 8], "little")
            for at in range(0, len(raw) // 64 * 64, 64)
        }

    @cached_property
    def build_id(self) -> str:
        """The GNU build ID in hexadecimal; "" without one."""
        note = self.elf.section(".note.gnu.build-id")
        raw = self.elf.bytes_of(note) if note else b""
        return raw[16:].hex() if raw[12:16] == b"GNU\0" else ""

    @cached_property
    def relocations(self) -> NDArray[np.void]:
        """All relocations that apply, in file order: offset type symbol addend, and the target `section`.

        Raises `ElfError` for a symbol index outside the table, which Linux would follow into the void.
        """
        import numpy as np

        tables = [(s.info, self.elf.relocations(s)) for s in self.elf.relocation_sections if s.info != self.percpu]
        rows = np.zeros(sum(len(t) for _, t in tables), [*elf.RELOCATION_ROWS, ("section", "<u4")])
        at = 0
        for target, table in tables:
            part = rows[at : at + len(table)]
            for column in ("offset", "type", "symbol", "addend"):
                part[column] = table[column]
            part["section"] = target
            at += len(table)
        if len(rows) and int(rows["symbol"].max()) >= len(self.elf.symbols):
            raise elf.ElfError("Invalid ELF relocation in module: symbol index out of range")
        return rows

    @cached_property
    def percpu(self) -> int:
        """Index of the per-CPU data section, which does not lie with the module; 0: none."""
        section = self.elf.section(PERCPU)
        return section.index if section and section.allocated else 0

    def placed(self, section: Section) -> bool:
        """Whether the section gets memory of its own in the module (Linux drops modinfo and versions)."""
        return section.allocated and section.name not in (".modinfo", "__versions") and section.index != self.percpu


def parse(blob: bytes, machine: int, bits: int = 64, plain: bool = False, name: str = "") -> ModuleFile:
    """A ko's parsed form; compression and signature are unwrapped. Raises `ModuleError` in Linux's words.

    With `plain`, an object that is no Linux module (no name in .modinfo, no this_module) will do. It is
    called `name`, or like its source file.
    """
    data, signed = strip_signature(unpack(blob))
    found = elf.parse(data, machine, bits)
    modinfo = _modinfo(found)
    told = next((value for key, value in modinfo if key == "name"), "")
    if found.symbol_section is None:
        raise Refused(errno.ENOEXEC, (WARNING, f"{told or _NAMELESS}: module has no symbols (stripped?)"))
    this = found.section(THIS_MODULE)
    if this is None:
        if told or not plain:
            raise Refused(errno.ENOEXEC, (WARNING, f"{told or _NAMELESS}: No module found in object"))
    elif not told:
        raw = found.bytes_of(this)[_NAME_IN_THIS_MODULE]
        told = raw.split(b"\0", 1)[0].decode("latin-1")
    return ModuleFile(found, told or name or _source_name(found) or "module", modinfo, signed)


def machine_of(blob: bytes) -> str:
    """The architecture a ko was built for, by Linux's name; raises `ModuleError` if it is no ELF."""
    number = elf.header(unpack(blob)).machine
    return elf.MACHINE_NAMES.get(number, f"machine {number}")


def _source_name(found: Elf) -> str:
    """The module name that the first STT_FILE symbol suggests: "hello_world" for hello-world.c."""
    rows = found.symbols
    files = (rows["info"] & 15 == elf.STT_FILE).nonzero()[0].tolist()
    path = found.symbol_name(files[0]) if files else ""
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _is_export_table(name: str) -> bool:
    """Whether a section holds struct kernel_symbol; unlinked, each has a section ___ksymtab+NAME."""
    return name in ("__ksymtab", "__ksymtab_gpl") or name.startswith(("___ksymtab+", "___ksymtab_gpl+"))


def _modinfo(found: Elf) -> tuple[tuple[str, str], ...]:
    section = found.section(".modinfo")
    if section is None:
        return ()
    entries = found.bytes_of(section).decode("utf-8", "replace").split("\0")
    return tuple((key, value) for key, equals, value in (e.partition("=") for e in entries) if equals)
