"""What a ko says about itself: modinfo's text, exports and imports, and the order of dependencies."""

import pytest

from emukern.elf import ElfError
from emukern.kmod import depends
from emukern.kmod.file import machine_of, parse
from emukern.kmod.modinfo import field, modinfo
from tests.elfwriter import RODATA, TEXT, ElfWriter


def library():
    writer = ElfWriter()
    text = writer.section(".text", bytes(16), TEXT)
    strings = writer.section("__ksymtab_strings", b"\0PRIVATE\0", RODATA)
    for name, suffix, namespace in (("plain", "", 0), ("free", "_gpl", 1)):
        writer.symbol(name, text)
        writer.symbol(f"__ksymtab_{name}", writer.section(f"___ksymtab{suffix}+{name}", bytes(12), RODATA), bind=0)
        writer.symbol(f"__kstrtabns_{name}", strings, namespace, bind=0)
    writer.modinfo(
        "license=GPL v2", "author=One", "author=Two", "parm=a:first", "parmtype=a:int", "parmtype=b:charp", "name=lib"
    )
    writer.section(".gnu.linkonce.this_module", bytes(896))
    return writer


def test_modinfo():
    file = parse(library().build(), 62)
    with pytest.raises(ElfError):
        parse(b"nothing of the kind".ljust(100), 62)
    assert modinfo(file, "/lib/lib.ko") == "\n".join(
        [
            "filename:       /lib/lib.ko",
            "license:        GPL v2",
            "author:         One",
            "author:         Two",
            "name:           lib",
            "parm:           a:first (int)",
            "parm:           b:charp",
        ]
    )
    assert field(file, "author") == ["One", "Two"]
    assert field(file, "parm") == ["a:first (int)", "b:charp"]


def test_exports_and_imports():
    writer = library()
    writer.symbol("printk")
    file = parse(writer.build(), 62)
    assert [(e.name, e.gpl, e.namespace) for e in file.exports] == [("plain", False, ""), ("free", True, "PRIVATE")]
    assert file.imports == ("printk",)
    assert file.gpl_compatible


def test_machine_of():
    assert machine_of(ElfWriter(243).build()) == "riscv64"
    assert machine_of(ElfWriter(183).build()) == "aarch64"
    assert machine_of(ElfWriter(8).build()) == "machine 8"


def test_insertion_order():
    needs = depends.parse("k/c.ko: k/b.ko k/a.ko\nk/b.ko: k/a.ko\nk/a.ko:\n")
    assert depends.insertion_order(needs, "k/c.ko") == ["k/a.ko", "k/b.ko", "k/c.ko"]
    assert depends.insertion_order(needs, "k/unknown.ko") == ["k/unknown.ko"]
    with pytest.raises(ValueError, match="depend on each other: a b"):
        depends.insertion_order({"a": ["b"], "b": ["a"]}, "a")
    assert depends.module_name("kernel/lib/crc-itu-t.ko.xz") == "crc_itu_t"
