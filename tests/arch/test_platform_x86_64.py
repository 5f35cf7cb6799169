"""x86_64 traps as a kernel sees them: small programs on a machine without a kernel, and what is on its stacks after."""

import struct
from types import SimpleNamespace

import pytest
from unicorn import x86_const as x86

from emukern.arch.x86_64.platform import GDT, RETURN_ADDRESS
from emukern.errors import GuestPanic
from emukern.event import Break, Hypercall, Return
from emukern.linux.machine import MIB, Machine
from emukern.machine.console import Console

CODE, ENTRY, HANDLER, IDT, TSS, STACK, USER_STACK, RSP0, IST1 = (0x20_0000 + 0x1_0000 * i for i in range(9))
DESCRIPTORS = (0, 0, 0xAF_9B00_0000_FFFF, 0xCF_9300_0000_FFFF, 0xAF_FB00_0000_FFFF, 0xCF_F300_0000_FFFF)
KERNEL, KERNEL_DATA, USER, USER_DATA, COMPAT = 0x10, 0x18, 0x23, 0x2B, 0x33
CF, TF, IF = 1, 0x100, 0x200
TRAP_GATE, INTERRUPT_GATE = 15, 14
RAX, RCX, RSP, RDI, R11 = 0, 1, 4, 7, 11
ABSENT = 0x4000_0000  # the 2 MiB there are not mapped
HLT, FAULT = "f4", "8b042500000040"  # mov eax, [ABSENT]


class Bare:
    """A machine under its boot page tables, which here are for programs too; what any trap leads to is `hlt`."""

    def __init__(self):
        self.machine = machine = Machine("x86_64", 16 * MIB, Console())
        nothing = SimpleNamespace(paddr=0, vaddr=0, offset=0, filesz=0, memsz=0)
        machine.load(SimpleNamespace(segments=(nothing,), data=b"", entry=CODE, setup_header=None), b"", b"")
        self.cpu, self.view, self.gpr = machine.cpu, machine.cpu.view, machine.cpu.gpr
        words, tables = machine.ram.words, self.view.root.value >> 3
        for at in range(tables, tables + 6 * 512):
            words[at] |= 4 if words[at] else 0
        words[tables + 2 * 512 + (ABSENT >> 21)] = 0
        machine.mem.write(GDT, struct.pack("<7Q", *DESCRIPTORS, 0xCF_FB00_0000_FFFF))
        self.cpu.uc.reg_write(x86.UC_X86_REG_GDTR, (0, GDT, 7 * 8 - 1, 0))
        self.view.idt_base.value, self.view.idt_limit.value, self.view.tr_base.value = IDT, 256 * 16 - 1, TSS
        machine.mem.write(TSS + 4, struct.pack("<Q", RSP0))
        machine.mem.write(TSS + 36, struct.pack("<Q", IST1))
        for vector in range(256):
            self.gate(vector)
        self.put(HANDLER, HLT)

    def gate(self, vector, kind=INTERRUPT_GATE, level=0, ist=0, present=0x80):
        entry = (HANDLER & 0xFFFF, KERNEL, ist, present | level << 5 | kind, HANDLER >> 16, 0)
        self.machine.mem.write(IDT + 16 * vector, struct.pack("<HHBBHQ", *entry))

    def put(self, address, code):
        self.machine.mem.write(address, bytes.fromhex(code))
        self.cpu.flush_code()

    def run(self, code, selector=KERNEL, flags=0):
        """Run `code` until it has led to the handler, or to an event."""
        self.put(CODE, code)
        user = selector != KERNEL
        frame = (CODE, selector, 2 | flags, USER_STACK if user else STACK, USER_DATA if user else KERNEL_DATA)
        self.gpr[RSP] = STACK - 64
        self.machine.mem.write(STACK - 64, struct.pack("<5Q", *frame))
        self.put(ENTRY, "48cf")  # iretq
        self.cpu.pc = ENTRY
        return self.machine.run(blocks=self.cpu.state.blocks + 5000)

    def frame(self, code=False):
        """(error code or None, rip, cs, the flags that matter, rsp, ss) as the handler finds them."""
        error, rip, cs, flags, sp, ss = struct.unpack("<6Q", self.machine.mem.read(self.gpr[RSP] - 8 * (not code), 48))
        return error if code else None, rip, cs, flags & (IF | TF), sp, ss

    @property
    def flags(self):
        return self.cpu.uc.reg_read(x86.UC_X86_REG_RFLAGS) & (IF | TF)


@pytest.fixture
def bare():
    return Bare()


# name, code, its privilege, vector, error code, offset of the saved rip
TRAPS = [
    ("invalid opcode", "90 0f0b", KERNEL, 6, None, 1),
    ("breakpoint", "cc", KERNEL, 3, None, 1),
    ("division by zero", "31c9 f7f1", KERNEL, 0, None, 2),
    ("page fault", "90" + FAULT, KERNEL, 14, 0, 1),
    ("page fault of a program", FAULT, USER, 14, 4, 0),
    ("not canonical", "48b80000000000000080 8b00", KERNEL, 13, 0, 10),
    ("privileged", HLT, USER, 13, 0, 0),
    ("a gate of the kernel", "cd20", USER, 13, 0x20 * 8 + 2, 0),
    ("an exception's gate", "cd0e", USER, 13, 14 * 8 + 2, 0),
    ("an absent gate", "cd90", USER, 13, 0x90 * 8 + 2, 0),
    ("an open gate", "cd80", USER, 0x80, None, 2),
    ("an open gate, 32 bits", "cd80", COMPAT, 0x80, None, 2),
    ("page fault, 32 bits", "a100000040", COMPAT, 14, 4, 0),
    ("single step", "90 90", USER, 1, None, 1),
    ("where calls of the host return to", "48c7c00000f0ff ffe0", USER, 14, 4, None),
]


@pytest.mark.parametrize(("name", "code", "selector", "vector", "error", "at"), TRAPS)
def test_a_trap_goes_through_its_gate(bare, name, code, selector, vector, error, at):
    for other in {*range(32), 0x90} - {vector}:  # whatever comes instead ends the machine
        bare.gate(other, present=0)
    bare.gate(0x80, level=3)
    flags = IF | (TF if vector == 1 else 0)
    assert bare.run(code, selector, flags).why == "idle"
    user = selector != KERNEL
    rip = RETURN_ADDRESS if at is None else CODE + at
    stack = (USER_STACK, USER_DATA) if user else (STACK, KERNEL_DATA)
    assert bare.frame(error is not None) == (error, rip, selector, flags, *stack)
    assert bare.gpr[RSP] == (RSP0 if user else STACK) - (40 if error is None else 48)
    assert bare.flags == 0


def test_a_trap_gate_leaves_interrupts_on(bare):
    bare.gate(6, TRAP_GATE)
    bare.run("0f0b", flags=IF)
    assert bare.flags == IF


@pytest.mark.parametrize("selector", [KERNEL, USER])
def test_a_stack_of_its_own(bare, selector):
    bare.gate(6, ist=1)
    bare.run("0f0b", selector)
    assert bare.gpr[RSP] == IST1 - 40


def test_the_stack_is_aligned(bare):
    bare.run("4883ec08 0f0b")  # sub rsp, 8
    assert bare.gpr[RSP] == STACK - 16 - 40
    assert bare.frame()[4] == STACK - 8


def test_what_cannot_be_delivered_is_a_double_fault(bare):
    bare.gate(6, present=0)
    bare.run("0f0b")
    assert bare.frame(True)[:2] == (0, CODE)


def test_what_cannot_be_delivered_at_all_ends_the_machine(bare):
    bare.view.idt_limit.value = 0
    with pytest.raises(GuestPanic, match="triple fault: vector 6"):
        bare.run("0f0b")


@pytest.mark.parametrize("selector", [USER, COMPAT])
def test_syscall_enters_where_the_registers_say(bare, selector):
    write = bare.cpu.uc.msr_write
    write(0xC000_0081, (KERNEL + 8 | 0x23) << 48 | KERNEL << 32)
    write(0xC000_0082, HANDLER)
    write(0xC000_0083, HANDLER)
    write(0xC000_0084, IF)
    assert bare.run("0f05", selector, flags=IF).why == "idle"
    assert (bare.gpr[RCX], bare.gpr[R11] & IF, bare.gpr[RSP]) == (CODE + 2, IF, USER_STACK)
    assert bare.view.hflags.value & 3 == 0


def test_sysenter_enters_where_the_registers_say(bare):
    for number, value in ((0x174, KERNEL), (0x175, IST1), (0x176, HANDLER)):
        bare.cpu.uc.msr_write(number, value)
    assert bare.run("0f34", COMPAT, flags=IF).why == "idle"
    assert (bare.gpr[RSP], bare.flags) == (IST1, 0)
    assert bare.cpu.uc.reg_read(x86.UC_X86_REG_CS) == KERNEL


def test_a_program_calls_the_host(bare):
    stop = bare.run("b805000000 bf06000000 cdf3", USER)  # mov eax, 5; mov edi, 6
    assert isinstance(stop.event, Hypercall)
    assert (stop.event.service, stop.event.args[0]) == (5, 6)


def test_a_function_that_the_host_calls_comes_back(bare):
    bare.put(CODE, "8d47ff c3")  # lea eax, [rdi - 1]; ret
    bare.machine.platform.call(CODE, [8], STACK)
    assert isinstance(bare.machine.run().event, Return)
    assert bare.gpr[RAX] == 7


# Interrupts.


def tick_soon(bare):
    """The timer interrupts in a moment, as vector 0x30."""
    interrupts = ((0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0x21, 0xFE))
    for port, value in (*interrupts, (0x43, 0x30), (0x40, 9), (0x40, 0)):
        bare.machine.board.bus.write_port(port, 1, value)


def test_a_cpu_that_waits_is_woken_by_the_timer(bare):
    tick_soon(bare)
    bare.run("fb f4 90")  # sti; hlt
    _, rip, _, flags, *_ = bare.frame()
    assert (rip, flags) == (CODE + 2, IF)


def test_an_interrupt_waits_until_it_is_allowed(bare):
    tick_soon(bare)
    bare.run("b900040000 ffc9 75fc fb 90 90 90 ebfb")  # mov ecx, 1024; 1: dec ecx; jnz 1b; sti; 2: nop …; jmp 2b
    _, rip, *_ = bare.frame()
    assert CODE + 10 <= rip < CODE + 15
    assert bare.gpr[RCX] == 0


def test_waiting_with_interrupts_off_is_the_end(bare):
    tick_soon(bare)
    assert bare.run("f4 ebfd").why == "idle"
    assert not bare.machine.platform.pending()


def test_switching_off_takes_effect_with_an_interrupt_pending(bare):
    tick_soon(bare)
    # 1: loop 1b; mov dx, 0x604; mov ax, 0x2000; out dx, ax; 2: jmp 2b
    assert bare.run("b900040000 e2fe 66ba0406 66b80020 66ef ebfe").why == "poweroff"


# Breaks.


@pytest.mark.parametrize("stride", [2, 3, 5])
def test_a_break_is_never_missed(bare, stride):
    """Wherever the machine has stopped before, between two blocks."""
    machine = bare.machine
    bare.put(CODE, "b90a000000 e806000000 ffc9 75f7 f490 c3")  # mov ecx, 10; 1: call f; dec ecx; jnz 1b; hlt; f: ret
    machine.break_at(CODE + 16)
    bare.gpr[RSP], bare.cpu.pc = STACK, CODE
    seen = []
    while (stop := machine.run(blocks=bare.cpu.state.blocks + stride)).why != "idle":
        if isinstance(stop.event, Break):
            seen.append(bare.gpr[RCX])
            machine.pass_break()
    assert seen == [*range(10, 0, -1)]
