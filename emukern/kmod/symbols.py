"""Symbols: who answers a name (the provider chain) and what lies at an address (kallsyms).

Providers are asked in order and the first answer counts: test overrides, then loaded modules, then the
kernel. A GPL-only symbol does not exist for a module whose license is not GPL compatible, as in Linux
(kernel/module/main.c, find_symbol).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, SupportsIndex

_UNNAMED = b".$"  # compilers' local labels (.L1) and RISC-V mapping symbols ($x) name no function
_MANY = 20_000  # rows from which on sorting is worth an import of numpy


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something modules may bind to. `owner` is the exporting module's name, None for the kernel."""

    name: str
    value: int
    owner: str | None = None
    gpl: bool = False
    kind: str = "func"  # or "data"
    namespace: str = ""
    crc: int | None = None


class Provider(Protocol):
    """One link of the chain."""

    @property
    def name(self) -> str: ...

    def find(self, name: str) -> Symbol | None: ...


class Licensed(Protocol):
    """The part of a module that decides which symbols it may see."""

    @property
    def gpl_compatible(self) -> bool: ...


@dataclass(slots=True)
class Exports:
    """A provider that is a table: name → Symbol."""

    name: str
    table: dict[str, Symbol] = field(default_factory=dict)

    def find(self, name: str) -> Symbol | None:
        """The symbol of that name, licenses aside."""
        return self.table.get(name)


class SymbolTable:
    """Names and addresses of one image, in compact and picklable form; finds what lies at an address.

    `kinds` holds one letter each, as in /proc/kallsyms. `limit` is the first address beyond the image.
    """

    def __init__(self, values: array[int], starts: array[int], kinds: bytes, strings: bytes, limit: int) -> None:
        self.values = values
        self.starts = starts
        self.kinds = kinds
        self.strings = strings
        self.limit = limit
        self._order: array[int] | None = None
        self._sorted: array[int] | None = None

    @classmethod
    def of(cls, rows: Iterable[tuple[str, int, str]], limit: int) -> SymbolTable:
        """A table of (name, address, kind letter) rows."""
        values, starts, kinds, strings = array("Q"), array("I"), bytearray(), bytearray()
        for name, value, kind in rows:
            values.append(value)
            starts.append(len(strings))
            kinds.append(ord(kind))
            strings += name.encode("latin-1") + b"\0"
        return cls(values, starts, bytes(kinds), bytes(strings), limit)

    def __len__(self) -> int:
        return len(self.values)

    def name(self, index: int) -> str:
        """The name of row `index`."""
        at = self.starts[index]
        return self.strings[at : self.strings.index(b"\0", at)].decode("latin-1")

    def rows(self) -> Iterator[tuple[str, int, str]]:
        """(name, address, kind letter) in the image's own order."""
        for index, value in enumerate(self.values):
            yield self.name(index), value, chr(self.kinds[index])

    def address_of(self, name: str) -> int | None:
        """The address of the first row of that name."""
        return next((value for found, value, _ in self.rows() if found == name), None)

    def without(self, start: int, end: int, limit: int) -> SymbolTable:
        """The same table without start ≤ address < end, for an image that now ends at `limit`."""
        import numpy as np  # the module loader has it in memory already

        values = np.frombuffer(self.values, np.uint64)
        kept = (values < start) | (values >= end)
        return SymbolTable(
            array("Q", values[kept].tobytes()),
            array("I", np.frombuffer(self.starts, np.uint32)[kept].tobytes()),
            np.frombuffer(self.kinds, np.uint8)[kept].tobytes(),
            self.strings,
            limit,
        )

    def where(self, address: int) -> tuple[str, int, int] | None:
        """(name, offset, size) of the symbol that `address` lies in; the size reaches to the next symbol."""
        order, values = self._by_address()
        after = bisect_right(values, address)
        if not after or address >= self.limit:
            return None
        first = after - 1
        while first and values[first - 1] == values[first]:  # of several names, the earliest in the image
            first -= 1
        end = values[after] if after < len(values) else self.limit
        return self.name(order[first]), address - values[first], end - values[first]

    def _by_address(self) -> tuple[array[int], array[int]]:
        if self._order is None or self._sorted is None:
            if len(self.values) > _MANY:
                self._order, self._sorted = self._sort_with_numpy()
            else:
                named = (i for i, at in enumerate(self.starts) if self.strings[at] not in _UNNAMED)
                self._order = array("I", sorted(named, key=self.values.__getitem__))
                self._sorted = array("Q", (self.values[i] for i in self._order))
        return self._order, self._sorted

    def _sort_with_numpy(self) -> tuple[array[int], array[int]]:
        import numpy as np

        first = np.frombuffer(self.strings, np.uint8)[np.frombuffer(self.starts, np.uint32)]
        named = np.flatnonzero(~np.isin(first, np.frombuffer(_UNNAMED, np.uint8)))
        values = np.frombuffer(self.values, np.uint64)[named]
        order = np.argsort(values, kind="stable")
        rows = named[order].astype(np.uint32)
        return array("I", rows.tobytes()), array("Q", values[order].tobytes())


@dataclass(slots=True)
class SymbolChain:
    """`k.symbols`: the providers in order, and the tables that name addresses."""

    overrides: Exports = field(default_factory=lambda: Exports("override"))
    modules: Exports = field(default_factory=lambda: Exports("modules"))
    kernel: list[Provider] = field(default_factory=list)
    kernel_table: SymbolTable | None = None  # names of the kernel image
    stub_table: SymbolTable | None = None  # names of exports that are no part of the image
    tables: dict[str, SymbolTable] = field(default_factory=dict)
    ranges: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    spans: list[tuple[int, int, str]] = field(default_factory=list)  # all ranges with their modules, by address

    def find(self, name: str, module: Licensed | None = None) -> Symbol | None:
        """The symbol that `name` means to `module` (None: to somebody who may see everything)."""
        hidden = module is not None and not module.gpl_compatible
        for provider in (self.overrides, self.modules, *self.kernel):
            symbol = provider.find(name)
            if symbol is not None and not (symbol.gpl and hidden):
                return symbol
        return None

    def where(self, address: SupportsIndex) -> tuple[str, int, int, str | None] | None:
        """(name, offset, size, module or None) of the symbol `address` lies in; None when it lies in none."""
        at = address.__index__()
        before = bisect_right(self.spans, at, key=lambda span: span[0])
        if before and at < self.spans[before - 1][1]:
            module = self.spans[before - 1][2]
            found = self.tables[module].where(at)
            return (*found, module) if found else None
        for table in (self.kernel_table, self.stub_table):
            found = table.where(at) if table else None
            if found:
                return (*found, None)
        return None

    def override(self, name: str, value: SupportsIndex, kind: str = "func") -> None:
        """Let modules loaded from now on bind `name` to `value`, whoever else exports it."""
        self.overrides.table[name] = Symbol(name, value.__index__(), kind=kind)

    def add_module(
        self,
        name: str,
        exports: Iterable[Symbol],
        table: SymbolTable,
        ranges: tuple[tuple[int, int], ...],
    ) -> None:
        """Publish a module's exports and names; `ranges` are the (start, end) of its memory."""
        for symbol in exports:
            self.modules.table.setdefault(symbol.name, symbol)
        self.set_table(name, table, ranges)

    def set_table(self, name: str, table: SymbolTable, ranges: tuple[tuple[int, int], ...]) -> None:
        """Replace the names of a module's addresses (its init part is gone after init)."""
        self.tables[name] = table
        self.ranges[name] = ranges
        self._sort_spans()

    def remove_module(self, name: str) -> None:
        """Forget everything that module `name` published."""
        table = self.modules.table
        for key in [key for key, symbol in table.items() if symbol.owner == name]:
            del table[key]
        self.tables.pop(name, None)
        self.ranges.pop(name, None)
        self._sort_spans()

    def _sort_spans(self) -> None:
        self.spans = sorted((*span, name) for name, ranges in self.ranges.items() for span in ranges)

    def kallsyms(self) -> Iterator[tuple[int, str, str, str | None]]:
        """(address, kind letter, name, module or None) of everything, the kernel first."""
        for kernel in (self.kernel_table, self.stub_table):
            for name, value, kind in kernel.rows() if kernel else ():
                yield value, kind, name, None
        for module, table in self.tables.items():
            for name, value, kind in table.rows():
                yield value, kind, name, module
