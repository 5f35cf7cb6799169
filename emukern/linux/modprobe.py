"""Modules of a borrowed kernel by name, with what they need: modprobe from the host's side."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emukern.errors import ModuleError, UsageError
from emukern.kmod.compression import unpack
from emukern.kmod.depends import module_name

if TYPE_CHECKING:
    from emukern.linux.guest import LinuxGuest


def find(guest: LinuxGuest, name: str) -> Path:
    """The file `name`, the sample of that name, or else what the name or alias means in the kernel's module tree; where
    there is none of these, a path at which there is nothing. Raises UsageError when that is no module of its own."""
    from emukern.samples import sample

    path = Path(name)
    if path.suffix or "/" in name or path.exists():
        return path
    try:
        return sample(name, guest.arch)
    except UsageError:
        steps = guest.tree.lookup(name)
    if len(steps) > 1:
        raise UsageError(f"{name} means several modules: {', '.join(step.name for step in steps)}")
    if steps and not steps[0].path:
        raise UsageError(f"{steps[0].name} is built into the kernel {guest.release}")
    return guest.tree.root / steps[0].path if steps else path


def plain(path: Path) -> bytes:
    """A module's bytes, unpacked; what cannot be unpacked is the kernel's to refuse. Raises OSError."""
    data = path.read_bytes()
    try:
        return unpack(data)
    except ModuleError:
        return data


def module_bytes(guest: LinuxGuest, module: str | os.PathLike[str]) -> bytes:
    """The bytes of a module by path or name, unpacked. Raises ModuleError with the host's errno, UsageError."""
    try:
        return plain(find(guest, os.fspath(module)))
    except OSError as error:
        raise ModuleError(error.errno or errno.EIO, f"could not load module {module}: {error.strerror}") from None


def before(guest: LinuxGuest, path: Path) -> list[tuple[Path, bool]]:
    """The files to insert before the one at `path`, in order, and whether it needs them or only likes to have them.

    Raises UsageError when one that it needs is not in the module tree, or there is no tree.
    """
    from emukern.linux.modinfo import modinfo

    try:
        tree = guest.tree
    except UsageError:
        if any(key == "depends" and value for key, value in modinfo(path)):
            raise
        return []
    name = module_name(path.name)
    if name in tree.paths and os.path.realpath(tree.root / tree.paths[name]) == os.path.realpath(path):
        steps = tree.plan(name)[name]
        own = next(place for place, step in enumerate(steps) if step.name == name)
        return [(tree.root / step.path, step.required) for step in steps[:own] if step.path]
    files = []
    for needed, file in tree.needed(path):
        if file is None:
            raise UsageError(f"{path.name} needs the module {needed}, which is not in {tree.root}")
        files.append((file, True))
    return files


def insert_needed(guest: LinuxGuest, path: Path, refused: Callable[[Path, ModuleError], object]) -> int:
    """Insert what the module at `path` needs, and what it likes to have; how many files these are.

    `refused` is told of what it needs and cannot have. Raises GuestOops.
    """
    files = before(guest, path)
    for file, required in files:
        try:
            guest.insmod(plain(file))
        except ModuleError as refusal:
            if required and refusal.errno != errno.EEXIST:
                refused(file, refusal)
    return len(files)


def modprobe(guest: LinuxGuest, name: str, params: str = "", *, via: str = "loader", **values: object) -> Any:
    """Insert a module with what it needs; what insmod answers. Raises ModuleError, also for what it needs."""

    def refuse(_: Path, refusal: ModuleError) -> None:
        raise refusal

    path = find(guest, name)
    if not path.exists():
        raise ModuleError(errno.ENOENT, f"Module {name} not found in directory {guest.tree.root}")
    insert_needed(guest, path, refuse)
    return guest.insmod(path, params, via=via, **values)
