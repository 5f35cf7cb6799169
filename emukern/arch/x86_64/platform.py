"""x86_64 as a kernel image expects it: the 64-bit boot protocol, exceptions, interrupts and system calls.

Intel SDM volume 3A, 6.12-6.14 (delivery through the IDT, stack switching, error codes) and volume 2B (SYSCALL);
Documentation/arch/x86/boot.rst for what a boot loader leaves. The engine itself delivers nothing (UNICORN.md §0).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from unicorn import x86_const as x86

from emukern.arch.x86_64 import cpuid
from emukern.arch.x86_64.regs import R11, RAX, RCX, RDI, RDX, RFLAGS, RSI, RSP
from emukern.errors import GuestFault, UsageError
from emukern.event import Event, Hypercall, Idle, Return, Stuck

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu

BP, CMDLINE, GDT, RNG_SEED = 0x8E000, 0x8D000, 0x8F000, 0x8C000  # physical, below 640 KiB
IDENTITY_SIZE = 0x6000  # of page tables that map 4 GiB to themselves, at the end of RAM, which is the firmware's
CMDLINE_MAX = 0x7FF
INITRD_ALIGN = 0x1000
# What firmware leaves in model-specific registers (SDM volume 4, and 3A, 12.11): long mode; fast string operations;
# memory is cached but for the video memory below 1 MiB and the last GiB below 4 GiB, where PCI devices are.
ALL_CACHED = 0x0606_0606_0606_0606
MSRS = (
    (0xC000_0080, 0x500),
    (0x1A0, 1),
    *((number, ALL_CACHED) for number in (0x250, 0x258, *range(0x268, 0x270))),
    (0x259, 0),
    (0x200, 0xC000_0000),
    (0x201, 0xFF_C000_0800),
    (0x2FF, 0xC06),
)
# Segment descriptor words as the engine caches them, and the bits of its hflags that follow from them.
CODE64, CS32, SS32, CS64, CPL = 0x8000, 0x10, 0x20, 0x8000, 3
ADDSEG, INHIBIT = 0x40, 8
CS, SS = 1, 2
SEGMENT = 24  # bytes between cached segments: selector u32, base u64, limit u32, flags u32
IF, TF, NT, RF, VM = 0x200, 0x100, 0x4000, 0x10000, 0x20000
WITH_CODE = (8, 10, 11, 12, 13, 14, 17)
DEBUG, BREAKPOINT, INVALID_OPCODE, DOUBLE_FAULT, PROTECTION, PAGE_FAULT = 1, 3, 6, 8, 13, 14
HYPERCALL_VECTOR = 0xF3
SYSENTER, SYSENTER_MSR = 1, 0x174  # what tells it from SYSCALL; its three registers: code segment, stack and entry
SETUP_RNG_SEED = 9
RETURN_ADDRESS = 0xFFFF_FFFF_FFF0_0000  # between the fixmap and the top: nothing is ever mapped there


class Platform:
    """A PC around the CPU: `board` has the devices. No policy, only what the manuals say."""

    BOARD = "pc"  # emukern/devices/pc.py
    RETURN_ADDRESS = RETURN_ADDRESS
    CMDLINE = (
        "console=ttyS0 "  # where we listen
        "nokaslr "  # the image stays at its link address, which its symbols are for
        "norandmaps "  # no address is drawn from a random number
    )
    gates = ((0x88, IF, IF), (0xB0, INHIBIT, 0))

    changed: Callable[[], None]  # told after each access to a device

    def __init__(self, cpu: Cpu, mem: Any, board: Any) -> None:
        self.cpu, self.mem, self.board, self.view = cpu, mem, board, cpu.view
        self._identity = cpu.ram.size - IDENTITY_SIZE
        self._arm()

    def _arm(self) -> None:
        from unicorn import unicorn_const as uc

        hook, bus = self.cpu.uc.hook_add, self.board.bus

        def port_in(_uc: Any, port: int, size: int, _data: Any) -> int:
            value: int = bus.read_port(port, size)
            self.changed()
            return value

        def port_out(_uc: Any, port: int, size: int, value: int, _data: Any) -> None:
            bus.write_port(port, size, value)
            self.changed()

        hook(uc.UC_HOOK_INSN, port_in, None, 1, 0, x86.UC_X86_INS_IN)
        hook(uc.UC_HOOK_INSN, port_out, None, 1, 0, x86.UC_X86_INS_OUT)
        hook(uc.UC_HOOK_INSN, self._cpuid, None, 1, 0, x86.UC_X86_INS_CPUID)
        hook(uc.UC_HOOK_INSN, self._entered, None, 1, 0, x86.UC_X86_INS_SYSENTER)

    def _entered(self, _uc: Any, _data: Any) -> None:
        """SYSENTER is executed."""
        self.cpu.state.kind, self.cpu.state.number = self.cpu.SYSCALL, SYSENTER
        self.cpu.uc.emu_stop()

    def _cpuid(self, _uc: Any, _data: Any) -> int:
        gpr = self.cpu.gpr
        leaf = cpuid.leaf(gpr[RAX] & 0xFFFF_FFFF, gpr[RCX] & 0xFFFF_FFFF)
        if leaf is None:
            return 0
        write = self.cpu.uc.reg_write
        for register, value in zip(cpuid.REGISTERS, leaf, strict=True):
            write(register, value)
        return 1

    # The boot protocol.

    def load(self, image: Any, cmdline: bytes, initrd: bytes) -> None:
        """Place kernel, initrd and boot_params in RAM and the CPU at startup_64."""
        if len(cmdline) > CMDLINE_MAX:
            raise UsageError(f"the kernel's command line may have {CMDLINE_MAX} bytes, not {len(cmdline)}")
        ram = self.cpu.ram.bytes
        start = (self.board.top - len(initrd)) & -INITRD_ALIGN
        if max(segment.paddr + segment.memsz for segment in image.segments) > start:
            raise UsageError(f"kernel and initial file system need more memory than {len(ram) >> 20} MiB")
        for segment in image.segments:
            end = segment.paddr + segment.filesz
            ram[segment.paddr : end] = image.data[segment.offset : segment.offset + segment.filesz]
        ram[start : start + len(initrd)] = initrd
        ram[CMDLINE : CMDLINE + len(cmdline) + 1] = cmdline + b"\0"
        for address, table in self.board.tables:
            ram[address : address + len(table)] = table
        ram[BP : BP + 4096] = self._boot_params(image, start, len(initrd))
        self._identity_map()
        self._reset(image.entry)

    def _boot_params(self, image: Any, initrd: int, size: int) -> bytes:
        """struct boot_params, the "zero page"."""
        page = bytearray(4096)
        header = image.setup_header or b""
        page[0x1F1 : 0x1F1 + len(header)] = header
        if not header:
            struct.pack_into("<HIH", page, 0x1FE, 0xAA55, 0x5364_7248, 0x20F)
        struct.pack_into("<Q", page, 0x70, self.board.rsdp)
        page[0x210] = 0xFF  # type_of_loader: undefined
        page[0x211] |= 1  # LOADED_HIGH
        struct.pack_into("<II", page, 0x218, initrd if size else 0, size)
        struct.pack_into("<I", page, 0x228, CMDLINE)
        seed = bytes(range(32))  # the kernel's random numbers are the same on every boot
        self.cpu.ram.bytes[RNG_SEED : RNG_SEED + 48] = struct.pack("<QII", 0, SETUP_RNG_SEED, 32) + seed
        struct.pack_into("<Q", page, 0x250, RNG_SEED)
        page[0x1E8] = len(self.board.e820)
        for i, (address, length, kind) in enumerate(self.board.e820):
            struct.pack_into("<QQI", page, 0x2D0 + 20 * i, address, length, kind)
        return bytes(page)

    def _identity_map(self) -> None:
        """4 GiB in 2 MiB pages, and a GDT with flat 64-bit code (0x10) and data (0x18).

        Entries are marked as accessed, so that walking them changes nothing.
        """
        words, start = self.cpu.ram.words, self._identity
        words[start >> 3] = start + 0x1000 | 0x23
        for i in range(4):
            words[(start + 0x1000 >> 3) + i] = start + 0x2000 + 0x1000 * i | 0x23
        first = start + 0x2000 >> 3
        for i in range(2048):
            words[first + i] = i << 21 | 0xA3
        words[GDT >> 3 : (GDT >> 3) + 4] = memoryview(
            struct.pack("<4Q", 0, 0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF)
        ).cast("Q")

    def _reset(self, entry: int) -> None:
        write = self.cpu.uc.reg_write
        write(x86.UC_X86_REG_CR4, 0x20)
        for number, value in MSRS:
            self.cpu.uc.msr_write(number, value)
        write(x86.UC_X86_REG_CR3, self._identity)
        write(x86.UC_X86_REG_CR0, 0x8000_0011)
        write(x86.UC_X86_REG_GDTR, (0, GDT, 31, 0))
        write(x86.UC_X86_REG_CS, 0x10)
        for register in (x86.UC_X86_REG_SS, x86.UC_X86_REG_DS, x86.UC_X86_REG_ES):
            write(register, 0x18)
        write(RFLAGS, 2)
        self.cpu.gpr[RSI], self.cpu.gpr[RSP] = BP, BP - 0x2000
        self.cpu.pc = entry

    @contextmanager
    def identity_mapped(self) -> Iterator[None]:
        """Meanwhile virtual addresses are physical ones, and everything may be executed."""
        view, cpu = self.view, self.cpu
        root, hflags = view.root.value, view.hflags.value
        view.root.value, view.hflags.value = self._identity, hflags & ~CPL  # the tables are for ring 0
        cpu.flush_translations()
        try:
            yield
        finally:
            view.root.value, view.hflags.value = root, hflags
            cpu.flush_translations()

    # Ways out of the guest.

    def exit(self, kind: int, number: int) -> Event | None:
        """Deal with what stopped the CPU; an event when it is the machine's business."""
        cpu = self.cpu
        if kind == cpu.SYSCALL:
            return self._sysenter() if number == SYSENTER else self._syscall()
        if kind == cpu.INVALID:
            return self._exception(INVALID_OPCODE, None)
        view = self.view
        if kind != cpu.INTERRUPT:
            return Idle(for_good=not view.rflags.value & IF)
        view.old_exception.value = -1
        if view.is_int.value == 1 and number != BREAKPOINT:
            return self._software_interrupt(number)
        if number == PAGE_FAULT and cpu.pc == RETURN_ADDRESS and not view.hflags.value & CPL:
            return Return()
        return self._exception(number, view.error_code.value if number in WITH_CODE else None)

    def _software_interrupt(self, vector: int) -> Event | None:
        user = self.view.hflags.value & CPL
        if user and vector == HYPERCALL_VECTOR:
            gpr = self.cpu.gpr
            return Hypercall(gpr[RAX], (gpr[RDI], gpr[RSI], gpr[RDX]))
        gate = self._gate(vector)
        if user and (gate is None or gate[2] < 3):
            self.cpu.pc -= 2
            return self._exception(PROTECTION, vector * 8 + 2)
        return self._exception(vector, None)

    def _syscall(self) -> Event | None:
        """SYSCALL in 64-bit mode; the engine has moved the pc on."""
        cpu, view = self.cpu, self.view
        flags = cpu.uc.reg_read(RFLAGS)
        cpu.gpr[RCX], cpu.gpr[R11] = cpu.pc, flags & ~RF
        long_mode = view.hflags.value & CS64
        selector = view.star.value >> 32 & 0xFFFC
        self._set_code(selector, 0xAF_9B00)
        self._set_segment(SS, selector + 8, 0xCF_9300)
        cpu.uc.reg_write(RFLAGS, flags & ~(view.fmask.value | RF) | 2)
        cpu.pc = view.lstar.value if long_mode else view.cstar.value
        return None

    def _sysenter(self) -> Event | None:
        """SYSENTER: how 32-bit programs enter the kernel on Intel's CPUs."""
        cpu = self.cpu
        selector, stack, entry = (cpu.uc.msr_read(SYSENTER_MSR + i) for i in range(3))
        self._set_code(selector, 0xAF_9B00)
        self._set_segment(SS, (selector & ~3) + 8, 0xCF_9300)
        cpu.uc.reg_write(RFLAGS, cpu.uc.reg_read(RFLAGS) & ~(IF | RF | VM))
        cpu.gpr[RSP], cpu.pc = stack, entry
        return None

    def _exception(self, vector: int, code: int | None) -> Event | None:
        """Through the IDT; what goes wrong on the way becomes a double fault, and then the end."""
        try:
            if self._deliver(vector, code):
                return None
        except GuestFault:
            pass
        try:
            if vector != DOUBLE_FAULT and self._deliver(DOUBLE_FAULT, 0):
                return None
        except GuestFault:
            pass
        return Stuck(f"triple fault: vector {vector} at {self.cpu.pc:#x} cannot be delivered")

    def _gate(self, vector: int) -> tuple[int, int, int, int, int] | None:
        """Offset, selector, DPL, IST and type of an IDT entry; None when it is not present."""
        if vector * 16 + 15 > self.view.idt_limit.value:
            return None
        low, selector, ist, kind, middle, high = struct.unpack(
            "<HHBBHI", self.mem.read(self.view.idt_base.value + 16 * vector, 12)
        )
        if not kind & 0x80:
            return None
        return low | middle << 16 | high << 32, selector, kind >> 5 & 3, ist & 7, kind & 15

    def _deliver(self, vector: int, code: int | None) -> bool:
        gate = self._gate(vector)
        if gate is None:
            return False
        offset, selector, _, ist, kind = gate
        cpu, view, mem = self.cpu, self.view, self.mem
        flags = cpu.uc.reg_read(RFLAGS)
        old_sp = sp = cpu.gpr[RSP]
        user = view.hflags.value & CPL
        if ist:
            sp = mem.u64(view.tr_base.value + 36 + 8 * (ist - 1))
        elif user:
            sp = mem.u64(view.tr_base.value + 4)
        frame = struct.pack(
            "<5Q", cpu.pc, view.segments[CS * 6] | user, flags, old_sp, view.segments[SS * 6]
        )  # fmt: skip
        if code is not None:
            frame = struct.pack("<Q", code & 0xFFFF_FFFF) + frame
        sp = (sp & -16) - 40 - (8 if code is not None else 0)
        mem.write(sp, frame)
        cpu.gpr[RSP] = sp
        self._set_code(selector, 0xAF_9B00)
        if user:
            self._set_segment(SS, 0, 0xCF_9300)
        cpu.uc.reg_write(RFLAGS, flags & ~(TF | NT | RF | VM | (IF if kind == 14 else 0)) | 2)
        view.hflags.value &= ~INHIBIT
        cpu.pc = offset
        return True

    def _set_segment(self, index: int, selector: int, flags: int) -> None:
        """A flat segment of ring 0 into the engine's descriptor cache."""
        words = self.view.segments
        at = index * 6
        words[at] = selector
        words[at + 2] = words[at + 3] = 0
        words[at + 4], words[at + 5] = 0xFFFF_FFFF, flags

    def _set_code(self, selector: int, flags: int) -> None:
        """64-bit code of ring 0."""
        self._set_segment(CS, selector & ~3, flags)
        hflags = self.view.hflags
        hflags.value = hflags.value & ~(CPL | ADDSEG) | CS64 | CS32 | SS32

    # Interrupts.

    def pending(self) -> bool:
        """Does the interrupt controller want the CPU?"""
        return self.board.pending() is not None

    def takes_interrupts(self) -> bool:
        """False while they are off or delayed by one instruction."""
        view = self.view
        return bool(view.rflags.value & IF) and not view.hflags.value & INHIBIT

    def interrupt(self) -> Event | None:
        """Take the pending interrupt."""
        return self._exception(self.board.acknowledge(), None)

    # Calls by the host.

    def call(self, function: int, args: Sequence[int], sp: int) -> None:
        """Set the CPU up to call `function` on the stack `sp`; it comes back to RETURN_ADDRESS."""
        cpu = self.cpu
        registers, rest = cpu.arch.registers.args, args[6:]
        sp = ((sp - 8 * len(rest)) & -16) - 8
        self.mem.write(sp, struct.pack(f"<{1 + len(rest)}Q", RETURN_ADDRESS, *rest))
        for index, value in zip(registers, args, strict=False):
            cpu.gpr[index] = value
        cpu.gpr[RAX] = 0
        cpu.gpr[RSP] = sp
        cpu.pc = function

    def leave(self, value: int) -> None:
        """Return from the function whose first instruction is next, with `value`."""
        cpu = self.cpu
        sp = cpu.gpr[RSP]
        cpu.pc = self.mem.u64(sp)
        cpu.gpr[RSP], cpu.gpr[RAX] = sp + 8, value

    def hypercall_result(self, value: int) -> None:
        """The answer to a hypercall."""
        self.cpu.gpr[RAX] = value & 0xFFFF_FFFF_FFFF_FFFF
