"""Copies to and from user memory that ends in the middle, without a machine."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from emukern.errors import Errno
from emukern.kapi import uaccess
from emukern.ptr import Ptr
from tests.guestmem import DictMem

USER, KERNEL, END = 0x7000, 0xFFFF_8880_0000_1000, 0x9000


class User:
    """Bytes from USER to END."""

    def __init__(self):
        self.bytes = bytearray(b"u" * (END - USER))

    def place(self, addr, n):
        if not USER <= int(addr) <= int(addr) + n <= END:
            raise Errno(errno.EFAULT)
        return int(addr) - USER

    def copy_from(self, addr, n):
        at = self.place(addr, n)
        return bytes(self.bytes[at : at + n])

    def copy_to(self, addr, data):
        at = self.place(addr, len(data))
        self.bytes[at : at + len(data)] = data


@pytest.fixture
def k():
    k = SimpleNamespace(mem=DictMem(), user=User())
    k.arch = SimpleNamespace(layout=SimpleNamespace(user_top=1 << 47))
    k.mem.put(KERNEL, b"k" * 0x3000)
    return k


def p(k, address):
    return Ptr(k.mem, address, "char *")


def test_a_copy_answers_what_it_could_not_move(k):
    assert uaccess._copy_to_user(k, p(k, USER), p(k, KERNEL), 0x2000) == 0
    assert uaccess._copy_to_user(k, p(k, END - 100), p(k, KERNEL), 0x1000) == 0x1000 - 100
    assert uaccess._copy_to_user(k, p(k, END), p(k, KERNEL), 7) == 7
    assert k.user.bytes == b"k" * 0x2000


def test_what_could_not_be_copied_in_is_zero(k):
    assert uaccess._copy_from_user(k, p(k, KERNEL), p(k, END - 16), 64) == 48
    assert k.mem.read(KERNEL, 65) == b"u" * 16 + bytes(48) + b"k"


def test_single_values(k):
    assert uaccess.__dict__["__get_user_fn"](k, p(k, KERNEL), p(k, USER), 4) == 0
    assert uaccess.__dict__["__get_user_fn"](k, p(k, KERNEL), p(k, END - 2), 4) == -errno.EFAULT
    with pytest.raises(Errno):
        uaccess.__dict__["__put_user_fn"](k, p(k, END), p(k, KERNEL), 4)


def test_strings(k):
    k.user.bytes[END - USER - 6 :] = b"hello\0"
    assert uaccess.strncpy_from_user(k, p(k, KERNEL), p(k, END - 6), 100) == 5
    assert k.mem.cstr(KERNEL) == b"hello"
    assert uaccess.strncpy_from_user(k, p(k, KERNEL), p(k, END - 6), 3) == 3
    assert uaccess.strnlen_user(k, p(k, END - 6), 100) == 6
    assert uaccess.strnlen_user(k, p(k, END - 6), 3) == 4
    assert uaccess.strnlen_user(k, p(k, 5), 3) == 0
    with pytest.raises(Errno):
        uaccess.strncpy_from_user(k, p(k, KERNEL), p(k, 5), 3)


def test_clear_user(k):
    assert uaccess.clear_user(k, p(k, END - 10), 20) == 10
    assert k.user.bytes[-11:] == b"u" + bytes(10)


def test_access_ok_knows_where_user_space_ends(k):
    assert uaccess.access_ok(k, p(k, USER), 1 << 40)
    assert not uaccess.access_ok(k, p(k, KERNEL), 1)
