"""A kernel's configuration, from a file and from the image."""

import gzip

import pytest

from emukern.errors import ImageError
from emukern.linux import config, image
from tests.linux.imagewriter import RELEASE, Kernel

TEXT = """#
# Automatically generated file; DO NOT EDIT.
CONFIG_64BIT=y
CONFIG_DUMMY=m
# CONFIG_IKCONFIG is not set
CONFIG_HZ=250
CONFIG_PHYSICAL_START=0x1000000
CONFIG_LOCALVERSION=""
CONFIG_CMDLINE="console=\\"ttyS0\\" \\\\ quiet"
"""
PARSED = {
    "CONFIG_64BIT": "y",
    "CONFIG_DUMMY": "m",
    "CONFIG_HZ": "250",
    "CONFIG_PHYSICAL_START": "0x1000000",
    "CONFIG_LOCALVERSION": "",
    "CONFIG_CMDLINE": 'console="ttyS0" \\ quiet',
}


def test_text():
    assert config.parse(TEXT) == PARSED
    assert config.parse(TEXT.replace("\n", "\r\n")) == PARSED


def test_inside_an_image(arch):
    packed = b"IKCFG_ST" + gzip.compress(TEXT.encode()) + b"IKCFG_ED"
    assert config.embedded(image.parse(Kernel(arch, config=packed).file())) == PARSED


@pytest.mark.parametrize("inside", [b"", b"IKCFG_ST without a stream", b"IKCFG_ST\x1f\x8b without an end"])
def test_not_inside(arch, inside):
    assert config.embedded(image.parse(Kernel(arch, config=inside).file())) is None


def test_damaged_inside(arch):
    packed = b"IKCFG_ST" + gzip.compress(TEXT.encode())[:-20] + b"IKCFG_ED"
    with pytest.raises(ImageError, match=f"the configuration inside the kernel {RELEASE} does not unpack"):
        config.embedded(image.parse(Kernel(arch, config=packed).file()))


def test_files(tmp_path):
    path = tmp_path / "config"
    path.write_text(TEXT)
    assert config.load(path) == PARSED
    path.write_text("hello")
    with pytest.raises(ImageError, match="is no kernel configuration"):
        config.load(path)
    with pytest.raises(ImageError, match=r"cannot read .*: Is a directory"):
        config.load(tmp_path)


def test_the_stock_kernel(module_tree, stock_kernel):
    (path,) = module_tree.glob("boot/config-*")
    found = config.load(path)
    assert found["CONFIG_64BIT"] == found["CONFIG_KALLSYMS"] == "y"
    embedded = config.embedded(stock_kernel)
    assert embedded == (found if found.get("CONFIG_IKCONFIG") == "y" else None)
