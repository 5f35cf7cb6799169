"""riscv64: RV64IMAFDC, Sv39 paging, S and U mode. The RISC-V privileged specification; the psABI for calls."""

from emukern.arch import Arch
from emukern.arch.riscv64 import regs, trap
from emukern.arch.riscv64.layout import LAYOUT
from emukern.arch.riscv64.paging import PAGING

ARCH = Arch(
    name="riscv64",
    e_machine=243,
    e_machine_compat=None,
    layout=LAYOUT,
    registers=regs.REGISTERS,
    paging=PAGING,
    unicorn=regs.UNICORN,
    arm=trap.arm,
    decode=trap.decode,
    reset=trap.reset,
    user=trap.user,
    interrupts=trap.interrupts,
    return_address=trap.return_address,
    emulate=trap.emulate,
    va_list="pointer",
    stub=bytes.fromhex("73000000 8280").ljust(16, b"\0"),  # ecall; ret
    percpu_relative=False,
    call_stack_slot=0,
    disassembler=("CS_ARCH_RISCV", "CS_MODE_RISCV64", "CS_MODE_RISCVC"),
    break_size=trap.break_size,
    user_entry=trap.user_entry,
    set_current=trap.set_current,
)
