"""System calls on the tree, and the layouts of stat; no CPU."""

from __future__ import annotations

import struct

import pytest

from tests.fakes import BUFFER, FakeKernel

AT_FDCWD, NOFOLLOW, REMOVEDIR, EMPTY_PATH = -100, 0x100, 0x200, 0x1000
O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_PATH = 0o100, 0o200, 0o200000, 0o400000, 0o10000000
DT = {4: "d", 8: "f", 10: "l", 2: "c"}


@pytest.fixture(params=["x86_64", "riscv64"])
def k(request):
    kernel = FakeKernel(request.param)
    kernel.vfs.mkdir("/d/sub")
    kernel.vfs.write_file("/d/file", b"content")
    kernel.vfs.root.symlink(None, "link", "d/file")
    kernel.vfs.root.symlink(None, "dangling", "d/new")
    kernel.vfs.root.symlink(None, "loop", "loop")
    return kernel


def listing(k, path, room=4096):
    """Name to kind of a directory's entries, by getdents64."""
    fd = k.sys("openat", AT_FDCWD, path, O_DIRECTORY, 0)
    found = {}
    while size := k.sys("getdents64", fd, BUFFER, room):
        data, at = k.user.copy_from(BUFFER, size), 0
        while at < size:
            _, _, length, kind = struct.unpack_from("<QqHB", data, at)
            assert length % 8 == 0
            found[data[at + 19 : data.index(b"\0", at + 19)].decode()] = DT[kind]
            at += length
    k.sys("close", fd)
    return found


# Opening.


@pytest.mark.parametrize(
    ("path", "flags", "answer"),
    [
        ("/nothing", 0, "ENOENT"),
        ("", 0, "ENOENT"),
        ("/nothing/x", O_CREAT, "ENOENT"),
        ("/d/file/x", O_CREAT, "ENOTDIR"),
        ("/d/file/", 0, "ENOTDIR"),
        ("/d/file", O_DIRECTORY, "ENOTDIR"),
        ("/d/file", O_CREAT | O_EXCL, "EEXIST"),
        ("/dangling", O_CREAT | O_EXCL, "EEXIST"),
        ("/d", 1, "EISDIR"),
        ("/d", O_CREAT, "EISDIR"),
        ("/x/", O_CREAT, "EISDIR"),
        ("/link", O_NOFOLLOW, "ELOOP"),
        ("/loop", 0, "ELOOP"),
        ("/" + "a/" * 2047 + "aaa", 0, "ENAMETOOLONG"),
        ("/" + "a" * 256, O_CREAT, "ENAMETOOLONG"),
        ("/x", 0o20200000 | 2, "ENOTSUP"),
        ("/link", 0, 0),
        ("/link", O_NOFOLLOW | O_PATH, 0),
        ("/d/", O_DIRECTORY, 0),
        ("/" + "a" * 255, O_CREAT | O_EXCL, 0),
    ],
)
def test_open(k, path, flags, answer):
    assert k.sys("openat", AT_FDCWD, path, flags, 0o644) == answer
    assert len(k.current.fds.files) == (answer == 0)


def test_open_makes_files(k):
    k.sys("umask", 0o27)
    fd = k.sys("openat", AT_FDCWD, "/dangling", O_CREAT | 1, 0o6777)
    assert k.vfs.lookup(k, "/d/new").mode == 0o106750
    assert k.sys("read", fd, BUFFER, 1) == "EBADF"
    assert k.vfs.lookup(k, "/d/new").mtime == k.clock.realtime
    assert k.sys("creat", "/d/file", 0o644) == 1
    assert k.cat("/d/file") == b""
    assert k.sys("open", "/d/file", 0, 0) == 2
    assert k.sys("umask", 0o22) == 0o27


def test_relative_to_a_descriptor(k):
    d = k.sys("openat", AT_FDCWD, "/d", 0, 0)
    f = k.sys("openat", d, "file", 0, 0)
    assert k.read(f) == b"content"
    assert k.sys("openat", f, "file", 0, 0) == "ENOTDIR"
    assert k.sys("openat", f, "/d/file", 0, 0) == 2
    assert k.sys("openat", 77, "file", 0, 0) == "EBADF"
    assert k.sys("openat", d, 8, 0, 0) == "EFAULT"
    assert k.sys("openat", d, k.put(b"x" * 5000), 0, 0) == "ENAMETOOLONG"


# Looking.


def test_stat_layout(k):
    k.vfs.lookup(k, "/d/file").mtime = 5_000_000_007
    assert k.sys("newfstatat", AT_FDCWD, "/link", BUFFER, 0) == 0
    if k.arch.name == "x86_64":
        data = struct.unpack("<QQQIII4xQqqqqQqQqQ24x", k.user.copy_from(BUFFER, 144))
        dev, ino, nlink, mode, _, _, rdev, size, blksize, blocks = data[:10]
    else:
        data = struct.unpack("<QQIIIIQ8xqi4xqqQqQqQ8x", k.user.copy_from(BUFFER, 128))
        dev, ino, mode, nlink, _, _, rdev, size, blksize, blocks = data[:10]
    inode = k.vfs.lookup(k, "/d/file")
    assert (dev, ino, mode, nlink) == (k.vfs.fs.dev, inode.ino, 0o100644, 1)
    assert (rdev, size, blksize, blocks) == (0, 7, 4096, 1)
    assert data[10:] == (5, 7) * 3


def test_stat_layout_of_32_bit_programs():
    k = FakeKernel()
    k.current.compat = True
    k.vfs.write_file("/f", b"content")
    assert k.sys("stat64", "/f", BUFFER) == 0
    data = struct.unpack("<Q4xIIIIIQ4xqIQIIIIIIQ", k.user.copy_from(BUFFER, 96))
    assert (data[2], data[3], data[7], data[16]) == (0o100644, 1, 7, k.vfs.lookup(k, "/f").ino)
    assert k.sys("stat", "/f", BUFFER) == 0
    data = struct.unpack("<IIHHHHIIIIIIIIII8x", k.user.copy_from(BUFFER, 64))
    assert (data[2], data[3], data[7]) == (0o100644, 1, 7)
    k.vfs.lookup(k, "/f").ino = 1 << 40
    assert k.sys("stat", "/f", BUFFER) == "EOVERFLOW"
    assert k.sys("fstatat64", AT_FDCWD, "/f", BUFFER, 0) == 0


def mode_of(k):
    return k.user.u32(BUFFER + (24 if k.arch.name == "x86_64" else 16))


def test_the_stat_family(k):
    assert k.sys("lstat", "/link", BUFFER) == 0
    assert mode_of(k) == 0o120777
    assert k.sys("stat", "/link", BUFFER) == 0
    assert mode_of(k) == 0o100644
    assert k.sys("stat", "/dev/null", BUFFER) == 0
    assert mode_of(k) == 0o20666
    fd = k.sys("openat", AT_FDCWD, "/d", 0, 0)
    assert k.sys("fstat", fd, BUFFER) == 0
    assert mode_of(k) == 0o40755
    assert k.sys("newfstatat", fd, "", BUFFER, EMPTY_PATH) == 0
    assert k.sys("newfstatat", fd, "", BUFFER, 0) == "ENOENT"
    assert k.sys("newfstatat", fd, "file", BUFFER, 1) == "EINVAL"
    assert k.sys("newfstatat", fd, "file", 8, 0) == "EFAULT"
    assert k.sys("statx", fd, "file", 0, 0x7FF, BUFFER) == 0
    data = k.user.copy_from(BUFFER, 256)
    assert struct.unpack_from("<IIQIIIH2xQQQ", data)[6:9] == (0o100644, k.vfs.lookup(k, "/d/file").ino, 7)
    assert struct.unpack_from("<II", data, 0x88) == (0, 1)
    assert k.sys("statx", fd, "file", 0, 1 << 31, BUFFER) == "EINVAL"


def test_listing(k):
    assert listing(k, "/d") == {".": "d", "..": "d", "sub": "d", "file": "f"}
    assert listing(k, "/")["link"] == "l"
    assert listing(k, "/dev", room=64)["null"] == "c"
    fd = k.sys("openat", AT_FDCWD, "/d", 0, 0)
    assert k.sys("getdents64", fd, BUFFER, 16) == "EINVAL"
    assert k.sys("getdents64", fd, 8, 4096) == "EFAULT"
    assert k.sys("getdents64", fd, BUFFER, 4096) == 24 * 2 + 24 * 2
    assert k.sys("read", fd, BUFFER, 10) == "EISDIR"
    assert k.sys("getdents64", k.sys("openat", AT_FDCWD, "/d/file", 0, 0), BUFFER, 99) == "ENOTDIR"


def test_a_directory_can_be_emptied_while_it_is_listed(k):
    for i in range(50):
        k.vfs.write_file(f"/d/sub/f{i}", b"")
    fd = k.sys("openat", AT_FDCWD, "/d/sub", 0, 0)
    while size := k.sys("getdents64", fd, BUFFER, 100):
        data, at = k.user.copy_from(BUFFER, size), 0
        while at < size:
            name = data[at + 19 : data.index(b"\0", at + 19)].decode()
            at += struct.unpack_from("<H", data, at + 16)[0]
            if name not in (".", ".."):
                assert k.sys("unlinkat", fd, name, 0) == 0
    assert listing(k, "/d/sub") == {".": "d", "..": "d"}
    assert k.sys("lseek", fd, 0, 0) == 0
    assert k.sys("getdents64", fd, BUFFER, 4096) == 48


def test_access(k):
    assert k.sys("access", "/d/file", 6) == 0
    assert k.sys("access", "/d/file", 1) == "EACCES"
    assert k.sys("faccessat", AT_FDCWD, "/d", 7) == 0
    assert k.sys("faccessat2", AT_FDCWD, "/dangling", 0, NOFOLLOW) == 0
    assert k.sys("access", "/dangling", 0) == "ENOENT"
    assert k.sys("access", "/d/file", 8) == "EINVAL"


def test_where_a_process_is(k):
    assert k.sys("getcwd", BUFFER, 100) == 2
    assert k.sys("chdir", "d/sub") == 0
    assert k.sys("getcwd", BUFFER, 100) == 7
    assert k.user.copy_from(BUFFER, 7) == b"/d/sub\0"
    assert k.sys("getcwd", BUFFER, 6) == "ERANGE"
    assert k.sys("getcwd", 8, 100) == "EFAULT"
    assert k.sys("chdir", "../file") == "ENOTDIR"
    assert k.sys("chdir", "nothing") == "ENOENT"
    fd = k.sys("openat", AT_FDCWD, "..", 0, 0)
    assert k.sys("unlinkat", fd, "sub", REMOVEDIR) == 0
    assert k.sys("getcwd", BUFFER, 100) == "ENOENT"
    assert k.sys("openat", AT_FDCWD, "new", O_CREAT, 0) == "ENOENT"
    assert k.sys("mkdirat", AT_FDCWD, "new", 0) == "ENOENT"
    assert k.sys("fchdir", fd) == 0
    assert k.sys("getcwd", BUFFER, 100) == 3
    other = k.current.fs.fork()
    k.sys("chdir", "/")
    assert k.vfs.path_of(other.cwd) == "/d"


# Changing.


@pytest.mark.parametrize(
    ("call", "args", "answer"),
    [
        ("mkdir", ("/d", 0o755), "EEXIST"),
        ("mkdir", ("/dangling", 0o755), "EEXIST"),
        ("mkdir", ("/x/y", 0o755), "ENOENT"),
        ("mkdir", ("/d/file/y", 0o755), "ENOTDIR"),
        ("mkdir", ("/.", 0o755), "EEXIST"),
        ("rmdir", ("/d",), "ENOTEMPTY"),
        ("rmdir", ("/d/file",), "ENOTDIR"),
        ("rmdir", ("/d/sub/.",), "EINVAL"),
        ("rmdir", ("/d/sub/..",), "ENOTEMPTY"),
        ("rmdir", ("/",), "EBUSY"),
        ("rmdir", ("/dev",), "EBUSY"),
        ("unlink", ("/d",), "EISDIR"),
        ("unlink", ("/d/file/",), "ENOTDIR"),
        ("unlink", ("/nothing",), "ENOENT"),
        ("unlinkat", (AT_FDCWD, "/d", 1), "EINVAL"),
        ("link", ("/d", "/e"), "EPERM"),
        ("link", ("/d/file", "/link"), "EEXIST"),
        ("link", ("/d/file", "/dev/x"), "EXDEV"),
        ("link", ("/d/file", "/x/"), "ENOENT"),
        ("symlink", ("", "/x"), "ENOENT"),
        ("symlink", ("x", "/link"), "EEXIST"),
        ("readlink", ("/d/file", BUFFER, 10), "EINVAL"),
        ("readlink", ("/link", BUFFER, 0), "EINVAL"),
        ("mknod", ("/n", 0o40644, 0), "EPERM"),
        ("mknod", ("/n", 0o10644, 0), "EPERM"),
        ("mknod", ("/d", 0o644, 0), "EEXIST"),
        ("rename", ("/nothing", "/x"), "ENOENT"),
        ("rename", ("/d", "/d/sub/x"), "EINVAL"),
        ("rename", ("/d", "/d"), 0),
        ("rename", ("/d", "/link"), "ENOTDIR"),
        ("rename", ("/link", "/d"), "EISDIR"),
        ("rename", ("/link", "/x/"), "ENOTDIR"),
        ("rename", ("/d/sub", "/d/.."), "EBUSY"),
        ("rename", ("/d/sub", "/d/."), "EBUSY"),
        ("rename", ("/dev", "/x"), "EBUSY"),
        ("rename", ("/d/file", "/dev/x"), "EXDEV"),
        ("rename", ("/d/sub", "/d"), "ENOTEMPTY"),
        ("renameat2", (AT_FDCWD, "/link", AT_FDCWD, "/d/file", 1), "EEXIST"),
        ("renameat2", (AT_FDCWD, "/link", AT_FDCWD, "/d/file", 2), "EINVAL"),
        ("truncate", ("/d", 0), "EISDIR"),
        ("truncate", ("/dev/null", 0), "EINVAL"),
        ("truncate", ("/d/file", -1), "EINVAL"),
    ],
)
def test_what_is_refused(k, call, args, answer):
    before = listing(k, "/"), listing(k, "/d")
    assert k.sys(call, *args) == answer
    assert (listing(k, "/"), listing(k, "/d")) == before


def test_directories(k):
    assert k.sys("mkdirat", AT_FDCWD, "/d/e/", 0o777) == 0
    assert k.vfs.lookup(k, "/d/e").mode == 0o40755
    assert k.vfs.lookup(k, "/d").nlink == 4
    assert k.sys("rmdir", "/d/e/") == 0
    assert k.vfs.lookup(k, "/d").nlink == 3


def test_links(k):
    assert k.sys("linkat", AT_FDCWD, "/d/file", AT_FDCWD, "/hard", 0) == 0
    assert k.sys("unlink", "/d/file") == 0
    assert k.cat("/hard") == b"content"
    assert k.cat("/link") == "ENOENT"
    assert k.sys("linkat", AT_FDCWD, "/link", AT_FDCWD, "/second", 0) == 0
    assert k.vfs.lookup(k, "/second", follow=False).is_link
    assert k.sys("linkat", AT_FDCWD, "/dangling", AT_FDCWD, "/third", 0x400) == "ENOENT"
    assert k.sys("symlinkat", "/hard", AT_FDCWD, "/soft") == 0
    assert k.cat("/soft") == b"content"
    assert k.sys("readlinkat", AT_FDCWD, "/soft", BUFFER, 3) == 3
    assert k.sys("unlink", "/soft") == 0
    assert k.cat("/hard") == b"content"


def test_an_unlinked_file_lives_while_it_is_open(k):
    fd = k.sys("openat", AT_FDCWD, "/d/file", 2, 0)
    assert k.sys("unlink", "/d/file") == 0
    assert k.read(fd) == b"content"
    assert k.current.fds.get(fd).inode.nlink == 0
    path = k.sys("linkat", fd, "", AT_FDCWD, "/back", EMPTY_PATH)
    assert path == "ENOENT"


def test_rename(k):
    assert k.sys("rename", "/d/file", "/moved") == 0
    assert k.sys("renameat2", AT_FDCWD, "/moved", AT_FDCWD, "/link", 0) == 0
    assert k.cat("/link") == b"content"
    assert k.sys("chdir", "/d/sub") == 0
    assert k.sys("mkdir", "/e", 0o755) == 0
    assert k.sys("renameat", AT_FDCWD, "/d", AT_FDCWD, "/e") == 0
    assert k.sys("getcwd", BUFFER, 100) == 7
    assert k.user.copy_from(BUFFER, 7) == b"/e/sub\0"
    assert k.sys("rename", "/e/sub", "/sub/") == 0
    assert k.vfs.lookup(k, "/e").nlink == 2
    assert k.vfs.root.nlink == list(listing(k, "/").values()).count("d")
    k.sys("link", "/link", "/same")
    assert k.sys("rename", "/link", "/same") == 0
    assert listing(k, "/").keys() >= {"link", "same"}


def test_nodes_and_modes(k):
    assert k.sys("mknod", "/zero", 0o20666, 0x105) == 0
    fd = k.sys("openat", AT_FDCWD, "/zero", 0, 0)
    assert k.read(fd, 3) == bytes(3)
    assert k.sys("mknodat", AT_FDCWD, "/plain", 0o600, 0) == 0
    assert k.cat("/plain") == b""
    assert k.sys("chmod", "/plain", 0o4711) == 0
    assert k.vfs.lookup(k, "/plain").mode == 0o104711
    assert k.sys("fchmod", fd, 0o600) == 0
    assert k.vfs.lookup(k, "/zero").mode == 0o20600
    assert k.sys("truncate", "/d/file", 3) == 0
    assert k.cat("/d/file") == b"con"


def test_mounts(k):
    assert k.sys("mount", "none", "/d", "tmpfs", 0, 0) == 0
    assert listing(k, "/d") == {".": "d", "..": "d"}
    assert k.cat("/proc/mounts").splitlines()[-1] == b"none /d tmpfs rw 0 0"
    assert k.sys("mkdir", "/d/inner", 0o755) == 0
    assert k.sys("mount", 0, "/d/inner", "proc", 0xC0ED0000, 0) == 0
    assert b"Linux" in k.cat("/d/inner/version")
    assert k.sys("umount2", "/d", 0) == "EBUSY"
    assert k.sys("umount2", "/d/inner", 0) == 0
    k.sys("chdir", "/d/inner")
    assert k.sys("umount2", "/d", 0) == "EBUSY"
    k.sys("chdir", "/")
    fd = k.sys("openat", AT_FDCWD, "/d/f", O_CREAT, 0o644)
    assert k.sys("umount2", "/d", 0) == "EBUSY"
    k.sys("close", fd)
    assert k.sys("umount2", "/d", 0) == 0
    assert k.cat("/d/file") == b"content"
    assert k.sys("umount2", "/d", 0) == "EINVAL"
    assert k.sys("umount2", "/", 0) == "EBUSY"
    assert k.sys("mount", 0, "/d/file", "proc", 0, 0) == "ENOTDIR"
    assert k.sys("mount", 0, "/d", "ext4", 0, 0) == "ENODEV"
    assert k.sys("mount", 0, "/d", "devtmpfs", 0, 0) == "EBUSY"
    assert k.sys("mount", 0, "/d", "proc", 1, 0) == "EINVAL"
