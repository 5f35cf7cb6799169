"""How riscv64 leaves the guest: hooks only record, `decode` turns the record into a Trap and puts the pc right.

Odd: the engine moves the pc on by four before it reports anything, even after a two-byte instruction (unicorn issue
1990), reports every ecall as cause 8 whatever the mode, and leaves the time and cycle counters to us.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from unicorn import riscv_const as rv

from emukern.arch.riscv64.regs import A0, A7, RA, TP
from emukern.trap import Break, CpuException, Export, Fault, Halt, Hypercall, Return, Syscall, Tick, Trap

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu

SIE = 2
STUB_WINDOW = 1 << 20
RETURN_SERVICE = 0xF0  # guest/arch/riscv64/boot.S: kret
CSR_CYCLE, CSR_TIME, CSR_INSTRET = 0xC00, 0xC01, 0xC02
EXCEPTIONS = {
    0: ("instruction address misaligned", signal.SIGBUS),
    1: ("instruction access fault", signal.SIGSEGV),
    2: ("illegal instruction", signal.SIGILL),
    4: ("load address misaligned", signal.SIGBUS),
    5: ("load access fault", signal.SIGSEGV),
    6: ("store address misaligned", signal.SIGBUS),
    7: ("store access fault", signal.SIGSEGV),
}


def arm(cpu: Cpu) -> None:
    """Nothing but the shared hooks; the counters are closed so that reading them traps."""
    cpu.uc.reg_write(rv.UC_RISCV_REG_MCOUNTEREN, 0)
    cpu.uc.reg_write(rv.UC_RISCV_REG_SCOUNTEREN, 0)


def reset(cpu: Cpu, entry: int, boot_info: int) -> None:
    """The state firmware leaves: S mode, paging off, hart 0 in a0, boot_info's address in a1."""
    cpu.uc.reg_write(rv.UC_RISCV_REG_MSTATUS, 0x6000)  # FPU on
    cpu.view.priv.value = 1
    cpu.gpr[A0], cpu.gpr[A0 + 1] = 0, boot_info
    cpu.pc = entry


def user(cpu: Cpu) -> bool:
    """U mode?"""
    return bool(cpu.view.priv.value == 0)


def interrupts(cpu: Cpu) -> bool:
    """sstatus.SIE."""
    return bool(cpu.view.mstatus.value & SIE)


def return_address(k: Any) -> int:
    """The link register."""
    return int(k.cpu.gpr[RA])


def set_current(cpu: Cpu, task_struct: int) -> None:
    """tp, by convention of the kernel's own code."""
    cpu.gpr[TP] = task_struct


def break_size(code: bytes) -> int:
    """Two for c.ebreak, four for ebreak: the low two bits say whether an instruction is compressed."""
    return 4 if code[0] & 3 == 3 else 2


def user_entry(pc: int, sp: int, compat: bool) -> tuple[int, ...]:
    """pc and sp."""
    return pc, sp


def emulate(cpu: Cpu) -> bool:
    """rdtime, rdcycle and rdinstret, from the block clock."""
    try:
        instruction = int.from_bytes(cpu.fetch(cpu.pc, 4), "little")
    except LookupError:
        return False
    csr, rd = instruction >> 20, instruction >> 7 & 31
    reads = instruction & 0x7F == 0x73 and instruction >> 12 & 7 == 2 and instruction >> 15 & 31 == 0
    if not reads or csr not in (CSR_CYCLE, CSR_TIME, CSR_INSTRET):
        return False
    if rd:
        cpu.gpr[rd] = cpu.tsc
    cpu.pc += 4
    return True


def decode(cpu: Cpu, kind: int, number: int) -> Trap:
    """The recorded kind and number as a Trap."""
    if kind == cpu.TICK:
        return Tick()
    if kind == cpu.INVALID:
        return _break_or_invalid(cpu)
    if kind != cpu.INTERRUPT:
        return Halt()
    in_user = user(cpu)
    if number == 8:
        return _ecall(cpu, in_user)
    cpu.pc -= 4
    if number == 12 and cpu.view.fault_address.value >> 12 == (cpu.pc >> 12) - 1 and not cpu.pc & 0xFFF:
        number = 2  # the engine looks for an all-zero instruction's end on the page before
    if number in (12, 13, 15):
        # An atomic on an absent page says 13 (load): once the page is there it comes back with 15.
        return Fault(cpu.view.fault_address.value, number == 15, number == 12, in_user)
    name, signo = EXCEPTIONS.get(number, (f"exception {number}", signal.SIGSEGV))
    return CpuException(name, signo, in_user)


def _ecall(cpu: Cpu, in_user: bool) -> Trap:
    if in_user:
        return Syscall(cpu.gpr[A7])
    offset = cpu.pc - cpu.arch.layout.stubs
    if 0 <= offset < STUB_WINDOW:
        return Export(offset >> 4)
    if cpu.gpr[A7] == RETURN_SERVICE:
        return Return()
    return Hypercall(cpu.gpr[A0])


def _break_or_invalid(cpu: Cpu) -> Trap:
    try:
        code = cpu.fetch(cpu.pc, 2)
    except LookupError:
        code = b""
    if code[:2] in (b"\x02\x90", b"\x73\x00"):  # c.ebreak, ebreak
        return Break(user(cpu))
    return CpuException("illegal instruction", signal.SIGILL, user(cpu))
