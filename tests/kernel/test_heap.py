"""The heap without a machine: addresses, reuse, and what it says of abuse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.kernel.bug import KernelBug
from emukern.kernel.heap import MAX_SIZE, ZERO_SIZE_PTR, Heap, size_class

PAGE, BASE, AREA = 4096, 0xFFFF_8880_0000_0000, 0xFFFF_C900_0000_0000


class FlatMemory:
    """Physical memory from 0 on, seen at BASE."""

    def __init__(self, size):
        self.bytes = bytearray(size)

    def fill(self, address, byte, size):
        self.bytes[address - BASE : address - BASE + size] = bytes([byte]) * size

    def read(self, address, size):
        return bytes(self.bytes[address - BASE : address - BASE + size])

    def write(self, address, data):
        self.bytes[address - BASE : address - BASE + len(data)] = data

    def virt(self, phys):
        return phys + BASE

    def phys(self, address):
        return address - BASE


class FlatPages:
    """The lowest run of free pages; odd on purpose, so that alignment is the heap's own work."""

    def __init__(self, mem, total):
        self.mem, self.free_pages = mem, set(range(1, total))

    def alloc(self, count):
        for first in sorted(self.free_pages):
            run = set(range(first, first + count))
            if run <= self.free_pages:
                self.free_pages -= run
                return first * PAGE
        raise MemoryError

    def free(self, phys, count):
        self.mem.bytes[phys : phys + count * PAGE] = bytes(count * PAGE)
        self.free_pages |= set(range(phys // PAGE, phys // PAGE + count))


class FakeArea:
    def __init__(self):
        self.next = AREA

    def alloc(self, count):
        address, self.next = self.next, self.next + (count + 1) * PAGE
        return address

    def free(self, address):
        pass


@pytest.fixture
def heap():
    return make()


def make(pages=256):
    mem = FlatMemory(pages * PAGE)
    return Heap(mem, FlatPages(mem, pages), FakeArea())


@pytest.mark.parametrize(
    ("size", "room"),
    [(1, 8), (8, 8), (9, 16), (65, 96), (97, 128), (129, 192), (193, 256), (4096, 4096), (4097, 8192), (8193, 16384)],
)
def test_sizes_are_rounded_as_linux_rounds_them(heap, size, room):
    assert heap.size_of(heap.alloc(size)) == room


def test_an_alignment_may_ask_for_a_larger_class():
    assert size_class(72, align=64) == 128
    assert size_class(100, align=128) == 128
    assert size_class(130, align=64) == 192


@pytest.mark.parametrize("size", [8, 64, 1024, 4096, 8192, 65536])
def test_powers_of_two_are_aligned_to_themselves(heap, size):
    heap.alloc(24)
    assert [heap.alloc(size) % size for _ in range(3)] == [0, 0, 0]


def test_size_0_is_no_memory_but_no_failure_either(heap):
    assert heap.alloc(0) == ZERO_SIZE_PTR
    heap.free(ZERO_SIZE_PTR)
    heap.free(0)
    assert heap.size_of(ZERO_SIZE_PTR) == 0


def test_what_is_too_large_or_does_not_fit_fails(heap):
    assert heap.alloc(MAX_SIZE + 1) == 0
    assert heap.alloc(PAGE * 512) == 0
    assert heap.live() == []


def test_freed_memory_is_clear(heap):
    address = heap.alloc(64)
    keeper = heap.alloc(64)
    heap.mem.write(address, b"x" * 64)
    heap.free(address)
    assert heap.alloc(64) == address
    assert heap.mem.read(address, 64) == bytes(64)
    assert keeper != address


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20000)), max_size=60))
def test_addresses_never_overlap_and_leave_no_trace(steps):
    heap = make(2048)
    free_before = set(heap.pages.free_pages)
    alive = {}
    for place, size in steps:
        if place in alive:
            heap.free(alive.pop(place)[0])
            continue
        address = heap.alloc(size)
        for other, taken in alive.values():
            assert address + size <= other or other + taken <= address
        heap.mem.write(address, b"\xa5" * size)
        alive[place] = (address, size)
    for address, _ in alive.values():
        heap.free(address)
    assert heap.pages.free_pages == free_before
    assert not any(heap.mem.bytes)
    assert heap.live() == []
    assert heap.slabs == {}


def test_a_double_free_names_both_owners(heap):
    address = heap.alloc(100, by="first [m]")
    heap.free(address, by="second [m]")
    with pytest.raises(KernelBug) as caught:
        heap.free(address, by="third [m]")
    assert caught.value.text == (
        f"BUG kmalloc-128: Object already free: {address:016x} by third [m]\n"
        "it was 100 bytes allocated by first [m], already freed by second [m]"
    )


def test_a_pointer_into_an_object_cannot_be_freed(heap):
    address = heap.alloc(100, by="owner [m]")
    with pytest.raises(KernelBug, match=r"Invalid object pointer .*\nit is 8 bytes inside 100 bytes .*owner"):
        heap.free(address + 8)
    with pytest.raises(KernelBug, match="is not a heap object by nobody"):
        heap.free(0xDEAD0000, by="nobody")
    assert [size for _, size, _ in heap.live()] == [100]


def test_realloc_stays_where_it_is_while_it_fits(heap):
    address = heap.alloc(40)
    heap.mem.write(address, b"a" * 40)
    assert heap.realloc(address, 60) == address
    moved = heap.realloc(address, 100)
    assert moved != address
    assert heap.mem.read(moved, 41) == b"a" * 40 + b"\0"
    assert heap.realloc(moved, 0) == ZERO_SIZE_PTR
    assert heap.live() == []


def test_realloc_can_clear_what_is_new(heap):
    address = heap.alloc(10)
    heap.mem.write(address, b"z" * 16)
    heap.realloc(address, 16, zero=True)
    assert heap.mem.read(address, 16) == b"z" * 10 + bytes(6)


def test_the_nth_allocation_can_be_made_to_fail(heap):
    heap.fail_nth = 2
    assert [bool(heap.alloc(8)) for _ in range(3)] == [True, False, True]


def test_vmalloc_and_kmalloc_do_not_mix(heap):
    area = heap.valloc(5000, "m")
    assert heap.size_of(area) == 8192
    with pytest.raises(KernelBug, match="kfree of a vmalloc address"):
        heap.free(area)
    with pytest.raises(KernelBug, match=r"Trying to vfree\(\) bad address"):
        heap.vfree(area + 8)
    heap.vfree(area)
    with pytest.raises(KernelBug, match=r"Trying to vfree\(\) nonexistent vm area"):
        heap.vfree(area)
    assert heap.valloc(0, "m") == 0
