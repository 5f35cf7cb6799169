"""Page tables in RAM, in both architectures' formats."""

import pytest

from emukern import arch as arches
from emukern.errors import GuestFault
from emukern.machine.memory import Memory
from emukern.machine.pagetable import PageTables, pages
from emukern.machine.ram import PAGE, Ram


class Tables:
    def __init__(self, name):
        self.arch = arches.get(name)
        self.base = self.arch.layout.ram
        self.ram = Ram(self.base, 256 * PAGE)
        self.next = self.base
        self.freed = []
        self.tables = PageTables(self.arch.paging, self.ram, self.alloc, self.freed.append)
        self.root = self.alloc()
        self.mem = Memory(self.arch.layout, self.ram, self.tables)
        self.mem.root = self.root

    def alloc(self):
        self.next += PAGE
        return self.next - PAGE


@pytest.fixture(params=arches.NAMES)
def tables(request):
    return Tables(request.param)


@pytest.mark.parametrize("prot", ["r", "rw", "rx", "ru", "rwu", "rxu"])
def test_what_is_mapped_is_found(tables, prot):
    frame = tables.alloc()
    tables.tables.map(tables.root, 0x40_0000, frame, prot)
    assert tables.tables.lookup(tables.root, 0x40_0123) == (frame + 0x123, prot)
    assert tables.tables.lookup(tables.root, 0x40_1000) is None


def test_unmapped_pages_are_gone(tables):
    tables.tables.map(tables.root, 0x40_0000, tables.alloc(), "rw")
    tables.tables.unmap(tables.root, 0x40_0000)
    assert tables.tables.lookup(tables.root, 0x40_0000) is None
    tables.tables.unmap(tables.root, 0x7000_0000)  # nothing there: nothing happens


def test_empty_tables_are_given_back(tables):
    for page in (0x40_0000, 0x40_1000):
        tables.tables.map(tables.root, page, tables.alloc(), "rw")
    tables.tables.unmap(tables.root, 0x40_0000)
    tables.tables.prune(tables.root, 0x40_0000, 0x40_1000)
    assert tables.freed == []
    tables.tables.unmap(tables.root, 0x40_1000)
    tables.tables.prune(tables.root, 0x40_0000, 0x40_2000)
    assert len(tables.freed) == 1
    assert tables.tables.lookup(tables.root, 0x40_0000) is None


def test_tables_below_counts_every_table(tables):
    tables.tables.map(tables.root, 0x40_0000, tables.alloc(), "rw")
    found = tables.tables.tables_below(tables.root, 256)
    assert len(found) == tables.arch.paging.levels - 1


def test_memory_crosses_pages(tables):
    high, low = tables.alloc(), tables.alloc()
    tables.tables.map(tables.root, 0x40_0000, low, "rw")
    tables.tables.map(tables.root, 0x40_1000, high, "rw")
    tables.mem.write(0x40_0FFE, b"abcd")
    assert tables.mem.read(0x40_0FFE, 4) == b"abcd"
    assert tables.mem.read(tables.mem.virt(high), 2) == b"cd"
    assert tables.mem.cstr(0x40_0FFE) == b"abcd"


def test_a_write_that_does_not_fit_changes_nothing(tables):
    tables.tables.map(tables.root, 0x40_0000, tables.alloc(), "rw")
    with pytest.raises(GuestFault, match="0x401000"):
        tables.mem.write(0x40_0FFE, b"abcd")
    assert tables.mem.read(0x40_0FFE, 2) == bytes(2)


def test_pages_of_a_range():
    assert list(pages(0x1FFF, 2)) == [0x1000, 0x2000]
