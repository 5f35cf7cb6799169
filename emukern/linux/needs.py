"""What has to be inserted before a module, for whoever asks this about many modules of one tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from emukern.kmod import depends

INDEX = "modules.dep"
SUFFIXES = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")


def plain_path(path: str) -> str:
    """A module's path without the suffix of its compression: the name it has in recordings."""
    return path.partition(".ko")[0] + ".ko" if path.endswith(SUFFIXES) else path


def files_below(root: Path) -> list[Path]:
    """Every module below `root`, sorted by path. Links to folders are not followed."""
    found = [os.path.join(at, name) for at, _, names in os.walk(root) for name in names if name.endswith(SUFFIXES)]
    return sorted(map(Path, found), key=lambda path: path.as_posix())


class Tree:
    """A module tree. `read(file)` gives the unpacked bytes of a module; they are asked for once."""

    def __init__(self, root: Path, read: Callable[[Path], bytes]) -> None:
        self.root, self._read = root, read
        self._said: dict[Path, list[str]] = {}

    @cached_property
    def _files(self) -> dict[str, Path]:
        return {depends.module_name(file.name): file for file in reversed(files_below(self.root))}

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """modules.dep, where depmod has been; what it does not know is found by what the modules say."""
        try:
            return depends.parse((self.root / INDEX).read_text())
        except OSError:
            return {}

    @cached_property
    def _indexed(self) -> dict[str, str]:
        return {depends.module_name(path): path for path in self._index}

    def needed(self, file: Path) -> list[tuple[str, Path | None]]:
        """(name, file) of each module to insert before `file`, in order; None for one that is not in the tree."""
        listed = self._indexed.get(depends.module_name(file.name))
        if listed is not None:
            order = depends.insertion_order(self._index, listed)[:-1]
            return [(depends.module_name(path), self.root / path) for path in order]
        found: dict[str, Path | None] = {}
        self._search(file, found, [depends.module_name(file.name)])
        return list(found.items())

    def _search(self, file: Path, found: dict[str, Path | None], above: list[str]) -> None:
        for said in self._needs_of(file):
            name = said.replace("-", "_")
            if name in found or name in above:
                continue
            needed = self._files.get(name)
            if needed is not None:
                self._search(needed, found, [*above, name])
            found[name] = needed

    def _needs_of(self, file: Path) -> list[str]:
        if file not in self._said:
            self._said[file] = said_needs(self._read(file))
        return self._said[file]


def said_needs(blob: bytes) -> list[str]:
    """The names in a ko's `depends` field; none of bytes that are no module."""
    from emukern import arch as arches
    from emukern.errors import ModuleError
    from emukern.kmod.file import machine_of, parse

    try:
        machine = machine_of(blob)
        return parse(blob, arches.get(machine).e_machine, plain=True).depends if machine in arches.NAMES else []
    except ModuleError:
        return []
