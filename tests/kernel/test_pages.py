"""The page allocator."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.kernel.pages import Pages
from emukern.machine.ram import PAGE, Ram

FRAMES = 64


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 8)), max_size=60))
def test_pages_are_never_given_twice_and_always_zero(steps):
    ram = Ram(0, FRAMES * PAGE)
    pages, held = Pages(ram, 0), []
    for take, n in steps:
        if take:
            try:
                phys = pages.alloc(n)
            except MemoryError:
                continue
            assert bytes(ram.bytes[phys : phys + n * PAGE]) == bytes(n * PAGE)
            assert all(phys + n * PAGE <= other or other + m * PAGE <= phys for other, m in held)
            ram.bytes[phys : phys + n * PAGE] = b"x" * (n * PAGE)
            held.append((phys, n))
        elif held:
            pages.free(*held.pop(n % len(held)))
        assert pages.used == sum(m for _, m in held)
    ram.close()


def test_freed_fragments_are_merged_when_a_long_run_is_wanted():
    pages = Pages(Ram(0, 8 * PAGE), 0)
    singles = [pages.alloc() for _ in range(8)]
    with pytest.raises(MemoryError, match="no 2 free pages in a row among 0"):
        pages.alloc(2)
    for phys in singles[:-1]:
        pages.free(phys)
    assert pages.alloc(7) == 0


def test_a_shared_page_lives_as_long_as_its_last_user():
    ram = Ram(0, 4 * PAGE)
    pages = Pages(ram, 0)
    phys = pages.alloc()
    ram.bytes[0] = 7
    pages.share(phys)
    pages.free(phys)
    assert ram.bytes[0] == 7
    pages.free(phys)
    assert ram.bytes[0] == 0
    assert pages.used == 0


class CountingCpu:
    """Counts how often translated code was dropped."""

    def __init__(self):
        self.flushes = 0

    def flush_code(self):
        self.flushes += 1


def test_old_code_is_dropped_before_its_page_holds_other_code():
    pages, cpu = Pages(Ram(0, FRAMES * PAGE), 0), CountingCpu()
    first, second = pages.alloc(), pages.alloc()
    for frame in (first, second):
        pages.make_executable(cpu, frame)
    assert cpu.flushes == 0
    pages.free(first)
    pages.make_executable(cpu, pages.alloc())
    assert cpu.flushes == 1
    # The second page was translated again since: what it holds is stale once it is free.
    pages.free(second)
    pages.make_executable(cpu, pages.alloc())
    assert cpu.flushes == 2


def test_pages_that_never_held_code_cost_no_flush():
    pages, cpu = Pages(Ram(0, FRAMES * PAGE), 0), CountingCpu()
    for _ in range(10):
        pages.make_executable(cpu, pages.alloc())
        pages.free(pages.alloc())
    assert cpu.flushes == 0
