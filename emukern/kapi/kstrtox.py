"""include/linux/kstrtox.h and the number parsers of lib/cmdline.c."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kapi.export import export
from emukern.kernel import kstrtox
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

# Name → the C type it stores, its width and whether it has a sign.
TYPES = {
    "kstrtoull": ("unsigned long long", 64, False),
    "kstrtoll": ("long long", 64, True),
    "_kstrtoul": ("unsigned long", 64, False),
    "_kstrtol": ("long", 64, True),
    "kstrtouint": ("unsigned int", 32, False),
    "kstrtoint": ("int", 32, True),
    "kstrtou16": ("u16", 16, False),
    "kstrtos16": ("s16", 16, True),
    "kstrtou8": ("u8", 8, False),
    "kstrtos8": ("s8", 8, True),
}
FROM_USER = {"_kstrtoul": "kstrtoul_from_user", "_kstrtol": "kstrtol_from_user"}


def _offer(name: str, ctype: str, bits: int, signed: bool) -> None:
    """Export `kstrto<type>` and `kstrto<type>_from_user`."""

    @export(f"int {name}(const char *s, unsigned int base, {ctype} *res)")
    def kstrto(k: Kernel, s: Ptr, base: int, res: Ptr) -> int:
        res[0] = kstrtox.kstrto(k.mem.cstr(s), bits, signed=signed, base=base)
        return 0

    user_name = FROM_USER.get(name, f"{name}_from_user")

    @export(f"int {user_name}(const char __user *s, size_t count, unsigned int base, {ctype} *res)")
    def kstrto_from_user(k: Kernel, s: Ptr, count: int, base: int, res: Ptr) -> int:
        text = _user_text(k, s, min(count, bits + 2))  # Linux's buffer: sign, base 2 digits, newline, NUL
        res[0] = kstrtox.kstrto(text, bits, signed=signed, base=base)
        return 0


for _name, (_ctype, _bits, _signed) in TYPES.items():
    _offer(_name, _ctype, _bits, _signed)


def _user_text(k: Kernel, s: Ptr, count: int) -> bytes:
    return k.user.copy_from(s.addr_, count).partition(b"\0")[0]


@export("int kstrtobool(const char *s, bool *res)")
def kstrtobool(k: Kernel, s: Ptr, res: Ptr) -> int:
    if not s:
        raise Errno(errno.EINVAL)
    res[0] = kstrtox.kstrtobool(k.mem.cstr(s))
    return 0


@export("int kstrtobool_from_user(const char __user *s, size_t count, bool *res)")
def kstrtobool_from_user(k: Kernel, s: Ptr, count: int, res: Ptr) -> int:
    res[0] = kstrtox.kstrtobool(_user_text(k, s, min(count, 3)))
    return 0


def _simple(k: Kernel, cp: Ptr, endp: Ptr, base: int, signed: bool) -> int:
    value, length = kstrtox.simple_number(k.mem.cstr(cp), base, signed=signed)
    if endp:
        endp[0] = cp + length
    return value


@export("unsigned long long simple_strtoull(const char *cp, char **endp, unsigned int base)")
def simple_strtoull(k: Kernel, cp: Ptr, endp: Ptr, base: int) -> int:
    return _simple(k, cp, endp, base, False)


@export("unsigned long simple_strtoul(const char *cp, char **endp, unsigned int base)")
def simple_strtoul(k: Kernel, cp: Ptr, endp: Ptr, base: int) -> int:
    return _simple(k, cp, endp, base, False)


@export("long simple_strtol(const char *cp, char **endp, unsigned int base)")
def simple_strtol(k: Kernel, cp: Ptr, endp: Ptr, base: int) -> int:
    return _simple(k, cp, endp, base, True)


@export("long long simple_strtoll(const char *cp, char **endp, unsigned int base)")
def simple_strtoll(k: Kernel, cp: Ptr, endp: Ptr, base: int) -> int:
    return _simple(k, cp, endp, base, True)


@export("unsigned long long memparse(const char *ptr, char **retptr)")
def memparse(k: Kernel, ptr: Ptr, retptr: Ptr) -> int:
    value, length = kstrtox.memparse(k.mem.cstr(ptr))
    if retptr:
        retptr[0] = ptr + length
    return value


@export("int get_option(char **str, int *pint)")
def get_option(k: Kernel, str: Ptr, pint: Ptr) -> int:
    if not str[0]:
        return 0
    kind, value, length = kstrtox.get_option(k.mem.cstr(str[0]))
    if pint:
        pint[0] = value
    str[0] = str[0] + length
    return kind


@export("char *get_options(const char *str, int nints, int *ints)")
def get_options(k: Kernel, str: Ptr, nints: int, ints: Ptr) -> Ptr:
    """`3,5-7` → ints = {4, 3, 5, 6, 7}; with nints 0 only the count, into ints[0]."""
    text, at, found, last = k.mem.cstr(str), 0, 0, 0
    while nints == 0 or found + 1 < nints:
        kind, value, length = kstrtox.get_option(text[at:])
        if kind == 0:
            break
        at, last = at + length, value
        if nints:
            ints[found + 1] = value
        if kind == 3:  # the upper end is read again, as the next number
            at += 1
            upper, _ = kstrtox.simple_number(text[at:], 0, signed=True)
            span = ((upper & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000) - last
            if span < 0:
                break
            for i in range(min(span, nints - 1 - found) if nints else 0):
                ints[found + 1 + i] = last + i
            found += span - 1
        found += 1
        if kind == 1:
            break
    ints[0] = found
    return str + at
