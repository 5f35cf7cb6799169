"""sscanf of the kernel (lib/vsprintf.c: vsscanf), with its own ways: `%[` needs a width and knows no ranges.

What is found is written to guest memory through the pointers in the arguments.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emukern.kernel.kstrtox import simple_number

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.varargs import VarArgs

SPACE = b" \t\n\v\f\r\xa0"
# What may stand between % and the conversion: `*` and what follows, or width and length.
_SKIPPED = re.compile(rb"\*[^ \t\n\v\f\r\xa0%]*")
_CONVERSION = re.compile(rb"(\d*)(hh|h|ll|l|L|z)?(\[\^?[^\]]*\]?|.?)", re.S)
_SIZES = {b"hh": 1, b"h": 2, b"l": 8, b"ll": 8, b"L": 8, b"z": 8}
_DIGITS = {8: b"01234567", 10: b"0123456789", 16: b"0123456789abcdefABCDEF", 0: b"0123456789"}
_BASES = {b"o": 8, b"x": 16, b"X": 16, b"i": 0, b"d": 10, b"u": 10}


def vsscanf(k: Kernel, text: bytes, fmt: bytes, args: VarArgs) -> int:
    """Match `text` against `fmt`; the number of conversions stored."""
    at = found = i = 0
    while i < len(fmt):
        if fmt[i] in SPACE:
            i = _skip_spaces(fmt, i)
            at = _skip_spaces(text, at)
        elif fmt[i] != 0x25:
            if text[at : at + 1] != fmt[i : i + 1]:
                return found
            i, at = i + 1, at + 1
        elif skipped := _SKIPPED.match(fmt, i + 1):
            if at >= len(text) or b"[" in skipped[0]:
                return found
            i, at = skipped.end(), _until_space(text, at)
        else:
            conversion = _CONVERSION.match(fmt, i + 1)
            assert conversion is not None  # every part of it is optional
            i = conversion.end()
            if conversion[3] == b"n":
                k.mem.put_u32(args.ptr(), at)
                continue
            end = _convert(k, text, at, conversion, args)
            if end is None:
                return found
            found += conversion[3] != b"%"
            at = end
    return found


def _skip_spaces(text: bytes, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def _until_space(text: bytes, at: int, limit: int | None = None) -> int:
    stop = len(text) if limit is None else min(len(text), at + limit)
    while at < stop and text[at] not in SPACE:
        at += 1
    return at


def _convert(k: Kernel, text: bytes, at: int, conversion: re.Match[bytes], args: VarArgs) -> int | None:
    """Store what one conversion finds at `at`; where it ends, or None if it does not match."""
    digits, length, letter = conversion.groups()
    width = int(digits) if digits else None
    if at >= len(text) or width == 0:
        return None
    match letter[:1]:
        case b"c":
            end = min(at + (width or 1), len(text))
            k.mem.write(args.ptr(), text[at:end])
            return end
        case b"s":
            at = _skip_spaces(text, at)
            end = _until_space(text, at, width)
            k.mem.write(args.ptr(), text[at:end] + b"\0")
            return end
        case b"[":
            return _convert_set(k, text, at, letter, width, args)
        case b"%":
            return at + 1 if text[at] == 0x25 else None
    if letter not in _BASES:
        return None
    return _convert_number(k, text, at, letter, width, _SIZES.get(length or b"", 4), args)


def _convert_set(k: Kernel, text: bytes, at: int, letter: bytes, width: int | None, args: VarArgs) -> int | None:
    target, negated = args.ptr(), letter[1:2] == b"^"
    members = letter[1 + negated : -1]
    if width is None or not letter.endswith(b"]") or not members:
        return None
    end = at
    while end < min(len(text), at + width) and (text[end] in members) != negated:
        end += 1
    if end == at:
        return None
    k.mem.write(target, text[at:end] + b"\0")
    return end


def _convert_number(
    k: Kernel, text: bytes, at: int, letter: bytes, width: int | None, size: int, args: VarArgs
) -> int | None:
    at, base, signed = _skip_spaces(text, at), _BASES[letter], letter in b"id"
    first = at
    if signed and text[at : at + 1] == b"-":
        if width == 1:
            return None
        first += 1
    if first >= len(text) or text[first] not in _DIGITS[base]:
        return None
    value, taken = simple_number(text[at:], base, signed=signed, limit=width)
    k.mem.write(args.ptr(), (value & (1 << size * 8) - 1).to_bytes(size, "little"))
    return min(at + taken, len(text))
