"""Relocation types of x86_64 in kernel modules (System V psABI, table 4.9; arch/x86/kernel/module.c).

Linux does not look for overflow in 64-bit and PC-relative types, and neither do we where it cannot happen: a
module and all it may call lie within 2 GiB. It insists that every place holds zeros before it is relocated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emukern.arch.relocation import (
    INT32,
    INT64,
    NOWHERE,
    Array,
    Field,
    Formula,
    Relocation,
    RelocationTable,
    Values,
    outside,
)

RELOCATIONS = RelocationTable(
    unknown="module: {name}: Unknown rela relocation: {type}",
    occupied=(
        "module: x86/modules: Skipping invalid relocation target, existing value is nonzero "
        "for type {type}, loc {place:016x}, val {value:x}"
    ),
    outside="module: {name}: relocation type {type} reaches outside its section, loc {place:016x}",
)
OVERFLOW = (
    "module: overflow in relocation type {type} val {value:x}",
    "module: `{name}' likely not compiled with -mcmodel=kernel",
)


def relocation(number: int, field: Field) -> Callable[[Formula], Relocation]:
    """Register a formula under its own name."""
    return lambda formula: RELOCATIONS.add(Relocation(number, formula.__name__, formula, field, OVERFLOW))


@relocation(0, NOWHERE)
def R_X86_64_NONE(S: Array, A: Array, P: Array) -> Values:
    return S, None


@relocation(1, INT64)
def R_X86_64_64(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(2, INT32)
def R_X86_64_PC32(S: Array, A: Array, P: Array) -> Values:
    return S + A - P, None


@relocation(4, INT32)
def R_X86_64_PLT32(S: Array, A: Array, P: Array) -> Values:
    return S + A - P, None


@relocation(10, INT32)
def R_X86_64_32(S: Array, A: Array, P: Array) -> Values:
    value = S + A
    return value, value > np.uint64(0xFFFF_FFFF)


@relocation(11, INT32)
def R_X86_64_32S(S: Array, A: Array, P: Array) -> Values:
    value = S + A
    return value, outside(value, -(1 << 31), 1 << 31)


@relocation(24, INT64)
def R_X86_64_PC64(S: Array, A: Array, P: Array) -> Values:
    return S + A - P, None
