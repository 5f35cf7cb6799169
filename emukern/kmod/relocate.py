"""Image and symbol values → relocated image. The types themselves live in arch/<name>/reloc.py.

All relocations of a module are one table: each type in it is applied to all its places at once, so the cost
is a few array operations per type and never a Python step per relocation. When something does not fit, the
relocation that stands first in the file is the one reported, as Linux would have met it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emukern.arch.relocation import (
    Array,
    Effect,
    Failure,
    Field,
    Image,
    Mask,
    Relocation,
    RelocationTable,
    Target,
    Values,
    signed,
)
from emukern.kmod.file import ModuleFile
from emukern.kmod.layout import Layout
from emukern.kmod.refusal import ERR, Refused

Index = NDArray[np.intp]


def got_slots(file: ModuleFile, table: RelocationTable) -> int:
    """How many slots the module's global offset table needs."""
    return len(_got_keys(file.relocations, table)[0])


def apply_relocations(file: ModuleFile, layout: Layout, values: Array, image: Image, table: RelocationTable) -> None:
    """Patch `image`, the blocks in a row; `values` holds S of each symbol. Raises `Refused`."""
    if len(file.relocations) == 0:
        return
    work = _Pass(file, layout, values, image, table)
    numbers = work.known_types()
    work.fill_got()
    work.pair_hi20(numbers)
    for number in numbers:
        work.apply(table[number])
    work.apply_sums()
    if work.failures:
        first = min(work.failures)
        failure = work.failures[first]
        raise Refused(failure.errno, *((ERR, text) for text in failure.messages(file.name)))


@dataclass
class _Sum:
    """Terms of the places that share a field form; `sets` tells which replace the old content."""

    at: list[Index] = field(default_factory=list)
    terms: list[NDArray[np.int64]] = field(default_factory=list)
    sets: list[Mask] = field(default_factory=list)
    rows: list[Index] = field(default_factory=list)
    overflow: tuple[str, ...] = ()


class _Pass:
    """One module's relocations while they are applied; `failures` by row number."""

    def __init__(self, file: ModuleFile, layout: Layout, values: Array, image: Image, table: RelocationTable) -> None:
        rows = file.relocations
        self.rows, self.layout, self.image, self.table = rows, layout, image, table
        self.types = rows["type"]
        self.S = values[rows["symbol"]]
        self.A = np.ascontiguousarray(rows["addend"]).view(np.uint64)
        offsets = np.zeros(len(file.elf.sections), np.int64)
        sizes = np.zeros(len(file.elf.sections), np.uint64)
        for index, offset in layout.offsets.items():
            offsets[index] = offset
            sizes[index] = file.elf.sections[index].size
        self.room = sizes[rows["section"]]
        self.at = offsets[rows["section"]] + rows["offset"].astype(np.int64)
        block = np.where(self.at < layout.core_size, np.uint64(layout.core), np.uint64(layout.init))
        self.P = block + np.where(self.at < layout.core_size, self.at, self.at - layout.core_size).astype(np.uint64)
        self.failures: dict[int, Failure] = {}
        self.sums: dict[Field, _Sum] = {}

    def fail(self, where: Index, lines: tuple[str, ...], value: int = 0) -> None:
        """Record the first of the rows `where` as failed."""
        if len(where):
            row = int(where[0])
            self.failures[row] = Failure(
                lines,
                self.table.errno,
                int(self.types[row]),
                value,
                (int(self.S[row]) + int(self.A[row])) & 0xFFFF_FFFF_FFFF_FFFF,
                int(self.P[row]),
            )

    def known_types(self) -> list[int]:
        """Numbers of the types that occur; unknown, refused and misplaced ones are recorded as failures."""
        found = np.flatnonzero(np.bincount(np.minimum(self.types, 0xFFF))).tolist()
        good = []
        for number in found:
            row = self.table.get(number)
            if row is None:
                self.fail(np.flatnonzero(np.minimum(self.types, 0xFFF) == number), (self.table.unknown,))
            elif row.refused:
                self.fail(np.flatnonzero(self.types == number), (row.refused,))
            else:
                good.append(number)
        return good

    def select(self, row: Relocation) -> Index:
        """The rows of one type that lie inside their section."""
        rows = np.flatnonzero(self.types == row.number)
        beyond = (self.rows["offset"][rows] > self.room[rows]) | (
            self.room[rows] - self.rows["offset"][rows] < row.field.width
        )
        if beyond.any():
            self.fail(rows[beyond], (self.table.outside,))
            rows = rows[~beyond]
        return rows

    def fill_got(self) -> None:
        """Write the global offset table and remember each row's slot."""
        keys, rows, slots = _got_keys(self.rows, self.table)
        self.slot = np.zeros(len(self.rows), np.uint64)
        if len(keys):
            first = np.unique(slots, return_index=True)[1]
            offset = self.layout.got + 8 * np.arange(len(keys), dtype=np.int64)
            (_window,) = (self.image[self.layout.got : self.layout.got + 8 * len(keys)].view("<u8"),)
            _window[:] = self.S[rows[first]] + self.A[rows[first]]
            self.slot[rows] = np.uint64(self.layout.address(self.layout.got)) + offset[slots].astype(np.uint64)
            self.slot[rows] -= np.uint64(self.layout.got)

    def evaluate(self, row: Relocation, rows: Index) -> Values:
        """The values of one type at `rows`, with S standing for what the type says it is."""
        S, A, P = self.S[rows], self.A[rows], self.P[rows]
        if row.target is Target.GOT:
            return row(self.slot[rows], np.zeros_like(A), P)
        if row.target is Target.HI20:
            found = np.minimum(np.searchsorted(self.hi20_places, S), max(len(self.hi20_places) - 1, 0))
            if not len(self.hi20_places):
                self.fail(rows, (self.table.unpaired,))
                return row(np.zeros_like(S), A, P)
            self.fail(rows[self.hi20_places[found] != S], (self.table.unpaired,))
            return row(self.hi20_offsets[found], A, P)
        return row(S, A, P)

    def pair_hi20(self, numbers: list[int]) -> None:
        """What every HI20 found, by its address, for the LO12 that name it."""
        rows = np.concatenate(
            [np.flatnonzero(self.types == n) for n in numbers if self.table[n].hi20] or [np.zeros(0, np.intp)]
        )
        offsets = np.zeros(len(self.rows), np.uint64)
        for number in numbers:
            if self.table[number].hi20:
                mine = np.flatnonzero(self.types == number)
                offsets[mine] = self.evaluate(self.table[number], mine)[0]
        rows = rows[np.argsort(self.P[rows], kind="stable")]
        self.hi20_places, self.hi20_offsets = self.P[rows], offsets[rows]

    def apply(self, row: Relocation) -> None:
        """Apply every relocation of one type; sums are only collected."""
        if row.field.width == 0:
            return
        rows = self.select(row)
        values, misfit = self.evaluate(row, rows)
        if row.effect is not Effect.PUT:
            self.collect(row, rows, signed(values))
            return
        at = self.at[rows]
        old = row.field.load(self.image, at)
        if self.table.occupied and old.any():
            taken = np.flatnonzero(old)
            self.fail(rows[taken], (self.table.occupied,), int(values[taken[0]]))
        if misfit is not None and misfit.any():
            bad = np.flatnonzero(misfit)
            self.fail(rows[bad], row.overflow, int(values[bad[0]]))
        row.field.store(self.image, at, row.field.put(old, values))

    def collect(self, row: Relocation, rows: Index, values: NDArray[np.int64]) -> None:
        """Remember the terms of sums until all types have been seen."""
        terms = self.sums.setdefault(row.field, _Sum(overflow=row.overflow))
        terms.at.append(self.at[rows])
        terms.terms.append(-values if row.effect is Effect.SUB else values)
        terms.sets.append(np.full(len(rows), row.effect is Effect.SET))
        terms.rows.append(rows)

    def apply_sums(self) -> None:
        """Store V + ΣADD − ΣSUB, or SET − ΣSUB, at each place once."""
        for form, terms in self.sums.items():
            places, which = np.unique(np.concatenate(terms.at), return_inverse=True)
            rows = np.zeros(len(places), np.intp)
            rows[which] = np.concatenate(terms.rows)
            replaced = np.zeros(len(places), np.bool_)
            np.logical_or.at(replaced, which, np.concatenate(terms.sets))
            old = form.load(self.image, places)
            room = form.room(self.image, places)
            whole = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
            mask = np.where(room >= 64, whole, (np.uint64(1) << np.minimum(room, 63).astype(np.uint64)) - np.uint64(1))
            total = np.where(replaced, np.uint64(0), old & mask).view(np.int64)
            np.add.at(total, which, np.concatenate(terms.terms))
            low = -(np.int64(1) << np.minimum(room - 1, 62))
            misfit = (room < 64) & ((total < low) | (total > mask.view(np.int64)))
            if misfit.any():
                bad = np.flatnonzero(misfit)
                self.fail(rows[bad], terms.overflow, int(total[bad[0]]))
            form.store(self.image, places, form.put(old, total.view(np.uint64)))


def _got_keys(rows: NDArray[np.void], table: RelocationTable) -> tuple[NDArray[np.void], Index, Index]:
    """(distinct symbol and addend pairs, the rows that need a slot, the slot of each)."""
    mine = np.flatnonzero(np.isin(rows["type"], table.got_types))
    pairs = np.zeros(len(mine), [("symbol", "<u4"), ("addend", "<i8")])
    pairs["symbol"], pairs["addend"] = rows["symbol"][mine], rows["addend"][mine]
    keys, slots = np.unique(pairs, return_inverse=True)
    return keys, mine, slots
