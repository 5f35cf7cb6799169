"""Stock modules, if they were fetched: every seventieth one parses, is laid out, relocated and comes apart again."""

import lzma

import pytest

from emukern.kmod.load import load_module
from emukern.kmod.unload import unload_module
from tests.kmod.fakehost import FakeKernel
from tests.stock import corpus

STEP = 70


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_stock_modules_load(arch):
    root = corpus.tree(arch)
    if root is None:
        pytest.skip("no stock modules: run scripts/fetch-corpus (it needs a network)")
    for path in sorted(root.rglob("*.ko*"))[::STEP]:
        k = FakeKernel(arch)
        k.stand_ins = {}
        assert k.run(load_module(k, path.read_bytes())) == 0, path
        (module,) = k.modules.values()
        assert module.size % 4096 == 0
        assert all("w" not in prot or "x" not in prot for prot in k.module_area.prot.values())
        assert k.run(unload_module(k, module.name, 0o1000)) == 0
        assert k.module_area.prot == {}
        assert k.symbols.modules.table == {}


def test_the_largest_module_loads():
    root = corpus.tree("x86_64")
    found = sorted(root.rglob("amdgpu.ko*")) if root else []
    if not found:
        pytest.skip("amdgpu is not here: run scripts/fetch-corpus (it needs a network)")
    blob = found[0].read_bytes()
    blob = lzma.decompress(blob) if found[0].suffix == ".xz" else blob
    k = FakeKernel("x86_64")
    k.stand_ins = {}
    load_module(k, blob)
    assert k.modules["amdgpu"].size > 8 << 20
