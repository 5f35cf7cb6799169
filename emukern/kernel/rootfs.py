"""The file system as a boot leaves it: programs, sample modules, /dev, /proc, and at /mnt a host folder if shared."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kernel.devfs import DevFs
from emukern.kernel.inode import HostBlob
from emukern.kernel.ramfs import new_ramfs
from emukern.kernel.vfs import Vfs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

FOLDERS = ("bin", "dev", "etc", "mnt", "proc", "sys", "tmp")


def populate(k: Kernel) -> int:
    """Fill k.vfs; returns how many files of the package it shows."""
    from emukern.kernel import hostfs, procfs

    k.vfs = Vfs(new_ramfs(k))
    for folder in FOLDERS:
        k.vfs.mkdir(f"/{folder}")
    built = Path(str(resources.files("emukern"))) / "built" / k.arch.name
    count = _files(k, built / "bin", "/bin", 0o755)
    if (built / "bin32").is_dir():
        k.vfs.mkdir("/bin32")
        count += _files(k, built / "bin32", "/bin32", 0o755)
    modules = f"/lib/modules/{k.release}"
    k.vfs.mkdir(modules)
    count += _files(k, built / "modules", modules, 0o644)
    for name, _, _ in list(k.vfs.directory(k, modules).entries(k)):
        if name.endswith(".ko"):
            k.vfs.link(f"{modules}/{name}", f"/{name}")
    k.devfs = DevFs(k.clock.realtime)
    k.vfs.mount("/dev", k.devfs)
    k.vfs.mount("/proc", procfs.ProcFs())
    if k.share is not None:
        try:
            k.vfs.mount("/mnt", hostfs.HostFs(k.share))
        except Errno as error:
            k.log.emit(3, f"rootfs: cannot share {k.share}: {error}")
    return count


def _files(k: Kernel, source: Path, target: str, mode: int) -> int:
    if not source.is_dir():
        return 0
    names = sorted(entry.name for entry in source.iterdir() if entry.is_file() and entry.name.islower())
    for name in names:
        k.vfs.write_file(f"{target}/{name}", HostBlob(str(source / name)), mode)
    return len(names)
