"""include/linux/string.h: the functions that allocate. All others are guest code (guest/kernel/string.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kapi.export import export
from emukern.kernel.bug import KernelBug
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


def _copy(k: Kernel, data: bytes) -> int:
    """`data` in fresh kernel memory of the caller's; 0 when there is none."""
    made = k.heap.alloc(len(data), by=k.caller)
    if made and data:
        k.mem.write(made, data)
    return made


@export("char *kstrdup(const char *s, gfp_t flags)", aliases=("kstrdup_noprof", "kstrdup_const"))
def kstrdup(k: Kernel, s: Ptr, flags: int) -> int:
    return _copy(k, k.mem.cstr(s) + b"\0") if s else 0


@export("char *kstrndup(const char *s, size_t limit, gfp_t flags)", aliases=("kstrndup_noprof",))
def kstrndup(k: Kernel, s: Ptr, limit: int, flags: int) -> int:
    return _copy(k, k.mem.cstr(s, limit) + b"\0") if s else 0


@export("void *kmemdup(const void *source, size_t size, gfp_t flags)", aliases=("kmemdup_noprof",))
def kmemdup(k: Kernel, source: Ptr, size: int, flags: int) -> int:
    return _copy(k, k.mem.read(source, size))


@export("void *kvmemdup(const void *source, size_t size, gfp_t flags)")
def kvmemdup(k: Kernel, source: Ptr, size: int, flags: int) -> int:
    return _copy(k, k.mem.read(source, size))


@export("char *kmemdup_nul(const char *s, size_t size, gfp_t flags)", aliases=("kmemdup_nul_noprof",))
def kmemdup_nul(k: Kernel, s: Ptr, size: int, flags: int) -> int:
    return _copy(k, k.mem.read(s, size) + b"\0") if s else 0


def _of_user(k: Kernel, data: bytes) -> int:
    made = _copy(k, data)
    if not made:
        raise Errno(errno.ENOMEM)
    return made


@export("void *memdup_user(const void *source, size_t size)", aliases=("vmemdup_user",))
def memdup_user(k: Kernel, source: Ptr, size: int) -> int:
    """ERR_PTR(-EFAULT) for bad user memory."""
    return _of_user(k, k.user.copy_from(source, size))


@export("void *memdup_user_nul(const void *source, size_t size)")
def memdup_user_nul(k: Kernel, source: Ptr, size: int) -> int:
    return _of_user(k, k.user.copy_from(source, size) + b"\0")


@export("char *strndup_user(const char *s, long limit)")
def strndup_user(k: Kernel, s: Ptr, limit: int) -> int:
    """`limit` includes the NUL; ERR_PTR(-EINVAL) for a longer string."""
    try:
        text = k.user.cstr(s, limit)
    except Errno as failure:
        raise Errno(errno.EINVAL if failure.number == errno.ENAMETOOLONG else failure.number) from None
    return _of_user(k, text + b"\0")


@export("void fortify_panic(const char *name)")
def fortify_panic(k: Kernel, name: Ptr) -> None:
    """A string function's own check of its sizes failed (CONFIG_FORTIFY_SOURCE, 6.1)."""
    raise KernelBug(f"detected buffer overflow in {name.str_()}")


FORTIFIED = (
    "strncpy", "strnlen", "strlen", "strscpy", "strlcat", "strcat", "strncat", "memset", "memcpy", "memmove", "memscan",
    "memcmp", "memchr", "memchr_inv", "kmemdup", "strcpy",
)  # fmt: skip


@export("void __fortify_panic(unsigned char reason, size_t available, size_t size)")
def __fortify_panic(k: Kernel, reason: int, available: int, size: int) -> None:
    """6.12: bit 0 of `reason` says write, the rest is an index into the functions' names."""
    name = FORTIFIED[reason >> 1] if reason >> 1 < len(FORTIFIED) else "unknown"
    what = "write" if reason & 1 else "read"
    raise KernelBug(f"{name}: detected buffer overflow: {size} byte {what} of buffer size {available}")
