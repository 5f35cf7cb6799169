"""init_module, finit_module and delete_module as user programs see them."""

import errno
from types import SimpleNamespace

import pytest

from emukern.errors import Errno
from emukern.syscalls import module as syscalls
from tests.kmod.fakehost import FakeKernel
from tests.kmod.test_load import writer_for

ARGS, NAME = 0x1000, 0x2000


class FakeUser:
    def __init__(self):
        self.strings = {ARGS: b"a=1", NAME: b"probe"}
        self.blobs = {}

    def cstr(self, addr, limit):
        if addr not in self.strings:
            raise Errno(errno.EFAULT)
        if len(self.strings[addr]) > limit:
            raise Errno(errno.ENAMETOOLONG)
        return self.strings[addr]

    def copy_from(self, addr, count):
        if addr not in self.blobs:
            raise Errno(errno.EFAULT)
        return self.blobs[addr][:count]


@pytest.fixture
def k():
    made = FakeKernel("x86_64", exports=["printk"])
    made.user = FakeUser()
    made.current = SimpleNamespace(fds=SimpleNamespace(get=lambda fd: made.files[fd]))
    made.files = {}
    return made


def file(content, readable=True):
    return SimpleNamespace(readable=readable, read_all=lambda k: content)


def failed(function, *args):
    with pytest.raises(Errno) as answer:
        function(*args)
    return answer.value.number


def test_init_and_delete(k):
    blob = writer_for(k).build()
    k.user.blobs[0x5000] = blob
    assert k.run(syscalls.init_module(k, 0x5000, len(blob), ARGS)) == 0
    assert k.modules["probe"].args == "a=1"
    assert failed(syscalls.init_module, k, 0x5000, len(blob), ARGS) == errno.EEXIST
    assert k.run(syscalls.delete_module(k, NAME, 0)) == 0
    assert failed(syscalls.delete_module, k, NAME, 0) == errno.ENOENT


def test_finit(k):
    k.files = {3: file(writer_for(k).build()), 4: file(b""), 5: file(b"x", readable=False), 6: file(b"text" * 99)}
    assert k.run(syscalls.finit_module(k, 3, ARGS, 4)) == 0
    assert failed(syscalls.finit_module, k, 3, ARGS, 8) == errno.EINVAL
    assert failed(syscalls.finit_module, k, 4, ARGS, 0) == errno.EINVAL
    assert failed(syscalls.finit_module, k, 5, ARGS, 0) == errno.EBADF
    assert failed(syscalls.finit_module, k, 6, ARGS, 0) == errno.ENOEXEC
    assert failed(syscalls.finit_module, k, 3, 0xBAD, 0) == errno.EFAULT


def test_bad_pointers_and_sizes(k):
    assert failed(syscalls.init_module, k, 0xBAD, 63, ARGS) == errno.ENOEXEC
    assert failed(syscalls.init_module, k, 0xBAD, 64, ARGS) == errno.EFAULT
    assert failed(syscalls.init_module, k, 0xBAD, 1 << 40, ARGS) == errno.ENOMEM
    assert failed(syscalls.delete_module, k, 0xBAD, 0) == errno.EFAULT
    k.user.strings[NAME] = b"x" * 56
    assert failed(syscalls.delete_module, k, NAME, 0) == errno.ENOENT
