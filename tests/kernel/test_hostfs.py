"""The shared host folder: what it shows, and that no path leaves it."""

from __future__ import annotations

import os
import pickle

import pytest

from emukern.errors import Errno, UsageError
from emukern.kernel.hostfs import HostFs
from tests.fakes import BUFFER, FakeKernel

SECRET = b"secret of the host"


@pytest.fixture
def share(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    (tmp_path / "secret").write_bytes(SECRET)
    share = tmp_path / "share"
    (share / "sub" / "deep").mkdir(parents=True)
    (share / "b.txt").write_bytes(b"bee")
    (share / "a.sh").write_bytes(b"#!")
    (share / "a.sh").chmod(0o751)
    (share / "sub" / "deep" / "file").write_bytes(b"deep")
    return share


@pytest.fixture
def k(share):
    kernel = FakeKernel()
    kernel.vfs.mkdir("/mnt")
    kernel.vfs.mount("/mnt", HostFs(str(share)))
    kernel.vfs.mkdir("/etc")
    kernel.vfs.write_file("/etc/passwd", b"of the guest")
    return kernel


def names(k, path):
    fd = k.sys("openat", -100, path, 0, 0)
    listing = [name for name, _, _ in k.current.fds.get(fd).readdir(k)]
    k.sys("close", fd)
    return listing


def test_it_shows_files(k):
    assert k.cat("/mnt/b.txt") == b"bee"
    assert k.cat("/mnt/sub/deep/../deep/file") == b"deep"
    assert names(k, "/mnt") == [".", "..", "a.sh", "b.txt", "sub"]
    assert k.vfs.lookup(k, "/mnt/a.sh").mode == 0o100555
    assert k.vfs.lookup(k, "/mnt/b.txt").mode == 0o100444
    fd = k.sys("openat", -100, "/mnt/sub/deep/file", 0, 0)
    assert k.sys("lseek", fd, 1, 0) == 1
    assert k.read(fd, 2) == b"ee"
    assert k.vfs.lookup(k, "/mnt/b.txt").read_all(k) == b"bee"
    assert k.sys("chdir", "/mnt/sub/deep") == 0
    assert k.sys("getcwd", BUFFER, 100) == len("/mnt/sub/deep") + 1


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/../secret",
        "/mnt/../../secret",
        "/mnt/sub/../../secret",
        "/mnt/./../outside/secret",
        "/mnt//..//../../../../../secret",
    ],
)
def test_dots_lead_to_the_guests_root(k, path):
    assert k.cat(path) == "ENOENT"
    assert k.vfs.path_of(k.vfs.directory(k, "/mnt/..")) == "/"


@pytest.mark.parametrize(
    "target",
    ["../secret", "../outside/secret", "sub/../../secret", "/etc/hostname", "{tmp}/secret", "{tmp}/share/../secret"],
)
def test_links_out_of_the_folder_find_nothing(k, share, target):
    (share / "link").symlink_to(target.format(tmp=share.parent))
    assert (share / "link").exists()
    assert k.cat("/mnt/link") == "ENOENT"


def test_links_to_directories_outside_find_nothing(k, share):
    (share / "up").symlink_to("..")
    (share / "out").symlink_to(share.parent / "outside")
    (share / "root").symlink_to("/")
    assert k.cat("/mnt/up/secret") == "ENOENT"
    assert k.cat("/mnt/out/secret") == "ENOENT"
    assert names(k, "/mnt/root") == names(k, "/")
    assert k.vfs.lookup(k, "/mnt/up") is k.vfs.root


def test_an_absolute_link_is_the_guests(k, share):
    (share / "passwd").symlink_to("/etc/passwd")
    (share / "inner").symlink_to("sub/deep/file")
    (share / "again").symlink_to("/mnt/b.txt")
    assert k.cat("/mnt/passwd") == b"of the guest"
    assert k.cat("/mnt/inner") == b"deep"
    assert k.cat("/mnt/again") == b"bee"
    assert k.sys("readlinkat", -100, "/mnt/inner", BUFFER, 4) == 4
    assert k.user.copy_from(BUFFER, 4) == b"sub/"


def test_a_directory_swapped_for_a_link_while_it_is_in_use(k, share):
    assert k.sys("chdir", "/mnt/sub/deep") == 0
    fd = k.sys("openat", -100, "file", 0, 0)
    (share / "sub").rename(share / "moved")
    (share / "sub").symlink_to(share.parent / "outside")
    (share.parent / "outside" / "deep").mkdir()
    (share.parent / "outside" / "deep" / "file").write_bytes(SECRET)
    assert k.read(fd) in ("ENOTDIR", "ESTALE")
    assert k.cat("file") in ("ENOTDIR", "ESTALE")
    assert k.cat("../secret") in ("ENOTDIR", "ESTALE")


def test_a_file_swapped_for_a_link_or_a_fifo(k, share):
    fd = k.sys("openat", -100, "/mnt/b.txt", 0, 0)
    (share / "b.txt").unlink()
    (share / "b.txt").symlink_to(share.parent / "secret")
    assert k.read(fd) == "ESTALE"
    (share / "b.txt").unlink()
    os.mkfifo(share / "b.txt")
    assert k.read(fd) == "ESTALE"
    (share / "b.txt").unlink()
    assert k.read(fd) == "ENOENT"


def test_the_folder_itself_swapped(k, share):
    share.rename(share.parent / "moved")
    share.symlink_to(share.parent / "outside")
    assert k.cat("/mnt/secret") in ("ENOTDIR", "ESTALE")


def test_names_the_walk_never_asks_for(k):
    root = k.vfs.directory(k, "/mnt")
    for name in ("..", ".", "", "../secret", "/etc/passwd", "sub/deep", "b.txt\0"):
        assert root.lookup(k, name) is None


def test_special_files_are_not_there(k, share):
    os.mkfifo(share / "fifo")
    assert "fifo" not in names(k, "/mnt")
    assert k.cat("/mnt/fifo") == "ENOENT"


def test_nothing_can_be_changed(k, share):
    before = sorted(path.name for path in share.rglob("*"))
    for flags in (1, 2, 0o1001, 0o102):
        assert k.sys("openat", -100, "/mnt/b.txt", flags, 0o644) == "EROFS"
    assert k.sys("openat", -100, "/mnt/new", 0o101, 0o644) == "EROFS"
    assert k.sys("openat", -100, "/mnt/b.txt", 0o1000, 0) == "EROFS"
    assert k.sys("mkdirat", -100, "/mnt/d", 0o755) == "EROFS"
    assert k.sys("unlinkat", -100, "/mnt/b.txt", 0) == "EROFS"
    assert k.sys("unlinkat", -100, "/mnt/sub", 0x200) == "EROFS"
    assert k.sys("renameat2", -100, "/mnt/b.txt", -100, "/mnt/c", 0) == "EROFS"
    assert k.sys("renameat2", -100, "/etc/passwd", -100, "/mnt/c", 0) == "EXDEV"
    assert k.sys("linkat", -100, "/mnt/b.txt", -100, "/mnt/c", 0) == "EROFS"
    assert k.sys("symlinkat", "x", -100, "/mnt/c") == "EROFS"
    assert k.sys("truncate", "/mnt/b.txt", 0) == "EROFS"
    assert k.sys("fchmodat", -100, "/mnt/b.txt", 0o777) == "EROFS"
    assert k.sys("faccessat", -100, "/mnt/b.txt", 2) == "EROFS"
    assert k.sys("mkdirat", -100, "/mnt/sub", 0o755) == "EEXIST"
    assert sorted(path.name for path in share.rglob("*")) == before
    assert (share / "b.txt").read_bytes() == b"bee"


def test_what_differs_between_hosts_stays_out(tmp_path):
    """Made in another order, at another time, elsewhere: the guest sees the same."""
    seen = []
    for place, order in (("one", "abc"), ("two", "cab")):
        (tmp_path / place).mkdir()
        for name in order:
            (tmp_path / place / name).write_bytes(b"x")
            os.utime(tmp_path / place / name, (len(seen), ord(name)))
        fs = HostFs(str(tmp_path / place))
        k = FakeKernel()
        seen.append([fs.root.entries(k), [fs.root.lookup(k, name).stat(k) for name in "abc"], fs.root.stat(k)])
    assert seen[0] == seen[1]


def test_state_holds_no_host_file(k):
    k.sys("openat", -100, "/mnt/sub/deep/file", 0, 0)
    open_before = set(os.listdir("/proc/self/fd"))
    k.read(0)
    assert set(os.listdir("/proc/self/fd")) == open_before
    table, vfs = pickle.loads(pickle.dumps((k.current.fds, k.vfs)))
    k.current.fds, k.vfs = table, vfs
    k.sys("lseek", 0, 0, 0)
    assert k.read(0) == b"deep"


def test_an_unreadable_file_and_a_missing_folder(k, share, tmp_path):
    with pytest.raises(UsageError):
        HostFs(str(tmp_path / "nothing"))
    with pytest.raises(UsageError):
        HostFs(str(share / "b.txt"))
    if os.getuid():
        (share / "b.txt").chmod(0)
        assert k.cat("/mnt/b.txt") == "EACCES"
    with pytest.raises(Errno):
        k.vfs.mount("/mnt/sub", HostFs(str(share)))
