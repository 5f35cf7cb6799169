"""riscv64 traps as a kernel sees them: small programs on a bare machine, and what its registers say after."""

import struct
from types import SimpleNamespace

import pytest

from emukern import arch as arches
from emukern.arch.riscv64.platform import Platform
from emukern.devices import virt
from emukern.errors import UsageError
from emukern.event import Hypercall, Idle, Return, Stuck
from emukern.linux.memory import KernelMemory
from emukern.machine.cpu import NO_QUOTA, Cpu
from emukern.machine.ram import Ram
from tests.devices.board import Screen, Switch
from tests.devices.fdtreader import cells, read

RAM, MEMORY = 0x8000_0000, 8 << 20
CODE, VECTOR, STACK, TABLES = RAM + 0x1000, RAM + 0x3000, RAM + 0x8000, RAM + 0x10000
USER_CODE, USER_PAGE = 0x40_0000, RAM + 0x9000
A0, A1, A2, A6, A7 = 10, 11, 12, 16, 17
USER, SUPERVISOR = 0, 1
SIE, SPIE, SPP = 2, 32, 256
SOFTWARE, TIMER, EXTERNAL = 1, 5, 9
INTERRUPT = 1 << 63
ECALL, SRET, WFI = "73000000", "73002010", "73005010"
TIME = 0x5449_4D45


class Time:
    """The virtual clock of the CPU alone."""

    def __init__(self):
        self.cpu, self.jumped = None, 0

    @property
    def now(self):
        return self.cpu.state.blocks * self.cpu.ns_per_block + self.jumped


class Bare:
    """CPU, RAM, board and platform, with paging (1 GiB of RAM where it is, one page of user code) and a trap vector."""

    def __init__(self):
        riscv64 = arches.get("riscv64")
        self.screen, self.power, self.time = Screen(), Switch(), Time()
        self.ram = Ram(RAM, MEMORY)
        self.cpu = self.time.cpu = Cpu(riscv64, self.ram)
        self.mem = KernelMemory(self.cpu, self.ram)
        self.board = virt.build(self.time, self.screen, self.power, MEMORY, 0)
        self.platform = Platform(self.cpu, self.mem, self.board)
        self.view, self.gpr = self.cpu.view, self.cpu.gpr
        encode, table = riscv64.paging.encode, riscv64.paging.table
        self.entry(TABLES, 2, encode(RAM, "rwx"))
        self.entry(TABLES, 0, table(TABLES + 0x1000))
        self.entry(TABLES + 0x1000, 2, table(TABLES + 0x2000))
        self.entry(TABLES + 0x2000, 0, encode(USER_PAGE, "rwxu"))
        self.view.priv.value, self.view.stvec.value = SUPERVISOR, VECTOR
        self.cpu.set_root(TABLES)

    def entry(self, table, index, value):
        self.ram.words[(table - RAM >> 3) + index] = value

    def put(self, address, code):
        data = bytes.fromhex(code)
        self.ram.bytes[address - RAM : address - RAM + len(data)] = data

    def run(self, code=None, *, user=False, at=0):
        """Run until the CPU stops, deal with it; `code` is put `at` bytes into a page first."""
        if code is not None:
            self.cpu.flush_code()
            self.put((USER_PAGE if user else CODE) + at, code)
            self.cpu.pc = (USER_CODE if user else CODE) + at
            self.view.priv.value = USER if user else SUPERVISOR
        self.cpu.run(NO_QUOTA)
        self.mem.changed()
        return self.platform.exit(self.cpu.state.kind, self.cpu.state.number)

    def trap(self):
        view = self.view
        return view.scause.value, view.sepc.value, view.stval.value


@pytest.fixture
def bare():
    return Bare()


# name, code, cause, stval, bytes before the instruction
SUPERVISOR_TRAPS = [
    ("illegal", "ffffffff", 2, 0xFFFF_FFFF, 0),
    ("illegal after a compressed one", "0100 ffffffff", 2, 0xFFFF_FFFF, 2),
    ("all zeroes", "00000000", 2, 0, 0),
    ("a machine register", "732540f1", 2, 0xF140_2573, 0),
    ("a counter that is not there", "732530c0", 2, 0xC030_2573, 0),
    ("writing a counter", "f3150cc0", 2, 0xC00C_15F3, 0),
    ("ebreak", "73001000", 3, 0, 0),
    ("c.ebreak", "0290", 3, 0, 0),
    ("load", "03358000", 13, 8, 0),
    ("compressed load", "0145 0861", 13, 0, 2),  # li a0,0; c.ld a0,0(a0)
    ("store", "23 34a000", 15, 8, 0),
    ("amoadd", "2f35a000", 15, 0, 0),
    ("lr", "2f350010", 13, 0, 0),
    ("a user page", "b7024000 03b50200", 13, USER_CODE, 4),  # lui t0,0x400; ld a0,0(t0): SUM is off
]


@pytest.mark.parametrize(("name", "code", "cause", "value", "before"), SUPERVISOR_TRAPS)
def test_an_exception_enters_the_supervisor_vector(bare, name, code, cause, value, before):
    bare.view.mstatus.value = SIE
    assert bare.run(code.replace(" ", "")) is None
    assert bare.trap() == (cause, CODE + before, value)
    assert (bare.cpu.pc, bare.view.priv.value) == (VECTOR, SUPERVISOR)
    assert bare.view.mstatus.value & (SIE | SPIE | SPP) == SPIE | SPP


@pytest.mark.parametrize("enabled", [0, SIE])
def test_sret_undoes_the_entry(bare, enabled):
    bare.view.mstatus.value = enabled
    bare.put(VECTOR, "73101e14" + SRET)  # csrw sepc,t3
    bare.gpr[28] = CODE + 0x40
    bare.put(CODE + 0x40, WFI)
    assert bare.run("ffffffff") is None
    assert bare.run() == Idle()
    assert bare.cpu.pc == CODE + 0x44
    assert bare.view.mstatus.value & SIE == enabled
    assert bare.view.priv.value == SUPERVISOR


def test_a_fetch_fault_is_at_its_target(bare):
    assert bare.run("67000000") is None  # jr zero
    assert bare.trap() == (12, 0, 0)


def test_an_instruction_half_of_which_is_absent(bare):
    assert bare.run("b300", user=True, at=0xFFE) is None  # the first half of add
    assert bare.trap() == (12, USER_CODE + 0xFFE, USER_CODE + 0x1000)


@pytest.mark.parametrize(
    ("code", "cause", "value"),
    [
        ("ffffffff", 2, 0xFFFF_FFFF),
        (ECALL, 8, 0),
        (WFI, 2, 0x1050_0073),
        (SRET, 2, 0x1020_0073),
        ("73001000", 3, 0),
        ("0290", 3, 0),
        ("03358000", 13, 8),
        ("b7020880 03b50200", 13, RAM + (8 << 16)),  # lui t0,0x80080: the supervisor's
    ],
)
def test_user_mode_traps_too(bare, code, cause, value):
    bare.view.mstatus.value = SIE
    code = code.replace(" ", "")
    before = len(code) // 2 - 4 if len(code) > 8 else 0
    assert bare.run(code, user=True) is None
    trapped, where, told = bare.trap()
    assert (trapped, where, told & 0xFFFF_FFFF) == (cause, USER_CODE + before, value)
    assert (bare.cpu.pc, bare.view.priv.value) == (VECTOR, SUPERVISOR)
    assert bare.view.mstatus.value & (SIE | SPIE | SPP) == SPIE


def test_without_paging_a_trap_is_the_way_to_virtual_addresses(bare):
    """What Linux does first: write satp and let the fetch of the next instruction fail. (The fence stands before:
    the engine keeps its translations when satp is written, and the manual allows that.)"""
    bare.view.root.value = 0
    bare.cpu.flush_translations()
    high = 0xFFFF_FFFF_8000_0000
    bare.entry(TABLES, 510, arches.get("riscv64").paging.encode(RAM, "rwx"))
    bare.entry(TABLES, 2, 0)
    bare.view.stvec.value = high + 0x3000
    bare.put(VECTOR, WFI)
    bare.gpr[5] = 8 << 60 | TABLES >> 12
    assert bare.run("730000127390021813000000") is None  # sfence.vma; csrw satp,t0
    assert bare.trap() == (12, CODE + 8, CODE + 8)
    assert bare.run() == Idle()
    assert bare.cpu.pc == high + 0x3004


def test_no_vector_is_the_end(bare):
    bare.view.stvec.value = 0
    event = bare.run("ffffffff")
    assert isinstance(event, Stuck)
    assert "exception 2" in event.text


def test_a_vector_that_is_not_mapped_is_the_end(bare):
    bare.view.stvec.value = 0x1000
    assert bare.run("ffffffff") is None
    event = bare.run()
    assert isinstance(event, Stuck)
    assert "0x1000 cannot be reached" in event.text


# Counters.


def test_time_is_virtual_and_reading_it_takes_a_microsecond(bare):
    bare.time.jumped = 10**9
    assert bare.run("732510c0") is None  # rdtime a0
    assert bare.cpu.pc == CODE + 4
    first = bare.gpr[A0]
    assert first == bare.time.now // 100
    assert bare.run("f32510c0") is None  # rdtime a1
    assert 9 <= bare.gpr[A1] - first <= 12


@pytest.mark.parametrize("code", ["732500c0", "732520c0"])  # rdcycle, rdinstret
def test_other_counters_are_virtual_too(bare, code):
    bare.time.jumped = 10**9
    for _ in range(2):
        assert bare.run(code) is None
        assert bare.cpu.pc == CODE + 4
        assert bare.gpr[A0] == bare.time.now


def test_user_mode_reads_the_counters_it_may(bare):
    bare.view.scounteren.value = 2
    assert bare.run("732510c0", user=True) is None
    assert (bare.cpu.pc, bare.view.priv.value) == (USER_CODE + 4, USER)
    assert bare.run("732500c0", user=True) is None
    assert bare.trap() == (2, USER_CODE, 0xC000_2573)


def test_it_does_not_show_whether_a_read_of_the_time_was_known(bare):
    """In the kernel's own code the native hook answers, once it knows the place."""
    bare.mem.linear = ((RAM, MEMORY, RAM),)
    told = []
    for _ in range(2):
        bare.cpu.state.blocks = 1000
        event = bare.run("732510c0 f32510c0 732610c0" + WFI)  # rdtime a0; rdtime a1; rdtime a2
        while event is None:
            event = bare.run()
        assert event == Idle()
        told.append((*bare.gpr[A0 : A0 + 3], bare.cpu.state.blocks, bare.cpu.pc))
    assert told[0] == told[1]
    assert told[0][0] < told[0][1] < told[0][2]


# The firmware.


def sbi(bare, extension, function, *args):
    bare.gpr[A7], bare.gpr[A6] = extension, function
    for index, value in enumerate(args):
        bare.gpr[A0 + index] = value
    assert bare.run(ECALL) is None
    assert bare.cpu.pc == CODE + 4
    return bare.gpr[A0], bare.gpr[A1]


def test_supervisor_ecalls_are_for_the_firmware(bare):
    assert sbi(bare, 0x10, 0) == (0, 0x0200_0000)
    assert sbi(bare, 0x10, 3, TIME) == (0, 1)
    assert sbi(bare, 0x1234, 0, 7, 8) == (NO_QUOTA - 1, 0)


def test_the_firmware_prints_from_memory(bare):
    bare.put(STACK, b"hello\n".hex())
    assert sbi(bare, 0x4442_434E, 0, 6, STACK, 0) == (0, 6)
    assert sbi(bare, 0x4442_434E, 0, 6, RAM + MEMORY - 5, 0)[0] == NO_QUOTA - 2
    assert bare.screen.text == b"hello\n"


def test_the_legacy_console_answers_in_one_register(bare):
    assert sbi(bare, 1, 0, ord("x"), 77) == (0, 77)
    bare.board.sbi.receive(b"k")
    assert sbi(bare, 2, 0, 0, 77) == (ord("k"), 77)
    assert sbi(bare, 2, 0, 0, 77) == (NO_QUOTA, 77)
    assert bare.screen.text == b"x"


def test_the_firmware_switches_off(bare):
    sbi(bare, 0x5352_5354, 0, 0, 0)
    assert bare.power.state == "poweroff"


def test_user_hypercalls_are_the_hosts(bare):
    bare.gpr[A7] = 0x454D_5503
    for i in range(3):
        bare.gpr[A0 + i] = 40 + i
    assert bare.run(ECALL, user=True) == Hypercall(3, (40, 41, 42))
    assert bare.cpu.pc == USER_CODE + 4
    bare.platform.hypercall_result(-5)
    assert bare.gpr[A0] == NO_QUOTA - 4
    assert bare.view.scause.value == 0


def test_the_kernel_has_no_hypercalls(bare):
    assert sbi(bare, 0x454D_5503, 0)[0] == NO_QUOTA - 1


# Interrupts.


def expired(bare):
    """The timer's interrupt is pending."""
    sbi(bare, TIME, 0, 0)
    assert bare.board.sbi.timer


def test_the_timer_interrupts_when_both_enables_are_set(bare):
    expired(bare)
    platform, view = bare.platform, bare.view
    view.mstatus.value = SIE
    assert not platform.pending()
    view.mie.value = 1 << TIMER
    view.mstatus.value = 0
    assert platform.pending()
    assert not platform.takes_interrupts()
    view.mstatus.value = SIE
    pc = bare.cpu.pc
    assert platform.takes_interrupts()
    assert platform.interrupt() is None
    assert bare.trap() == (INTERRUPT | TIMER, pc, 0)
    assert bare.cpu.pc == VECTOR
    assert not platform.takes_interrupts(), "the handler runs with interrupts off"


def test_user_mode_is_interrupted_whatever_its_enable_says(bare):
    expired(bare)
    bare.view.mie.value, bare.view.mstatus.value, bare.view.priv.value = 1 << TIMER, 0, USER
    assert bare.platform.takes_interrupts()
    assert bare.platform.interrupt() is None
    assert bare.view.priv.value == SUPERVISOR
    assert bare.view.mstatus.value & (SPP | SPIE) == 0


def test_the_native_gate_opens_when_interrupts_are_taken(bare):
    ((offset, mask, value),) = bare.platform.gates
    for status in (0, SIE, SPIE, SIE | SPIE):
        bare.view.mstatus.value = status
        word = struct.unpack_from("<Q", bare.cpu.save()[-bare.cpu._context_size + 40 :], offset)[0]
        assert (word & mask == value) == bool(status & SIE)


def test_the_most_urgent_interrupt_comes_first(bare):
    expired(bare)
    sbi(bare, 0x0073_5049, 0, 1, 0)
    bare.board.plic.external = True
    view = bare.view
    view.mie.value = 1 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL
    causes = []
    for cause in (EXTERNAL, SOFTWARE, TIMER):
        view.mstatus.value = SIE
        assert bare.platform.takes_interrupts()
        assert bare.platform.interrupt() is None
        causes.append(view.scause.value & 0xFF)
        view.mie.value &= ~(1 << cause)
    assert causes == [EXTERNAL, SOFTWARE, TIMER]


def test_vectored_mode(bare):
    expired(bare)
    bare.view.stvec.value = VECTOR | 1
    bare.view.mie.value, bare.view.mstatus.value = 1 << TIMER, SIE
    assert bare.platform.takes_interrupts()
    assert bare.platform.interrupt() is None
    assert bare.cpu.pc == VECTOR + 4 * TIMER
    assert bare.run("ffffffff") is None
    assert bare.cpu.pc == VECTOR, "exceptions go to the first entry"


def test_the_guest_clears_its_software_interrupt(bare):
    sbi(bare, 0x0073_5049, 0, 0, NO_QUOTA)
    bare.view.mie.value = 1 << SOFTWARE
    assert bare.platform.pending()
    assert bare.run("7325401473704114" + WFI) == Idle()  # csrr a0,sip; csrci sip,2
    assert bare.gpr[A0] == 1 << SOFTWARE
    assert not bare.platform.pending()


def test_the_guest_enables_interrupts_itself(bare):
    bare.gpr[5] = 0x222
    assert bare.run("7390421073600110" + WFI) == Idle()  # csrw sie,t0; csrsi sstatus,2
    assert bare.view.mie.value == 0x222
    assert bare.view.mstatus.value & SIE


# Calls by the host.


def test_a_call_returns_to_nowhere(bare):
    bare.put(CODE, "3305b500 8280")  # add a0,a0,a1; ret
    bare.platform.call(CODE, (40, 2), STACK)
    assert bare.run() == Return()
    assert bare.gpr[A0] == 42
    assert bare.view.scause.value == 0


def test_arguments_beyond_the_registers_are_on_the_stack(bare):
    bare.put(CODE, "83350100 03368100 8280")  # ld a1,0(sp); ld a2,8(sp); ret
    bare.platform.call(CODE, (*range(8), -1, 9), STACK - 4)
    assert bare.gpr[2] % 16 == 0
    assert bare.run() == Return()
    assert (bare.gpr[A1], bare.gpr[A2]) == (NO_QUOTA, 9)


def test_user_mode_cannot_return_for_the_kernel(bare):
    bare.gpr[1] = Platform.RETURN_ADDRESS
    assert bare.run("8280", user=True) is None
    assert bare.trap()[0] == 12


def test_wfi_waits_for_an_interrupt(bare):
    assert bare.run(WFI) == Idle()
    assert bare.cpu.pc == CODE + 4


def test_physical_addresses_for_a_while(bare):
    root = bare.view.root.value
    with bare.platform.identity_mapped():
        assert bare.mem.lookup(0x1234) == (0x1234, "rwx")
    assert bare.view.root.value == root
    assert bare.mem.lookup(0x1234) is None


# The boot protocol.


def image(size=0x1000, content=b"kernel"):
    segment = SimpleNamespace(paddr=RAM + 0x20_0000, offset=2, filesz=len(content), memsz=size)
    return SimpleNamespace(segments=(segment,), data=b"##" + content + b"#", entry=RAM + 0x20_0000)


def test_the_kernel_finds_what_the_boot_protocol_promises(bare):
    bare.view.mie.value = bare.view.mip.value = 0x222
    bare.platform.load(image(), b"a b", b"initrd")
    ram = bare.ram.bytes
    assert bytes(ram[0x20_0000:0x20_0007]) == b"kernel\0"
    assert (bare.cpu.pc, bare.view.priv.value) == (RAM + 0x20_0000, SUPERVISOR)
    assert (bare.view.root.value, bare.view.mie.value, bare.view.mstatus.value & SIE) == (0, 0, 0)
    assert bare.gpr[A0] == 0
    at = bare.gpr[A1]
    assert at % 8 == 0
    (total,) = struct.unpack_from(">I", ram, at - RAM + 4)
    tree = read(bytes(ram[at - RAM : at - RAM + total]))
    assert tree["chosen"]["bootargs"] == b"a b\0"
    start = cells(tree["chosen"]["linux,initrd-start"])[1] - RAM
    end = cells(tree["chosen"]["linux,initrd-end"])[1] - RAM
    assert bytes(ram[start:end]) == b"initrd"
    assert cells(tree["memory@80000000"]["reg"]) == (0, RAM, 0, MEMORY)


def test_a_kernel_that_does_not_fit_is_refused(bare):
    with pytest.raises(UsageError, match="need more memory than 8 MiB"):
        bare.platform.load(image(size=MEMORY - 0x20_0000), b"", b"")
    with pytest.raises(UsageError, match="need more memory"):
        bare.platform.load(image(), b"", bytes(MEMORY))


def test_a_command_line_that_is_cut_is_refused(bare):
    with pytest.raises(UsageError, match="1023 bytes, not 1024"):
        bare.platform.load(image(), b"x" * 1024, b"")


# The engine.

CSRS = {
    "MSTATUS": "mstatus",
    "MIE": "mie",
    "MIP": "mip",
    "MIDELEG": "mideleg",
    "SATP": "root",
    "STVAL": "stval",
    "STVEC": "stvec",
    "SEPC": "sepc",
    "SCAUSE": "scause",
    "SCOUNTEREN": "scounteren",
}


@pytest.mark.parametrize(("csr", "field"), CSRS.items())
def test_fields_of_the_view_are_these_registers(csr, field):
    from unicorn import riscv_const as rv

    cpu = Cpu(arches.get("riscv64"), Ram(RAM, MEMORY))
    register = getattr(rv, f"UC_RISCV_REG_{csr}")
    for probe in (0x220, 0x20, 0):
        cpu.uc.reg_write(register, probe)
        assert getattr(cpu.view, field).value == cpu.uc.reg_read(register)
        assert probe == 0 or getattr(cpu.view, field).value & probe
