"""riscv64 as a kernel image expects it: the boot protocol, trap delivery to supervisor mode, ecalls to the firmware.

RISC-V privileged specification 1.10, 4.1 (supervisor CSRs) and 3.1.6-3.1.9 (what mstatus, medeleg and mideleg make of
a trap); Documentation/arch/riscv/boot.rst. No machine-mode code runs: every trap is delegated to the supervisor,
except its own ecalls, which `board.sbi` answers. Odd about the engine: arch/riscv64/trap.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emukern.arch.riscv64.regs import A0, A6, A7, COUNTERS, EXTENSIONS, MSTATUS, RA, SP
from emukern.errors import EmukernError, GuestFault, UsageError
from emukern.event import Event, Hypercall, Idle, Return, Stuck

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu
    from emukern.machine.ram import Ram

WORD = (1 << 64) - 1
USER, SUPERVISOR = 0, 1
SIE, SPIE, SPP = 1 << 1, 1 << 5, 1 << 8  # of mstatus
XLEN_64 = 0xA << 32  # SXL and UXL: supervisor and user are 64-bit
SOFTWARE, TIMER, EXTERNAL = 1, 5, 9  # interrupt causes, and their bits in mie, mip and mideleg
BY_PRIORITY = (EXTERNAL, SOFTWARE, TIMER)
ALL_INTERRUPTS = 1 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL
INTERRUPT = 1 << 63
FETCH_FAULT, ILLEGAL, BREAKPOINT, LOAD_FAULT, STORE_FAULT, ECALL = 1, 2, 3, 5, 7, 8
FETCH_PAGE_FAULT, LOAD_PAGE_FAULT, STORE_PAGE_FAULT = 12, 13, 15
WITH_ADDRESS = (0, 1, 4, 5, 6, 7, 12, 13, 15)  # causes whose stval is an address
AS_STORE = {LOAD_FAULT: STORE_FAULT, LOAD_PAGE_FAULT: STORE_PAGE_FAULT}
EBREAKS = (b"\x02\x90", b"\x73\x00")  # c.ebreak, first half of ebreak
COUNTER_CSRS = (0xC00, 0xC01, 0xC02)  # cycle, time, instret: bits 0-2 of scounteren
TIME = 0xC01
NS_PER_TICK = 100  # of the time CSR: the devicetree's timebase-frequency is 10 MHz
COUNTER_NS = 1000  # what reading a counter takes, as on machines whose firmware answers: delay loops end soon
HYPERCALL, HYPERCALL_MASK = 0x454D_5500, ~0xFF
HYPERCALL_ARGS = 3
DEVICETREE_ALIGN = 0x20_0000  # and its room: a kernel maps the 2 MiB (one large page) around it
PAGE = 4096
CMDLINE_MAX = 1024  # COMMAND_LINE_SIZE, include/uapi/asm/setup.h


class PhysicalMemory:
    """RAM by physical address, for the firmware."""

    def __init__(self, ram: Ram) -> None:
        self._ram = ram

    def read(self, address: int, size: int) -> bytes | None:
        """None when part of it is no RAM."""
        start = address - self._ram.base
        return bytes(self._ram.bytes[start : start + size]) if 0 <= start <= self._ram.size - size else None

    def write(self, address: int, data: bytes) -> bool:
        """False when part of it is no RAM."""
        start = address - self._ram.base
        if not 0 <= start <= self._ram.size - len(data):
            return False
        self._ram.bytes[start : start + len(data)] = data
        return True


class Platform:
    """A board around the CPU: `board` has the devices and the firmware. No policy, only what the manuals say."""

    BOARD = "virt"  # emukern/devices/virt.py
    RETURN_ADDRESS = 0xFFFF_FFFF_FFFF_F000  # the last page, where a kernel's error pointers point: never mapped
    CMDLINE = (
        "no4lvl "  # Sv39, whose tables emukern reads; the engine would take Sv57 too, whatever the devicetree says
        "earlycon=sbi "  # what it says before it has found its serial port, should that be its last words
        "console=ttyS0 "  # the devicetree says so too, but then the dummy tty0 comes first and all is printed twice
    )
    gates = ((MSTATUS, SIE, SIE),)

    def __init__(self, cpu: Cpu, mem: Any, board: Any) -> None:
        self.cpu, self.mem, self.board = cpu, mem, board
        self.view = cpu.view
        self._memory = PhysicalMemory(cpu.ram)
        self.view.mideleg.value = ALL_INTERRUPTS
        cpu.count_time(NS_PER_TICK, COUNTER_NS)
        self._take_counters()

    def _take_counters(self) -> None:
        """The engine's counters run with the host's clock; without them reading one is an illegal instruction."""
        if not self.cpu.fast or tuple(self.view.extensions) != EXTENSIONS:
            raise EmukernError("this build of the CPU engine keeps its state where emukern cannot see it")
        self.view.extensions[COUNTERS] = 0

    # The boot protocol.

    def load(self, image: Any, cmdline: bytes, initrd: bytes) -> None:
        """Place kernel, initrd and devicetree in RAM and the CPU at the entry."""
        if len(cmdline) >= CMDLINE_MAX:
            raise UsageError(f"the kernel's command line may have {CMDLINE_MAX - 1} bytes, not {len(cmdline)}")
        ram = self.cpu.ram
        tree_at = (ram.size - 1) & -DEVICETREE_ALIGN
        initrd_at = (tree_at - len(initrd)) & -PAGE
        if max(segment.paddr + segment.memsz for segment in image.segments) > ram.base + initrd_at:
            raise UsageError(f"kernel and initial file system need more memory than {ram.size >> 20} MiB")
        for segment in image.segments:
            self._place(segment.paddr - ram.base, image.data[segment.offset : segment.offset + segment.filesz])
        self._place(initrd_at, initrd)
        where = (ram.base + initrd_at, ram.base + initrd_at + len(initrd)) if initrd else None
        self._place(tree_at, self.board.devicetree(cmdline, where, ram.size))
        self._reset(image.entry, ram.base + tree_at)

    def _place(self, offset: int, data: bytes) -> None:
        self.cpu.ram.bytes[offset : offset + len(data)] = data

    def _reset(self, entry: int, devicetree: int) -> None:
        """What firmware leaves: hart 0 in a0, the devicetree in a1, supervisor mode, no paging, no interrupts."""
        view, gpr = self.view, self.cpu.gpr
        for index in range(len(gpr)):
            gpr[index] = 0
        gpr[A0 + 1] = devicetree
        view.mstatus.value = XLEN_64
        view.priv.value = SUPERVISOR
        view.root.value = view.mie.value = view.mip.value = view.stvec.value = 0
        view.scounteren.value = 7
        self.cpu.pc = entry

    @contextmanager
    def identity_mapped(self) -> Iterator[None]:
        """Meanwhile virtual addresses are physical ones, and everything may be executed."""
        view, cpu = self.view, self.cpu
        root, view.root.value = view.root.value, 0
        cpu.flush_translations()
        try:
            yield
        finally:
            view.root.value = root
            cpu.flush_translations()

    # Ways out of the guest.

    def exit(self, kind: int, number: int) -> Event | None:
        """Deal with what stopped the CPU; an event when it is the machine's business."""
        cpu = self.cpu
        if kind == cpu.INTERRUPT:
            return self._ecall() if number == ECALL else self._exception(number)
        if kind == cpu.INVALID:
            return self._deliver(BREAKPOINT if self._code(2) in EBREAKS else ILLEGAL, 0)
        return Idle()

    def _ecall(self) -> Event | None:
        """The engine says 8 whatever the mode, and is past the instruction."""
        gpr = self.cpu.gpr
        service = gpr[A7]
        if self.view.priv.value == USER:
            if service & HYPERCALL_MASK == HYPERCALL:
                return Hypercall(service & 0xFF, tuple(gpr[A0 : A0 + HYPERCALL_ARGS]))
            self.cpu.pc -= 4
            return self._deliver(ECALL, 0)
        answer = self.board.sbi.call(service, gpr[A6], gpr[A0:A6], self._memory)
        gpr[A0] = answer.error & WORD
        if answer.value is not None:
            gpr[A0 + 1] = answer.value & WORD
        if answer.effect == "ipi":
            self.view.mip.value |= 1 << SOFTWARE
        elif answer.effect == "fence":
            self.cpu.flush_translations()
        return None

    def _exception(self, cause: int) -> Event | None:
        """The engine is four bytes past the instruction, even if that has but two."""
        cpu, view = self.cpu, self.view
        cpu.pc -= 4
        address = view.fault_address.value
        if cause == FETCH_PAGE_FAULT and cpu.pc == self.RETURN_ADDRESS and view.priv.value == SUPERVISOR:
            return Return()
        if cause == FETCH_PAGE_FAULT and address >> 12 == (cpu.pc >> 12) - 1 and not cpu.pc & PAGE - 1:
            cause = ILLEGAL  # the engine looks for an all-zero instruction's end on the page before
        if cause == ILLEGAL:
            code = int.from_bytes(self._code(4), "little")
            return None if self._counter(code) else self._deliver(ILLEGAL, code if code & 3 == 3 else code & 0xFFFF)
        if cause in AS_STORE and self._modifies():
            cause = AS_STORE[cause]  # the engine starts an atomic operation with the load
        return self._deliver(cause, address if cause in WITH_ADDRESS else 0)

    def _code(self, size: int) -> bytes:
        """`size` bytes of code at the pc; two when the page after them is absent, none when their own is."""
        for length in (size, 2):
            try:
                return bytes(self.mem.read(self.cpu.pc, length))
            except GuestFault:
                continue
        return b""

    def _modifies(self) -> bool:
        """Is this an AMO or SC? Their faults are store faults (privileged specification, table 3.6)."""
        code = int.from_bytes(self._code(4), "little")
        return code & 0x7F == 0x2F and code >> 27 != 2

    def _counter(self, code: int) -> bool:
        """rdcycle, rdtime, rdinstret: from the virtual clock. False when it is none of them, or not for user mode."""
        csr, rd = code >> 20, code >> 7 & 31
        reads = code & 0x7F == 0x73 and code >> 12 & 3 in (2, 3) and code >> 15 & 31 == 0
        if not reads or csr not in COUNTER_CSRS:
            return False
        if self.view.priv.value == USER and not self.view.scounteren.value >> (csr & 31) & 1:
            return False
        cpu = self.cpu
        if csr == TIME and cpu.native and self.mem.in_image(cpu.pc):
            # It is executed again and the native hook answers. This visit must not count, or the clock would tell
            # a process that knew the place before from one that did not.
            cpu.knows_read(cpu.pc + 4, rd)
            cpu.state.blocks -= 1
            return True
        cpu.state.blocks += cpu.state.blocks_per_read
        now = self.board.time.now
        if rd:
            cpu.gpr[rd] = now // NS_PER_TICK if csr == TIME else now
        cpu.pc += 4
        return True

    def _deliver(self, cause: int, value: int) -> Event | None:
        """Enter the supervisor's trap vector; `value` is for stval."""
        view, cpu = self.view, self.cpu
        vector = view.stvec.value
        entry = vector & ~3
        if not vector or (cause in (FETCH_FAULT, FETCH_PAGE_FAULT) and cpu.pc == entry):
            where = f"the trap vector {vector:#x} cannot be reached"
            return Stuck(f"exception {cause} at {cpu.pc:#x}, address {value:#x}: {where}")
        if cause & INTERRUPT and vector & 1:
            entry += 4 * (cause & 0xFF)
        status, mode = view.mstatus.value, view.priv.value
        kept = status & ~(SIE | SPIE | SPP)
        view.mstatus.value = kept | (SPIE if status & SIE else 0) | (SPP if mode == SUPERVISOR else 0)
        view.sepc.value, view.scause.value, view.stval.value = cpu.pc, cause, value
        view.priv.value = SUPERVISOR
        cpu.pc = entry
        return None

    # Interrupts.

    def _pending(self) -> int:
        """Pending and enabled interrupts, as bits. Only the software interrupt's lives in mip, where the guest clears
        it: while mip is not empty, a write to it makes the engine take interrupts by itself."""
        board = self.board
        wires = (1 << TIMER if board.sbi.timer else 0) | (1 << EXTERNAL if board.plic.external else 0)
        return int((self.view.mip.value | wires) & self.view.mie.value)

    def pending(self) -> bool:
        """Is any interrupt pending that sie enables?"""
        return self._pending() != 0

    def takes_interrupts(self) -> bool:
        """False while the supervisor has them off."""
        return self.view.priv.value != SUPERVISOR or bool(self.view.mstatus.value & SIE)

    def interrupt(self) -> Event | None:
        """Take the most urgent pending interrupt."""
        pending = self._pending()
        return self._deliver(INTERRUPT | next(cause for cause in BY_PRIORITY if pending >> cause & 1), 0)

    # Calls by the host.

    def call(self, function: int, args: Sequence[int], sp: int) -> None:
        """Set the CPU up to call `function` on the stack `sp`; it comes back to RETURN_ADDRESS."""
        cpu = self.cpu
        registers = cpu.arch.registers.args
        rest = args[len(registers) :]
        sp = (sp - 8 * len(rest)) & -16
        for i, value in enumerate(rest):
            self.mem.put_u64(sp + 8 * i, value)
        for index, value in zip(registers, args, strict=False):
            cpu.gpr[index] = value & WORD
        cpu.gpr[RA], cpu.gpr[SP] = self.RETURN_ADDRESS, sp
        cpu.pc = function

    def leave(self, value: int) -> None:
        """Return from the function whose first instruction is next, with `value`."""
        self.cpu.gpr[A0] = value
        self.cpu.pc = self.cpu.gpr[RA]

    def hypercall_result(self, value: int) -> None:
        """The answer to a hypercall."""
        self.cpu.gpr[A0] = value & WORD
