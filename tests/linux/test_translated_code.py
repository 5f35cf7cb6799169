"""Restoring a moment keeps what was translated of its code, and forgets what was translated of anything else."""

from types import SimpleNamespace

import pytest

from emukern.linux import snapshot
from emukern.linux.machine import MIB, Machine
from emukern.machine.console import Console
from emukern.machine.ram import PAGE

MEMORY = 16 * MIB
TABLES = 6 * MIB  # offset in RAM of page tables for two views of it
LOW, HIGH = 0x4000_0000, 0x7_0000_0000  # the virtual addresses of the two
A, B, C, D = (8 * MIB + number * PAGE for number in range(4))  # where in RAM the code is
ENOUGH = 1000  # blocks


def answer(machine, number):
    """Code that puts a small number into the result register and waits."""
    if machine.arch.name == "x86_64":
        return b"\xb8" + number.to_bytes(4, "little") + b"\xf4"  # mov eax, number; hlt
    return (number << 20 | 0x513).to_bytes(4, "little") + bytes.fromhex("73005010")  # addi a0, zero, number; wfi


def rewriter(machine):
    """Code that overwrites eight bytes at the address in the first argument with the second, and waits."""
    if machine.arch.name == "x86_64":
        return bytes.fromhex("488937f4")  # mov [rdi], rsi; hlt
    return bytes.fromhex("2330b50073005010")  # sd a1, 0(a0); wfi


def build(arch):
    """A machine in supervisor mode under page tables that show RAM at LOW and at HIGH."""
    machine = Machine(arch, MEMORY, Console())
    nothing = SimpleNamespace(paddr=0, vaddr=0, offset=0, filesz=0, memsz=0)
    machine.load(SimpleNamespace(segments=(nothing,), data=b"", entry=0, setup_header=None), b"", b"")
    ram, paging, free = machine.ram, machine.arch.paging, [TABLES + PAGE]

    def put(address, target):
        table = TABLES
        for level in range(paging.levels - 1, 0, -1):
            word = (table >> 3) + (address >> 12 + 9 * level & 511)
            if not ram.words[word]:
                ram.words[word] = paging.table(ram.base + free[0])
                free[0] += PAGE
            table = paging.decode(ram.words[word])[0] - ram.base
        ram.words[(table >> 3) + (address >> 12 & 511)] = paging.encode(ram.base + target, "rwx")

    for view in (LOW, HIGH):
        for page in range(A, A + 64 * PAGE, PAGE):
            put(view + page, page)
    machine.cpu.set_root(ram.base + TABLES)
    return machine


@pytest.fixture
def machine(arch):
    """One of either architecture."""
    return build(arch)


def write(machine, place, code):
    """As a loader does: past the CPU, which is not told."""
    machine.ram.bytes[place : place + len(code)] = code


def execute(machine, place, *args, view=LOW):
    """Run the code at an offset in RAM; what it leaves in the result register."""
    cpu = machine.cpu
    for register, value in zip(machine.arch.registers.args, args, strict=False):
        cpu.gpr[register] = value
    cpu.pc = view + place
    assert cpu.run(cpu.state.blocks + ENOUGH) == 0
    assert cpu.state.kind == cpu.NONE
    return cpu.gpr[machine.arch.registers.result]


def user_mode(machine):
    """Leave supervisor mode."""
    view = machine.cpu.view
    if machine.arch.name == "x86_64":
        view.hflags.value |= 3
    else:
        view.priv.value = 0


def kernel_mode(machine):
    """And back."""
    view = machine.cpu.view
    if machine.arch.name == "x86_64":
        view.hflags.value &= ~3
    else:
        view.priv.value = 1


@pytest.fixture
def moment(machine):
    """Saved when A and B held code that had run."""
    for place, number in ((A, 1), (B, 11)):
        write(machine, place, answer(machine, number))
        assert execute(machine, place) == number
    saved = snapshot.save(machine)
    snapshot.restore(machine, saved)
    return saved


def test_the_engine_does_not_notice_what_it_is_not_told(machine, moment):
    write(machine, A, answer(machine, 2))
    assert execute(machine, A) == 1
    machine.forget_code([(A, A + PAGE)])
    assert execute(machine, A) == 2


@pytest.mark.parametrize("view", [LOW, HIGH])
def test_code_is_forgotten_whatever_address_it_ran_at(machine, moment, view):
    assert execute(machine, A, view=HIGH) == 1
    write(machine, A, answer(machine, 2))
    machine.forget_code([(A, A + 1)])
    assert execute(machine, A, view=view) == 2


def test_new_code_is_forgotten_and_old_code_comes_back(machine, moment):
    for number in range(20, 25):
        write(machine, C, answer(machine, number))  # where each time there was nothing in this moment
        assert execute(machine, C) == number
        write(machine, A, answer(machine, number))
        machine.forget_code([(A, A + PAGE)])
        assert execute(machine, A) == number
        snapshot.restore(machine, moment)
        assert execute(machine, A) == 1


def test_code_that_was_changed_by_code_comes_back(machine, moment):
    write(machine, D, rewriter(machine))
    new = answer(machine, 5)[:8].ljust(8, b"\0")
    execute(machine, D, LOW + A, int.from_bytes(new, "little"))
    assert execute(machine, A) == 5
    snapshot.restore(machine, moment)
    assert execute(machine, A) == 1


def test_code_of_the_moment_stays_translated(machine, moment):
    write(machine, C, answer(machine, 3))
    assert execute(machine, C) == 3
    snapshot.restore(machine, moment)
    write(machine, B, answer(machine, 99))  # the engine is not told: only if it has to translate it will know
    assert execute(machine, B) == 11
    assert machine.cpu.code_flushes == 0


def test_code_across_two_pages(machine, moment):
    code = answer(machine, 7)
    for changed in (C, D):  # whichever of the two it was that changed
        write(machine, D - 4, code)
        assert execute(machine, D - 4) == 7
        snapshot.restore(machine, moment)
        write(machine, D - 4, answer(machine, 8))
        assert execute(machine, D - 4) == 8
        snapshot.restore(machine, moment)
        assert machine.ram.bytes[changed] == 0


def test_two_moments_in_turn(machine, moment):
    write(machine, A, answer(machine, 2))
    machine.forget_code([(A, A + PAGE)])
    assert execute(machine, A) == 2
    later = snapshot.save(machine)
    for _ in range(3):
        snapshot.restore(machine, moment)
        assert execute(machine, A) == 1
        snapshot.restore(machine, later)
        assert execute(machine, A) == 2


def test_a_moment_of_another_machine(machine, moment):
    other = build(machine.arch.name)
    write(other, A, answer(other, 6))
    assert execute(other, A) == 6
    for _ in range(2):
        snapshot.restore(other, moment)
        assert execute(other, A) == 1
        write(other, C, answer(other, 4))
        assert execute(other, C) == 4


def test_what_was_touched_since_is_all_there_is_to_forget(machine, moment):
    for page in range(4, 60, 2):
        write(machine, A + page * PAGE, answer(machine, page))
    for page in range(4, 60, 2):
        assert execute(machine, A + page * PAGE) == page
    touched = machine.ram.touched()
    assert {(A + page * PAGE, A + (page + 1) * PAGE) for page in range(4, 60, 2)} <= set(touched)
    snapshot.restore(machine, moment)
    for page in range(4, 60, 2):
        write(machine, A + page * PAGE, answer(machine, page + 1))
        assert execute(machine, A + page * PAGE) == page + 1


def test_a_moment_in_user_mode(machine, moment):
    user_mode(machine)
    moment = snapshot.save(machine)
    for number in (20, 21):
        snapshot.restore(machine, moment)
        kernel_mode(machine)
        write(machine, C, answer(machine, number))
        assert execute(machine, C) == number
        user_mode(machine)


def test_restoring_leaves_memory_as_it_was(machine, moment):
    write(machine, C, answer(machine, 3))
    execute(machine, C)
    snapshot.restore(machine, moment)
    assert machine.ram.touched() == []
