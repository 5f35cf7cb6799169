"""What CPUID tells: a Westmere without what the engine cannot do and the board does not have (Intel SDM volume 2A)."""

from __future__ import annotations

from unicorn import x86_const as x86

REGISTERS = (x86.UC_X86_REG_RAX, x86.UC_X86_REG_RBX, x86.UC_X86_REG_RCX, x86.UC_X86_REG_RDX)
# Leaf 1. The engine's own: SSE3 PCLMULQDQ SSSE3 CX16 SSE4.1 SSE4.2 POPCNT AES, hypervisor; without the local APIC.
_SIGNATURE, _ECX, _EDX, _APIC = 0x206C1, 0x8298_2203, 0x078B_FBFD, 1 << 9


def leaf(number: int, subleaf: int) -> tuple[int, int, int, int] | None:
    """EAX, EBX, ECX, EDX of a leaf; None where the engine's own answer is right."""
    if number == 1:
        return _SIGNATURE, 0x0000_0800, _ECX, _EDX & ~_APIC
    return None
