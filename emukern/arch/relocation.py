"""What the relocation types of every architecture are written in (imports numpy; reached through
`arch.relocations`).

A relocation type is one function named as its psABI names it. It takes arrays in the psABI's letters, S
(symbol), A (addend) and P (place), all unsigned 64-bit and wrapping, and answers the values to store and,
where the type can overflow, a mask of the values that do not fit. Its decorator says where the value goes and
what Linux says when it fails:

    @relocation(2, INT32)
    def R_X86_64_PC32(S, A, P):
        return S + A - P, None
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Values = tuple[Array, Mask | None]
Formula = Callable[[Array, Array, Array], Values]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Field:
    """Where a value goes: `width` bytes, `bits` of them its own; `put(old, value)` is the new content."""

    width: int
    bits: int
    put: Callable[[Array, Array], Array]

    def room(self, image: Image, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many bits of value each of the fields at offsets `at` can hold."""
        return np.full(len(at), self.bits, np.int64)

    def load(self, image: Image, at: NDArray[np.int64]) -> Array:
        """The content of the fields at offsets `at`."""
        return _window(image, self.width)[at].astype(np.uint64)

    def store(self, image: Image, at: NDArray[np.int64], content: Array) -> None:
        """Write `content`, cut to the field's width."""
        view = _window(image, self.width)
        view[at] = content.astype(view.dtype)


class Uleb128(Field):
    """A little-endian base-128 number. Its length, told by the continuation bits in place, is kept."""

    def __init__(self) -> None:
        super().__init__(1, 7, lambda old, value: value)

    def load(self, image: Image, at: NDArray[np.int64]) -> Array:
        """The numbers that stand there."""
        value = np.zeros(len(at), np.uint64)
        for index, byte, live in self._bytes(image, at):
            value |= np.where(live, (byte & 0x7F).astype(np.uint64) << np.uint64(7 * index), 0).astype(np.uint64)
        return value

    def store(self, image: Image, at: NDArray[np.int64], content: Array) -> None:
        """Write `content` in as many bytes as the old numbers took."""
        for index, byte, live in list(self._bytes(image, at)):
            low = (content >> np.uint64(7 * index) & np.uint64(0x7F)).astype(np.uint8)
            image[at[live] + index] = (byte & 0x80 | low)[live]

    def room(self, image: Image, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Seven bits for each byte that the number takes."""
        room = np.zeros(len(at), np.int64)
        for _, _, live in self._bytes(image, at):
            room += 7 * live
        return room

    @staticmethod
    def _bytes(image: Image, at: NDArray[np.int64]) -> Iterator[tuple[int, Image, Mask]]:
        live: Mask = np.ones(len(at), np.bool_)
        for index in range(10):
            live = live & (at + index < len(image))
            if not live.any():
                return
            byte = image[np.minimum(at + index, len(image) - 1)]
            yield index, byte, live
            live = live & (byte >= 0x80)


INT8, INT16, INT32, INT64 = (Field(width, 8 * width, lambda old, value: value) for width in (1, 2, 4, 8))
NOWHERE = Field(0, 0, lambda old, value: old)  # for types that mark a place and change nothing


def instruction(width: int, mask: int, encode: Callable[[Array], Array]) -> Field:
    """A field inside an instruction of `width` bytes: the bits of `mask`, made from the value by `encode`."""
    keep = np.uint64(~mask & 0xFFFF_FFFF_FFFF_FFFF)
    return Field(width, mask.bit_count(), lambda old, value: old & keep | encode(value) & ~keep)


class Effect(Enum):
    """What a value does to its field. ADD, SUB and SET of one place are summed before they are stored."""

    PUT = 0
    SET = 1
    ADD = 2
    SUB = 3


class Target(Enum):
    """What S is: the symbol, its slot in the global offset table, or what the HI20 at address S found."""

    SYMBOL = 0
    GOT = 1
    HI20 = 2


@dataclass(frozen=True)
class Relocation:
    """One relocation type. `overflow` are Linux's lines for a value that does not fit (see `Failure`)."""

    number: int
    name: str
    formula: Formula
    field: Field
    overflow: tuple[str, ...]
    effect: Effect = Effect.PUT
    target: Target = Target.SYMBOL
    hi20: bool = False  # other relocations pair with the offset this one finds
    refused: str = ""  # why Linux never accepts this type

    def __call__(self, S: Array, A: Array, P: Array) -> Values:
        return self.formula(S, A, P)


@dataclass(frozen=True)
class Failure:
    """The first relocation that failed: the texts are templates over these fields and `name`, the module."""

    lines: tuple[str, ...]
    errno: int
    type: int
    value: int
    target: int
    place: int

    def messages(self, name: str) -> list[str]:
        """What Linux logs about it for module `name`."""
        return [
            line.format(name=name, type=self.type, value=self.value, target=self.target, place=self.place)
            for line in self.lines
        ]


@dataclass
class RelocationTable(Mapping[int, Relocation]):
    """All types of an architecture by number, and what its Linux says of places it cannot relocate."""

    errno: int = errno.ENOEXEC
    unknown: str = "{name}: Unknown relocation type {type}"
    unpaired: str = "{name}: Can not find HI20 relocation information"
    occupied: str = ""  # for a place that must hold zeros and does not; "" where any content will do
    outside: str = "{name}: relocation type {type} reaches outside its section, PC = {place:016x}"

    def __post_init__(self) -> None:
        self._rows: dict[int, Relocation] = {}

    def __getitem__(self, number: int) -> Relocation:
        return self._rows[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Relocation) -> Relocation:
        """Register a type; refuses a second one of that number."""
        if row.number in self._rows:
            raise ValueError(f"two relocation types are numbered {row.number}")
        self._rows[row.number] = row
        return row

    @property
    def got_types(self) -> list[int]:
        """Numbers of the types that need a slot in the global offset table."""
        return [number for number, row in self._rows.items() if row.target is Target.GOT]


def signed(value: Array) -> NDArray[np.int64]:
    """The same bits as signed numbers."""
    return value.view(np.int64)


def outside(value: Array, low: int, high: int) -> Mask:
    """Which values, read as signed, are not in low ≤ value < high."""
    number = signed(value)
    answer: Mask = (number < low) | (number >= high)
    return answer


def bits(value: Array, high: int, low: int, to: int) -> Array:
    """Bits `high`..`low` of the values, moved to bit `to`: how instruction formats scatter immediates."""
    width = np.uint64((1 << (high - low + 1)) - 1)
    moved: Array = (value >> np.uint64(low) & width) << np.uint64(to)
    return moved


def _window(image: Image, width: int) -> NDArray[Any]:
    """The image as overlapping little-endian words, so that word i begins at byte i."""
    count = max(len(image) - width + 1, 0)
    window: NDArray[Any] = np.ndarray((count,), f"<u{width}", image.data, 0, (1,))
    return window
