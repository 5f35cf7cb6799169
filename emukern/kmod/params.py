"""Module parameters: the words of an argument string, and the struct kernel_param entries that take them.

The rules are Linux's (kernel/params.c and lib/cmdline.c, 6.1). What a value means is the business of the
parameter's own `set` function, which is guest code or an export in kapi/moduleparam.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from emukern.kmod.module import Parameter

# struct kernel_param: name, mod, ops, perm, level, flags, arg (include/linux/moduleparam.h), 64 bits.
KERNEL_PARAM = struct.Struct("<QQQHbBxxxxQ")
NOARG = 1  # KERNEL_PARAM_OPS_FL_NOARG, in the first word of struct kernel_param_ops
UNSAFE = 1  # KERNEL_PARAM_FL_UNSAFE
SPACES = b" \t\n\v\f\r\xa0"  # what the kernel's isspace() takes


class Memory(Protocol):
    """The part of guest memory access that parameters need."""

    def read(self, addr: int, n: int, /) -> bytes: ...
    def cstr(self, addr: int, limit: int = ..., /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Word:
    """One `name=value` of an argument string; `value` is its offset in the split string, None without "="."""

    name: str
    value: int | None


def split(args: bytes) -> tuple[list[Word], bytes, str | None]:
    """(the words, the string with NULs where words end, what stood after `--`): next_arg, repeated."""
    text = bytearray(args + b"\0")
    words: list[Word] = []
    at = _skip_spaces(text, 0)
    while text[at]:
        start, equals, end, quoted = _word(text, at)
        after = end + 1 if text[end] else end
        text[end] = 0
        if quoted and end > start and text[end - 1] == ord('"'):
            text[end - 1] = 0
        value = None
        if equals:
            text[equals] = 0
            value = equals + 1
            if text[value] == ord('"'):
                value += 1
                if text[end - 1] == ord('"'):
                    text[end - 1] = 0
        at = _skip_spaces(text, after)
        name = _text(text, start)
        if value is None and name == "--":
            return words, bytes(text), _text(text, at)
        words.append(Word(name, value))
    return words, bytes(text), None


def _word(text: bytearray, start: int) -> tuple[int, int, int, bool]:
    """(start, offset of the first "=" or 0, end, whether the whole word is quoted)."""
    quoted = text[start] == ord('"')
    inside, equals = quoted, 0
    start += quoted
    end = start
    while text[end]:
        if text[end] in SPACES and not inside:
            break
        if not equals and end > start and text[end] == ord("="):
            equals = end
        if text[end] == ord('"'):
            inside = not inside
        end += 1
    return start, equals, end, quoted


def _skip_spaces(text: bytearray, at: int) -> int:
    while text[at] and text[at] in SPACES:
        at += 1
    return at


def _text(text: bytearray, at: int) -> str:
    return text[at : text.index(0, at)].decode("utf-8", "surrogateescape")


def same_name(left: str, right: str) -> bool:
    """Whether two parameter names are equal, where "-" is "_"."""
    return left.replace("-", "_") == right.replace("-", "_")


def entries(mem: Memory, address: int, size: int) -> Iterator[Parameter]:
    """The parameters of a relocated __param section in guest memory."""
    raw = mem.read(address, size) if size else b""
    for at in range(0, size // KERNEL_PARAM.size * KERNEL_PARAM.size, KERNEL_PARAM.size):
        name, _module, ops, perm, level, flags, arg = KERNEL_PARAM.unpack_from(raw, at)
        yield Parameter(mem.cstr(name).decode("latin-1"), address + at, ops, perm, level, flags, arg)
