"""include/linux/cdev.h: structures that serve ranges of device numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.kapi.device import device_add, device_del
from emukern.kapi.export import export
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

ALLOCATED = 0x8000_0000  # in kobj.state: made by cdev_alloc, so cdev_del frees it


def _init(k: Kernel, cdev: Ptr) -> None:
    k.mem.fill(cdev.addr_, 0, abi().record("struct cdev").size)
    for path in ("list", "kobj.entry"):
        head = cdev.address_of_(path)
        head.next = head.prev = head
    cdev.kobj.kref.refcount.refs.counter = 1


@export("void cdev_init(struct cdev *cdev, const struct file_operations *fops)")
def cdev_init(k: Kernel, cdev: Ptr, fops: Ptr) -> None:
    _init(k, cdev)
    cdev.ops = fops


@export("struct cdev *cdev_alloc(void)")
def cdev_alloc(k: Kernel) -> int:
    cdev = Ptr(k.mem, k.heap.alloc(abi().record("struct cdev").size, by=k.caller), "struct cdev *")
    if cdev:
        _init(k, cdev)
        cdev.kobj.state = ALLOCATED
    return cdev.addr_


@export("int cdev_add(struct cdev *cdev, dev_t dev, unsigned int count)")
def cdev_add(k: Kernel, cdev: Ptr, dev: int, count: int) -> int:
    cdev.dev, cdev.count = dev, count
    k.chrdev.map(dev, count, cdev.addr_)
    return 0


@export("void cdev_del(struct cdev *cdev)")
def cdev_del(k: Kernel, cdev: Ptr) -> None:
    """Files that are open stay open; freed is only what cdev_alloc made."""
    k.chrdev.unmap(cdev.addr_)
    if cdev.kobj.state & ALLOCATED:
        k.heap.free(cdev.addr_, by=k.caller)


@export("int cdev_device_add(struct cdev *cdev, struct device *device)")
def cdev_device_add(k: Kernel, cdev: Ptr, device: Ptr) -> int:
    if device.devt:
        cdev_add(k, cdev, device.devt, 1)
    answer: int = device_add(k, device)
    return answer


@export("void cdev_device_del(struct cdev *cdev, struct device *device)")
def cdev_device_del(k: Kernel, cdev: Ptr, device: Ptr) -> None:
    device_del(k, device)
    if device.devt:
        cdev_del(k, cdev)
