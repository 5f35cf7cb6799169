"""The sample modules that the package brings, by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from emukern.errors import BuildError, UsageError


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample module; `description` is its MODULE_DESCRIPTION."""

    name: str
    path: Path
    description: str


def folder(arch: str) -> Path:
    """Where the samples built for `arch` are, with their modules.dep. Raises BuildError when the package has none."""
    path = Path(str(resources.files("emukern") / "built" / arch / "modules"))
    if not path.is_dir():
        raise BuildError(f"the sample modules for {arch} are missing: run `pip install .` in a checkout")
    return path


def sample(name: str, arch: str) -> Path:
    """The .ko file of the sample called `name`, `-` and `_` being the same. Raises UsageError for an unknown name."""
    wanted = name.removesuffix(".ko").replace("_", "-")
    path = folder(arch) / f"{wanted}.ko"
    if not wanted or "/" in wanted or not path.is_file():
        raise UsageError(f"there is no file and no sample module called {name}; `emukern samples` lists the samples")
    return path


def listing(arch: str) -> list[Sample]:
    """All samples built for `arch`, by name."""
    from emukern.arch import get
    from emukern.kmod.file import parse

    found = []
    for path in sorted(folder(arch).glob("*.ko"), key=lambda path: path.stem):
        file = parse(path.read_bytes(), get(arch).e_machine)
        found.append(Sample(path.stem, path, file.info("description") or ""))
    return found
