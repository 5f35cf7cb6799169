"""Which file a module's name on the command line means, and which other files it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emukern.errors import UsageError
from emukern.kmod import depends

if TYPE_CHECKING:
    from emukern.linux.guest import LinuxGuest

INDEX = "modules.dep"


def find(name: str, arch: str) -> Path:
    """The file `name`, or else the sample of that name; where there is neither, a path at which there is nothing."""
    path = Path(name)
    if path.suffix or "/" in name or path.exists():
        return path
    from emukern.samples import sample

    try:
        return sample(name, arch)
    except UsageError:
        return path


def for_guest(guest: LinuxGuest, name: str) -> tuple[str, bytes]:
    """The name of a module file without a compression's suffix, and its bytes, unpacked. Raises UsageError."""
    from emukern.linux import modprobe

    path = modprobe.find(guest, name)
    try:
        return path.name.partition(".ko")[0] + ".ko", modprobe.plain(path)
    except OSError as error:
        raise UsageError(f"cannot read the module {name}: {error.strerror}") from None


def needed(path: Path, tree: Path | None, names: list[str]) -> list[Path]:
    """What to insert before the module at `path`, in order. `names` are the modules it says it needs.

    The files are looked for in `tree`: with its modules.dep if that knows the module, else by name. Without `tree`,
    it is the nearest folder above the file that has a modules.dep, or else the file's own. Raises UsageError.
    """
    path = path.absolute()
    root = tree.absolute() if tree is not None else _tree_of(path)
    listed = _listed(root, path)
    if listed is not None:
        return listed
    order: list[Path] = []
    if names:
        _search(_files_below(root), names, path, order, [])
    return order


def _tree_of(path: Path) -> Path:
    for folder in path.parents:
        if (folder / INDEX).is_file():
            return folder
    for folder in path.parents:
        if folder.name == "kernel":  # /lib/modules/RELEASE/kernel, as packages unpack it
            return folder
    return path.parent


def _listed(root: Path, path: Path) -> list[Path] | None:
    """The answer of modules.dep; None when it does not know the module."""
    if not (root / INDEX).is_file():
        return None
    needs = depends.parse((root / INDEX).read_text())
    name = depends.module_name(path.name)
    own = next((one for one in needs if depends.module_name(one) == name), None)
    if own is None:
        return None
    return [root / one for one in depends.insertion_order(needs, own)[:-1]]


def _files_below(root: Path) -> dict[str, Path]:
    return {depends.module_name(file.name): file for file in sorted(root.rglob("*.ko*"))}


def _search(files: dict[str, Path], names: list[str], of: Path, order: list[Path], above: list[str]) -> None:
    """Add the files of `names` to `order`, after what these need themselves."""
    for name in names:
        file = files.get(name.replace("-", "_"))
        if file is None:
            raise UsageError(f"{of.name} needs the module {name}, which is not there; --modules DIR says where to look")
        if file in order or name in above:
            continue
        _search(files, said_needs(file.read_bytes()), file, order, [*above, name])
        order.append(file)


def said_needs(blob: bytes) -> list[str]:
    """The names in a ko's `depends` field; none of bytes that are no module."""
    from emukern import arch as arches
    from emukern.errors import ModuleError
    from emukern.kmod.file import machine_of, parse

    try:
        machine = machine_of(blob)
        return parse(blob, arches.get(machine).e_machine, plain=True).depends if machine in arches.NAMES else []
    except ModuleError:
        return []
