"""Address spaces against a model of what a program may see."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.errors import Errno
from emukern.kernel import process
from emukern.kernel.mm import VmArea, fault
from emukern.machine.ram import PAGE
from emukern.syscalls import memory
from tests.kernel.machine import MemoryKernel

BASE, PAGES = 0x10_0000, 6
PRIVATE, SHARED, FIXED, ANONYMOUS = 2, 1, 0x10, 0x20
EACCES, EFAULT, EINVAL, ENOMEM = 13, 14, 22, 12
PROTS = {0: "", 1: "r", 2: "rw", 3: "rw", 5: "rx", 4: "rx"}

places = st.tuples(st.integers(0, PAGES - 1), st.integers(1, 3))
spots = st.builds(lambda page, byte: page * PAGE + byte, st.integers(0, PAGES - 1), st.sampled_from([0, 4095]))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("map"), places, st.sampled_from([3, 3, 1, 5, 0]), st.booleans()),
        st.tuples(st.just("unmap"), places),
        st.tuples(st.just("protect"), places, st.sampled_from([3, 3, 1, 4, 0])),
        st.tuples(st.just("write"), spots, st.integers(1, 255)),
        st.tuples(st.just("read"), spots),
        st.tuples(st.just("fork"), st.just(0)),
        st.tuples(st.just("switch"), st.integers(0, 3)),
        st.tuples(st.just("exit"), st.integers(0, 3)),
    ),
    min_size=10,
    max_size=50,
)


class Model:
    """One process's pages: permissions and content. Shared pages are one object in all processes."""

    def __init__(self, pages=None):
        self.pages = pages or {}

    def fork(self):
        return Model({n: (prot, box if box[1] else [dict(box[0]), False]) for n, (prot, box) in self.pages.items()})


def errno_of(function, *args):
    try:
        function(*args)
    except Errno as error:
        return error.number
    return 0


def check_step(k, model, step):
    """Do one step on the kernel and on the model; they must agree."""
    kind, where = step[0], step[1]
    if kind in ("write", "read"):
        number, offset = divmod(where, PAGE)
        prot, box = model.pages.get(number, ("", None))
        if kind == "write":
            assert errno_of(k.user.copy_to, BASE + where, bytes([step[2]])) == (0 if "w" in prot else EFAULT)
            if "w" in prot:
                box[0][offset] = step[2]
        elif prot:
            assert k.user.copy_from(BASE + where, 1)[0] == box[0].get(offset, 0)
        else:
            assert errno_of(k.user.copy_from, BASE + where, 1) == EFAULT
        return
    start, n = where
    numbers, address = range(start, start + n), BASE + start * PAGE
    if kind == "map":
        flags = (SHARED if step[3] else PRIVATE) | FIXED | ANONYMOUS
        assert memory.mmap(k, address, n * PAGE - 5, step[2], flags, -1, 0) == address
        model.pages |= {number: (PROTS[step[2]], [{}, step[3]]) for number in numbers}
    elif kind == "unmap":
        assert memory.munmap(k, address, n * PAGE) == 0
        for number in numbers:
            model.pages.pop(number, None)
    else:
        whole = all(number in model.pages for number in numbers)
        assert errno_of(memory.mprotect, k, address, n * PAGE, step[2]) == (0 if whole else ENOMEM)
        if whole:
            model.pages |= {number: (PROTS[step[2]], model.pages[number][1]) for number in numbers}


def check_tables(k, task):
    """The CPU may never do more than the program, nor write a page that others only borrowed."""
    for number, frame in task.mm.pages.items():
        area, found = task.mm.find(number * PAGE), k.tables.lookup(task.mm.root, number * PAGE)
        assert area is not None
        if found is not None:
            assert found[0] == frame
            assert "w" not in found[1] or ("w" in area.prot and (area.shared or frame not in k.pages.refs))
            assert "x" not in found[1] or ("x" in area.prot and frame in k.pages.executable)


def finish(k, task):
    """The process ends, and somebody waits for it."""
    k.end(task)
    if task.pid in k.sched.tasks:
        process.reap(k, task)


KERNEL = MemoryKernel()
finish(KERNEL, KERNEL.current)
USED = KERNEL.pages.used


@settings(max_examples=150, deadline=None)
@given(steps)
def test_programs_see_what_the_model_says(history):
    k = KERNEL
    k.current = k.process("first")
    living = [(k.current, Model())]
    check_step(k, living[0][1], ("map", (0, PAGES), 3, False))
    for step in history:
        if step[0] == "fork" and len(living) < 4:
            task, model = next(pair for pair in living if pair[0] is k.current)
            living.append((k.fork(task), model.fork()))
        elif step[0] in ("switch", "exit"):
            chosen = step[1] % len(living)
            if step[0] == "exit" and len(living) > 1:
                finish(k, living.pop(chosen)[0])
            k.current = living[chosen % len(living)][0]
        elif step[0] != "fork":
            check_step(k, next(model for task, model in living if task is k.current), step)
        for task, _ in living:
            check_tables(k, task)
    for task, _ in living:
        finish(k, task)
    assert (k.pages.used, k.pages.refs, k.pages.executable) == (USED, {}, set())


def test_what_the_kernel_writes_into_a_borrowed_page_the_program_sees():
    """The CPU may remember the old page for reading; only a flush makes it look again."""
    k = MemoryKernel()
    memory.mmap(k, BASE, PAGE, 3, PRIVATE | FIXED | ANONYMOUS, -1, 0)
    k.user.copy_to(BASE, b"before")
    child = k.fork(k.current)
    k.user.copy_from(BASE, 1)
    flushes = k.cpu.translation_flushes
    k.user.copy_to(BASE, b"after!")
    assert k.cpu.translation_flushes > flushes
    k.current = child
    assert k.user.copy_from(BASE, 6) == b"before"


def test_code_that_the_kernel_wrote_replaces_what_was_translated():
    k = MemoryKernel()
    memory.mmap(k, BASE, PAGE, 3, PRIVATE | FIXED | ANONYMOUS, -1, 0)
    k.user.copy_to(BASE, b"one")
    memory.mprotect(k, BASE, PAGE, 5)
    assert fault(k, BASE, False, True)
    assert k.cpu.code_flushes == 0
    memory.mprotect(k, BASE, PAGE, 3)
    k.user.copy_to(BASE, b"two")
    assert k.cpu.code_flushes == 1


def test_a_frame_that_was_code_is_clean_for_the_next_program_even_when_shared():
    k = MemoryKernel()
    for content, flushes in ((b"one", 0), (b"two", 1)):
        memory.mmap(k, BASE, PAGE, 3, PRIVATE | FIXED | ANONYMOUS, -1, 0)
        k.user.copy_to(BASE, content)
        child = k.fork(k.current)
        memory.mprotect(k, BASE, PAGE, 5)
        assert fault(k, BASE, False, True)
        assert k.cpu.code_flushes == flushes
        finish(k, child)
        memory.munmap(k, BASE, PAGE)


def test_shared_files_cannot_be_made_writable():
    k = MemoryKernel()
    k.current.mm.add(VmArea(BASE, BASE + PAGE, "r", b"text", shared=True))
    assert errno_of(memory.mprotect, k, BASE, PAGE, 3) == EACCES
    assert errno_of(memory.mprotect, k, BASE, PAGE, 1) == 0


def test_when_memory_runs_out_the_largest_process_goes_and_its_memory_comes_back():
    k = MemoryKernel()
    hog, small = k.current, k.process("small")
    k.held = k.hold(120)
    memory.mmap(k, BASE, 100 * PAGE, 3, PRIVATE | FIXED | ANONYMOUS, -1, 0)
    k.user.copy_to(BASE, bytes(80 * PAGE))
    k.current = small
    memory.mmap(k, BASE, 100 * PAGE, 3, PRIVATE | FIXED | ANONYMOUS, -1, 0)
    k.user.copy_to(BASE, bytes(60 * PAGE))
    assert (hog.signals, small.signals) == ({9}, set())
    assert "Out of memory: Killed process 2 (first)" in k.log.records[-1].text
    assert errno_of(k.user.copy_to, BASE, bytes(100 * PAGE)) == 0
    k.current = hog
    assert errno_of(k.user.copy_from, BASE, 1) == EFAULT


def test_a_process_alone_with_too_much_is_the_one_to_go():
    k = MemoryKernel(free=50)
    used = k.pages.used
    memory.mmap(k, BASE, 60 * PAGE, 3, PRIVATE | FIXED | ANONYMOUS, -1, 0)
    assert errno_of(k.user.copy_to, BASE, bytes(60 * PAGE)) == EFAULT
    assert k.current.signals == {9}
    assert k.pages.used - used < 5  # page tables


def test_a_fork_without_memory_leaves_nothing_behind():
    k = MemoryKernel(free=60)
    for i in range(4):
        memory.mmap(k, BASE + 20 * i * PAGE, 20 * PAGE, 3, SHARED | FIXED | ANONYMOUS, -1, 0)
    used = k.pages.used
    with pytest.raises(MemoryError):
        k.fork(k.current)
    memory.munmap(k, BASE, 80 * PAGE)
    assert k.pages.used <= used + 3  # page tables
