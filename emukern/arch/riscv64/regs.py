"""riscv64 registers: the engine's own array is x0..x31; calling conventions, and where the engine keeps the rest.

Offsets are those of CPURISCVState in unicorn 2.1.4, measured and checked at start (machine/view.py).
"""

from unicorn import riscv_const as rv
from unicorn import unicorn_const as uc

from emukern.arch import Registers

UNICORN = (uc.UC_ARCH_RISCV, uc.UC_MODE_RISCV64, None)

RA, SP, TP, FP, A0, A6, A7 = 1, 2, 4, 8, 10, 16, 17
MSTATUS = 624  # where the word with the interrupt enable lies
# What the engine's CPU model has: I, E, G, M, A, F, D, C, S, U, H, counters, Zifencei, Zicsr.
EXTENSIONS = (1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1)
COUNTERS = 11

REGISTERS = Registers(
    names=tuple(
        "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 "
        "s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split()
    ),
    sp=SP,
    fp=FP,
    ra=RA,
    result=A0,
    args=tuple(range(A0, A0 + 8)),
    syscall_args=tuple(range(A0, A0 + 6)),
    compat_args=(),
    probe=(rv.UC_RISCV_REG_X19, 19),
    fields={
        "gpr": (0, "c_uint64", 32),
        "pc": (512, "c_uint64", 1),
        "fault_address": (544, "c_uint64", 1),
        "priv": (592, "c_uint64", 1),
        "mstatus": (MSTATUS, "c_uint64", 1),
        "mip": (632, "c_uint64", 1),
        "mie": (648, "c_uint64", 1),
        "mideleg": (656, "c_uint64", 1),
        "root": (672, "c_uint64", 1),
        "stval": (680, "c_uint64", 1),
        "stvec": (704, "c_uint64", 1),
        "sepc": (712, "c_uint64", 1),
        "scause": (720, "c_uint64", 1),
        "scounteren": (952, "c_uint64", 1),
        "extensions": (1568, "c_uint8", len(EXTENSIONS)),  # behind the state: of the live one only
    },
)
