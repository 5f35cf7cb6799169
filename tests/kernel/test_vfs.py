"""The tree: walks, mounts, what is kept as which object; no system calls."""

from __future__ import annotations

import pickle
import posixpath
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.errors import Errno
from emukern.kernel.inode import HostBlob
from emukern.kernel.ramfs import RamFs
from emukern.kernel.vfs import Vfs
from tests.fakes import FakeKernel


@pytest.fixture
def vfs():
    vfs = Vfs(RamFs(born=7))
    vfs.mkdir("/a/b/c")
    vfs.write_file("/a/b/file", b"text")
    vfs.root.symlink(None, "up", "a/b/..")
    vfs.root.symlink(None, "abs", "/a/b")
    vfs.root.symlink(None, "loop", "loop")
    return vfs


def error(function, *args, **kwargs):
    with pytest.raises(Errno) as caught:
        function(*args, **kwargs)
    return str(caught.value).split()[0]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/", "/"),
        ("//a//b/", "/a/b"),
        ("/a/b/..", "/a"),
        ("/../..", "/"),
        ("/a/./b/c/.", "/a/b/c"),
        ("/up/b", "/a/b"),
        ("/abs/c/../..", "/a"),
        ("a", "/a"),
    ],
)
def test_walk(vfs, path, where):
    assert vfs.path_of(vfs.directory(None, path)) == where


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "ENOENT"),
        ("/x", "ENOENT"),
        ("/x/y", "ENOENT"),
        ("/a/b/file/", "ENOTDIR"),
        ("/a/b/file/.", "ENOTDIR"),
        ("/a/b/file/..", "ENOTDIR"),
        ("/loop", "ELOOP"),
        ("/loop/x", "ELOOP"),
        ("/" + "n" * 256, "ENAMETOOLONG"),
    ],
)
def test_walk_that_fails(vfs, path, name):
    assert error(vfs.lookup, None, path) == name


def test_a_link_is_followed_unless_it_is_wanted_itself(vfs):
    assert vfs.lookup(None, "/abs").is_dir
    assert vfs.lookup(None, "/abs", follow=False).is_link
    assert vfs.lookup(None, "/abs/", follow=False).is_dir


def test_forty_links_are_followed_and_no_more(vfs):
    vfs.write_file("/l0", b"end")
    for i in range(41):
        vfs.root.symlink(None, f"l{i + 1}", f"l{i}")
    assert vfs.lookup(None, "/l40").read_all(None) == b"end"
    assert error(vfs.lookup, None, "/l41") == "ELOOP"


def test_a_mount_hides_what_is_below_and_its_parent_is_above(vfs):
    other = RamFs()
    vfs.mount("/a/b", other)
    vfs.write_file("/a/b/new", b"")
    assert error(vfs.lookup, None, "/a/b/file") == "ENOENT"
    assert vfs.directory(None, "/a/b/..") is vfs.directory(None, "/a")
    assert vfs.path_of(vfs.mkdir("/a/b/d/e")) == "/a/b/d/e"
    assert vfs.lookup(None, "/a/b").fs is other
    assert other.dev != vfs.fs.dev
    vfs.unmount(other)
    assert vfs.lookup(None, "/a/b/file").read_all(None) == b"text"


def test_two_mounts_on_one_place(vfs):
    first, second = RamFs(), RamFs()
    vfs.mount("/a", first)
    vfs.mount("/a", second)
    assert vfs.directory(None, "/a").fs is second
    assert vfs.path_of(vfs.directory(None, "/a/..")) == "/"
    vfs.unmount(second)
    assert vfs.directory(None, "/a").fs is first


def test_a_file_filled_at_boot_stays_the_same_object():
    k = FakeKernel()
    content = bytes(100)
    inode = k.vfs.write_file("/f", content)
    assert inode.data is content
    assert inode.read_all(k) is content
    inode.write_at(k, 3, b"x")
    assert isinstance(inode.data, bytearray)
    assert content == bytes(100)


def test_a_host_blob_is_read_late_and_kept_as_a_path(tmp_path):
    path = tmp_path / "blob"
    k = FakeKernel()
    inode = k.vfs.write_file("/f", HostBlob(str(path)), 0o755)
    path.write_bytes(b"content" * 1000)
    assert inode.stat(k).size == 7000
    assert len(pickle.dumps(inode.data)) < 300
    inode.write_at(k, 0, b"C")
    assert inode.read_at(k, 0, 8) == b"Contentc"
    assert path.read_bytes()[:1] == b"c"


def test_the_tree_can_be_pickled(vfs):
    vfs.mount("/a/b", RamFs())
    copy = pickle.loads(pickle.dumps(vfs))
    assert copy.directory(None, "/a/b").covers is not None
    assert copy.path_of(copy.mkdir("/a/b/x")) == "/a/b/x"


def test_boot_time_and_numbers(vfs):
    inode = vfs.mknod("/null", stat.S_IFCHR | 0o666, 0x103)
    assert (inode.rdev, inode.mtime) == (0x103, 7)
    vfs.link("/a/b/file", "/hard")
    assert vfs.lookup(None, "/hard").nlink == 2
    assert error(vfs.link, "/a/b/file", "/hard") == "EEXIST"


NAMES = st.sampled_from(["a", "b", "c", ".", "..", ""])


@given(st.lists(NAMES, min_size=1, max_size=12), st.booleans())
def test_a_walk_without_links_is_normpath(parts, absolute):
    vfs = Vfs(RamFs())
    for path in ("/a/b/c", "/b/a", "/c"):
        vfs.mkdir(path)
    base = vfs.directory(None, "/a/b")
    path = ("/" if absolute else "") + "/".join(parts)
    expected = posixpath.normpath(posixpath.join("/a/b", path))
    try:
        found = vfs.path_of(vfs.directory(None, path, base))
    except Errno:
        # Every prefix must exist, not only the normal form: replay it the slow way.
        assert not path or not walks(vfs, [] if path.startswith("/") else ["a", "b"], path)
    else:
        assert found == ("/" + expected.lstrip("/"))


def walks(vfs, here, path):
    tree = {(), ("a",), ("a", "b"), ("a", "b", "c"), ("b",), ("b", "a"), ("c",)}
    for part in path.split("/"):
        if part == "..":
            here = here[:-1]
        elif part not in ("", "."):
            here = [*here, part]
        if tuple(here) not in tree:
            return False
    return True
