"""The tables that scripts/kallsyms.c puts into every kernel: finding them in an image and unpacking them in bulk.

No symbol says where they are, so what they look like has to: 256 tokens as strings, among them the digits at their
own places, then 256 offsets into them; before that a long run of growing markers (one per 256 names), before that
the names and their number. Two things have changed over time and are tried out rather than told from a version:

    where    before 6.4  offsets, base, number, names, markers, (order by name), tokens, token index
             since       number, names, markers, tokens, token index, offsets, base, (order by name)
    what     offset from a base; the same, but per-CPU symbols absolute (x86_64 until 6.14); offset from the
             entry's own place (7.x); or, long ago, whole addresses

A reading of the offsets is right if it gives addresses in ascending order, of which `linux_banner` is the banner's.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emukern.linux.image import KernelImage

_DIGITS = re.compile(b"".join(b"%d\\x00" % digit for digit in range(10)))
_BLOCK = 256  # names per marker
_LONGEST_TOKEN = 128
_LONGEST_NAME = 1 << 9  # bytes of one record: KSYM_NAME_LEN is 512
_REGION = 8 << 20  # markers lie at most this far before the tokens: between them is only an order by name
_SEPARATOR, _NOTHING = 256, 257  # tokens of our own: what ends a name, and what a length's second byte stands for


class Names(NamedTuple):
    """All names: each is a kind letter and a text in `strings`, NUL-terminated; `starts` are those of the texts."""

    strings: bytes
    starts: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    kinds: bytes


@dataclass(frozen=True)
class Tables:
    """Offsets of the tables in an image's bytes. `markers` are those of the whole blocks and the last one."""

    count: int
    count_at: int
    names_at: int
    markers_at: int
    markers: NDArray[np.int64]
    tokens: tuple[bytes, ...]
    end: int  # of the token index


def find(data: bytes) -> Tables | None:
    """The tables in `data`; None if it has none."""
    for hit in _DIGITS.finditer(data):
        tokens = _tokens_around(data, hit.start())
        if tokens:
            at, texts, end = tokens
            for markers_at, markers in _marker_runs(data, at):
                found = _names_before(data, markers_at, markers)
                if found:
                    count, count_at, names_at = found
                    kept = markers[: -(-count // _BLOCK)]
                    return Tables(count, count_at, names_at, markers_at, kept, texts, end)
    return None


def _tokens_around(data: bytes, zero: int) -> tuple[int, tuple[bytes, ...], int] | None:
    """(where the tokens begin, the tokens, where their index ends), given where token "0" is; None if they do not fit.

    The first token may follow anything, so only the index tells its length.
    """
    second = zero
    for _ in range(ord("0") - 1):
        before = data.rfind(b"\0", max(second - _LONGEST_TOKEN, 0), second - 1)
        if before < 0:
            return None
        second = before + 1
    texts = data[second : second + 255 * _LONGEST_TOKEN].split(b"\0", 255)[:255]
    ends = np.cumsum([len(text) + 1 for text in texts])
    for alignment in (2, 4, 8):
        index_at = -(-(second + int(ends[-1])) // alignment) * alignment
        index = np.frombuffer(data[index_at : index_at + 512], "<u2").astype(np.int64)
        if len(index) == 256 and index[0] == 0 and (index[2:] - index[1] == ends[:-1]).all():
            start = second - int(index[1])
            return start, (data[start : second - 1], *texts), index_at + 512
    return None


def _marker_runs(data: bytes, end: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(offset, values) of the longest runs of words before `end` that grow as markers do."""
    begin = max(end - _REGION, 0) & ~3
    words = np.frombuffer(data, "<u4", (end - begin) // 4, begin).astype(np.int64)
    steps = np.diff(words)
    growing = (steps >= 2 * _BLOCK) & (steps <= _LONGEST_NAME * _BLOCK)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], growing.view(np.int8), [0]))))
    runs = edges.reshape(-1, 2)
    runs = runs[words[runs[:, 0]] == 0]  # the first name is at 0
    for first, last in runs[np.argsort(runs[:, 0] - runs[:, 1], kind="stable")][:4].tolist():
        yield begin + 4 * first, words[first : last + 1]


def _names_before(data: bytes, markers_at: int, markers: NDArray[np.int64]) -> tuple[int, int, int] | None:
    """(number of names, its offset, offset of the names) that `markers` belong to.

    The last block ends where the markers begin; so its start is known to within what one block can take.
    """
    begin = max(markers_at - int(markers[-1]) - _BLOCK * _LONGEST_NAME, 0) & ~3
    end = markers_at - int(markers[-1])
    words = np.frombuffer(data, "<u4", max(end - begin, 0) // 4, begin)
    blocks = -(-words.astype(np.int64) // _BLOCK)
    for row in np.flatnonzero((blocks >= len(markers) - 1) & (blocks <= len(markers)) & (blocks > 0)).tolist():
        for gap in (8, 4):  # the names are aligned as pointers or (7.x) as words
            at, names_at, count = begin + 4 * row, begin + 4 * row + gap, int(words[row])
            whole = len(markers) == 1 or _after(data, names_at, _BLOCK) == names_at + int(markers[1])
            if whole and _is_last_block(data, names_at, markers_at, markers, count):
                return count, at, names_at
    return None


def _is_last_block(data: bytes, names_at: int, end: int, markers: NDArray[np.int64], count: int) -> bool:
    block = (count - 1) // _BLOCK
    after = _after(data, names_at + int(markers[block]), count - block * _BLOCK)
    return end - 8 < after <= end


def _after(data: bytes, at: int, count: int) -> int:
    """Where `count` names that begin at `at` end."""
    for _ in range(count):
        if at + 2 > len(data):
            return -1
        length = data[at]
        at += 1
        if length & 0x80:  # ULEB128 of two bytes, since 6.1
            length = length & 0x7F | data[at] << 7
            at += 1
        at += length
    return at


def unpack(data: bytes, tables: Tables) -> Names | None:
    """All names; None if the markers belie them."""
    packed = np.frombuffer(data, np.uint8, tables.markers_at - tables.names_at, tables.names_at)
    records = _records(data, packed, tables)
    if records is None:
        return None
    starts, end = records
    tokens = packed[:end].astype(np.uint16)
    tokens[starts[packed[starts] >= 0x80] + 1] = _NOTHING
    tokens[starts] = _SEPARATOR
    texts = (*tables.tokens, b"\0", b"")
    sizes = np.array([len(text) for text in texts], np.int32)
    places = np.cumsum(sizes, dtype=np.int32) - sizes
    length = sizes[tokens]
    ends = np.cumsum(length, dtype=np.int32)
    index = np.repeat(places[tokens] - (ends - length), length)  # for each byte: token's text minus place in the result
    index += np.arange(len(index), dtype=np.int32)
    strings = np.frombuffer(b"".join(texts), np.uint8)[index]
    separators = (ends - length)[starts]
    following = np.append(separators[1:], len(strings))
    if (following - separators < 3).any():
        return None
    kinds = strings[separators + 1].tobytes()
    begin = (separators + 2).astype(np.uint32)  # behind the separator and the kind letter
    return Names(strings.tobytes() + b"\0", begin, (following - separators - 2).astype(np.uint32), kinds)


def _records(data: bytes, packed: NDArray[np.uint8], tables: Tables) -> tuple[NDArray[np.int64], int] | None:
    """(where each record begins, where the last one ends); all blocks are walked at the same time."""
    at = tables.markers.copy()
    top = len(packed) - 2
    begins = np.empty((_BLOCK + 1, len(at)), np.int64)
    for row in range(_BLOCK + 1):
        begins[row] = at
        length = packed[at].astype(np.int64)
        long = length >= 0x80
        if long.any():
            length = np.where(long, (length & 0x7F | packed[at + 1].astype(np.int64) << 7) + 1, length)
        at = np.minimum(at + 1 + length, top)
    if (begins[_BLOCK][:-1] != tables.markers[1:]).any():
        return None
    flat = begins[:_BLOCK].T.ravel()[: tables.count]
    return flat, _after(data, tables.names_at + int(flat[-1]), 1) - tables.names_at


def addresses(image: KernelImage, tables: Tables) -> Iterator[NDArray[np.uint64]]:
    """The readings of the addresses that are possible, likely ones first."""
    n = tables.count
    before = tables.count_at - 8
    after = sorted({-(-tables.end // alignment) * alignment for alignment in (4, 8)})
    places = [(at, -(-(at + 4 * n) // 8) * 8) for at in after] + [(before - -(-4 * n // 8) * 8, before)]
    for at, base_at in places:
        yield from _relative(image, n, at, base_at)
    whole = tables.count_at - 8 * n
    if whole >= 0:
        yield np.frombuffer(image.data, "<u8", n, whole)


def _relative(image: KernelImage, n: int, at: int, base_at: int) -> Iterator[NDArray[np.uint64]]:
    if at < 0 or max(at + 4 * n, base_at + 8) > len(image.data):
        return
    offsets = np.frombuffer(image.data, "<i4", n, at)
    signed = offsets.astype(np.int64)
    (base,) = struct.unpack_from("<Q", image.data, base_at)
    # A kernel that relocates itself finds its base in a relocation, not in the table.
    first = base or min(s.vaddr for s in image.segments)
    yield np.uint64(first) + offsets.view("<u4").astype(np.uint64)
    last = np.uint64((first - 1) % (1 << 64))
    yield np.where(signed >= 0, signed.view(np.uint64), last - signed.view(np.uint64))
    place = image.vaddr_of(at)
    if place is not None:
        yield np.uint64(place) + np.arange(0, 4 * n, 4, dtype=np.uint64) + signed.view(np.uint64)
