"""Real kernels for the tests of the borrowed kernel: those that scripts/fetch-corpus put into the cache."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from emukern.linux import image, kallsyms
from emukern.linux.boot import boot
from emukern.linux.guest import LinuxGuest, Moment
from emukern.linux.image import KernelImage
from emukern.linux.kallsyms import Kallsyms


@cache
def _load(path: Path) -> tuple[KernelImage, Kallsyms]:
    loaded = image.load(path)
    return loaded, kallsyms.parse(loaded)


@pytest.fixture
def stock_kernel(kernel_image: Path) -> KernelImage:
    """That kernel, unpacked once for all tests."""
    return _load(kernel_image)[0]


@pytest.fixture
def stock_symbols(kernel_image: Path) -> Kallsyms:
    """Its symbols, read once for all tests."""
    return _load(kernel_image)[1]


@cache
def _booted(image_file: Path, tree_: Path) -> tuple[LinuxGuest, Moment]:
    guest = boot(image_file, modules=tree_)
    return guest, guest.save()


@pytest.fixture
def borrowed(kernel_image: Path, module_tree: Path) -> LinuxGuest:
    """A guest that runs that kernel, as it was after its boot."""
    guest, moment = _booted(kernel_image, module_tree)
    guest.restore(moment)
    guest.overrides.clear()
    return guest
