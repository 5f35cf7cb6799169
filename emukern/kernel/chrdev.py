"""Character devices that modules register, and the way from a user's system call to a module's file_operations.

An open file has a block of guest memory with its struct inode, its struct file and the position that read and write
get a pointer to; `file.private` holds its address. Every operation is a `Call` of the module's function, and a
continuation that takes its result. What is registered is here; kapi/fs.py, cdev.py and miscdevice.py are the doors.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.errors import Errno
from emukern.flow import Call, continuation
from emukern.kernel import moduleref
from emukern.kernel.openfile import MAX_COUNT, major, minor
from emukern.kernel.sequence import Answer
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.inode import Inode
    from emukern.kernel.kernel import Kernel
    from emukern.kernel.openfile import ModuleDeviceFile

MINOR_BITS = 20
MINORS = 1 << MINOR_BITS
MISC_MAJOR = 10
DYNAMIC_MINORS = 128  # of misc devices, given out from the top
DYNAMIC_MAJORS = (*range(254, 233, -1), *range(511, 383, -1))  # find_dynamic_major's order
MAX_MAJOR = 511
FMODE_READ, FMODE_WRITE, FMODE_LSEEK, FMODE_PREAD, FMODE_PWRITE = 1, 2, 4, 8, 16
FMODE_OPENED = 0x80000
ENOIOCTLCMD = 515


@dataclass(frozen=True, slots=True)
class Region:
    """Minor numbers `first` to `first + count - 1` of a major number, reserved under a name."""

    first: int
    count: int
    name: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """Device numbers from `dev` (kernel form) on that a struct cdev serves."""

    dev: int
    count: int
    cdev: int


@dataclass
class CharDevices:
    """What modules registered. `misc`: by minor, the struct miscdevice."""

    regions: dict[int, list[Region]] = field(default_factory=dict)
    maps: list[Mapped] = field(default_factory=list)
    misc: dict[int, int] = field(default_factory=dict)

    def majors(self) -> dict[int, str]:
        """Major number → name, for /proc/devices."""
        return {MISC_MAJOR: "misc"} | {number: rows[0].name for number, rows in self.regions.items()}

    def reserve(self, major: int, first: int, count: int, name: str) -> int:
        """Reserve numbers (`major` 0: any free one); the major number. Raises EBUSY, EINVAL."""
        if major > MAX_MAJOR or first + count > MINORS or count < 1:
            raise Errno(errno.EINVAL)
        if major == 0:
            major = next((one for one in DYNAMIC_MAJORS if one not in self.regions), 0)
            if not major:
                raise Errno(errno.EBUSY)
        for row in self.regions.get(major, ()):
            if first < row.first + row.count and row.first < first + count:
                raise Errno(errno.EBUSY)
        rows = self.regions.setdefault(major, [])
        rows.append(Region(first, count, name))
        rows.sort(key=lambda row: row.first)
        return major

    def release_numbers(self, major: int, first: int, count: int) -> None:
        """Take a reservation back; one that is not there is none of our business, as in Linux."""
        rows = [row for row in self.regions.get(major, ()) if (row.first, row.count) != (first, count)]
        if rows:
            self.regions[major] = rows
        else:
            self.regions.pop(major, None)

    def map(self, dev: int, count: int, cdev: int) -> None:
        """cdev_add: from now on these numbers can be opened."""
        self.maps.append(Mapped(dev, count, cdev))

    def unmap(self, cdev: int) -> bool:
        """cdev_del; whether it was mapped."""
        left = [one for one in self.maps if one.cdev != cdev]
        was = len(left) < len(self.maps)
        self.maps = left
        return was

    def cdev_of(self, dev: int) -> int:
        """The struct cdev that serves a device number, the narrowest range first; 0 if none does."""
        fitting = [one for one in self.maps if one.dev <= dev < one.dev + one.count]
        return min(fitting, key=lambda one: one.count).cdev if fitting else 0

    def free_misc_minor(self) -> int:
        """The next dynamic minor number; raises EBUSY."""
        for number in range(DYNAMIC_MINORS - 1, -1, -1):
            if number not in self.misc:
                return number
        raise Errno(errno.EBUSY)

    # What the open file of a device node does (openfile.py).

    def open(self, k: Kernel, inode: Inode, file: ModuleDeviceFile) -> Answer:
        """Make the guest's structures and call the module's open. Raises ENXIO or ENODEV: nobody serves the number."""
        dev = major(inode.rdev) << MINOR_BITS | minor(inode.rdev)
        cdev, private = self.cdev_of(dev), 0
        if cdev:
            found = Ptr(k.mem, cdev, "struct cdev *")
            operations = found.ops
        elif dev >> MINOR_BITS == MISC_MAJOR and dev % MINORS in self.misc:
            private = self.misc[dev % MINORS]
            operations = Ptr(k.mem, private, "struct miscdevice *").fops
        else:
            raise Errno(errno.ENODEV if dev >> MINOR_BITS == MISC_MAJOR else errno.ENXIO)
        if not moduleref.get(k, operations.owner.addr_):
            raise Errno(errno.ENXIO)
        handle = _make(k, inode, dev, cdev, operations, file.flags, private)
        if not handle:
            moduleref.put(k, operations.owner.addr_)
            raise Errno(errno.ENOMEM)
        file.private = handle
        if not operations.open:
            return 0
        return Call(operations.open, handle, _file(k, handle), then=opened, handle=handle)

    def read(self, k: Kernel, file: ModuleDeviceFile, buf: int, count: int) -> Answer:
        return _move(k, file.private, "read", buf, count)

    def write(self, k: Kernel, file: ModuleDeviceFile, buf: int, count: int) -> Answer:
        return _move(k, file.private, "write", buf, count)

    def llseek(self, k: Kernel, file: ModuleDeviceFile, offset: int, whence: int) -> Answer:
        """The module's llseek; a device without one, or opened as not seekable, has no positions (ESPIPE)."""
        guest = _file(k, file.private)
        if not guest.f_mode & FMODE_LSEEK:
            raise Errno(errno.ESPIPE)
        return Call(guest.f_op.llseek, guest, offset, whence, then=sought)

    def ioctl(self, k: Kernel, file: ModuleDeviceFile, cmd: int, arg: int) -> Answer:
        guest = _file(k, file.private)
        operations = guest.f_op
        function = operations.compat_ioctl if k.current.compat else operations.unlocked_ioctl
        if not function:
            raise Errno(errno.ENOTTY)
        # RISC-V passes 32-bit arguments sign-extended, even unsigned ones; x86-64 ignores the upper half.
        return Call(function, guest, (cmd & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000, arg, then=controlled)

    def release(self, k: Kernel, file: ModuleDeviceFile) -> Answer:
        """The module's release, and the end of the guest's structures."""
        handle, file.private = file.private, None
        if handle is None:
            return 0
        guest = _file(k, handle)
        function = guest.f_op.release
        if not function:
            answer: Answer = released(k, 0, handle)
            return answer
        return Call(function, handle, guest, then=released, handle=handle)


def _offsets() -> tuple[int, int, int]:
    """Where in a handle's block struct file and the position lie, and the block's size."""
    inode, file = abi().record("struct inode").size, abi().record("struct file").size
    return inode, inode + file, inode + file + 8


def _file(k: Kernel, handle: int) -> Ptr:
    return Ptr(k.mem, handle + _offsets()[0], "struct file *")


def _make(k: Kernel, inode: Inode, dev: int, cdev: int, operations: Ptr, flags: int, private: int) -> int:
    """The block of an open file: its handle, which is also the address of its struct inode; 0 without memory."""
    handle = k.heap.alloc(_offsets()[2], by="open")
    if not handle:
        return 0
    guest = Ptr(k.mem, handle, "struct inode *")
    guest.i_mode, guest.i_rdev, guest.i_ino = inode.mode, dev, inode.ino
    guest.i_fop, guest.i_cdev = operations, cdev
    file = _file(k, handle)
    file.f_inode, file.f_op, file.f_flags, file.private_data = handle, operations, flags, private
    mode = (flags + 1) & (FMODE_READ | FMODE_WRITE) | FMODE_PREAD | FMODE_PWRITE | FMODE_OPENED
    file.f_mode = mode | (FMODE_LSEEK if operations.llseek else 0)
    return handle


def _move(k: Kernel, handle: int, member: str, buf: int, count: int) -> Answer:
    """read or write: the module moves a copy of the position, which counts only if it succeeds."""
    guest = _file(k, handle)
    function = guest.f_op.member_(member)
    if not function:
        raise Errno(errno.EINVAL)
    if buf + count > k.arch.layout.user_top:
        raise Errno(errno.EFAULT)
    position = handle + _offsets()[1]
    k.mem.put_u64(position, guest.f_pos)
    return Call(function, guest, buf, min(count, MAX_COUNT), position, then=moved, handle=handle)


def _signed(rv: int, bits: int = 64) -> int:
    rv &= (1 << bits) - 1
    return rv - (1 << bits) if rv >> (bits - 1) else rv


@continuation
def opened(k: Kernel, rv: int, handle: int) -> int:
    """The module's open came back; a refusal undoes it."""
    result = _signed(rv, 32)
    if result < 0:
        owner = _file(k, handle).f_op.owner.addr_
        k.heap.free(handle)
        moduleref.put(k, owner)
    return result


@continuation
def moved(k: Kernel, rv: int, handle: int) -> int:
    result = _signed(rv)
    if result >= 0:
        _file(k, handle).f_pos = k.mem.u64(handle + _offsets()[1])
    return result


@continuation
def sought(k: Kernel, rv: int) -> int:
    return _signed(rv)


@continuation
def controlled(k: Kernel, rv: int) -> int:
    result = _signed(rv)
    return -errno.ENOTTY if result == -ENOIOCTLCMD else result


@continuation
def released(k: Kernel, rv: int, handle: int) -> int:
    owner = _file(k, handle).f_op.owner.addr_
    k.heap.free(handle)
    moduleref.put(k, owner)
    return 0
