"""x86_64 registers: the order of the engine's own array, calling conventions, and where the engine keeps the rest.

Offsets are those of CPUX86State in unicorn 2.1.4, measured and checked at start (machine/view.py).
"""

from unicorn import unicorn_const as uc
from unicorn import x86_const as x86

from emukern.arch import Registers

UNICORN = (uc.UC_ARCH_X86, uc.UC_MODE_64, x86.UC_CPU_X86_WESTMERE)

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 = range(16)

REGISTERS = Registers(
    names=tuple("rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()),
    sp=RSP,
    fp=RBP,
    ra=None,
    result=RAX,
    args=(RDI, RSI, RDX, RCX, R8, R9),
    syscall_args=(RDI, RSI, RDX, R10, R8, R9),
    compat_args=(RBX, RCX, RDX, RSI, RDI, RBP),
    probe=(x86.UC_X86_REG_RBX, RBX),
    fields={
        "gpr": (0, "c_uint64", 16),
        "pc": (0x80, "c_uint64", 1),
        "rflags": (0x88, "c_uint64", 1),  # without the arithmetic flags
        "hflags": (0xB0, "c_uint32", 1),
        "segments": (0xB8, "c_uint32", 36),  # es cs ss ds fs gs: selector, gap, base (two words), limit, flags
        "tr_base": (0x168, "c_uint64", 1),
        "idt_base": (0x198, "c_uint64", 1),
        "idt_limit": (0x1A0, "c_uint32", 1),
        "star": (0x12D8, "c_uint64", 1),
        "lstar": (0x12E8, "c_uint64", 1),
        "cstar": (0x12F0, "c_uint64", 1),
        "fmask": (0x12F8, "c_uint64", 1),
        "fault_address": (0x1A8 + 16, "c_uint64", 1),
        "root": (0x1A8 + 24, "c_uint64", 1),
        "error_code": (0x1508, "c_int32", 1),
        "is_int": (0x150C, "c_int32", 1),
        "old_exception": (0x1578, "c_int32", 1),
    },
    # xmm0-15 without AVX: 16 bytes in 64; SSSE3 helpers leave bytes of the host's stack in the rest.
    scratch=tuple((0x338 + 64 * i + 16, 48) for i in range(16)),
)

RFLAGS = x86.UC_X86_REG_RFLAGS
RAX_ID, RDX_ID = x86.UC_X86_REG_RAX, x86.UC_X86_REG_RDX
