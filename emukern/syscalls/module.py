"""System calls on modules: init_module, finit_module, delete_module (kernel/module/main.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno, ModuleError
from emukern.kernel.fdtable import descriptors
from emukern.kmod.load import load_module
from emukern.kmod.unload import unload_module
from emukern.syscalls.table import Int, Ptr, UInt, ULong, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

FLAGS = 1 | 2 | 4  # MODULE_INIT_IGNORE_MODVERSIONS, _IGNORE_VERMAGIC, _COMPRESSED_FILE
LARGEST = 1 << 30  # bytes of a module; more is not copied in
MAX_ARGS = 1 << 17
MAX_NAME = 56  # MODULE_NAME_LEN on 64 bits
_EHDR_SIZE = 64


@syscall
def init_module(k: Kernel, umod: Ptr, len: ULong, uargs: Ptr) -> Any:  # noqa: A002
    if len < _EHDR_SIZE:
        raise Errno(errno.ENOEXEC)
    if len > LARGEST:
        raise Errno(errno.ENOMEM)
    blob = k.user.copy_from(umod, len)
    return load(k, blob, uargs, 0)


@syscall
def finit_module(k: Kernel, fd: Int, uargs: Ptr, flags: Int) -> Any:
    if flags & ~FLAGS:
        raise Errno(errno.EINVAL)
    file = descriptors(k).get(fd)
    if not file.readable:
        raise Errno(errno.EBADF)
    blob = file.read_all(k)
    if not blob:
        raise Errno(errno.EINVAL)
    return load(k, blob, uargs, flags)


@syscall
def delete_module(k: Kernel, name_user: Ptr, flags: UInt) -> Any:
    try:
        name = k.user.cstr(name_user, MAX_NAME - 1)
    except Errno as error:
        if error.number != errno.ENAMETOOLONG:
            raise
        raise Errno(errno.ENOENT) from None
    return unload_module(k, name.decode("latin-1"), flags)


def load(k: Kernel, blob: bytes, uargs: int, flags: int) -> Any:
    """Load a module for the running program; `uargs` is its argument string in user memory."""
    args = k.user.cstr(uargs, MAX_ARGS)
    try:
        return load_module(k, blob, args, flags)
    except ModuleError as refusal:
        raise Errno(refusal.errno) from None
