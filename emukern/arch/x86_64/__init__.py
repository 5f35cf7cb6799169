"""x86_64: four-level paging, rings 0 and 3, syscall and int 0x80. Intel SDM volume 3A; the psABI for calls."""

from emukern.arch import Arch
from emukern.arch.x86_64 import regs, trap
from emukern.arch.x86_64.layout import LAYOUT
from emukern.arch.x86_64.paging import PAGING

ARCH = Arch(
    name="x86_64",
    e_machine=62,
    e_machine_compat=3,
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
    va_list="sysv",
    stub=bytes((0xCD, trap.EXPORT_VECTOR, 0xC3)).ljust(16, b"\xcc"),  # int $0xf1; ret
    percpu_relative=True,
    call_stack_slot=8,
    disassembler=("CS_ARCH_X86", "CS_MODE_64"),
    break_size=trap.break_size,
    user_entry=trap.user_entry,
    set_current=trap.set_current,
)
