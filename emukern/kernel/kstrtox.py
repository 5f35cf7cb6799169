"""Numbers in text, as lib/kstrtox.c and lib/cmdline.c read them. Pure functions over bytes without a NUL.

Only what the kernel accepts counts as a digit or a sign: no underscores, no blanks, no digits of other scripts.
"""

from __future__ import annotations

import errno

from emukern.errors import Errno

_VALUES = {c: int(chr(c), 16) for c in b"0123456789abcdefABCDEF"}
_SUFFIXES = {suffix: 10 * (i + 1) for i, suffix in enumerate("KMGTPE")}
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_TRUE, _FALSE = b"yYtT1", b"nNfF0"


def radix(text: bytes, base: int) -> tuple[int, int]:
    """The base that `text` is written in and the length of its prefix; base 0 means that the prefix decides."""
    hexadecimal = text[:1] == b"0" and text[1:2] in (b"x", b"X")
    if base == 0:
        base = 10 if text[:1] != b"0" else 16 if hexadecimal and text[2:3] and text[2] in _VALUES else 8
    return base, 2 if base == 16 and hexadecimal else 0


def leading_number(text: bytes, base: int, limit: int | None = None) -> tuple[int, int]:
    """The unsigned number at the start of `text`, not cut to any width, and how many bytes it takes (0: none)."""
    base, start = radix(text, base)
    if limit is not None and start >= limit:
        return 0, limit  # too short for prefix and digit: stepped over
    end = start
    stop = len(text) if limit is None else min(limit, len(text))
    value = 0
    while end < stop and (digit := _VALUES.get(text[end], 99)) < base:
        value = value * base + digit
        end += 1
    return value, end


def kstrto(text: bytes, bits: int, *, signed: bool, base: int = 0) -> int:
    """All of `text`, but for one newline, as a number of that type. Raises `Errno` EINVAL or ERANGE."""
    negative = signed and text[:1] == b"-"
    if negative or text[:1] == b"+":
        text = text[1:]
    value, length = leading_number(text, base)
    if value > _MASK:  # before what follows is looked at
        raise Errno(errno.ERANGE)
    digits = length - radix(text, base)[1]
    if digits == 0 or text[length:] not in (b"", b"\n"):
        raise Errno(errno.EINVAL)
    value = -value if negative else value
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise Errno(errno.ERANGE)
    return value


def kstrtobool(text: bytes) -> bool:
    """The truth in `text`: y t 1 on, n f 0 off; only the first letters count. Raises `Errno` EINVAL."""
    if text and (text[0] in _TRUE or text[0] in _FALSE):
        return text[0] in _TRUE
    answer = {b"on": True, b"of": False}.get(text[:2].lower())
    if answer is None:
        raise Errno(errno.EINVAL)
    return answer


def simple_number(text: bytes, base: int, *, signed: bool, limit: int | None = None) -> tuple[int, int]:
    """simple_strtoull and simple_strtoll: a number wrapped to 64 bits, and the bytes it takes; never fails."""
    if signed and text[:1] == b"-" and limit != 1:
        value, length = leading_number(text[1:], base, None if limit is None else limit - 1)
        return -value & _MASK, length + 1
    value, length = leading_number(text, base, limit)
    return value & _MASK, length


def memparse(text: bytes) -> tuple[int, int]:
    """A number with an optional suffix K M G T P E, and the bytes it takes."""
    value, length = simple_number(text, 0, signed=False)
    shift = _SUFFIXES.get(chr(text[length]).upper(), 0) if length < len(text) else 0
    return value << shift & _MASK, length + (shift > 0)


def get_option(text: bytes) -> tuple[int, int, int]:
    """kind, number and bytes taken: 0 no number, 1 the last, 2 one with a comma behind it, 3 one before a dash."""
    if not text:
        return 0, 0, 0
    negative = text[:1] == b"-"
    value, length = simple_number(text[negative:], 0, signed=False)
    length += negative
    value = -value if negative else value
    if length == 0:
        return 0, value, 0
    following = text[length : length + 1]
    if following == b",":
        return 2, value, length + 1
    return (3 if following == b"-" else 1), value, length
