"""A kernel's build configuration: from the image itself (IKCONFIG), or from the file that distributions ship with it.

Values are as in the file: "y", "m", "0x1000000", and strings without their quotes. What is not set is not there.
"""

from __future__ import annotations

import re
from pathlib import Path

from emukern.errors import ImageError, ModuleError
from emukern.kmod.compression import gzip
from emukern.linux.image import KernelImage

_START, _END = b"IKCFG_ST", b"IKCFG_ED"  # around a gzip stream: kernel/configs.c
_LINE = re.compile(r"^(CONFIG_\w+)=(.*?)\r?$", re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)")


def parse(text: str) -> dict[str, str]:
    """Option (with CONFIG_) → value, from a configuration's text."""
    return {option: _value(written) for option, written in _LINE.findall(text)}


def embedded(image: KernelImage) -> dict[str, str] | None:
    """The configuration inside `image`; None for a kernel without CONFIG_IKCONFIG=y. Raises `ImageError`."""
    start = image.data.find(_START + b"\x1f\x8b")
    end = image.data.find(_END, start) if start >= 0 else -1
    if end < 0:
        return None
    try:
        text = gzip(image.data[start + len(_START) : end])
    except ModuleError as broken:
        raise ImageError(f"the configuration inside the kernel {image.release} does not unpack: {broken}") from None
    return parse(text.decode("utf-8", "replace"))


def load(path: str | Path) -> dict[str, str]:
    """The configuration in a file such as /boot/config-RELEASE; raises `ImageError` if there is none in it."""
    try:
        found = parse(Path(path).read_text("utf-8", "replace"))
    except OSError as failed:
        raise ImageError(f"cannot read {path}: {failed.strerror}") from None
    if not found:
        raise ImageError(f"{path} is no kernel configuration")
    return found


def _value(written: str) -> str:
    if len(written) >= 2 and written[0] == written[-1] == '"':
        return _ESCAPED.sub(r"\1", written[1:-1])
    return written
