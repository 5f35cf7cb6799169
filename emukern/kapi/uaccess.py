"""include/linux/uaccess.h: memory of the user program. Copies stop at the first byte that is not there, as in Linux."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kapi.export import export
from emukern.kernel.bug import KernelBug
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PAGE = 4096


def copy_in(k: Kernel, source: int, size: int) -> bytes:
    """As many of `size` bytes at the user address `source` as can be read."""
    try:
        return k.user.copy_from(source, size)
    except Errno:
        pass
    parts = []
    while size > 0:
        chunk = min(size, PAGE - source % PAGE)
        try:
            parts.append(k.user.copy_from(source, chunk))
        except Errno:
            break
        source, size = source + chunk, size - chunk
    return b"".join(parts)


def copy_out(k: Kernel, to: int, data: bytes) -> int:
    """Write `data` to the user address `to`; how many bytes of it could not be written."""
    try:
        k.user.copy_to(to, data)
    except Errno:
        pass
    else:
        return 0
    done = 0
    while done < len(data):
        chunk = min(len(data) - done, PAGE - (to + done) % PAGE)
        try:
            k.user.copy_to(to + done, data[done : done + chunk])
        except Errno:
            break
        done += chunk
    return len(data) - done


@export(
    "unsigned long _copy_to_user(void *to, const void *source, unsigned long size)",
    aliases=("copy_to_user", "__copy_to_user", "raw_copy_to_user", "__asm_copy_to_user"),
)
def _copy_to_user(k: Kernel, to: Ptr, source: Ptr, size: int) -> int:
    """How many bytes were not copied."""
    return copy_out(k, to.addr_, k.mem.read(source, size))


@export(
    "unsigned long _copy_from_user(void *to, const void *source, unsigned long size)",
    aliases=("copy_from_user", "__copy_from_user", "raw_copy_from_user", "__asm_copy_from_user"),
)
def _copy_from_user(k: Kernel, to: Ptr, source: Ptr, size: int) -> int:
    """How many bytes were not copied; zeroes stand in their place."""
    data = copy_in(k, source.addr_, size)
    k.mem.write(to, data + bytes(size - len(data)))
    return size - len(data)


@export("unsigned long clear_user(void *to, unsigned long size)", aliases=("__clear_user",))
def clear_user(k: Kernel, to: Ptr, size: int) -> int:
    return copy_out(k, to.addr_, bytes(size))


@export("int __get_user_fn(void *to, const void *source, size_t size)")
def __get_user_fn(k: Kernel, to: Ptr, source: Ptr, size: int) -> int:
    """get_user as a function: the value is 0 when it fails."""
    return -errno.EFAULT if _copy_from_user(k, to, source, size) else 0


@export("int __put_user_fn(void *to, const void *source, size_t size)")
def __put_user_fn(k: Kernel, to: Ptr, source: Ptr, size: int) -> int:
    k.user.copy_to(to, k.mem.read(source, size))
    return 0


@export("long strncpy_from_user(char *to, const char *source, long count)")
def strncpy_from_user(k: Kernel, to: Ptr, source: Ptr, count: int) -> int:
    """The string's length; `count` when no NUL was among so many bytes; raises EFAULT."""
    if count <= 0:
        return 0
    text, ended = _user_string(k, source.addr_, count)
    k.mem.write(to, text + b"\0" if ended else text)
    return len(text)


@export("long strnlen_user(const char *s, long limit)")
def strnlen_user(k: Kernel, s: Ptr, limit: int) -> int:
    """The size with the NUL, more than `limit` when it is longer, 0 for memory that is not there."""
    if limit <= 0:
        return 0
    try:
        text, ended = _user_string(k, s.addr_, limit)
    except Errno:
        return 0
    return len(text) + 1 if ended else limit + 1


def _user_string(k: Kernel, address: int, limit: int) -> tuple[bytes, bool]:
    """Up to `limit` bytes before the NUL, and whether there was one."""
    parts, left = [], limit
    while left > 0:
        chunk = min(left, PAGE - address % PAGE)
        part, nul, _ = k.user.copy_from(address, chunk).partition(b"\0")
        parts.append(part)
        if nul:
            return b"".join(parts), True
        address, left = address + chunk, left - chunk
    return b"".join(parts), False


@export("int access_ok(const void *address, unsigned long size)")
def access_ok(k: Kernel, address: Ptr, size: int) -> bool:
    return address.addr_ + size <= k.arch.layout.user_top


@export("void __check_object_size(const void *object, unsigned long size, bool to_user)")
def __check_object_size(k: Kernel, object_: Ptr, size: int, to_user: bool) -> None:
    """CONFIG_HARDENED_USERCOPY: a copy must stay inside one heap object."""
    block = k.heap.blocks.get(object_.addr_)
    if block is not None and size > block.room:
        way = "exposure" if to_user else "overwrite"
        where = "from" if to_user else "to"
        raise KernelBug(f"usercopy: Kernel memory {way} attempt detected {where} SLUB object (offset 0, size {size})!")
