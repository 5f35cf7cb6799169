"""The kernel's exports in every form of the tables, and against modules that were built for the kernel."""

import pickle

import pytest

from emukern import arch as architectures
from emukern.errors import ImageError
from emukern.kmod import file
from emukern.kmod.symbols import Symbol, SymbolChain
from emukern.linux import image, kallsyms, ksymtab
from tests.linux.imagewriter import Export, Kernel

EXPORTS = (
    Export("kmalloc", crc=0x1234_5678),
    Export("aaa_first", crc=1),
    Export("gpl_only", gpl=True, crc=2),
    Export("in_a_space", namespace="CRYPTO_INTERNAL", crc=0xFFFF_FFFF),
    Export("for_one_module", gpl=True, namespace="module:kvm,kvm-amd", crc=4),
    Export("zzz_last", crc=5),
)


def exports_of(kernel):
    found = image.parse(kernel.file())
    return ksymtab.exports(found, kallsyms.parse(found))


@pytest.mark.parametrize("crcs", [True, False])
@pytest.mark.parametrize("form", ["split", "merged", "pointers"])
def test_every_form(arch, form, crcs):
    kernel = Kernel(arch, ksymtab=form, exports=EXPORTS, crcs=crcs)
    table = exports_of(kernel)
    assert dict(table) == {
        e.name: Symbol(
            e.name,
            kernel.address(e.name),
            gpl=e.gpl and form != "pointers",  # which this test writes as one table without flags
            namespace=e.namespace,
            crc=e.crc if crcs else None,
        )
        for e in EXPORTS
    }


def test_pointers_that_the_kernel_fills_in_itself():
    kernel = Kernel("riscv64", ksymtab="pointers", exports=EXPORTS, relocatable=True)
    table = exports_of(kernel)
    assert {name: symbol.value for name, symbol in table.items()} == {e.name: kernel.address(e.name) for e in EXPORTS}


def test_a_mapping_and_a_provider(arch):
    table = exports_of(Kernel(arch, exports=EXPORTS))
    assert len(table) == len(EXPORTS)
    assert "kmalloc" in table
    assert "function_1" not in table
    assert 7 not in table
    assert table.find("kmalloc") == table["kmalloc"]
    assert table.find("nothing") is table.get("nothing") is None
    with pytest.raises(KeyError):
        table["nothing"]
    chain = SymbolChain(kernel=[table])
    assert chain.find("kmalloc") == table["kmalloc"]


def test_pickled(arch):
    table = exports_of(Kernel(arch, exports=EXPORTS, crcs=True))
    assert dict(pickle.loads(pickle.dumps(table))) == dict(table)


def test_data_is_told_from_code(arch):
    table = exports_of(Kernel(arch, exports=(*EXPORTS, Export("jiffies", data=True))))
    assert {name: symbol.kind for name, symbol in table.items() if symbol.kind != "func"} == {"jiffies": "data"}


def test_none(arch):
    with pytest.raises(ImageError, match="offers nothing to modules"):
        exports_of(Kernel(arch))


def test_tables_that_kallsyms_belies(arch):
    kernel = Kernel(arch, exports=EXPORTS)
    found = image.parse(kernel.file())
    symbols = kallsyms.parse(found)
    other = Kernel(arch, exports=EXPORTS, names=("one", "more"))
    with pytest.raises(ImageError, match="are in an unknown form"):
        ksymtab.exports(image.parse(other.file()), symbols)


def test_the_stock_kernel(stock_kernel, stock_symbols):
    table = ksymtab.exports(stock_kernel, stock_symbols)
    assert len(table) > 5000
    for name, symbol in table.items():
        assert symbol.value in stock_symbols.addresses(name)
    assert (table["_printk"].gpl, table["_printk"].kind) == (False, "func")
    assert table["jiffies"].kind == "data"
    assert table["devm_kmalloc"].gpl


def test_stock_modules_agree(arch, module_tree, stock_kernel, stock_symbols):
    table = ksymtab.exports(stock_kernel, stock_symbols)
    machine = architectures.get(arch).e_machine
    checked = 0
    for name in ("dummy", "crc7", "nls_utf8", "algif_hash", "raid1"):
        for path in module_tree.glob(f"kernel/**/{name}.ko*"):
            module = file.parse(path.read_bytes(), machine)
            for wanted, crc in module.versions.items():
                symbol = table.find(wanted)
                if symbol and symbol.crc is not None:
                    assert symbol.crc == crc, wanted
                    checked += 1
                if symbol and symbol.namespace and not symbol.namespace.startswith("module:"):
                    assert symbol.namespace in module.infos("import_ns")
    assert checked > 50 or all(symbol.crc is None for symbol in table.values())
