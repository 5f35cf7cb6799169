"""What a kernel offers to modules: its __ksymtab tables, with licenses, namespaces and CRCs.

`ExportTable` keeps them as arrays over the image's own strings, so that ten thousand exports cost nothing until one
is asked for, and pickle fast. Which tables there are has changed:

    6.x   __ksymtab and __ksymtab_gpl, with __kcrctab and __kcrctab_gpl beside them
    7.x   one __ksymtab, __kcrctab, and __kflagstab with a byte for each export

An entry (struct kernel_symbol, kernel/module/internal.h) is value, name and namespace: as pointers, or as 32-bit
distances from each field's own place (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emukern.errors import ImageError
from emukern.kmod.symbols import Symbol
from emukern.linux.names import NameIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emukern.linux.image import KernelImage
    from emukern.linux.kallsyms import Kallsyms

    _Fields = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]  # values, names, namespaces

_GPL, _CODE = 1, 2  # bits of `flags`; the first is also KSYM_FLAG_GPL_ONLY
_RELATIVE, _ABSOLUTE = 12, 24  # bytes of an entry
_R_RISCV_RELATIVE = 3


@dataclass(eq=False)
class ExportTable(Mapping[str, Symbol]):
    """Name → Symbol; also a provider of the symbol chain. The arrays have one row for each export."""

    addresses: array[int]
    starts: array[int]  # of the names in `strings`
    strings: bytes
    flags: bytes
    namespaces: array[int]  # index into `namespace_names`
    namespace_names: tuple[str, ...]
    crcs: array[int]  # empty without CONFIG_MODVERSIONS
    index: NameIndex
    name: str = "kernel"

    def find(self, name: str) -> Symbol | None:
        """The export of that name, licenses aside."""
        rows = self.index.find(name.encode("latin-1", "replace"), self.strings, self.starts)
        if not rows:
            return None
        row = rows[0]
        return Symbol(
            name,
            self.addresses[row],
            gpl=bool(self.flags[row] & _GPL),
            kind="func" if self.flags[row] & _CODE else "data",
            namespace=self.namespace_names[self.namespaces[row]],
            crc=self.crcs[row] if self.crcs else None,
        )

    def __getitem__(self, name: str) -> Symbol:
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        for at in self.starts:
            yield self.strings[at : self.strings.index(b"\0", at)].decode("latin-1")

    def __len__(self) -> int:
        return len(self.addresses)


@dataclass
class _Rows:
    """One table, unpacked."""

    values: NDArray[np.uint64]
    names: NDArray[np.uint64]  # addresses
    namespaces: NDArray[np.uint64]  # addresses; 0: none
    crcs: NDArray[np.uint32]
    flags: NDArray[np.uint8]


def exports(image: KernelImage, symbols: Kallsyms) -> ExportTable:
    """All exports of `image`; raises `ImageError` if it has none or they make no sense."""
    import numpy as np

    found = [_table(image, symbols, suffix, flag) for suffix, flag in (("", 0), ("_gpl", _GPL))]
    tables = [rows for rows in found if rows]
    if not tables:
        raise ImageError(f"the kernel {image.release} offers nothing to modules (CONFIG_MODULES)")
    values, names, spaces, crcs, flags = (
        np.concatenate([getattr(rows, field) for rows in tables])
        for field in ("values", "names", "namespaces", "crcs", "flags")
    )
    strings, starts, lengths = _strings(image, names, spaces)
    known, which = np.unique(spaces, return_inverse=True)
    texts = [image.text(address) if address else "" for address in known.tolist()]
    return ExportTable(
        addresses=array("Q", values.tobytes()),
        starts=array("I", starts.tobytes()),
        strings=strings,
        flags=(flags & _GPL | _code(symbols, values)).astype(np.uint8).tobytes(),
        namespaces=array("H", which.astype(np.uint16).tobytes()),
        namespace_names=tuple(texts),
        crcs=array("I", crcs.tobytes()) if len(crcs) == len(values) else array("I"),
        index=NameIndex.of(strings, starts, lengths),
    )


def _table(image: KernelImage, symbols: Kallsyms, suffix: str, flag: int) -> _Rows | None:
    import numpy as np

    start = symbols.address(f"__start___ksymtab{suffix}")
    raw = image.section(f"__ksymtab{suffix}", symbols)
    if start is None or not raw:
        return None
    raw = _relocated(image, symbols, start, raw)
    for size in (_RELATIVE, _ABSOLUTE):
        fields = _entries(start, raw, size)
        if fields and _sensible(image, symbols, *fields[:2]):
            break
    else:
        raise ImageError(f"the exports of the kernel {image.release} are in an unknown form")
    values, names, namespaces = fields
    count = len(values)
    crcs = np.frombuffer(_beside(image, symbols, f"__kcrctab{suffix}", 4 * count), "<u4")
    flags = np.frombuffer(_beside(image, symbols, "__kflagstab", count), np.uint8)
    if suffix or not len(flags):
        flags = np.full(count, flag, np.uint8)
    return _Rows(values, names, namespaces, crcs, flags)


def _beside(image: KernelImage, symbols: Kallsyms, name: str, size: int) -> bytes:
    """A table with `size` bytes for all exports; empty if there is none."""
    raw = image.section(name, symbols) or b""
    return raw if len(raw) == size else b""


def _entries(start: int, raw: bytes, size: int) -> _Fields | None:
    """Addresses of values, names and namespaces (0: none) of entries of `size` bytes."""
    import numpy as np

    if len(raw) % size:
        return None
    if size == _ABSOLUTE:
        rows = np.frombuffer(raw, "<u8").reshape(-1, 3)
        return rows[:, 0], rows[:, 1], rows[:, 2]
    distances = np.frombuffer(raw, "<i4").astype(np.int64)
    places = np.uint64(start) + np.arange(0, len(raw), 4, dtype=np.uint64)
    fields = (places + distances.view(np.uint64)).reshape(-1, 3).T
    none = distances.reshape(-1, 3)[:, 2] == 0
    return fields[0], fields[1], np.where(none, np.uint64(0), fields[2])


def _sensible(image: KernelImage, symbols: Kallsyms, values: NDArray[np.uint64], names: NDArray[np.uint64]) -> bool:
    """Whether the first and the last entry say what kallsyms says."""
    try:
        return all(int(values[row]) in symbols.addresses(image.text(int(names[row]))) for row in (0, -1))
    except ImageError:
        return False


def _strings(
    image: KernelImage, names: NDArray[np.uint64], spaces: NDArray[np.uint64]
) -> tuple[bytes, NDArray[np.uint32], NDArray[np.uint32]]:
    """(the part of the image that holds all names, where in it they begin, how long they are)."""
    import numpy as np

    first, last = int(names.min()), int(names.max())
    strings = image.read(first, last - first) + image.text(last).encode("latin-1") + b"\0"
    starts = (names - np.uint64(first)).astype(np.uint32)
    ends = np.flatnonzero(np.frombuffer(strings, np.uint8) == 0)
    return strings, starts, (ends[np.searchsorted(ends, starts)] - starts).astype(np.uint32)


def _code(symbols: Kallsyms, values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The flag _CODE for each value that is a function's address.

    The kind letter does not tell: where the linker script puts data into an executable section, data is T.
    """
    import numpy as np

    first, end = symbols.address("_stext"), symbols.address("_etext")
    if first is None or end is None:
        return np.zeros(len(values), np.uint8)
    return np.where((values >= first) & (values < end), _CODE, 0).astype(np.uint8)


def _relocated(image: KernelImage, symbols: Kallsyms, start: int, raw: bytes) -> bytes:
    """The table as it is once a kernel that relocates itself (riscv64: CONFIG_RELOCATABLE) has done so."""
    import numpy as np

    table = image.between(symbols, "__rela_dyn_start", "__rela_dyn_end")
    if not table:
        return raw
    rows = np.frombuffer(table[: len(table) // 24 * 24], [("place", "<u8"), ("info", "<u8"), ("value", "<u8")])
    here = (rows["info"] == _R_RISCV_RELATIVE) & (rows["place"] >= start) & (rows["place"] < start + len(raw))
    if not here.any():
        return raw
    words: NDArray[np.uint64] = np.frombuffer(raw, "<u8").copy()
    words[((rows["place"][here] - np.uint64(start)) // np.uint64(8)).astype(np.int64)] = rows["value"][here]
    return words.tobytes()
