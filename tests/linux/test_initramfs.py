"""The archive that a borrowed kernel starts with."""

import shutil
import stat
import subprocess

import pytest

from emukern.errors import UsageError
from emukern.linux.initramfs import Entry, archive, build, character_device, entries, file, folder, link


def unpack(data):
    """Path → (mode, content, device), as the kernel reads an archive; a second one may follow the first."""
    found, at = {}, 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        _, mode, uid, gid, _, mtime, size, _, _, major, minor, length, check = fields
        assert (uid, gid, mtime, check) == (0, 0, 0, 0)
        name = data[at + 110 : at + 110 + length]
        assert name[-1] == 0
        start = at + 110 + length + -(110 + length) % 4
        at = start + size + -size % 4
        assert at <= len(data)
        if name != b"TRAILER!!!\0":
            assert name.decode()[:-1] not in found
            found[name.decode()[:-1]] = (mode, data[start : start + size], (major, minor))
    return found


def test_every_kind_of_file():
    found = unpack(
        archive(
            [
                file("a", b"12345"),
                file("deep/er/b", b"", 0o755),
                folder("deep", 0o700),  # too late: it was needed before
                link("c", "deep/er/b"),
                character_device("dev/console", 5, 1),
            ]
        )
    )
    assert found == {
        "a": (stat.S_IFREG | 0o644, b"12345", (0, 0)),
        "deep": (stat.S_IFDIR | 0o755, b"", (0, 0)),
        "deep/er": (stat.S_IFDIR | 0o755, b"", (0, 0)),
        "deep/er/b": (stat.S_IFREG | 0o755, b"", (0, 0)),
        "c": (stat.S_IFLNK | 0o777, b"deep/er/b", (0, 0)),
        "dev": (stat.S_IFDIR | 0o755, b"", (0, 0)),
        "dev/console": (stat.S_IFCHR | 0o600, b"", (5, 1)),
    }


def test_archives_may_follow_one_another():
    both = archive([file("a", b"1")]) + archive([file("b", b"22")])
    assert list(unpack(both)) == ["a", "b"]


def test_inode_numbers_differ():
    data = archive([file(name, b"x") for name in "abc"])
    assert [data[at + 6 : at + 14] for at in (0, 116, 232)] == [b"00000001", b"00000002", b"00000003"]


@pytest.mark.parametrize("path", ["", "/absolute", "x" * 4096, "with\0zero"])
def test_names_that_no_kernel_unpacks(path):
    with pytest.raises(UsageError, match="cannot be the name of a file in an initramfs"):
        archive([Entry(path, stat.S_IFREG)])


@pytest.mark.skipif(not shutil.which("cpio") and not shutil.which("busybox"), reason="this host has no cpio")
def test_cpio_reads_it(tmp_path):
    data = archive([file("bin/tool", b"#!\n", 0o755), file("empty", b""), link("l", "bin/tool")])
    tool = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
    subprocess.run([*tool, "-i", "-d"], input=data, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "bin/tool").read_bytes() == b"#!\n"
    assert (tmp_path / "bin/tool").stat().st_mode == stat.S_IFREG | 0o755
    assert (tmp_path / "l").readlink().as_posix() == "bin/tool"


def test_what_a_kernel_gets(arch):
    data = build(arch)
    assert data == archive(entries(arch))
    assert len(data) < 1 << 20
    found = unpack(data)
    for program in ("init", "sbin/modprobe", "bin/sh", "bin/insmod", "bin/rmmod", "bin/lsmod", "bin/dmesg", "bin/cat"):
        mode, content, _ = found[program]
        assert mode == stat.S_IFREG | 0o755
        assert content.startswith(b"\x7fELF")
    assert found["dev/console"][2] == (5, 1)
    assert found["dev/null"][2] == (1, 3)
    assert "bin/init" not in found
    assert not any("tests" in path for path in found)
