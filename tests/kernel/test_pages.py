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
