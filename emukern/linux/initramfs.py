"""The initramfs: a cpio archive of the "newc" kind, and what we put into it for a borrowed kernel.

Documentation/driver-api/early-userspace/buffer-format.rst tells the format: for each entry a header of 110 hexadecimal
digits, the name with its 0, the content, each padded to 4 bytes. The kernel finds it in RAM, uncompressed.
Everything that could differ from one build to the next (inode numbers, owners, times) is made up.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from emukern.errors import BuildError, UsageError

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
NAME_MAX = 4096  # the kernel skips entries with longer names
PARTS = {"init", "usertests", "filetests", "memtests", "proctests", "faulttests"}  # of guest/user, not for here


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `mode` has its kind (stat.S_IFREG and so on) and permissions; a link's target is its `data`.

    `path` is relative to the root, without a slash in front. `device`: (major, minor) of a device node.
    """

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(path: str, data: bytes, mode: int = 0o644) -> Entry:
    """A file with this content."""
    return Entry(path, stat.S_IFREG | mode, data)


def folder(path: str, mode: int = 0o755) -> Entry:
    """A folder."""
    return Entry(path, stat.S_IFDIR | mode)


def link(path: str, target: str) -> Entry:
    """A symbolic link to `target`."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, mode: int = 0o600) -> Entry:
    """A node for a character device."""
    return Entry(path, stat.S_IFCHR | mode, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The cpio archive of these entries, in their order; folders above them are added where they are missing.

    Archives may follow one another. Raises `UsageError` for a name that no kernel unpacks.
    """
    known = {""}
    rows: list[Entry] = []
    for entry in entries:
        above = entry.path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            path = "/".join(above[:depth])
            if path not in known:
                known.add(path)
                rows.append(folder(path))
        if entry.path not in known or not stat.S_ISDIR(entry.mode):
            known.add(entry.path)
            rows.append(entry)
    written = [_record(number, entry) for number, entry in enumerate(rows, 1)]
    return b"".join(written) + _record(0, Entry(TRAILER, 0))


def _record(inode: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    if not 1 < len(name) <= NAME_MAX or b"\0" in name[:-1] or entry.path.startswith("/"):
        raise UsageError(f"{entry.path!r} cannot be the name of a file in an initramfs")
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    head = MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def entries(arch: str) -> list[Entry]:
    """User space for a kernel of `arch`: our init and modprobe, the shell and the tools. Raises `BuildError`."""
    built = resources.files("emukern") / "built" / arch
    rows = [
        *(folder(path) for path in ("bin", "dev", "etc", "lib", "proc", "root", "sbin", "sys", "tmp")),
        character_device("dev/console", 5, 1),  # where init's first words go, before it mounts devtmpfs
        character_device("dev/null", 1, 3, 0o666),
    ]
    for place, target in (("linux", ""), ("bin", "bin/")):
        if not (built / place).is_dir():
            raise BuildError(f"the user programs for {arch} are missing: run `pip install .` in a checkout")
        for program in sorted((built / place).iterdir(), key=lambda path: path.name):
            if place == "linux" or program.name not in PARTS:
                path = "sbin/modprobe" if program.name == "modprobe" else target + program.name
                rows.append(file(path, program.read_bytes(), 0o755))
    return rows


@cache
def build(arch: str) -> bytes:
    """The archive that a borrowed kernel of `arch` starts with."""
    return archive(entries(arch))
