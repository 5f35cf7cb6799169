"""include/linux/fs.h: numbers for character devices, and ready-made pieces for file_operations."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.errors import Errno
from emukern.kapi.export import export
from emukern.kapi.uaccess import copy_in, copy_out
from emukern.kernel.chrdev import FMODE_LSEEK, FMODE_PREAD, FMODE_PWRITE, MINOR_BITS, MINORS
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2
UNLIMITED = (1 << 63) - 1


@export(
    "int __register_chrdev(unsigned int major, unsigned int first, unsigned int count, const char *name,"
    " const struct file_operations *fops)"
)
def __register_chrdev(k: Kernel, major: int, first: int, count: int, name: Ptr, fops: Ptr) -> int:
    """Reserve the numbers and serve them; the major number if it was chosen here (`major` 0), else 0."""
    chosen = k.chrdev.reserve(major, first, count, name.str_())
    cdev = Ptr(k.mem, k.heap.alloc(abi().record("struct cdev").size, by=k.caller), "struct cdev *")
    if not cdev:
        k.chrdev.release_numbers(chosen, first, count)
        raise Errno(errno.ENOMEM)
    cdev.owner, cdev.ops = fops.owner, fops
    cdev.dev, cdev.count = chosen << MINOR_BITS | first, count
    k.chrdev.map(cdev.dev, count, cdev.addr_)
    return 0 if major else chosen


@export("void __unregister_chrdev(unsigned int major, unsigned int first, unsigned int count, const char *name)")
def __unregister_chrdev(k: Kernel, major: int, first: int, count: int, name: Ptr) -> None:
    k.chrdev.release_numbers(major, first, count)
    for one in [one for one in k.chrdev.maps if (one.dev, one.count) == (major << MINOR_BITS | first, count)]:
        k.chrdev.unmap(one.cdev)
        k.heap.free(one.cdev, by=k.caller)


@export("int alloc_chrdev_region(dev_t *dev, unsigned int first, unsigned int count, const char *name)")
def alloc_chrdev_region(k: Kernel, dev: Ptr, first: int, count: int, name: Ptr) -> int:
    dev[0] = k.chrdev.reserve(0, first, count, name.str_()) << MINOR_BITS | first
    return 0


@export("int register_chrdev_region(dev_t first, unsigned int count, const char *name)")
def register_chrdev_region(k: Kernel, first: int, count: int, name: Ptr) -> int:
    if not first >> MINOR_BITS:
        raise Errno(errno.EINVAL)
    k.chrdev.reserve(first >> MINOR_BITS, first % MINORS, count, name.str_())
    return 0


@export("void unregister_chrdev_region(dev_t first, unsigned int count)")
def unregister_chrdev_region(k: Kernel, first: int, count: int) -> None:
    k.chrdev.release_numbers(first >> MINOR_BITS, first % MINORS, count)


# Ready-made operations.


def _seek(file: Ptr, offset: int, whence: int, size: int | None) -> int:
    """The new position, from 0 up to `size`; raises EINVAL. `size` None: SEEK_END is not understood."""
    starts = {SEEK_SET: 0, SEEK_CUR: file.f_pos}
    if size is not None:
        starts[SEEK_END] = size
    if whence not in starts:
        raise Errno(errno.EINVAL)
    position: int = starts[whence] + offset
    if not 0 <= position <= (UNLIMITED if size is None else size):
        raise Errno(errno.EINVAL)
    file.f_pos = position
    return position


@export("loff_t noop_llseek(struct file *file, loff_t offset, int whence)")
def noop_llseek(k: Kernel, file: Ptr, offset: int, whence: int) -> int:
    position: int = file.f_pos
    return position


@export("loff_t no_llseek(struct file *file, loff_t offset, int whence)")
def no_llseek(k: Kernel, file: Ptr, offset: int, whence: int) -> int:
    raise Errno(errno.ESPIPE)


@export("loff_t default_llseek(struct file *file, loff_t offset, int whence)")
def default_llseek(k: Kernel, file: Ptr, offset: int, whence: int) -> int:
    """From the inode's size at the end, and no upper limit."""
    if whence == SEEK_END:
        offset, whence = offset + file.f_inode.i_size, SEEK_SET
    return _seek(file, offset, whence, None)


@export("loff_t fixed_size_llseek(struct file *file, loff_t offset, int whence, loff_t size)")
def fixed_size_llseek(k: Kernel, file: Ptr, offset: int, whence: int, size: int) -> int:
    return _seek(file, offset, whence, size)


@export("loff_t no_seek_end_llseek(struct file *file, loff_t offset, int whence)")
def no_seek_end_llseek(k: Kernel, file: Ptr, offset: int, whence: int) -> int:
    return _seek(file, offset, whence, None)


@export("int nonseekable_open(struct inode *inode, struct file *file)", aliases=("stream_open",))
def nonseekable_open(k: Kernel, inode: Ptr, file: Ptr) -> int:
    file.f_mode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE)
    return 0


@export("int simple_open(struct inode *inode, struct file *file)")
def simple_open(k: Kernel, inode: Ptr, file: Ptr) -> int:
    if inode.i_private:
        file.private_data = inode.i_private
    return 0


def _window(pos: Ptr, count: int, available: int) -> tuple[int, int]:
    """Where in a buffer to move bytes, and how many of the `count` wanted; raises EINVAL for a negative position."""
    start = pos[0]
    if start < 0:
        raise Errno(errno.EINVAL)
    return start, min(count, max(0, available - start))


@export("ssize_t simple_read_from_buffer(void *to, size_t count, loff_t *pos, const void *source, size_t available)")
def simple_read_from_buffer(k: Kernel, to: Ptr, count: int, pos: Ptr, source: Ptr, available: int) -> int:
    """To the user, from `*pos` on; raises EINVAL for a negative position, EFAULT when no byte could be copied."""
    start, count = _window(pos, count, available)
    if not count:
        return 0
    failed = copy_out(k, to.addr_, k.mem.read(source.addr_ + start, count))
    if failed == count:
        raise Errno(errno.EFAULT)
    pos[0] = start + count - failed
    return count - failed


@export("ssize_t simple_write_to_buffer(void *to, size_t available, loff_t *pos, const void *source, size_t count)")
def simple_write_to_buffer(k: Kernel, to: Ptr, available: int, pos: Ptr, source: Ptr, count: int) -> int:
    start, count = _window(pos, count, available)
    if not count:
        return 0
    data = copy_in(k, source.addr_, count)
    if not data:
        raise Errno(errno.EFAULT)
    k.mem.write(to.addr_ + start, data)
    pos[0] = start + len(data)
    return len(data)


@export("ssize_t memory_read_from_buffer(void *to, size_t count, loff_t *pos, const void *source, size_t available)")
def memory_read_from_buffer(k: Kernel, to: Ptr, count: int, pos: Ptr, source: Ptr, available: int) -> int:
    """The same within the kernel."""
    start, count = _window(pos, count, available)
    k.mem.write(to, k.mem.read(source.addr_ + start, count))
    pos[0] = start + count
    return count
