"""Pipes: blocking, end of file, broken ones, and that nothing is lost or doubled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emukern.kernel.signal
from emukern.flow import Wait
from emukern.kernel.pipe import CAPACITY
from tests.fakes import BUFFER, USER, FakeKernel

O_NONBLOCK, O_CLOEXEC = 0o4000, 0o2000000


@pytest.fixture
def k():
    kernel = FakeKernel()
    assert kernel.sys("pipe2", BUFFER, 0) == 0
    assert (kernel.user.u32(BUFFER), kernel.user.u32(BUFFER + 4)) == (0, 1)
    return kernel


@pytest.fixture
def sent(monkeypatch):
    calls = []
    monkeypatch.setattr(emukern.kernel.signal, "send", lambda k, pid, sig: calls.append((pid, sig)))
    return calls


def test_bytes_go_through(k):
    assert k.sys("write", 1, b"hello", 5) == 5
    assert k.sched.woken == [("pipe-read", 1)]
    assert k.read(0, 3) == b"hel"
    assert k.read(0) == b"lo"
    assert ("pipe-write", 1) in k.sched.woken


def test_an_empty_pipe_waits_and_a_closed_one_ends(k):
    assert k.sys("read", 0, BUFFER, 5) == Wait(("pipe-read", 1))
    k.current.woken = "signal"
    assert k.retry("read", 0, BUFFER, 5) == "EINTR"
    assert k.sys("read", 0, BUFFER, 0) == 0
    k.sched.woken.clear()
    assert k.sys("close", 1) == 0
    assert k.sched.woken == [("pipe-read", 1)]
    assert k.read(0) == b""


def test_the_other_end_counts_duplicates(k):
    k.sys("dup", 1)
    child = k.current.fds.fork()
    k.sys("close", 1)
    k.sys("close", 2)
    assert isinstance(k.read(0), Wait)
    k.current.fds, parent = child, k.current.fds
    assert k.current.fds.close_all(k) == 0
    k.current.fds = parent
    assert k.read(0) == b""


def test_broken(k, sent):
    k.sys("close", 0)
    assert k.sys("write", 1, b"x", 1) == "EPIPE"
    assert sent == [(2, 13)]


def test_a_full_pipe_keeps_what_went_in(k):
    assert k.sys("write", 1, USER, CAPACITY - 10) == CAPACITY - 10
    data = b"z" * 5000
    address = k.put(data)
    assert k.sys("write", 1, address, 5000) == Wait(("pipe-write", 1))
    assert k.current.progress == 10
    k.current.fds.get(0).inode.data[:100] = b""
    k.current.woken = "event"
    assert k.retry("write", 1, address, 5000) == Wait(("pipe-write", 1))
    assert k.current.progress == 110
    k.current.woken = "signal"
    assert k.retry("write", 1, address, 5000) == 110


def test_small_writes_are_whole(k):
    k.sys("write", 1, USER, CAPACITY - 10)
    assert k.sys("write", 1, USER, 4096) == Wait(("pipe-write", 1))
    assert k.current.progress == 0
    k.current.woken = "signal"
    assert k.retry("write", 1, USER, 4096) == "EINTR"


def test_nonblocking():
    k = FakeKernel()
    k.sys("pipe2", BUFFER, O_NONBLOCK | O_CLOEXEC)
    assert k.sys("read", 0, BUFFER, 1) == "EAGAIN"
    assert k.sys("write", 1, USER, CAPACITY - 10) == CAPACITY - 10
    assert k.sys("write", 1, USER, 11) == "EAGAIN"
    assert k.sys("write", 1, USER, 5000) == 10
    assert k.sys("fcntl", 0, 1, 0) == 1
    assert k.sys("fcntl", 0, 3, 0) == O_NONBLOCK


def test_refusals(k):
    assert k.sys("read", 1, BUFFER, 1) == "EBADF"
    assert k.sys("write", 0, BUFFER, 1) == "EBADF"
    assert k.sys("lseek", 0, 0, 0) == "ESPIPE"
    assert k.sys("pread64", 0, BUFFER, 1, 0) == "ESPIPE"
    assert k.sys("pipe2", BUFFER, 1) == "EINVAL"
    assert k.sys("pipe2", 8, 0) == "EFAULT"
    assert sorted(k.current.fds.files) == [0, 1]


def test_a_bad_pointer_costs_no_bytes(k):
    k.sys("write", 1, b"hello", 5)
    assert k.sys("read", 0, 8, 5) == "EFAULT"
    assert k.sys("write", 1, 8, 5) == "EFAULT"
    assert k.read(0) == b"hello"


def test_writev_is_one_write(k):
    parts = [b"one ", b"", b"two"]
    vec = b"".join(k.put(p).to_bytes(8, "little") + len(p).to_bytes(8, "little") for p in parts)
    assert k.sys("writev", 1, vec, 3) == 7
    assert k.read(0) == b"one two"


NUMBERS = b"".join(i.to_bytes(4, "little") for i in range(120_000))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 90_000), max_size=5), st.lists(st.integers(2_000, 70_000), min_size=1))
def test_nothing_is_lost_or_doubled(writes, reads):
    """A writer that blocks and is tried again, against a reader with any appetite."""
    k = FakeKernel()
    k.sys("pipe2", BUFFER, 0)
    stream = NUMBERS[: sum(writes)]
    writer, reader = k.current, k.task(3)
    reader.fds = writer.fds.fork()
    got, sent, todo, blocked = b"", 0, list(writes), False
    appetite = list(reads)
    while todo or len(got) < len(stream):
        if todo:
            k.current = writer
            chunk = stream[sent : sent + todo[0]]
            k.user.memory[: len(chunk)] = chunk
            if blocked:
                writer.woken = "event"
                answer = k.retry("write", 1, USER, len(chunk))
            else:
                answer = k.sys("write", 1, USER, len(chunk))
            blocked = isinstance(answer, Wait)
            if not blocked:
                assert answer == len(chunk)
                sent += len(chunk)
                todo.pop(0)
        k.current = reader
        part = k.read(0, appetite[0])
        appetite.append(appetite.pop(0))
        if isinstance(part, bytes):
            got += part
    assert got == stream
