"""The tree of files: mounts, and the walk along a path. There is no cache of names.

`k` is the kernel, or None while the tree is filled before there is one (then nothing may ask /proc).
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kernel import openfile
from emukern.kernel.inode import Content, Directory, Filesystem, Inode, as_directory, encode, writable
from emukern.kernel.inode import HostBlob as HostBlob
from emukern.kernel.openfile import File, makedev
from emukern.kernel.pipe import PipeFs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

NAME_MAX = 255  # bytes of one name
PATH_MAX = 4096  # bytes of a path, with its NUL
MAX_LINKS = 40  # symbolic links followed on one walk


@dataclass(frozen=True, slots=True)
class Mount:
    source: str
    path: str
    fs: Filesystem


@dataclass(slots=True)
class Found:
    """Where a walk ended: entry `name` of `parent`, and its inode if it exists.

    `name` is ".", ".." or "/" if the path does not end in a name; `slash`: it insists on a directory.
    """

    parent: Directory
    name: str
    inode: Inode | None
    slash: bool

    @property
    def named(self) -> bool:
        return self.name not in (".", "..", "/")


@dataclass
class Vfs:
    """The whole tree, below `fs.root`."""

    fs: Filesystem
    mounts: list[Mount] = field(default_factory=list)
    last_dev: int = 0

    def __post_init__(self) -> None:
        self.root = self.fs.root
        self._attach(Mount("rootfs", "/", self.fs))
        self.pipes = PipeFs()

    def _attach(self, mount: Mount) -> None:
        self.mounts.append(mount)
        self.last_dev += 1
        mount.fs.dev = makedev(0, self.last_dev)

    def mount(
        self,
        path: str,
        fs: Filesystem,
        source: str = "",
        k: Kernel | None = None,
        base: Directory | None = None,
    ) -> None:
        """Show `fs` at the directory `path`; raises EPERM where directories do not last."""
        directory = self.directory(k, path, base)
        if directory.fs.fixed and directory is not directory.fs.root:
            raise Errno(errno.EPERM)
        self._attach(Mount(source or fs.kind, self.path_of(directory), fs))
        directory.mounted, fs.root.covers = fs.root, directory

    def unmount(self, fs: Filesystem) -> None:
        """Undo `mount`; the caller has made sure that nobody uses it."""
        below, fs.root.covers = fs.root.covers, None
        assert below is not None
        below.mounted = None
        self.mounts = [each for each in self.mounts if each.fs is not fs]

    def parent(self, directory: Directory) -> Directory:
        """What ".." is in a directory."""
        while directory.covers:
            directory = directory.covers
        return top(directory.above)

    def path_of(self, directory: Directory) -> str:
        """The absolute path; raises ENOENT for a removed directory."""
        names: list[str] = []
        while directory is not self.root:
            while directory.covers:
                directory = directory.covers
            if directory.nlink == 0:
                raise Errno(errno.ENOENT)
            names.append(directory.name)
            directory = top(directory.above)
        return "/" + "/".join(reversed(names))

    def walk(self, k: Kernel | None, path: str, base: Directory | None = None, follow: bool = True) -> Found:
        """Follow `path` from `base` (the root if None); only its last name may be missing.

        `follow`: a symbolic link at the end is followed too. Raises ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG.
        """
        if not path:
            raise Errno(errno.ENOENT)
        here: Inode = self.root if path.startswith("/") else base or self.root
        assert isinstance(here, Directory)
        found = Found(here, "/" if path.startswith("/") else ".", here, path.endswith("/"))
        todo, links = split(path), 0
        while todo:
            name = todo.pop()
            directory = as_directory(here)
            inode = self._step(k, directory, name)
            if inode is None:
                if todo:
                    raise Errno(errno.ENOENT)
                return Found(directory, name, None, found.slash)
            if inode.is_link and (todo or follow or found.slash):
                links += 1
                target = inode.readlink(k)
                if links > MAX_LINKS:
                    raise Errno(errno.ELOOP)
                if not target:
                    raise Errno(errno.ENOENT)
                found.slash |= not todo and target.endswith("/")
                if target.startswith("/"):
                    directory = self.root
                    found = Found(directory, "/", directory, found.slash)
                todo += split(target)
                here = directory
                continue
            found = Found(directory, name, inode, found.slash)
            here = inode
        if found.slash:
            as_directory(here)
        return found

    def _step(self, k: Kernel | None, directory: Directory, name: str) -> Inode | None:
        """One entry of a directory, as seen from above all mounts."""
        if name == ".":
            return directory
        if name == "..":
            return self.parent(directory)
        if len(encode(name)) > NAME_MAX:
            raise Errno(errno.ENAMETOOLONG)
        inode = directory.lookup(k, name)
        return top(inode) if isinstance(inode, Directory) else inode

    def lookup(
        self, k: Kernel | None, path: str, base: Directory | None = None, follow: bool = True
    ) -> Inode:
        """The inode at `path`; raises ENOENT and what `walk` raises."""
        inode = self.walk(k, path, base, follow).inode
        if inode is None:
            raise Errno(errno.ENOENT)
        return inode

    def directory(self, k: Kernel | None, path: str, base: Directory | None = None) -> Directory:
        """The directory at `path`; raises ENOTDIR for anything else."""
        return as_directory(self.lookup(k, path, base))

    def vacancy(
        self, k: Kernel | None, path: str, base: Directory | None = None, *, directory: bool = False
    ) -> Found:
        """Where a new entry shall be: raises EEXIST, EROFS, and ENOENT in a removed directory."""
        found = self.walk(k, path, base, follow=False)
        if found.inode is not None:
            raise Errno(errno.EEXIST)
        if found.slash and not directory:
            raise Errno(errno.ENOENT)
        writable(found.parent)
        return found

    def open(
        self, k: Kernel, path: str, flags: int = 0, mode: int = 0o666, base: Directory | None = None
    ) -> File:
        """A new open file, which still needs `start`. `mode`: of a file that O_CREAT makes, umask applied."""
        exclusive = flags & openfile.O_CREAT and flags & openfile.O_EXCL
        found = self.walk(k, path, base, follow=not (flags & openfile.O_NOFOLLOW or exclusive))
        inode = found.inode
        if inode is None:
            if not flags & openfile.O_CREAT:
                raise Errno(errno.ENOENT)
            if found.slash:
                raise Errno(errno.EISDIR)
            writable(found.parent)
            inode = found.parent.create(k, found.name, stat.S_IFREG | mode & 0o7777)
        else:
            check_open(inode, flags)
        if flags & openfile.O_PATH:
            return openfile.PathFile(inode, flags)
        file = inode.open(k, flags)
        if flags & openfile.O_TRUNC and inode.is_regular:
            writable(inode)
            inode.truncate(k, 0)
        return file

    # What fills the tree at boot. Paths are absolute.

    def write_file(self, path: str, data: Content, mode: int = 0o644) -> Inode:
        """A regular file with this content, kept as the object it is until the guest writes to it."""
        found = self.walk(None, path)
        inode = found.inode or found.parent.create(None, found.name, stat.S_IFREG | mode)
        inode.hold(data)
        return inode

    def mkdir(self, path: str, mode: int = 0o755) -> Directory:
        """The directory at `path`, made with those above it where they are missing."""
        here = self.root
        for name in reversed(split(path)):
            inode = self._step(None, here, name)
            here = here.mkdir(None, name, mode) if inode is None else as_directory(inode)
        return here

    def mknod(self, path: str, mode: int, rdev: int = 0) -> Inode:
        """A node of any kind but a directory or a link; raises EEXIST."""
        found = self.vacancy(None, path)
        return found.parent.create(None, found.name, mode, rdev)

    def link(self, old: str, new: str) -> None:
        """A hard link; raises EXDEV between filesystems."""
        inode, found = self.lookup(None, old), self.vacancy(None, new)
        if inode.fs is not found.parent.fs:
            raise Errno(errno.EXDEV)
        found.parent.link(None, found.name, inode)


def split(path: str) -> list[str]:
    """The names of a path, last one first."""
    return [name for name in reversed(path.split("/")) if name]


def top(directory: Directory) -> Directory:
    """What is seen at a directory: the root of the last filesystem mounted there."""
    while directory.mounted:
        directory = directory.mounted
    return directory


def check_open(inode: Inode, flags: int) -> None:
    """May the existing `inode` be opened so? Raises what open(2) lists."""
    if flags & openfile.O_CREAT and flags & openfile.O_EXCL:
        raise Errno(errno.EEXIST)
    if flags & openfile.O_DIRECTORY:
        as_directory(inode)
    if inode.is_link and not flags & openfile.O_PATH:
        raise Errno(errno.ELOOP)
    if inode.is_dir and flags & (openfile.O_CREAT | openfile.O_TRUNC) and not flags & openfile.O_PATH:
        raise Errno(errno.EISDIR)
    if inode.is_regular and flags & openfile.O_ACCMODE != openfile.O_RDONLY:
        writable(inode)
