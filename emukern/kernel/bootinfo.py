"""Guest constants that C, assembler and Python share: guest/include/emukern/boot.h, as the package build copied it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from emukern.errors import BuildError

_DEFINE = re.compile(rb"^#define (\w+) (\d+)\b", re.MULTILINE)


def built(*names: str) -> bytes:
    """The content of a build product. Raises BuildError when the package was not built."""
    path = resources.files("emukern").joinpath("built", *names)
    if not path.is_file():
        raise BuildError(f"{'/'.join(names)} is missing from the package: run `pip install .` in a checkout")
    return path.read_bytes()


@cache
def constants() -> dict[str, int]:
    """Name → value of every #define of boot.h."""
    return {name.decode(): int(value) for name, value in _DEFINE.findall(built("boot.h"))}
