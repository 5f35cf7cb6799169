"""Ranges of kernel addresses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.machine.ram import PAGE
from tests.kernel.machine import MemoryKernel


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=50))
def test_allocations_never_touch_and_all_comes_back(steps):
    k = MemoryKernel(free=40)
    area, held = k.area(64, 0x100_0000), []
    area.free(area.alloc(1))  # makes the tables that stay
    before = k.pages.used
    for take, n in steps:
        if take:
            try:
                address = area.alloc(n)
            except MemoryError:
                continue
            assert k.mem.read(address, n * PAGE) == bytes(n * PAGE)
            assert k.tables.lookup(k.kernel_root, address + n * PAGE) is None  # the guard page
            assert all(address + n * PAGE < other or other + m * PAGE < address for other, m in held)
            held.append((address, n))
        elif held:
            area.free(held.pop(n % len(held))[0])
    for address, _ in held:
        area.free(address)
    assert k.pages.used == before
    assert area.alloc(20)  # nothing is lost to fragments
    k.ram.close()


def test_failing_for_lack_of_memory_costs_no_addresses():
    k = MemoryKernel(free=30)
    area = k.area(256, 0x100_0000)
    for _ in range(100):
        with pytest.raises(MemoryError):
            area.alloc(100)
    assert area.alloc(1) == area.start
