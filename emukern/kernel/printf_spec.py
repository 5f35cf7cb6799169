"""Conversions of printf formats as Linux reads and pads them (lib/vsprintf.c: format_decode, number, string).

Where Linux differs from ISO C, Linux wins: "%.0d" of 0 is "0", "%#x" of 0 is "0x0", "%.s" has no precision,
and a zero flag counts even with a precision. `j` and `q` are taken too, which Linux does not know.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

STAR = -2  # width or precision: the next int argument
UNSET = -1
WIDTH_MAX = (1 << 23) - 1
PRECISION_MAX = (1 << 15) - 1
_SIZES = {"hh": 1, "h": 2, "": 4, "l": 8, "ll": 8, "L": 8, "q": 8, "j": 8, "z": 8, "Z": 8, "t": 8}


class Spec(NamedTuple):
    """One conversion. `size` is the integer's in bytes, `conversion` "" for one that is not valid."""

    conversion: str
    left: bool = False
    plus: bool = False
    space: bool = False
    alternate: bool = False
    zero: bool = False
    width: int = UNSET
    precision: int = UNSET
    size: int = 4
    extension: str = ""  # the letters and digits after %p


@lru_cache(maxsize=1024)
def parse(fmt: bytes) -> tuple[bytes | Spec, ...]:
    """A format as its literal parts and its conversions; nothing follows one that is not valid."""
    parts: list[bytes | Spec] = []
    at = 0
    while at < len(fmt):
        percent = fmt.find(b"%", at)
        if percent < 0:
            parts.append(fmt[at:])
            break
        if percent > at:
            parts.append(fmt[at:percent])
        spec, at = _conversion(fmt.decode("latin-1"), percent + 1)
        parts.append(b"%" if spec.conversion == "%" else spec)
        if not spec.conversion:
            break
    return tuple(parts)


def _conversion(fmt: str, at: int) -> tuple[Spec, int]:
    flags = set()
    while fmt[at : at + 1] and fmt[at] in "-+ #0":
        flags.add(fmt[at])
        at += 1
    width, at = _count(fmt, at)
    precision = UNSET
    if fmt[at : at + 1] == ".":
        precision, at = _count(fmt, at + 1)
    start = at
    if fmt[at : at + 1] and fmt[at] in "hlLzZtjq":
        at += 2 if fmt[at] in "hl" and fmt[at + 1 : at + 2] == fmt[at] else 1
    size = _SIZES[fmt[start:at]]
    letter = fmt[at : at + 1]
    at += 1
    extension = ""
    if letter == "p":
        start = at
        while fmt[at : at + 1].isascii() and fmt[at : at + 1].isalnum():
            at += 1
        extension = fmt[start:at]
    elif letter == "" or letter not in "diuxXocs%":
        extension, letter = letter, ""
    left = "-" in flags
    zero = "0" in flags and not left
    return Spec(letter, left, "+" in flags, " " in flags, "#" in flags, zero, width, precision, size, extension), at


def _count(fmt: str, at: int) -> tuple[int, int]:
    if fmt[at : at + 1] == "*":
        return STAR, at + 1
    start = at
    while "0" <= fmt[at : at + 1] <= "9":
        at += 1
    return (int(fmt[start:at]) if at > start else UNSET), at


def integer(spec: Spec, word: int) -> bytes:
    """The integer conversions `d i u x X o`, of the argument `word`."""
    bits = spec.size * 8
    value = word & (1 << bits) - 1
    if spec.conversion in "di":
        return number(spec, value - (1 << bits) if value >> (bits - 1) else value, 10, signed=True)
    base = {"u": 10, "x": 16, "X": 16, "o": 8}[spec.conversion]
    return number(spec, value, base, upper=spec.conversion == "X")


def number(spec: Spec, value: int, base: int, *, signed: bool = False, upper: bool = False) -> bytes:
    """`value` with sign, prefix, precision and padding."""
    sign = "-" if value < 0 else "+" if signed and spec.plus else " " if signed and spec.space else ""
    digits = format(abs(value), {10: "d", 16: "X" if upper else "x", 8: "o"}[base])
    prefix = ""
    if spec.alternate and base != 10:
        prefix = ("0X" if upper else "0x") if base == 16 else "0" * (value != 0)
    digits = digits.rjust(spec.precision, "0")
    room = spec.width - len(sign) - len(prefix)
    if spec.left:
        return (sign + prefix + digits).ljust(spec.width).encode()
    if spec.zero:
        return (sign + prefix + digits.rjust(room, "0")).encode()
    return (sign + prefix + digits).rjust(spec.width).encode()


def padded(spec: Spec, text: bytes) -> bytes:
    """`text` cut to the precision and filled to the width."""
    if spec.precision >= 0:
        text = text[: spec.precision]
    return text.ljust(spec.width) if spec.left else text.rjust(spec.width)


def character(spec: Spec, word: int) -> bytes:
    """`%c`: one byte; a precision does not matter."""
    return padded(spec._replace(precision=UNSET), bytes([word & 0xFF]))


def complaint(spec: Spec, message: bytes) -> bytes:
    """A short message in the place of something that cannot be printed."""
    return padded(spec._replace(precision=16) if spec.precision < 0 else spec, message)


def pointer_complaint(spec: Spec, address: int) -> bytes | None:
    """What Linux prints for a pointer that cannot be followed: NULL, the first page, an error number."""
    if address == 0:
        return complaint(spec, b"(null)")
    if address < 4096 or address > 0xFFFF_FFFF_FFFF_F000:
        return complaint(spec, b"(efault)")
    return None
