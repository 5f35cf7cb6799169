"""Programs in memory: what a good file becomes, and what bad ones get."""

import contextlib
import struct
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.errors import Errno
from emukern.kernel import exec as exec_
from emukern.machine.ram import PAGE
from tests.kernel.code import elf
from tests.kernel.machine import MemoryKernel

ENOENT, E2BIG, ENOEXEC = 2, 7, 8
TEXT = b"\x90" * 100


def program(*segments, body=TEXT, **fields):
    return elf(*segments, body=body, **fields)


GOOD = (1, 5, PAGE, 0x400000, 100, 100)
DATA = (1, 6, PAGE, 0x402000, 100, 3 * PAGE)


def load(k, data, argv=(b"x",), envp=()):
    inode = SimpleNamespace(read_all=lambda k: data)
    return exec_.load(k, inode, "/bin/x", list(argv), list(envp))


def refused(k, data, **words):
    """The errno that execve gives; nothing may be left of the attempt."""
    used = k.pages.used
    with pytest.raises(Errno) as failure:
        load(k, data, **words)
    assert k.pages.used == used
    return failure.value.number


def test_segments_stack_and_break_are_where_they_belong():
    k = MemoryKernel()
    made = load(k, program(GOOD, DATA), argv=(b"one", b""), envp=(b"A=b",))
    assert [(a.start, a.end, a.prot) for a in made.mm.areas[:3]] == [
        (0x400000, 0x401000, "rx"),
        (0x402000, 0x403000, "rw"),
        (0x403000, 0x405000, "rw"),
    ]
    assert (made.entry, made.mm.brk, made.compat) == (0x400000, 0x405000, False)
    k.current.mm = made.mm
    k.current = k.current
    assert k.user.copy_from(0x402000, 101) == TEXT + b"\0"
    argc, first, second, end, variable = struct.unpack("<5Q", k.user.copy_from(made.sp, 40))
    assert (argc, end, made.sp % 16) == (2, 0, 0)
    assert [k.user.cstr(at) for at in (first, second, variable)] == [b"one", b"", b"A=b"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        program(GOOD)[:40],
        program(GOOD)[:100],
        program(),
        program(GOOD, machine=243),
        program(GOOD, machine=3),
        program(GOOD, kind=3),
        program(GOOD, entry=0xFFFF_8000_0000_0000),
        program((1, 5, PAGE, 0x400000, 101, 200)),
        program((1, 5, PAGE, 0x400000, 100, 50)),
        program((1, 5, PAGE + 8, 0x400000, 8, 8)),
        program((1, 7, PAGE, 0x400000, 100, 100)),
        program((1, 5, PAGE, 0, 100, 100)),
        program((1, 5, PAGE, 0x7FFF_FFFF_E000, 100, 100)),
        program((1, 6, PAGE, 0x400000, 100, 1 << 63)),
        program((1, 6, PAGE, (1 << 64) - PAGE, 100, PAGE)),
        program(GOOD, (1, 6, PAGE, 0x400000, 100, 100)),
        program(*[(1, 4, 0, 0x400000 + i * PAGE, 0, 8) for i in range(1200)], body=bytes(70000)),
    ],
)
def test_no_program_is_refused_without_a_trace(data):
    assert refused(MemoryKernel(), data) == ENOEXEC


def test_a_dynamic_program_lacks_its_linker():
    assert refused(MemoryKernel(), program(GOOD, (3, 4, PAGE, 0x400000, 8, 8))) == ENOENT


def test_too_many_words_are_refused():
    assert refused(MemoryKernel(), program(GOOD), argv=(b"x" * 1000,) * 200) == E2BIG


def test_no_memory_for_the_stack_gives_everything_back():
    k = MemoryKernel(free=8)
    used = k.pages.used
    with pytest.raises(MemoryError):
        load(k, program(GOOD), argv=(b"x" * 4000,) * 20)
    assert k.pages.used == used


KERNEL = MemoryKernel()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 63 + 3 * 56), st.integers(0, 255)), max_size=6), st.integers(0, 3 * PAGE))
def test_damaged_programs_load_or_are_refused(damage, size):
    data = bytearray(program(GOOD, DATA, (0x6474E551, 6, 0, 0, 0, 0)))
    for at, byte in damage:
        data[at] = byte
    used = KERNEL.pages.used
    with contextlib.suppress(Errno):
        load(KERNEL, bytes(data[: len(data) - size] if size < PAGE else data)).mm.destroy(KERNEL)
    assert KERNEL.pages.used == used
