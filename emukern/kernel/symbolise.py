"""Oops reports: registers, the code around pc, and a backtrace in names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.errors import GuestFault
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.trap import Fault

MAX_DEPTH = 24
CODE_BYTES = 24


def name(k: Kernel, address: int, *, back: int = 0) -> str:
    """`function+0x12/0x40 [module]` for a code address; `back` 1 for return addresses, so that the call is named."""
    found = k.symbols.where(address - back)
    if found is None:
        return f"{address:#x}"
    symbol, offset, size, module = found
    return f"{symbol}+{offset + back:#x}/{size:#x}" + (f" [{module}]" if module else "")


def backtrace(k: Kernel) -> list[str]:
    """Callers of the code at pc, innermost first: by frame pointers, and what the stack holds where there are none."""
    registers = k.arch.registers
    sp, fp = k.cpu.gpr[registers.sp], k.cpu.gpr[registers.fp]
    stack = k.current.stack
    lines = []
    # A function that has called another already has a return address of its own in ra.
    if registers.ra is not None and _function(k, k.cpu.gpr[registers.ra] - 1) not in (None, _function(k, k.cpu.pc)):
        lines.append(name(k, k.cpu.gpr[registers.ra], back=1))
    if not stack - PAGE <= sp < stack + k.stack_size:
        return [*lines, "(the stack pointer is bad)"]
    try:
        sp = max(sp, stack)  # it may have run into the guard page
        chain = _frame_chain(k, fp, sp, stack)
        lines += [line for line in chain if line not in lines[:1]] if chain else _scan(k, sp, stack)
    except GuestFault:
        lines.append("(the stack cannot be read)")
    return lines[:MAX_DEPTH]


def _function(k: Kernel, address: int) -> int | None:
    """Where the function that `address` lies in begins."""
    found = k.symbols.where(address)
    return address - found[1] if found else None


def _frame_chain(k: Kernel, fp: int, sp: int, stack: int) -> list[str]:
    """Saved frame pointer and return address: at fp on x86_64, below fp on riscv64."""
    found: list[str] = []
    offset = -16 if k.arch.registers.ra is not None else 0
    while sp <= fp < stack + k.stack_size and fp % 8 == 0 and len(found) < MAX_DEPTH:
        above, caller = k.mem.u64(fp + offset), k.mem.u64(fp + offset + 8)
        if offset and not found and not k.is_text(caller):
            if caller <= fp:
                break
            fp = caller  # a leaf keeps only its caller's frame pointer, in the upper slot
            continue
        if caller == k.kret or k.symbols.where(caller - 1) is None:
            break
        found.append(name(k, caller, back=1))
        if above <= fp:
            break
        fp = above
    return found


def _scan(k: Kernel, sp: int, stack: int) -> list[str]:
    """Every word on the stack that could be a return address, marked "? " as Linux marks what it does not know."""
    found = []
    for address in range(sp & -8, stack + k.stack_size, 8):
        value = k.mem.u64(address)
        if value == k.kret:
            break
        if k.is_text(value) and k.symbols.where(value - 1):
            found.append("? " + name(k, value, back=1))
    return found


def registers_text(k: Kernel) -> list[str]:
    """All general purpose registers, four in a row."""
    words = [f"{n:>4}: {v:016x}" for n, v in zip(k.arch.registers.names, k.cpu.gpr, strict=True)]
    return [" ".join(words[i : i + 4]) for i in range(0, len(words), 4)]


def code_text(k: Kernel, pc: int) -> list[str]:
    """The instruction at pc and a few after it, disassembled; nothing when pc is not mapped."""
    import capstone

    engine, *modes = (getattr(capstone, constant) for constant in k.arch.disassembler)
    code = b""
    for size in (CODE_BYTES, 4, 2):
        try:
            code = k.mem.read(pc, size)
            break
        except GuestFault:
            continue
    lines = []
    for i, ins in enumerate(capstone.Cs(engine, sum(modes)).disasm(code, pc)):
        if i == 4:
            break
        lines.append(f"{'=>' if i == 0 else '  '} {name(k, ins.address)}: {ins.mnemonic} {ins.op_str}".rstrip())
    return lines


def report(k: Kernel, reason: str) -> list[str]:
    """The lines of an oops for the code at pc on the current task."""
    pc, task = k.cpu.pc, k.current
    lines = [reason, f"CPU: 0 PID: {task.pid} Comm: {task.name}" + taints(k), f"pc : {name(k, pc)}"]
    lines += registers_text(k)
    lines += code_text(k, pc)
    lines += ["Call trace:", *(f" {line}" for line in backtrace(k))]
    if k.modules:
        lines.append("Modules linked in: " + " ".join(k.modules))
    return lines


def taints(k: Kernel) -> str:
    """How Linux says whether the kernel is tainted."""
    letters = "".join(sorted(k.taints))
    return f" Tainted: {letters}" if letters else " Not tainted"


def fault_line(address: int, write: bool) -> str:
    """First line of the report of a bad access."""
    if address < 4096:
        return f"BUG: kernel NULL pointer dereference, address: {address:016x} ({'write' if write else 'read'} access)"
    return f"BUG: unable to handle page fault for address: {address:016x} ({'write' if write else 'read'} access)"


def fault_text(k: Kernel, fault: Fault) -> str:
    """The same for a trap."""
    stack = k.current.stack
    if stack - PAGE <= fault.address < stack:
        end = stack + k.stack_size
        return f"BUG: stack guard page was hit at {fault.address:016x} (stack is {stack:016x}..{end:016x})"
    if fault.execute:
        return f"BUG: unable to execute at address: {fault.address:016x}"
    return fault_line(fault.address, fault.write)
