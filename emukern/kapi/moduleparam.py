"""include/linux/moduleparam.h: the standard parameter types, by `set` and `get` functions (kernel/params.c).

A `set` function takes the text in `val` and answers 0 or -errno; a `get` function writes the value and a
newline to `buffer` and answers the length. Numbers follow kstrtox.c: base by prefix, an optional sign, one
newline allowed.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno
from emukern.flow import Call, continuation
from emukern.kapi.export import address_of, export, export_data
from emukern.kernel.kstrtox import kstrto, kstrtobool
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

MAX_CHARP = 1024  # longest text of a charp parameter
NOARG = 1  # KERNEL_PARAM_OPS_FL_NOARG: the parameter may be given without "="
KP = "const struct kernel_param *"
OPS = "struct kernel_param_ops"


def show(k: Kernel, buffer: Ptr, text: bytes) -> int:
    """Write a value for sysfs: at most a page, with its newline."""
    text = (text + b"\n")[:4095]
    k.mem.write(int(buffer), text + b"\0")
    return len(text)


def _number(name: str, bits: int, signed: bool, form: str) -> None:
    """Export the three symbols of one integer type."""
    width = bits // 8

    @export(f"int param_set_{name}(const char *val, {KP}kp)")
    def set_(k: Kernel, val: Ptr, kp: Ptr) -> int:
        value = kstrto(k.mem.cstr(val), bits, signed=signed, base=0)
        k.mem.write(int(kp.arg), (value & (1 << bits) - 1).to_bytes(width, "little"))
        return 0

    @export(f"int param_get_{name}(char *buffer, {KP}kp)")
    def get(k: Kernel, buffer: Ptr, kp: Ptr) -> int:
        value = int.from_bytes(k.mem.read(int(kp.arg), width), "little", signed=signed)
        return show(k, buffer, form.format(value).encode())

    _ops(name, f"param_set_{name}", f"param_get_{name}")


def _ops(name: str, set_: str, get: str, free: str = "", flags: int = 0) -> None:
    """Export the struct kernel_param_ops of a type."""

    @export_data(f"param_ops_{name}" if name != "array" else "param_array_ops", OPS)
    def init(k: Kernel, ops: Ptr) -> None:
        ops.flags = flags
        ops.set = address_of(k, set_)
        ops.get = address_of(k, get)
        ops.free = address_of(k, free) if free else 0


_number("byte", 8, False, "{}")
_number("short", 16, True, "{}")
_number("ushort", 16, False, "{}")
_number("int", 32, True, "{}")
_number("uint", 32, False, "{}")
_number("long", 64, True, "{}")
_number("ulong", 64, False, "{}")
_number("ullong", 64, False, "{}")
_number("hexint", 32, False, "{:#08x}")


@export(f"int param_set_bool(const char *val, {KP}kp)")
def param_set_bool(k: Kernel, val: Ptr, kp: Ptr) -> int:
    k.mem.put_u8(int(kp.arg), kstrtobool(k.mem.cstr(val)) if val else True)
    return 0


@export(f"int param_get_bool(char *buffer, {KP}kp)")
def param_get_bool(k: Kernel, buffer: Ptr, kp: Ptr) -> int:
    return show(k, buffer, b"Y" if k.mem.u8(int(kp.arg)) else b"N")


@export(f"int param_set_bool_enable_only(const char *val, {KP}kp)")
def param_set_bool_enable_only(k: Kernel, val: Ptr, kp: Ptr) -> int:
    value = kstrtobool(k.mem.cstr(val)) if val else True
    if not value and k.mem.u8(int(kp.arg)):
        raise Errno(errno.EROFS)
    k.mem.put_u8(int(kp.arg), value)
    return 0


@export(f"int param_set_invbool(const char *val, {KP}kp)")
def param_set_invbool(k: Kernel, val: Ptr, kp: Ptr) -> int:
    k.mem.put_u8(int(kp.arg), not (kstrtobool(k.mem.cstr(val)) if val else True))
    return 0


@export(f"int param_get_invbool(char *buffer, {KP}kp)")
def param_get_invbool(k: Kernel, buffer: Ptr, kp: Ptr) -> int:
    return show(k, buffer, b"N" if k.mem.u8(int(kp.arg)) else b"Y")


@export(f"int param_set_bint(const char *val, {KP}kp)")
def param_set_bint(k: Kernel, val: Ptr, kp: Ptr) -> int:
    k.mem.put_u32(int(kp.arg), kstrtobool(k.mem.cstr(val)) if val else True)
    return 0


@export(f"int param_set_charp(const char *val, {KP}kp)")
def param_set_charp(k: Kernel, val: Ptr, kp: Ptr) -> int:
    text = k.mem.cstr(int(val))
    if len(text) > MAX_CHARP:
        k.log.emit(3, f"{kp.name.str_()}: string parameter too long")
        raise Errno(errno.ENOSPC)
    free_charp(k, int(kp.arg))
    copy = k.heap.alloc(len(text) + 1, by="param_set_charp")
    k.mem.put_u64(int(kp.arg), copy)
    if not copy:
        raise Errno(errno.ENOMEM)
    k.mem.write(copy, text + b"\0")
    _copies(k).append(copy)
    return 0


@export(f"int param_get_charp(char *buffer, {KP}kp)")
def param_get_charp(k: Kernel, buffer: Ptr, kp: Ptr) -> int:
    text = k.mem.u64(int(kp.arg))
    return show(k, buffer, k.mem.cstr(text) if text else b"(null)")


@export("void param_free_charp(void *arg)")
def param_free_charp(k: Kernel, arg: Ptr) -> None:
    free_charp(k, int(arg))


def free_charp(k: Kernel, variable: int) -> None:
    """Free the text that a `char *` parameter points at if it is a copy of ours, not the module's default."""
    text = k.mem.u64(variable)
    if text in _copies(k):
        _copies(k).remove(text)
        k.heap.free(text)


def _copies(k: Kernel) -> list[int]:
    copies: list[int] = k.part_state.setdefault("moduleparam.charp", [])
    return copies


@export(f"int param_set_copystring(const char *val, {KP}kp)")
def param_set_copystring(k: Kernel, val: Ptr, kp: Ptr) -> int:
    target = kp.str
    text = k.mem.cstr(int(val))
    if len(text) + 1 > target.maxlen:
        k.log.emit(3, f"{kp.name.str_()}: string doesn't fit in {target.maxlen - 1} chars.")
        raise Errno(errno.ENOSPC)
    k.mem.write(int(target.string), text + b"\0")
    return 0


@export(f"int param_get_string(char *buffer, {KP}kp)")
def param_get_string(k: Kernel, buffer: Ptr, kp: Ptr) -> int:
    return show(k, buffer, k.mem.cstr(int(kp.str.string)))


_ops("bool", "param_set_bool", "param_get_bool", flags=NOARG)
_ops("bool_enable_only", "param_set_bool_enable_only", "param_get_bool", flags=NOARG)
_ops("invbool", "param_set_invbool", "param_get_invbool")
_ops("bint", "param_set_bint", "param_get_int", flags=NOARG)
_ops("charp", "param_set_charp", "param_get_charp", "param_free_charp")
_ops("string", "param_set_copystring", "param_get_string")
_ops("array", "param_array_set", "param_array_get", "param_array_free")


@export(f"int param_array_set(const char *val, {KP}kp)")
def param_array_set(k: Kernel, val: Ptr, kp: Ptr) -> Any:
    scratch = element_param(k, kp)
    return set_element(k, int(kp), scratch, int(val), 0)


def element_param(k: Kernel, kp: Ptr) -> int:
    """A struct kernel_param on the heap, like `kp`, for the elements of its array one after another."""
    size = kp.type_.target.size
    scratch = k.heap.alloc(size, by="module parameter array")
    if not scratch:
        raise Errno(errno.ENOMEM)
    k.mem.write(scratch, k.mem.read(int(kp), size))
    return int(scratch)


def set_element(k: Kernel, kp: int, scratch: int, val: int, index: int) -> Any:
    """Cut one value off at its comma, in place as Linux does, and hand it to the element type."""
    param = Ptr(k.mem, kp, KP)
    array = param.arr
    if index == 0:
        count_elements(k, param, 0)
    if index == array.max:
        k.log.emit(3, f"{param.name.str_()}: can only take {array.max} arguments")
        k.heap.free(scratch)
        raise Errno(errno.EINVAL)
    length = len(k.mem.cstr(val).split(b",", 1)[0])
    more = k.mem.u8(val + length) == ord(",")
    k.mem.put_u8(val + length, 0)
    Ptr(k.mem, scratch, "struct kernel_param *").arg = int(array.elem) + index * array.elemsize
    return Call(
        int(array.ops.set),
        val,
        scratch,
        then=element_set,
        kp=kp,
        scratch=scratch,
        val=val + length + 1 if more else 0,
        index=index,
    )


@continuation
def element_set(k: Kernel, rv: int, kp: int, scratch: int, val: int, index: int) -> Any:
    """An element has been set; `val` is the next one's text, 0 after the last."""
    result = ((rv & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
    if result == 0:
        count_elements(k, Ptr(k.mem, kp, KP), index + 1)
        if val:
            return set_element(k, kp, scratch, val, index + 1)
    k.heap.free(scratch)
    return result


def count_elements(k: Kernel, param: Ptr, count: int) -> None:
    """Tell the module how many values it got, if it wants to know."""
    num = int(param.arr.num)
    if num:
        k.mem.put_u32(num, count)


@export(f"int param_array_get(char *buffer, {KP}kp)")
def param_array_get(k: Kernel, buffer: Ptr, kp: Ptr) -> Any:
    return get_element(k, int(buffer), int(kp), element_param(k, kp), 0, 0)


def get_element(k: Kernel, buffer: int, kp: int, scratch: int, index: int, length: int) -> Any:
    """Let the element type write value `index` behind the `length` bytes that are there."""
    array = Ptr(k.mem, kp, KP).arr
    if index == used_elements(array):
        k.mem.put_u8(buffer + length, 0)
        k.heap.free(scratch)
        return length
    if index:
        k.mem.put_u8(buffer + length - 1, ord(","))
    Ptr(k.mem, scratch, "struct kernel_param *").arg = int(array.elem) + index * array.elemsize
    data = {"buffer": buffer, "kp": kp, "scratch": scratch, "index": index, "length": length}
    return Call(int(array.ops.get), buffer + length, scratch, then=element_got, **data)


@continuation
def element_got(k: Kernel, rv: int, buffer: int, kp: int, scratch: int, index: int, length: int) -> Any:
    """An element's `get` has answered how much it wrote, or -errno."""
    result = ((rv & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
    if result < 0:
        k.heap.free(scratch)
        return result
    return get_element(k, buffer, kp, scratch, index + 1, length + result)


def used_elements(array: Ptr) -> int:
    """How many elements of a struct kparam_array count."""
    return int(array.num[0]) if array.num else int(array.max)


@export("void param_array_free(void *arg)")
def param_array_free(k: Kernel, arg: Ptr) -> Any:
    return free_element(k, 0, array=int(arg), index=0)


@continuation
def free_element(k: Kernel, rv: int, array: int, index: int) -> Any:
    """Free what the elements from number `index` on hold, if their type holds anything."""
    whole = Ptr(k.mem, array, "const struct kparam_array *")
    free = int(whole.ops.free)
    if not free or index >= used_elements(whole):
        return 0
    element = int(whole.elem) + index * whole.elemsize
    return Call(free, element, then=free_element, array=array, index=index + 1)
