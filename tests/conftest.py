"""What all tests share: the package's own pytest plugin, also where the package is not installed, and real kernels."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from corpus import tree
from hypothesis import settings

settings.register_profile("emukern", deadline=None, derandomize=True)  # the same examples on every run
settings.load_profile("emukern")

pytest_plugins = ["pytester"]
if not any(entry.value == "emukern.pytest_plugin" for entry in entry_points(group="pytest11")):
    pytest_plugins.append("emukern.pytest_plugin")


@pytest.fixture
def module_tree(arch: str) -> Path:
    """The folder of the newest kernel in the cache: boot/ and kernel/ lie in it."""
    root = tree(arch)
    if root is None:
        pytest.skip(f"no stock kernel for {arch}: run scripts/fetch-corpus (it needs a network)")
    return root


@pytest.fixture
def kernel_image(module_tree: Path) -> Path:
    """The image file of that kernel."""
    found = sorted([*module_tree.glob("boot/vmlinu[xz]*"), *module_tree.glob("vmlinu[xz]*")])
    if not found:
        pytest.skip(f"{module_tree} has no kernel image: run scripts/fetch-corpus (it needs a network)")
    return found[0]
