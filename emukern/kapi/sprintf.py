"""include/linux/sprintf.h: printf into buffers and fresh memory, and sscanf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.kernel.pointer_format import symbol_text
from emukern.kernel.vsprintf import vsprintf
from emukern.kernel.vsscanf import vsscanf
from emukern.ptr import Ptr
from emukern.varargs import VarArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

INT_MAX = 0x7FFF_FFFF
WARNING = 4


def _print(k: Kernel, buf: Ptr, size: int, fmt: Ptr, args: VarArgs) -> int:
    """The whole text's length; as much of it as fits `size` goes to `buf`, with a NUL."""
    if size > INT_MAX:
        k.log.emit(WARNING, f"snprintf with a buffer of {size} bytes, called by {k.caller}")
        return 0
    text = vsprintf(k, k.mem.cstr(fmt), args)
    if size:
        k.mem.write(buf, text[: size - 1] + b"\0")
    return len(text)


def _printed(length: int, size: int) -> int:
    """What scnprintf answers: the characters that are in the buffer."""
    return min(length, max(size - 1, 0))


@export("int snprintf(char *buf, size_t size, const char *fmt, ...)")
def snprintf(k: Kernel, buf: Ptr, size: int, fmt: Ptr, args: VarArgs) -> int:
    return _print(k, buf, size, fmt, args)


@export("int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)")
def vsnprintf(k: Kernel, buf: Ptr, size: int, fmt: Ptr, args: VarArgs) -> int:
    return _print(k, buf, size, fmt, args)


@export("int scnprintf(char *buf, size_t size, const char *fmt, ...)")
def scnprintf(k: Kernel, buf: Ptr, size: int, fmt: Ptr, args: VarArgs) -> int:
    return _printed(_print(k, buf, size, fmt, args), size)


@export("int vscnprintf(char *buf, size_t size, const char *fmt, va_list args)")
def vscnprintf(k: Kernel, buf: Ptr, size: int, fmt: Ptr, args: VarArgs) -> int:
    return _printed(_print(k, buf, size, fmt, args), size)


@export("int sprintf(char *buf, const char *fmt, ...)")
def sprintf(k: Kernel, buf: Ptr, fmt: Ptr, args: VarArgs) -> int:
    return _print(k, buf, INT_MAX, fmt, args)


@export("int vsprintf(char *buf, const char *fmt, va_list args)")
def vsprintf_(k: Kernel, buf: Ptr, fmt: Ptr, args: VarArgs) -> int:
    return _print(k, buf, INT_MAX, fmt, args)


def _allocated(k: Kernel, fmt: Ptr, args: VarArgs) -> int:
    text = vsprintf(k, k.mem.cstr(fmt), args) + b"\0"
    address = k.heap.alloc(len(text), by=k.caller)
    if address:
        k.mem.write(address, text)
    return address


@export("char *kasprintf(gfp_t gfp, const char *fmt, ...)")
def kasprintf(k: Kernel, gfp: int, fmt: Ptr, args: VarArgs) -> int:
    return _allocated(k, fmt, args)


@export("char *kvasprintf(gfp_t gfp, const char *fmt, va_list args)")
def kvasprintf(k: Kernel, gfp: int, fmt: Ptr, args: VarArgs) -> int:
    return _allocated(k, fmt, args)


@export("const char *kvasprintf_const(gfp_t gfp, const char *fmt, va_list args)")
def kvasprintf_const(k: Kernel, gfp: int, fmt: Ptr, args: VarArgs) -> int:
    return _allocated(k, fmt, args)  # always a copy, which kfree_const frees


@export("int sscanf(const char *buf, const char *fmt, ...)")
def sscanf(k: Kernel, buf: Ptr, fmt: Ptr, args: VarArgs) -> int:
    return vsscanf(k, k.mem.cstr(buf), k.mem.cstr(fmt), args)


@export("int vsscanf(const char *buf, const char *fmt, va_list args)")
def vsscanf_(k: Kernel, buf: Ptr, fmt: Ptr, args: VarArgs) -> int:
    return vsscanf(k, k.mem.cstr(buf), k.mem.cstr(fmt), args)


@export("int sprint_symbol(char *buffer, unsigned long address)", gpl=True)
def sprint_symbol(k: Kernel, buffer: Ptr, address: int) -> int:
    text = symbol_text(k, address)
    k.mem.write(buffer, text + b"\0")
    return len(text)


@export("int sprint_symbol_no_offset(char *buffer, unsigned long address)", gpl=True)
def sprint_symbol_no_offset(k: Kernel, buffer: Ptr, address: int) -> int:
    text = symbol_text(k, address, offset=False)
    k.mem.write(buffer, text + b"\0")
    return len(text)
