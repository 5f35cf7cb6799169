"""Relocation types of riscv64 that kernel modules may hold (RISC-V ELF psABI; arch/riscv/kernel/module.c, 6.1
and 6.12).

What is odd about this psABI: a 32-bit offset is split over two instructions, and the relocation of the second
one (LO12) names the *first instruction's address* as its symbol, so its value is what the HI20 there found.
Differences of labels are not constants, for the linker may shrink code: they arrive as ADD/SUB or SET/SUB
pairs on one place.

Linux prints overflow of the 6, 8, 16 and 32-bit sums but forgets the error and loads the module with a cut
value. We refuse it with the errno that Linux's own check returns. Linux does not check branches; we do, in
the words of its calls.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import numpy as np

from emukern.arch.relocation import (
    INT8,
    INT16,
    INT32,
    INT64,
    NOWHERE,
    Array,
    Effect,
    Field,
    Formula,
    Relocation,
    RelocationTable,
    Target,
    Uleb128,
    Values,
    bits,
    instruction,
    outside,
)

RELOCATIONS = RelocationTable(errno=errno.EINVAL)
_FAR = "{{name}}: target {{target:016x}} can not be addressed by the {0}-bit offset from PC = {{place:016x}}"
_WIDE = "{{name}}: value {{value}} out of range for {0}-bit relocation."
_HALF = np.uint64(0x800)

# Where the immediates of the instruction formats lie (unprivileged ISA, 2.3 and 16.8).
I_TYPE = instruction(4, 0xFFF0_0000, lambda v: bits(v, 11, 0, 20))
S_TYPE = instruction(4, 0xFE00_0F80, lambda v: bits(v, 11, 5, 25) | bits(v, 4, 0, 7))
U_TYPE = instruction(4, 0xFFFF_F000, lambda v: bits(v + _HALF, 31, 12, 12))
B_TYPE = instruction(
    4, 0xFE00_0F80, lambda v: bits(v, 12, 12, 31) | bits(v, 10, 5, 25) | bits(v, 4, 1, 8) | bits(v, 11, 11, 7)
)
J_TYPE = instruction(
    4,
    0xFFFF_F000,
    lambda v: bits(v, 20, 20, 31) | bits(v, 10, 1, 21) | bits(v, 11, 11, 20) | bits(v, 19, 12, 12),
)
CB_TYPE = instruction(
    2,
    0x1C7C,
    lambda v: bits(v, 8, 8, 12) | bits(v, 4, 3, 10) | bits(v, 7, 6, 5) | bits(v, 2, 1, 3) | bits(v, 5, 5, 2),
)
CJ_TYPE = instruction(
    2,
    0x1FFC,
    lambda v: (
        bits(v, 11, 11, 12)
        | bits(v, 4, 4, 11)
        | bits(v, 9, 8, 9)
        | bits(v, 10, 10, 8)
        | bits(v, 6, 6, 7)
        | bits(v, 7, 7, 6)
        | bits(v, 3, 1, 3)
        | bits(v, 5, 5, 2)
    ),
)
AUIPC_JALR = instruction(8, 0xFFF0_0000_FFFF_F000, lambda v: bits(v + _HALF, 31, 12, 12) | bits(v, 11, 0, 52))
INT6 = instruction(1, 0x3F, lambda v: v)
ULEB128 = Uleb128()


def relocation(
    number: int,
    field: Field,
    overflow: str = "",
    *,
    effect: Effect = Effect.PUT,
    target: Target = Target.SYMBOL,
    hi20: bool = False,
) -> Callable[[Formula], Relocation]:
    """Register a formula under its own name; `overflow` is the template of Linux's line."""

    def register(formula: Formula) -> Relocation:
        row = Relocation(number, formula.__name__, formula, field, (overflow,), effect, target, hi20)
        return RELOCATIONS.add(row)

    return register


def reached(offset: Array) -> Values:
    """`offset` and whether auipc, or lui, with a signed 12-bit second half can make it."""
    return offset, outside(offset, -(1 << 31) - (1 << 11), (1 << 31) - (1 << 11))


def branch(offset: Array, width: int) -> Values:
    """`offset` and whether a branch of `width` bits reaches it."""
    return offset, outside(offset, -(1 << (width - 1)), 1 << (width - 1)) | (offset & np.uint64(1) != 0)


@relocation(1, INT32, "{name}: value {value:016x} out of range for 32-bit field")
def R_RISCV_32(S: Array, A: Array, P: Array) -> Values:
    value = S + A
    return value, value > np.uint64(0xFFFF_FFFF)


@relocation(2, INT64)
def R_RISCV_64(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(16, B_TYPE, _FAR.format(13))
def R_RISCV_BRANCH(S: Array, A: Array, P: Array) -> Values:
    return branch(S + A - P, 13)


@relocation(17, J_TYPE, _FAR.format(21))
def R_RISCV_JAL(S: Array, A: Array, P: Array) -> Values:
    return branch(S + A - P, 21)


@relocation(18, AUIPC_JALR, _FAR.format(32))
def R_RISCV_CALL(S: Array, A: Array, P: Array) -> Values:
    return reached(S + A - P)


@relocation(19, AUIPC_JALR, _FAR.format(32))
def R_RISCV_CALL_PLT(S: Array, A: Array, P: Array) -> Values:
    return reached(S + A - P)


GOT_FAR = "{name}: can not generate the GOT entry for symbol = {target:016x} from PC = {place:016x}"


@relocation(20, U_TYPE, GOT_FAR, target=Target.GOT, hi20=True)
def R_RISCV_GOT_HI20(S: Array, A: Array, P: Array) -> Values:
    return reached(S + A - P)


@relocation(23, U_TYPE, _FAR.format(32), hi20=True)
def R_RISCV_PCREL_HI20(S: Array, A: Array, P: Array) -> Values:
    return reached(S + A - P)


@relocation(24, I_TYPE, target=Target.HI20)
def R_RISCV_PCREL_LO12_I(S: Array, A: Array, P: Array) -> Values:
    return S, None


@relocation(25, S_TYPE, target=Target.HI20)
def R_RISCV_PCREL_LO12_S(S: Array, A: Array, P: Array) -> Values:
    return S, None


@relocation(26, U_TYPE, _FAR.format(32))
def R_RISCV_HI20(S: Array, A: Array, P: Array) -> Values:
    return reached(S + A)


@relocation(27, I_TYPE)
def R_RISCV_LO12_I(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(28, S_TYPE)
def R_RISCV_LO12_S(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(33, INT8, _WIDE.format(8), effect=Effect.ADD)
def R_RISCV_ADD8(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(34, INT16, _WIDE.format(16), effect=Effect.ADD)
def R_RISCV_ADD16(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(35, INT32, _WIDE.format(32), effect=Effect.ADD)
def R_RISCV_ADD32(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(36, INT64, effect=Effect.ADD)
def R_RISCV_ADD64(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(37, INT8, _WIDE.format(8), effect=Effect.SUB)
def R_RISCV_SUB8(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(38, INT16, _WIDE.format(16), effect=Effect.SUB)
def R_RISCV_SUB16(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(39, INT32, _WIDE.format(32), effect=Effect.SUB)
def R_RISCV_SUB32(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(40, INT64, effect=Effect.SUB)
def R_RISCV_SUB64(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(44, CB_TYPE, _FAR.format(9))
def R_RISCV_RVC_BRANCH(S: Array, A: Array, P: Array) -> Values:
    return branch(S + A - P, 9)


@relocation(45, CJ_TYPE, _FAR.format(12))
def R_RISCV_RVC_JUMP(S: Array, A: Array, P: Array) -> Values:
    return branch(S + A - P, 12)


@relocation(51, NOWHERE)
def R_RISCV_RELAX(S: Array, A: Array, P: Array) -> Values:
    return S, None


@relocation(52, INT6, _WIDE.format(6), effect=Effect.SUB)
def R_RISCV_SUB6(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(53, INT6, _WIDE.format(6), effect=Effect.SET)
def R_RISCV_SET6(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(54, INT8, _WIDE.format(8), effect=Effect.SET)
def R_RISCV_SET8(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(55, INT16, _WIDE.format(16), effect=Effect.SET)
def R_RISCV_SET16(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(56, INT32, _WIDE.format(32), effect=Effect.SET)
def R_RISCV_SET32(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(57, INT32, _FAR.format(32))
def R_RISCV_32_PCREL(S: Array, A: Array, P: Array) -> Values:
    value = S + A - P
    return value, outside(value, -(1 << 31), 1 << 31)


@relocation(59, INT32, _FAR.format(32))
def R_RISCV_PLT32(S: Array, A: Array, P: Array) -> Values:
    value = S + A - P
    return value, outside(value, -(1 << 31), 1 << 31)


@relocation(60, ULEB128, "{name}: value {value} out of range for ULEB128 relocation.", effect=Effect.SET)
def R_RISCV_SET_ULEB128(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


@relocation(61, ULEB128, "{name}: value {value} out of range for ULEB128 relocation.", effect=Effect.SUB)
def R_RISCV_SUB_ULEB128(S: Array, A: Array, P: Array) -> Values:
    return S + A, None


def _refuse(text: str, **numbers: int) -> None:
    for name, number in numbers.items():
        RELOCATIONS.add(Relocation(number, name, lambda S, A, P: (S, None), NOWHERE, (), refused=text))


_refuse(
    "{name}: The unexpected relocation type 'R_RISCV_ALIGN' from PC = {place:016x}",
    R_RISCV_ALIGN=43,
)
_refuse(
    "{name}: Dynamic linking not supported in kernel modules PC = {place:016x}",
    R_RISCV_RELATIVE=3,
    R_RISCV_COPY=4,
    R_RISCV_JUMP_SLOT=5,
    R_RISCV_TLS_DTPMOD32=6,
    R_RISCV_TLS_DTPMOD64=7,
    R_RISCV_TLS_DTPREL32=8,
    R_RISCV_TLS_DTPREL64=9,
    R_RISCV_TLS_TPREL32=10,
    R_RISCV_TLS_TPREL64=11,
    R_RISCV_IRELATIVE=58,
)
_refuse(
    "{name}: Thread local storage not supported in kernel modules PC = {place:016x}",
    R_RISCV_TLS_GOT_HI20=21,
    R_RISCV_TLS_GD_HI20=22,
    R_RISCV_TPREL_HI20=29,
    R_RISCV_TPREL_LO12_I=30,
    R_RISCV_TPREL_LO12_S=31,
    R_RISCV_TPREL_ADD=32,
)
