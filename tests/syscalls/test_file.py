"""System calls on open files, without a CPU."""

from __future__ import annotations

import pytest

from tests.fakes import BUFFER, FakeKernel


@pytest.fixture(params=["x86_64", "riscv64"])
def k(request):
    return FakeKernel(request.param)


def test_a_file_keeps_what_is_written(k):
    fd = k.sys("openat", -100, "/hello", 0o102, 0o644)
    assert fd == 0
    assert k.sys("write", fd, b"Hello, world!", 13) == 13
    assert k.sys("lseek", fd, 7, 0) == 7
    assert k.read(fd) == b"world!"
    assert k.read(fd) == b""
    assert k.sys("close", fd) == 0
    assert k.cat("/hello") == b"Hello, world!"


def test_dev(k):
    assert k.cat("/dev/null") == b""
    fd = k.sys("openat", -100, "/dev/zero", 2, 0)
    assert k.read(fd, 5) == bytes(5)
    assert k.sys("write", fd, BUFFER, 9) == 9


def test_terminal(k):
    fd = k.sys("openat", -100, "/dev/console", 2, 0)
    assert k.sys("write", fd, b"hi\n", 3) == 3
    k.tty.receive(k, b"lsx\x7f\n")
    assert k.read(fd) == b"ls\n"
    assert k.console.output == b"hi\r\nlsx\b \b\r\n"
