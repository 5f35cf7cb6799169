"""The names and addresses of everything in a kernel, from its own kallsyms or from a System.map.

`Kallsyms` is compact (arrays and bytes), pickles fast and is ready to use after unpickling without numpy.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emukern.errors import ImageError
from emukern.kmod.symbols import SymbolTable
from emukern.linux.names import NameIndex

if TYPE_CHECKING:
    from emukern.linux.image import KernelImage

_BANNER = b"Linux version "


class Kallsyms(SymbolTable):
    """A kernel's symbols in ascending order of addresses; aliases in the order in which the kernel prefers them."""

    def __init__(
        self, values: array[int], starts: array[int], kinds: bytes, strings: bytes, limit: int, index: NameIndex
    ) -> None:
        super().__init__(values, starts, kinds, strings, limit)
        self.index = index

    def rows_of(self, name: str) -> list[int]:
        """The rows of that name, by ascending address."""
        return self.index.find(name.encode("latin-1", "replace"), self.strings, self.starts)

    def address(self, name: str) -> int | None:
        """The address of `name`; of several, the lowest, as the kernel's own look-up answers."""
        rows = self.rows_of(name)
        return self.values[rows[0]] if rows else None

    def address_of(self, name: str) -> int | None:
        """The same, by `SymbolTable`'s name for it."""
        return self.address(name)

    def addresses(self, name: str) -> list[int]:
        """Every address of `name`, ascending: static functions may share one."""
        return [self.values[row] for row in self.rows_of(name)]

    def at(self, address: int) -> tuple[str, int] | None:
        """(name, offset into it) of what lies at `address`; None outside the image."""
        row = self.row_at(address)
        return None if row is None else (self.name(row), address - self.values[row])

    def where(self, address: int) -> tuple[str, int, int] | None:
        """(name, offset, size) of what lies at `address`; the size reaches to the next address with a name."""
        row = self.row_at(address)
        if row is None:
            return None
        start, after = self.values[row], bisect_right(self.values, address)
        end = self.values[after] if after < len(self.values) else self.limit
        return self.name(row), address - start, end - start

    def row_at(self, address: int) -> int | None:
        """The first row of the symbol that `address` lies in."""
        after = bisect_right(self.values, address)
        if not after or address >= self.limit:
            return None
        row = after - 1
        while row and self.values[row - 1] == self.values[row]:
            row -= 1
        return row

    def kind(self, row: int) -> str:
        """The kind letter of a row, as in /proc/kallsyms: t and T are code, A is an offset or a number."""
        return chr(self.kinds[row])

    @classmethod
    def from_system_map(cls, path: str | Path) -> Kallsyms | None:
        """The symbols of a System.map; None for a placeholder, which says only where the real one is.

        Raises `ImageError` for a file that cannot be read or is no System.map.
        """
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError as failed:
            raise ImageError(f"cannot read {path}: {failed.strerror}") from None
        rows = []
        for number, line in enumerate(lines, 1):
            fields = line.split(None, 2)
            try:
                rows.append((int(fields[0], 16), fields[1], fields[2]))
            except (IndexError, ValueError):
                raise ImageError(f"{path} is no System.map: line {number} is no address, letter and name") from None
        rows.sort(key=lambda row: row[0])
        if not any(name in (b"_text", b"_stext") for _, _, name in rows):
            return None
        return _from_rows(rows)


def parse(image: KernelImage, system_map: str | Path | None = None) -> Kallsyms:
    """The symbols of `image`, from the System.map if one is given that is more than a placeholder.

    Raises `ImageError` for a kernel without kallsyms, or a System.map of another kernel.
    """
    given = Kallsyms.from_system_map(system_map) if system_map else None
    if given is None:
        return _embedded(image)
    if not _fits(image, given.address):
        raise ImageError(f"{system_map} is not the System.map of {image.release}")
    given.limit = image.limit
    return given


def _embedded(image: KernelImage) -> Kallsyms:
    from emukern.linux import kallsyms_tables as tables

    found = tables.find(image.data)
    if found is None:
        raise ImageError(f"the kernel {image.release} has no symbol table of its own (CONFIG_KALLSYMS)")
    names = tables.unpack(image.data, found)
    if names is None:
        raise ImageError(f"the symbol table of the kernel {image.release} is damaged")
    index = NameIndex.of(names.strings, names.starts, names.lengths)
    starts = array("I", names.starts.tobytes())
    for values in tables.addresses(image, found):
        if bool((values[1:] >= values[:-1]).all()):
            sorted_values = array("Q", values.tobytes())
            symbols = Kallsyms(sorted_values, starts, names.kinds, names.strings, image.limit, index)
            if _fits(image, symbols.address):
                return symbols
    raise ImageError(f"the symbol table of the kernel {image.release} has addresses in an unknown form")


def _fits(image: KernelImage, address: Callable[[str], int | None]) -> bool:
    """Whether the banner is at its symbol; where only code has symbols, whether the code is."""
    banner = address("linux_banner")
    if banner is None:
        return not {address("_text"), address("_start")}.isdisjoint(s.vaddr for s in image.segments)
    try:
        return image.read(banner, len(_BANNER)) == _BANNER
    except ImageError:
        return False


def _from_rows(rows: list[tuple[int, bytes, bytes]]) -> Kallsyms:
    import numpy as np

    strings = b"".join(name + b"\0" for _, _, name in rows)
    lengths = np.array([len(name) for _, _, name in rows], np.uint32)
    starts = np.cumsum(lengths + 1, dtype=np.uint32) - (lengths + 1)
    index = NameIndex.of(strings, starts, lengths)
    values = array("Q", (value for value, _, _ in rows))
    kinds = b"".join(kind for _, kind, _ in rows)
    return Kallsyms(values, array("I", starts.tobytes()), kinds, strings, values[-1] + 1, index)
