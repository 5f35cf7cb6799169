"""modules.dep: which modules a module needs, and in which order they are to be inserted (depmod's format).

A line is `path: path path…`, with everything the module needs, in the order in which to remove it: the last
one is to be inserted first. Nothing heavy is imported here, for the package build writes these files too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from emukern import elf


def module_name(path: str) -> str:
    """The module's name: `kernel/lib/crc-itu-t.ko.xz` → `crc_itu_t`."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def parse(text: str) -> dict[str, list[str]]:
    """Path → the paths of what it needs, as the file has them."""
    found = {}
    for line in text.splitlines():
        path, colon, needs = line.partition(":")
        if colon:
            found[path.strip()] = needs.split()
    return found


def insertion_order(needs: Mapping[str, Iterable[str]], path: str) -> list[str]:
    """What to insert, in order, `path` itself last; for direct and for full lists alike."""
    order: list[str] = []
    visiting: set[str] = set()

    def visit(one: str) -> None:
        if one in order:
            return
        if one in visiting:
            raise ValueError(f"modules depend on each other: {' '.join(sorted(visiting))}")
        visiting.add(one)
        for other in reversed(list(needs.get(one, ()))):
            visit(other)
        visiting.discard(one)
        order.append(one)

    visit(path)
    return order


def generate(directory: Path) -> str:
    """The text of modules.dep for the .ko files below `directory`, found from their exports and imports."""
    exporters: dict[str, str] = {}
    imports: dict[str, list[str]] = {}
    for file in sorted(directory.rglob("*.ko")):
        path = file.relative_to(directory).as_posix()
        imports[path] = []
        for symbol in elf.symbols(file.read_bytes()):
            if symbol.shndx == elf.SHN_UNDEF:
                imports[path].append(symbol.name)
            elif symbol.name.startswith("__ksymtab_"):
                exporters.setdefault(symbol.name.removeprefix("__ksymtab_"), path)
    direct = {
        path: sorted({exporters[name] for name in names if exporters.get(name, path) != path})
        for path, names in imports.items()
    }
    lines = (f"{path}:" + "".join(f" {n}" for n in insertion_order(direct, path)[-2::-1]) for path in imports)
    return "".join(f"{line}\n" for line in lines)
