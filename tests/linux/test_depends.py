"""A module tree as modprobe sees it. What is expected of made-up trees is what kmod 30 makes of the same ones."""

import gzip
import json
import lzma
import os
import pickle
import random

import pytest
from corpus import expected, tree

from emukern.errors import ModuleError, UsageError
from emukern.kmod import depends
from emukern.linux.depends import ModuleTree, open_tree
from emukern.linux.modinfo import exports, modinfo
from tests.elfwriter import RODATA, TEXT, ElfWriter

VERMAGIC = "vermagic=6.1.0-test SMP preempt mod_unload"


def ko(*entries, names=(), machine=62):
    """A module that says `entries`, between other sections."""
    writer = ElfWriter(machine)
    writer.section(".text", b"\x13\0\0\0" * 50, TEXT)
    writer.section(".rodata.str1.1", b"size=%d\0vermagic\0what = %s\0", RODATA, align=1)
    if names:
        writer.section("__ksymtab_strings", b"".join(name.encode() + b"\0" for name in names), RODATA, align=1)
    writer.modinfo("license=GPL", *entries, VERMAGIC)
    writer.section(".data", bytes(600))
    return writer.build()


TREE = {
    "kernel/drivers/disk.ko": [
        "depends=bus-lib,crc",
        "alias=pci:v00008086d*sv*",
        "alias=disk",
        "softdep=pre: crypto-sum post: late",
    ],
    "kernel/lib/bus-lib.ko": ["depends="],
    "kernel/crypto/crc.ko": ["depends=", "softdep=pre: sum_fast", "softdep=pre: nothing"],
    "kernel/crypto/sum_generic.ko": ["depends=", "alias=crypto-sum", "alias=sum"],
    "kernel/arch/sum-fast.ko": ["depends=crc", "alias=crypto-sum"],
    "kernel/drivers/late.ko": ["depends=disk"],
    "kernel/fs/ext.ko": ["depends=crc", "alias=fs-ext", "alias=usb:v1d[0-2]*dc*", "softdep=other words"],
}  # fmt: skip
ORDER = ["kernel/arch/sum-fast.ko", "kernel/crypto/crc.ko", "kernel/crypto/sum_generic.ko", "kernel/fs/ext.ko",
         "kernel/drivers/disk.ko", "kernel/gone.ko", "kernel/drivers/late.ko"]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """A tree as a distribution's package holds it: no depmod has been there."""
    for path, entries in TREE.items():
        file = tmp_path / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(ko(*entries))
    (tmp_path / "tree/modules.order").write_text("".join(f"{line}\n" for line in ORDER))
    (tmp_path / "tree/modules.builtin").write_text("kernel/fs/proc-fs.ko\nkernel/crypto/md5.ko\n")
    (tmp_path / "tree/modules.builtin.modinfo").write_bytes(b"md5.alias=crypto-md5\0md5.license=GPL\0md5.file=x\0")
    return tmp_path / "tree"


def names(steps):
    return [step.name for step in steps]


def test_needed(root):
    modules = ModuleTree(root)
    needed = modules.needed(root / "kernel/drivers/late.ko")
    assert [name for name, _ in needed] == ["crc", "bus_lib", "disk"]
    assert needed[1] == ("bus_lib", root / "kernel/lib/bus-lib.ko")
    assert modules.needed(root / "kernel/crypto/crc.ko") == []


def test_needed_of_a_file_outside_the_tree(root, tmp_path):
    file = tmp_path / "mine.ko"
    file.write_bytes(ko("depends=late,bus_lib,unheard-of"))
    needed = ModuleTree(root).needed(file)
    assert [name for name, _ in needed] == ["crc", "bus_lib", "disk", "late", "unheard_of"]
    assert needed[-1] == ("unheard_of", None)
    file = tmp_path / "crc.ko"  # another one of the same name
    file.write_bytes(ko("depends=ext"))
    assert [name for name, _ in ModuleTree(root).needed(file)] == ["ext"]


@pytest.mark.parametrize("name", ["bus-lib", "bus_lib"])
def test_dashes_and_underscores_are_the_same(root, name):
    assert [step.path for step in ModuleTree(root).lookup(name)] == ["kernel/lib/bus-lib.ko"]


@pytest.mark.parametrize(
    ("alias", "meant"),
    [
        ("fs-ext", ["ext"]),
        ("fs_ext", ["ext"]),
        ("crypto-sum", ["sum_fast", "sum_generic"]),  # all of them, in the order of modules.order
        ("pci:v00008086d00001533sv0", ["disk"]),
        ("pci:v00008087d00001533sv0", []),
        ("usb:v1d1xxdcyy", ["ext"]),
        ("usb:v1d3xxdcyy", []),
        ("crypto-md5", ["md5"]),
        ("proc_fs", ["proc_fs"]),
        ("disk", ["disk"]),
        ("nothing", []),
        ("", []),
        ("[", []),
    ],
)
def test_lookup(root, alias, meant):
    found = ModuleTree(root).lookup(alias)
    assert names(found) == meant
    assert all((step.path == "") == (step.name in ("md5", "proc_fs")) for step in found)


def test_plan_with_soft_dependencies(root):
    steps = ModuleTree(root).plan("disk")["disk"]
    assert names(steps) == ["crc", "sum_fast", "bus_lib", "sum_generic", "disk", "late"]
    assert {step.name: step.required for step in steps} == {
        "crc": True, "sum_fast": False, "bus_lib": True, "sum_generic": False, "disk": True, "late": False,
    }  # fmt: skip


def test_plan_of_an_alias_of_several(root):
    plans = ModuleTree(root).plan("crypto-sum")
    assert {target: names(steps)[-1] for target, steps in plans.items()} == {
        "sum_fast": "sum_fast",
        "sum_generic": "sum_generic",
    }


def test_only_the_first_softdep_counts(root):
    assert ModuleTree(root).softdeps["crc"] == (["sum_fast"], [])
    assert ModuleTree(root).softdeps["ext"] == ([], [])


def test_nothing_found(root):
    with pytest.raises(ModuleError, match=f"Module nosuch not found in directory {root}") as refusal:
        ModuleTree(root).plan("nosuch")
    assert refusal.value.errno == 2
    with pytest.raises(UsageError, match="there is no module tree at"):
        _ = ModuleTree(root / "nowhere").needs


def test_texts_of_depmod_are_believed(root):
    (root / "modules.dep").write_text(
        "kernel/lib/bus-lib.ko: kernel/fs/ext.ko kernel/crypto/crc.ko\nkernel/fs/ext.ko:\n"
    )
    (root / "modules.alias").write_text("# comment\nalias net-pf-3 bus_lib\n")
    (root / "modules.symbols").write_text("alias symbol:bus_add bus_lib\n")
    modules = ModuleTree(root)
    assert [name for name, _ in modules.needed(root / "kernel/lib/bus-lib.ko")] == ["crc", "ext"]
    assert names(modules.lookup("net-pf-3")) == names(modules.lookup("symbol:bus_add")) == ["bus_lib"]
    assert modules.lookup("crypto-sum") == []
    assert modules.softdeps == {}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, None], ids=["gz", "xz", "zst"])
@pytest.mark.parametrize("machine", [62, 243])
def test_compressed_modules(root, pack, machine):
    suffix = {gzip.compress: "gz", lzma.compress: "xz"}.get(pack, "zst")
    if pack is None:
        pack = pytest.importorskip("zstandard").ZstdCompressor().compress
    noise = random.Random(1).randbytes(200_000)
    writer = ElfWriter(machine)
    writer.section(".text", noise, TEXT)
    writer.modinfo("softdep=pre: crc", "depends=ext,bus-lib", "alias=packed", VERMAGIC)
    writer.section(".data", noise)
    file = root / f"kernel/packed.ko.{suffix}"
    file.write_bytes(pack(writer.build()))
    # What a glance at the first bytes finds ends where the section does, and its first entry may be glued to .text.
    said = modinfo(file)
    assert [entry for entry in said if entry[0] != "softdep"][:2] == [("depends", "ext,bus-lib"), ("alias", "packed")]
    assert ("softdep", "pre: crc") in said
    modules = ModuleTree(root)
    assert [name for name, _ in modules.needed(file)] == ["crc", "bus_lib", "ext"]
    assert names(modules.lookup("packed")) == ["packed"]
    assert modules.blob(f"kernel/packed.ko.{suffix}") == writer.build()
    assert modules.release == "6.1.0-test"


def test_symbols(root):
    (root / "kernel/exporter.ko").write_bytes(ko("depends=", names=("add_one", "NAMESPACE")))
    (root / "kernel/packed.ko.xz").write_bytes(lzma.compress(ko("depends=", names=("add_two",))))
    modules = ModuleTree(root)
    assert names(modules.lookup("symbol:add_one")) == ["exporter"]
    assert names(modules.lookup("symbol:add_two")) == ["packed"]
    assert modules.lookup("symbol:add_three") == []
    assert exports(root / "kernel/lib/bus-lib.ko") == []


@pytest.mark.parametrize("cut", [0, 3, 20, 64, 700, -10])
def test_broken_modules_say_nothing(root, cut):
    for name, blob in (("plain.ko", ko("depends=ext")), ("packed.ko.xz", lzma.compress(ko("depends=ext")))):
        (root / "kernel" / name).write_bytes(blob[:cut])
        whole = [("license", "GPL"), ("depends", "ext"), tuple(VERMAGIC.split("="))]
        assert modinfo(root / "kernel" / name) in ([], whole)
    (root / "kernel/folder.ko").mkdir()
    assert len(ModuleTree(root).paths) == len(TREE) + 2


def test_random_headers_do_no_harm(tmp_path):
    noise = random.Random(7)
    blob = bytearray(ko("depends=ext"))
    for _ in range(300):
        broken = bytearray(blob)
        for _ in range(3):
            broken[noise.randrange(5, len(broken)) if noise.random() < 0.5 else noise.randrange(0x28, 64)] = (
                noise.randrange(256)
            )
        (tmp_path / "a.ko").write_bytes(broken)
        modinfo(tmp_path / "a.ko")


def many(root):
    """More modules than are indexed without a cache."""
    for i in range(210):
        (root / f"kernel/m{i}.ko").write_bytes(ko("depends="))


def test_index_is_kept_until_a_folder_changes(root, tmp_path):
    many(root)
    cache = tmp_path / "cache"
    first = ModuleTree(root, cache)
    assert names(first.lookup("fs-ext")) == ["ext"]
    (kept,) = cache.iterdir()
    content = json.loads(kept.read_text())
    content["texts"]["alias"] = "alias fs-ext crc\n"  # to see who is asked
    kept.write_text(json.dumps(content))
    assert names(ModuleTree(root, cache).lookup("fs-ext")) == ["crc"]
    (root / "kernel/fs/new.ko").write_bytes(ko("depends=ext", "alias=fs-new"))
    os.utime(root / "kernel/fs", ns=(1, 1))
    again = ModuleTree(root, cache)
    assert names(again.lookup("fs-ext")) == ["ext"]
    assert [name for name, _ in again.needed(root / "kernel/fs/new.ko")] == ["crc", "ext"]
    assert list(cache.iterdir()) == [kept]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": 0}', b"\xff\xfe", b'{"version": 1, "root": 5}'])
def test_damaged_cache_is_made_anew(root, tmp_path, damage):
    many(root)
    cache = tmp_path / "cache"
    texts = ModuleTree(root, cache).texts
    (kept,) = cache.iterdir()
    kept.write_bytes(damage)
    assert ModuleTree(root, cache).texts == texts
    assert json.loads(kept.read_text())["texts"] == texts


def test_cache_that_cannot_be_written_is_none(root, tmp_path):
    many(root)
    (tmp_path / "file").write_text("")
    assert names(ModuleTree(root, tmp_path / "file" / "cache").lookup("fs-ext")) == ["ext"]


def test_few_modules_are_not_cached(root, tmp_path):
    assert ModuleTree(root, tmp_path / "cache").needs
    assert not (tmp_path / "cache").exists()


def test_index_is_kept_where_all_are(root, tmp_path, monkeypatch):
    many(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert open_tree(root).needs
    assert len(list((tmp_path / "home/emukern/trees").iterdir())) == 1


def test_tree_is_pickled_by_its_place(root):
    modules = open_tree(root)
    assert modules.needs
    packed = pickle.dumps(modules)
    assert len(packed) < 1000
    assert pickle.loads(packed) is modules


def test_modules_that_need_each_other():
    text = depends.write({"a": ["b"], "b": ["a"], "c": ["a"]})
    assert sorted(line.split(":")[0] for line in text.splitlines()) == ["a", "b", "c"]


def test_depmods_order():
    """Users before what they use, going on with what became free last: as depmod 30 writes it."""
    text = depends.write({"lib": [], "top": ["mid", "lib"], "mid": ["lib"], "solo": ["lib"]})
    assert text == "lib:\ntop: mid lib\nmid: lib\nsolo: lib\n"


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_dependencies_of_stock_modules(arch):
    root = tree(arch)
    if root is None:
        pytest.skip(f"no stock modules for {arch}: run scripts/fetch-corpus (it needs a network)")
    modules = ModuleTree(root, root.parent.parent.parent / "modules")
    known = [record for record in expected(arch).values() if record["name"] in modules.paths]
    assert len(known) > 50
    for record in known:
        file = root / modules.paths[record["name"]]
        needed = [name for name, _ in modules.needed(file)]
        assert needed == [name for name in record["deps"] if name in needed]  # a recording may have had more
    assert modules.release == root.name
    assert names(modules.lookup("fs-xfs")) == ["xfs"]
    position = {name: i for i, name in enumerate(names(modules.plan("btrfs")["btrfs"]))}
    assert position["libcrc32c"] < position["btrfs"] == len(position) - 1
