"""Finding a name's rows in a large table of NUL-terminated names, without a dict of them.

Each name has a 64-bit key out of its length, first, middle and last 8 bytes, which numpy computes for a hundred
thousand names in a few milliseconds. The keys are kept sorted: a look-up is one bisection and one comparison, and
the index pickles as two arrays.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = 8
_ALL = (1 << 64) - 1
# Odd numbers with well mixed bits (the first digits of the golden ratio and of other constants).
_FIRST, _MIDDLE, _LAST = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9


class NameIndex:
    """Keys in ascending order, and the row that each belongs to; rows of one name are in the table's order."""

    def __init__(self, keys: array[int], rows: array[int]) -> None:
        self.keys = keys
        self.rows = rows

    @classmethod
    def of(cls, strings: bytes, starts: NDArray[np.uint32], lengths: NDArray[np.uint32]) -> NameIndex:
        """The index of the names that begin at `starts` of `strings` and are `lengths` long."""
        import numpy as np

        keys = _keys(strings, starts.astype(np.int64), lengths.astype(np.int64))
        order = np.argsort(keys, kind="stable")
        return cls(array("Q", keys[order].tobytes()), array("I", order.astype(np.uint32).tobytes()))

    def find(self, name: bytes, strings: bytes, starts: array[int]) -> list[int]:
        """The rows of `name`, ascending."""
        wanted, text = key(name), name + b"\0"
        at, found = bisect_left(self.keys, wanted), []
        while at < len(self.keys) and self.keys[at] == wanted:
            row = self.rows[at]
            if strings.startswith(text, starts[row]):
                found.append(row)
            at += 1
        return found


def key(name: bytes) -> int:
    """The key of one name."""
    half = len(name) // 2
    words = (name[:_WORD], name[half : half + _WORD], name[-_WORD:])
    first, middle, last = (int.from_bytes(word, "little") for word in words)
    return (first * _FIRST + middle * _MIDDLE + last * _LAST + len(name)) & _ALL


def _keys(strings: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    import numpy as np

    padded = bytes(_WORD) + strings + bytes(_WORD)
    words = np.ndarray(len(padded) - _WORD + 1, "<u8", padded, strides=(1,))  # the word at each byte
    kept = np.array([(1 << 8 * n) - 1 for n in range(_WORD)] + [_ALL], np.uint64)  # bits of a name's n bytes
    half = lengths // 2
    short = np.minimum(lengths, _WORD)
    first = words[starts + _WORD] & kept[short]
    middle = words[starts + half + _WORD] & kept[np.minimum(lengths - half, _WORD)]
    last = words[starts + lengths] >> ((_WORD - short) * 8 % 64).astype(np.uint64)
    last[lengths == 0] = 0
    keys: NDArray[np.uint64] = first * np.uint64(_FIRST) + middle * np.uint64(_MIDDLE) + last * np.uint64(_LAST)
    return keys + lengths.astype(np.uint64)
