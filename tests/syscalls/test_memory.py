"""System calls about address spaces: errnos and limits. What they do is tests/kernel/test_mm.py's."""

from types import SimpleNamespace

import pytest

from emukern.kernel.openfile import O_RDONLY, O_WRONLY, DataFile, File
from emukern.machine.ram import PAGE
from tests.kernel.machine import MemoryKernel

SHARED, PRIVATE, FIXED, ANONYMOUS, NOREPLACE = 1, 2, 0x10, 0x20, 0x100000
ANYWHERE, RW = PRIVATE | ANONYMOUS, 3
TOP = 0x7FFF_FFFF_F000


@pytest.fixture
def k():
    return MemoryKernel()


@pytest.mark.parametrize(
    ("words", "errno"),
    [
        ((0, 0, RW, ANYWHERE, -1), "EINVAL"),
        ((0, PAGE, RW, ANONYMOUS, -1), "EINVAL"),
        ((0, PAGE, 8, ANYWHERE, -1), "EINVAL"),
        ((0, PAGE, RW, ANYWHERE, -1, 1), "EINVAL"),
        ((0, PAGE, 7, ANYWHERE, -1), "EACCES"),
        ((0, (1 << 64) - 1, RW, ANYWHERE, -1), "ENOMEM"),
        ((0, 1 << 40, RW, ANYWHERE, -1), "ENOMEM"),
        ((0, TOP, 0, ANYWHERE, -1), "ENOMEM"),
        ((0, PAGE, RW, PRIVATE, 99), "EBADF"),
        ((1, PAGE, RW, ANYWHERE | FIXED, -1), "EINVAL"),
        ((0, PAGE, RW, ANYWHERE | FIXED, -1), "EPERM"),
        ((TOP - PAGE, 2 * PAGE, RW, ANYWHERE | FIXED, -1), "ENOMEM"),
        ((0xFFFF_8000_0000_0000, PAGE, RW, ANYWHERE | FIXED, -1), "ENOMEM"),
        ((0x600000, PAGE, RW, ANYWHERE | NOREPLACE, -1), "EEXIST"),
    ],
)
def test_mmap_refuses(k, words, errno):
    k.put(b"")
    assert k.sys("mmap", *words) == errno


def test_a_hint_is_taken_when_it_is_free(k):
    k.put(b"")
    assert k.sys("mmap", 0x10_0000, PAGE, RW, ANYWHERE, -1) == 0x10_0000
    assert k.sys("mmap", 0x600000, PAGE, RW, ANYWHERE, -1) != 0x600000
    assert k.sys("mmap", 5, PAGE, RW, ANYWHERE, -1) % PAGE == 0


def test_promises_that_are_never_kept_cost_nothing(k):
    """Reserving addresses without the right to write is free, as for PROT_NONE arenas."""
    used = k.pages.used
    assert k.sys("mmap", 0, 1 << 40, 0, ANYWHERE, -1) > 0
    assert k.pages.used == used


def test_files_are_mapped_as_they_were_opened(k):
    inode = SimpleNamespace(size=lambda k: 5, read_at=lambda k, at, n: b"hello")
    reader, writer, other = DataFile(inode, O_RDONLY), DataFile(inode, O_WRONLY), File(inode, O_RDONLY)
    r, w, o = (k.current.fds.add(file) for file in (reader, writer, other))
    place = k.sys("mmap", 0, PAGE, 1, SHARED, r)
    assert k.user.copy_from(place, 6) == b"hello\0"
    assert k.sys("mprotect", place, PAGE, RW) == "EACCES"
    assert k.sys("mmap", 0, PAGE, RW, SHARED, r) == "ENODEV"
    assert k.sys("mmap", 0, PAGE, 1, PRIVATE, w) == "EACCES"
    assert k.sys("mmap", 0, PAGE, 1, PRIVATE, o) == "ENODEV"


@pytest.mark.parametrize(
    ("name", "words", "answer"),
    [
        ("munmap", (0x600001, PAGE), "EINVAL"),
        ("munmap", (0x600000, 0), "EINVAL"),
        ("munmap", (0x600000, (1 << 64) - PAGE), "EINVAL"),
        ("munmap", (TOP, PAGE), "EINVAL"),
        ("munmap", (0x10_0000, PAGE), 0),
        ("mprotect", (0x600001, PAGE, 1), "EINVAL"),
        ("mprotect", (0x600000, 0, 1), 0),
        ("mprotect", (0x600000, (1 << 64) - PAGE, 1), "ENOMEM"),
        ("mprotect", (0x600000, 5 * PAGE, 1), "ENOMEM"),
        ("mprotect", (0x600000, PAGE, 7), "EACCES"),
        ("mprotect", (0x600000, PAGE, 16), "EINVAL"),
    ],
)
def test_ranges_are_checked(k, name, words, answer):
    k.put(b"")
    assert k.sys(name, *words) == answer


def test_brk_answers_where_it_is(k):
    start = k.sys("brk", 0)
    assert k.sys("brk", start + 10) == start + 10
    k.user.copy_to(start, b"x" * 10)
    assert k.sys("brk", start - 1) == start + 10
    assert k.sys("brk", 1 << 62) == start + 10
    assert k.sys("brk", start + (1 << 40)) == start + 10
    assert k.sys("brk", 0x600000) == 0x600000
    k.put(b"", 0x600000)
    assert k.sys("brk", 0x700000) == 0x600000


def test_a_heap_page_made_read_only_stays_so_alone(k):
    start = k.sys("brk", 0)
    k.sys("brk", start + PAGE)
    k.sys("mprotect", start, PAGE, 1)
    k.sys("brk", start + 2 * PAGE)
    k.user.copy_to(start + PAGE, b"new")
    assert k.sys("clock_gettime", 0, start) == "EFAULT"
