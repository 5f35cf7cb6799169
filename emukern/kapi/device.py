"""include/linux/device.h: classes and devices, as far as they make nodes appear in /dev.

A struct device made here holds its name right behind itself, in the same piece of memory.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.errors import Errno
from emukern.flow import Call
from emukern.kapi.export import export
from emukern.kernel.chrdev import MINOR_BITS, MINORS
from emukern.kernel.vsprintf import vsprintf
from emukern.ptr import Ptr
from emukern.varargs import VarArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

NODE_MODE = 0o600


def make_device(k: Kernel, name: str, devt: int, *, parent: int = 0, class_: int = 0, data: int = 0) -> Ptr:
    """A struct device in fresh memory of the caller's, not yet known to anybody. Raises ENOMEM."""
    size, text = abi().record("struct device").size, name.encode("latin-1", "replace") + b"\0"
    device = Ptr(k.mem, k.heap.alloc(size + len(text), by=k.caller), "struct device *")
    if not device:
        raise Errno(errno.ENOMEM)
    k.mem.write(device.addr_ + size, text)
    device.kobj.name = device.addr_ + size
    device.kobj.kref.refcount.refs.counter = 1
    device.parent, device.devt, device.driver_data = parent, devt, data
    device.member_("class")  # the member exists: its name is a keyword of Python
    k.mem.put_u64(device.addr_ + abi().record("struct device").member("class").offset, class_)
    node = device.address_of_("node")
    node.next = node.prev = node
    return device


def device_name(device: Ptr) -> str:
    """What dev_name() says."""
    answer: str = (device.init_name or device.kobj.name).str_()
    return answer


def _class_of(device: Ptr) -> Ptr:
    found: Ptr = device.member_("class")
    return found


@export("struct class *__class_create(struct module *owner, const char *name, struct lock_class_key *key)")
def __class_create(k: Kernel, owner: Ptr, name: Ptr, key: Ptr) -> int:
    return _make_class(k, name, owner.addr_)


@export("struct class *class_create(const char *name)", gpl=True)
def class_create(k: Kernel, name: Ptr) -> int:
    """6.4 and later."""
    return _make_class(k, name, 0)


def _make_class(k: Kernel, name: Ptr, owner: int) -> int:
    made = Ptr(k.mem, k.heap.alloc(abi().record("struct class").size, by=k.caller), "struct class *")
    if not made:
        raise Errno(errno.ENOMEM)
    made.name, made.owner = name, owner
    head = made.address_of_("devices")
    head.next = head.prev = head
    return made.addr_


@export("void class_destroy(struct class *class)")
def class_destroy(k: Kernel, class_: Ptr) -> None:
    if class_ and class_.addr_ < (1 << 64) - 4095:
        k.heap.free(class_.addr_, by=k.caller)


@export("void class_unregister(struct class *class)")
def class_unregister(k: Kernel, class_: Ptr) -> None:
    """The structure is the module's own."""


@export("int __class_register(struct class *class, struct lock_class_key *key)")
def __class_register(k: Kernel, class_: Ptr, key: Ptr) -> int:
    head = class_.address_of_("devices")
    head.next = head.prev = head
    return 0


def _link(device: Ptr) -> None:
    """Append the device to its class's list."""
    class_ = _class_of(device)
    if class_:
        head, node = class_.address_of_("devices"), device.address_of_("node")
        last = head.prev
        node.next, node.prev = head, last
        last.next = node
        head.prev = node


def _unlink(device: Ptr) -> None:
    node = device.address_of_("node")
    node.prev.next, node.next.prev = node.next, node.prev
    node.next = node.prev = node


@export(
    "struct device *device_create(struct class *class, struct device *parent, dev_t dev, void *data,"
    " const char *fmt, ...)"
)
def device_create(k: Kernel, class_: Ptr, parent: Ptr, dev: int, data: Ptr, fmt: Ptr, args: VarArgs) -> int | Call:
    """A device of a class; with a number it gets a node in /dev. ERR_PTR for a bad class or no memory."""
    if not class_ or class_.addr_ >= (1 << 64) - 4095:
        raise Errno(errno.ENODEV)
    name = vsprintf(k, k.mem.cstr(fmt), args).decode("latin-1")
    device = make_device(k, name, dev, parent=parent.addr_, class_=class_.addr_, data=data.addr_)
    device_add(k, device)
    return device.addr_


@export("int device_add(struct device *device)")
def device_add(k: Kernel, device: Ptr) -> int:
    _link(device)
    if device.devt:
        k.devfs.add(device_name(device), device.devt >> MINOR_BITS, device.devt % MINORS, NODE_MODE)
    return 0


@export("void device_del(struct device *device)")
def device_del(k: Kernel, device: Ptr) -> None:
    if device.devt:
        k.devfs.remove(device_name(device))
    _unlink(device)


@export("void device_destroy(struct class *class, dev_t dev)")
def device_destroy(k: Kernel, class_: Ptr, dev: int) -> None:
    head = class_.address_of_("devices")
    node = head.next
    while node != head:
        device = node.container_of_("struct device", "node")
        if device.devt == dev:
            device_del(k, device)
            k.heap.free(device.addr_, by=k.caller)
            return
        node = node.next


@export("void device_initialize(struct device *device)")
def device_initialize(k: Kernel, device: Ptr) -> None:
    device.kobj.kref.refcount.refs.counter = 1
    node = device.address_of_("node")
    node.next = node.prev = node


@export("int device_register(struct device *device)")
def device_register(k: Kernel, device: Ptr) -> int:
    device_initialize(k, device)
    answer: int = device_add(k, device)
    return answer


@export("void device_unregister(struct device *device)")
def device_unregister(k: Kernel, device: Ptr) -> Call | None:
    device_del(k, device)
    answer: Call | None = put_device(k, device)
    return answer


@export("struct device *get_device(struct device *device)")
def get_device(k: Kernel, device: Ptr) -> Ptr:
    if device:
        device.kobj.kref.refcount.refs.counter += 1
    return device


@export("void put_device(struct device *device)")
def put_device(k: Kernel, device: Ptr) -> Call | None:
    """The last reference calls the device's release."""
    if not device:
        return None
    count = device.kobj.kref.refcount.refs
    count.counter -= 1
    return Call(device.release, device) if not count.counter and device.release else None


@export("int dev_set_name(struct device *device, const char *fmt, ...)")
def dev_set_name(k: Kernel, device: Ptr, fmt: Ptr, args: VarArgs) -> int:
    """The name is freed with the last reference in Linux; here it is the caller's allocation."""
    text = vsprintf(k, k.mem.cstr(fmt), args) + b"\0"
    made = k.heap.alloc(len(text), by=k.caller)
    if not made:
        raise Errno(errno.ENOMEM)
    k.mem.write(made, text)
    device.kobj.name = made
    return 0
