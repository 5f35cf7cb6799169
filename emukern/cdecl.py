"""C declarations as text → type objects: `Scope.add` reads a header, `Scope.prototype` one function.

What may be written is in `cparse`. The header shared by guest and package is `abi()`, read when first needed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from emukern.cexpr import Number, constant, preprocess
from emukern.cparse import Parser, typed
from emukern.ctype import CType, DeclarationError, Function, Int, Record, VaList
from emukern.errors import BuildError

# The typedefs of include/linux/types.h and its neighbours whose definition every 64-bit architecture shares.
_STANDARD = """
typedef _Bool bool;
typedef unsigned char u8, __u8, uint8_t, u_char, unchar, blk_status_t;
typedef signed char s8, __s8, int8_t;
typedef unsigned short u16, __u16, uint16_t, __le16, __be16, __sum16, umode_t, u_short, ushort, sa_family_t;
typedef short s16, __s16, int16_t;
typedef unsigned int u32, __u32, uint32_t, __le32, __be32, __wsum, dev_t, gfp_t, fmode_t, slab_flags_t;
typedef unsigned int uid_t, gid_t, mode_t, u_int, uint, __poll_t, projid_t, acpi_status, netdev_features_lo_t;
typedef int s32, __s32, int32_t, pid_t, key_t, timer_t, clockid_t, wchar_t;
typedef unsigned long long u64, __u64, uint64_t, __le64, __be64;
typedef unsigned long long phys_addr_t, dma_addr_t, resource_size_t, sector_t, blkcnt_t, netdev_features_t;
typedef long long s64, __s64, int64_t, loff_t, __kernel_loff_t, ktime_t, time64_t;
typedef unsigned long size_t, __kernel_size_t, uintptr_t, pgoff_t, ulong, u_long, ino_t, irq_hw_number_t;
typedef long ssize_t, __kernel_ssize_t, intptr_t, ptrdiff_t, off_t, clock_t, __kernel_long_t;
"""


class Scope:
    """What C names mean: typedefs, tagged types, constants and prototypes. Grows by `add`."""

    def __init__(self, *texts: str) -> None:
        self.typedefs: dict[str, CType] = {"va_list": VaList(), "__builtin_va_list": VaList()}
        self.records: dict[tuple[str, str], Record] = {}
        self.enums: dict[str, Int] = {}
        self.macros: dict[str, str] = {"__LP64__": "1", "__SIZEOF_POINTER__": "8"}
        self.enumerators: dict[str, int] = {}
        self.functions: dict[str, Function] = {}
        self._types: dict[str, CType] = {}
        for text in (_STANDARD, *texts):
            self.add(text)

    def add(self, text: str) -> None:
        """Read the declarations of a header."""
        parser = Parser(self, preprocess(text, self.macros))
        while parser.peek():
            parser.external()

    def type(self, text: str) -> CType:
        """The type written `text`, such as `struct completion *`."""
        found = self._types.get(text)
        if found is None:
            parser = Parser(self, text)
            found = parser.type_name()
            parser.end()
            self._types[text] = found
        return found

    def prototype(self, text: str) -> Function:
        """The function declared by `text`; a trailing semicolon is optional."""
        parser = Parser(self, text)
        name, function = parser.declare()
        parser.accept(";")
        parser.end()
        if not isinstance(function, Function):
            raise DeclarationError(f"`{text}` does not declare a function")
        return Function(function.result, function.params, function.variadic, name)

    def record(self, name: str) -> Record:
        """The record called `struct x`, `union x` or by a typedef; it may be incomplete."""
        found = self.type(name)
        if not isinstance(found, Record):
            raise DeclarationError(f"{name} is not a struct or union")
        return found

    def constant(self, name: str) -> int:
        """The value of the `#define` or enumerator `name`."""
        return self.number(name).value

    def number(self, name: str) -> Number:
        if name in self.enumerators:
            return Number(self.enumerators[name])
        if name not in self.macros:
            raise DeclarationError(f"unknown constant {name}")
        return constant(name, self.macros | {key: str(n) for key, n in self.enumerators.items()}, typed(self))


@cache
def abi() -> Scope:
    """The types and constants that the guest's C and this package share; read at the first use."""
    package = Path(__file__).parent
    source = package.parent / "guest" / "include" / "emukern" / "abi.h"
    for path in (
        package / "built" / "abi.h",
        source,
    ):  # an editable checkout may be used before its first build
        if path.is_file():
            return Scope(path.read_text())
    raise BuildError("emukern/built/abi.h is missing: install the package so that its build runs")
