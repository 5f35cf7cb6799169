"""System calls on the tree: opening, stat, listing, making, moving and removing (fs/open.c, fs/stat.c, fs/namei.c)."""

from __future__ import annotations

import errno
import stat as mode_bits
from struct import Struct
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import continuation
from emukern.kernel import openfile
from emukern.kernel.sequence import Answer, after
from emukern.kernel.inode import Directory, Inode, as_directory, decode, encode
from emukern.kernel.vfs import PATH_MAX
from emukern.syscalls.file import abi
from emukern.syscalls.table import Int, Ptr, Size, UInt, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000
AT_EACCESS, AT_NO_AUTOMOUNT = 0x200, 0x800
R_OK, W_OK, X_OK = 4, 2, 1
DIRENT64 = Struct("<QqHB")  # struct linux_dirent64: d_ino d_off d_reclen d_type, then the name


def path_at(k: Kernel, address: int) -> str:
    """The path a program passed; raises EFAULT, ENAMETOOLONG."""
    return decode(k.user.cstr(address, PATH_MAX - 1))


def base_of(k: Kernel, dirfd: int, path: str) -> Directory:
    """Where a relative path starts; raises EBADF, ENOTDIR."""
    if dirfd == AT_FDCWD or path.startswith("/"):
        return k.current.fs.cwd
    return as_directory(k.current.files.get(dirfd).inode)


def inode_at(k: Kernel, dirfd: int, path_ptr: int, flags: int) -> Inode:
    """What a *at system call names, with AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW."""
    path = path_at(k, path_ptr)
    if not path and flags & AT_EMPTY_PATH:
        return k.current.fs.cwd if dirfd == AT_FDCWD else k.current.files.get(dirfd).inode
    follow = not flags & AT_SYMLINK_NOFOLLOW
    return k.vfs.lookup(k, path, base_of(k, dirfd, path), follow)


# Opening.


@syscall
def openat(k: Kernel, dirfd: Int, path_ptr: Ptr, flags: Int, mode: UInt) -> Answer:
    path = path_at(k, path_ptr)
    table = k.current.files
    table.lowest_free()
    if flags & openfile.O_TMPFILE == openfile.O_TMPFILE:
        raise Errno(errno.EOPNOTSUPP)
    permissions = mode & 0o7777 & ~k.current.fs.umask
    file = k.vfs.open(k, path, flags, permissions, base_of(k, dirfd, path))
    file.flags &= ~(openfile.O_CREAT | openfile.O_EXCL | openfile.O_NOCTTY | openfile.O_TRUNC | openfile.O_CLOEXEC)
    fd = table.add(file, cloexec=bool(flags & openfile.O_CLOEXEC))
    try:
        answer = file.start(k)
    except Errno:
        table.forget(fd)
        raise
    return after(k, answer, opened, fd=fd)


@continuation
def opened(k: Kernel, rv: int, fd: int) -> Answer:
    """The device's own open is done; if it failed, there was no opening."""
    if rv < 0:
        k.current.files.forget(fd)
        return rv
    return fd


@syscall
def open(k: Kernel, path_ptr: Ptr, flags: Int, mode: UInt) -> Answer:
    return openat(k, AT_FDCWD, path_ptr, flags, mode)


@syscall
def creat(k: Kernel, path_ptr: Ptr, mode: UInt) -> Answer:
    return openat(k, AT_FDCWD, path_ptr, openfile.O_CREAT | openfile.O_WRONLY | openfile.O_TRUNC, mode)


# What is there.


@syscall
def newfstatat(k: Kernel, dirfd: Int, path_ptr: Ptr, buf: Ptr, flags: Int) -> Answer:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT):
        raise Errno(errno.EINVAL)
    k.user.copy_to(buf, abi(k).stat(inode_at(k, dirfd, path_ptr, flags).stat(k)))
    return 0


@syscall
def fstatat64(k: Kernel, dirfd: Int, path_ptr: Ptr, buf: Ptr, flags: Int) -> Answer:
    """newfstatat of 32-bit programs."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT):
        raise Errno(errno.EINVAL)
    k.user.copy_to(buf, abi(k).stat64(inode_at(k, dirfd, path_ptr, flags).stat(k)))
    return 0


@syscall
def fstat(k: Kernel, fd: Int, buf: Ptr) -> Answer:
    k.user.copy_to(buf, abi(k).stat(k.current.files.get(fd).stat(k)))
    return 0


@syscall
def fstat64(k: Kernel, fd: Int, buf: Ptr) -> Answer:
    k.user.copy_to(buf, abi(k).stat64(k.current.files.get(fd).stat(k)))
    return 0


@syscall
def stat(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return newfstatat(k, AT_FDCWD, path_ptr, buf, 0)


@syscall
def lstat(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return newfstatat(k, AT_FDCWD, path_ptr, buf, AT_SYMLINK_NOFOLLOW)


@syscall
def stat64(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return fstatat64(k, AT_FDCWD, path_ptr, buf, 0)


@syscall
def lstat64(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return fstatat64(k, AT_FDCWD, path_ptr, buf, AT_SYMLINK_NOFOLLOW)


@syscall
def faccessat2(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: Int, flags: Int) -> Answer:
    """Everyone is root: only a read-only filesystem and a missing x bit stand in the way."""
    if mode & ~(R_OK | W_OK | X_OK) or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    inode = inode_at(k, dirfd, path_ptr, flags)
    if mode & W_OK and inode.fs.readonly and (inode.is_regular or inode.is_dir):
        raise Errno(errno.EROFS)
    if mode & X_OK and inode.is_regular and not inode.mode & 0o111:
        raise Errno(errno.EACCES)
    return 0


@syscall
def faccessat(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: Int) -> Answer:
    return faccessat2(k, dirfd, path_ptr, mode, 0)


@syscall
def access(k: Kernel, path_ptr: Ptr, mode: Int) -> Answer:
    return faccessat2(k, AT_FDCWD, path_ptr, mode, 0)


@syscall
def getdents64(k: Kernel, fd: Int, buf: Ptr, count: UInt) -> Answer:
    file = k.current.files.get(fd)
    records = bytearray()
    taken = 0
    entries = file.readdir(k)
    for name, ino, mode in entries:
        text = encode(name) + b"\0"
        size = (DIRENT64.size + len(text) + 7) & ~7
        if len(records) + size > count:
            break
        taken += 1
        kind = mode_bits.S_IFMT(mode) >> 12
        record = DIRENT64.pack(ino, file.pos + taken, size, kind) + text
        records += record.ljust(size, b"\0")
    if entries and not taken:
        raise Errno(errno.EINVAL)
    k.user.copy_to(buf, bytes(records))
    file.pos += taken
    return len(records)


@syscall
def readlinkat(k: Kernel, dirfd: Int, path_ptr: Ptr, buf: Ptr, size: Int) -> Answer:
    if size <= 0:
        raise Errno(errno.EINVAL)
    inode = inode_at(k, dirfd, path_ptr, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
    target = encode(inode.readlink(k))[:size]
    k.user.copy_to(buf, target)
    return len(target)


@syscall
def readlink(k: Kernel, path_ptr: Ptr, buf: Ptr, size: Int) -> Answer:
    return readlinkat(k, AT_FDCWD, path_ptr, buf, size)


# Where a process is.


@syscall
def chdir(k: Kernel, path_ptr: Ptr) -> Answer:
    k.current.fs.cwd = k.vfs.directory(k, path_at(k, path_ptr), k.current.fs.cwd)
    return 0


@syscall
def fchdir(k: Kernel, fd: Int) -> Answer:
    k.current.fs.cwd = as_directory(k.current.files.get(fd).inode)
    return 0


@syscall
def getcwd(k: Kernel, buf: Ptr, size: Size) -> Answer:
    """Answers the length with its NUL, as the system call does (the C function answers buf)."""
    path = encode(k.vfs.path_of(k.current.fs.cwd)) + b"\0"
    if len(path) > size:
        raise Errno(errno.ERANGE)
    k.user.copy_to(buf, path)
    return len(path)


@syscall
def umask(k: Kernel, mask: Int) -> Answer:
    old = k.current.fs.umask
    k.current.fs.umask = mask & 0o777
    return old
