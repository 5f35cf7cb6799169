"""How x86_64 leaves the guest: hooks only record, `decode` turns the record into a Trap and puts the pc right.

Odd: the engine reports a fault inside a fault unless `old_exception` is reset after each one (unicorn issue 1883), and
gate privileges are not checked, so a user program can reach any `int n`: only 0x80 is honoured from ring 3.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from unicorn import unicorn_const as uc
from unicorn import x86_const as x86

from emukern.arch.x86_64.regs import RAX_ID, RDI, RDX_ID, RFLAGS, RSP
from emukern.trap import Break, CpuException, Export, Fault, Halt, Hypercall, Return, Syscall, Tick, Trap

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu

EXPORT_VECTOR, RETURN_VECTOR, HYPERCALL_VECTOR, COMPAT_VECTOR = 0xF1, 0xF0, 0xF2, 0x80
INTERRUPT_FLAG = 0x200
LONG_USER = 0x8003  # the engine's hflags: 64-bit code in ring 3, the only one with a syscall instruction here
EXCEPTIONS = {
    0: ("divide error", signal.SIGFPE),
    1: ("debug exception", signal.SIGTRAP),
    4: ("overflow", signal.SIGSEGV),
    5: ("bounds", signal.SIGSEGV),
    6: ("invalid opcode", signal.SIGILL),
    7: ("device not available", signal.SIGSEGV),
    8: ("double fault", signal.SIGSEGV),
    10: ("invalid TSS", signal.SIGSEGV),
    11: ("segment not present", signal.SIGBUS),
    12: ("stack segment", signal.SIGBUS),
    13: ("general protection fault", signal.SIGSEGV),
    16: ("coprocessor error", signal.SIGFPE),
    17: ("alignment check", signal.SIGBUS),
    19: ("simd exception", signal.SIGFPE),
}


def arm(cpu: Cpu) -> None:
    """Add the hooks only this architecture has."""
    cpu.state.rax, cpu.state.rdx = RAX_ID, RDX_ID
    cpu.hook(uc.UC_HOOK_INSN, "on_syscall", x86.UC_X86_INS_SYSCALL)
    cpu.hook(uc.UC_HOOK_INSN, "on_rdtsc", x86.UC_X86_INS_RDTSC)
    cpu.hook(uc.UC_HOOK_INSN, "on_rdtsc", x86.UC_X86_INS_RDTSCP)


def reset(cpu: Cpu, entry: int, boot_info: int) -> None:
    """The state a boot loader leaves: paging off, at the kernel's entry, boot_info's address in rdi."""
    cpu.gpr[RDI] = boot_info
    cpu.pc = entry


def user(cpu: Cpu) -> bool:
    """Ring 3?"""
    return bool(cpu.view.hflags.value & 3)


def interrupts(cpu: Cpu) -> bool:
    """RFLAGS.IF."""
    return bool(cpu.uc.reg_read(RFLAGS) & INTERRUPT_FLAG)


def return_address(k: Any) -> int:
    """The quadword on top of the stack."""
    return int(k.mem.u64(k.cpu.gpr[RSP]))


def set_current(cpu: Cpu, task_struct: int) -> None:
    """Nothing to do: `current` is a per-CPU variable, which the kernel writes (kernel/kernel.py)."""


def break_size(code: bytes) -> int:
    """ud2 has two bytes."""
    return 2


def user_entry(pc: int, sp: int, compat: bool) -> tuple[int, ...]:
    """What iretq pops: rip, cs, rflags (interrupts on), rsp, ss."""
    return pc, 0x1B if compat else 0x2B, 0x202, sp, 0x23


def emulate(cpu: Cpu) -> bool:
    """Nothing is left to us here."""
    return False


def decode(cpu: Cpu, kind: int, number: int) -> Trap:
    """The recorded kind and number as a Trap."""
    view = cpu.view
    if kind == cpu.TICK:
        return Tick()
    if kind == cpu.SYSCALL:
        if view.hflags.value & LONG_USER == LONG_USER:
            return Syscall(cpu.gpr[0])
        cpu.pc -= 2
        return CpuException("invalid opcode", signal.SIGILL, user(cpu))
    if kind == cpu.INVALID:
        return CpuException("invalid opcode", signal.SIGILL, user(cpu))
    if kind != cpu.INTERRUPT:
        return Halt()
    view.old_exception.value = -1
    if view.is_int.value == 1 and number != 3:
        return _software_interrupt(cpu, number)
    if number == 14:
        code = view.error_code.value
        return Fault(view.fault_address.value, bool(code & 2), bool(code & 16), bool(code & 4))
    if number == 3:
        cpu.pc -= 1
        return Break(user(cpu))
    name, signo = EXCEPTIONS.get(number, (f"interrupt {number}", signal.SIGSEGV))
    return CpuException(name, signo, user(cpu))


def _software_interrupt(cpu: Cpu, number: int) -> Trap:
    if user(cpu):
        if number == COMPAT_VECTOR:
            return Syscall(cpu.gpr[0] & 0xFFFF_FFFF, compat=True)
    elif number == EXPORT_VECTOR:
        return Export((cpu.pc - cpu.arch.layout.stubs) >> 4)
    elif number == RETURN_VECTOR:
        return Return()
    elif number == HYPERCALL_VECTOR:
        return Hypercall(cpu.gpr[RDI])
    cpu.pc -= 2
    return CpuException("general protection fault", signal.SIGSEGV, user(cpu))
