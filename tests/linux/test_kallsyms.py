"""kallsyms: every form of the tables, look-ups, System.map files, and tables that are damaged."""

import pickle
import random

import pytest

from emukern.errors import ImageError
from emukern.linux import image, kallsyms
from emukern.linux.kallsyms import Kallsyms
from tests.linux.imagewriter import BASE, LAYOUTS, PERCPU, RELEASE, Kernel

LONG = "long_" + "".join(random.Random(1).choices("qwzjkxv", k=400))  # more than 127 tokens


@pytest.fixture
def kernel(arch):
    return Kernel(arch)


@pytest.fixture
def symbols(kernel):
    return kallsyms.parse(image.parse(kernel.file()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(arch, layout):
    kernel = Kernel(arch, layout=layout, names=("x", LONG, "_R.dot$dollar"))
    symbols = kallsyms.parse(image.parse(kernel.file()))
    assert list(symbols.rows()) == [(name, value, kind) for value, kind, name in kernel.symbols]
    assert symbols.address(LONG) == kernel.address(LONG)


@pytest.mark.parametrize("layout", ["6.1", "6.1 with order", "6.4"])
def test_absolute_percpu_symbols(arch, layout):
    kernel = Kernel(arch, layout=layout, percpu=True)
    symbols = kallsyms.parse(image.parse(kernel.file()))
    assert list(symbols.rows())[: len(PERCPU)] == [(name, value, "A") for name, value in PERCPU]
    assert symbols.address("this_cpu_off") == 0x80
    assert symbols.address("function_699") == kernel.address("function_699")


def test_names_to_addresses(kernel, symbols):
    assert symbols.address("function_7") == symbols.address_of("function_7") == kernel.address("function_7")
    assert symbols.address("nothing") is None
    assert symbols.address("no such ☃") is None
    twins = [value for value, _, name in kernel.symbols if name == "twin"]
    assert len(twins) == 2
    assert symbols.addresses("twin") == twins
    assert symbols.address("twin") == twins[0]
    assert symbols.addresses("nothing") == []


def test_addresses_to_names(kernel, symbols):
    at = kernel.address("function_7")
    assert symbols.at(at) == ("function_7", 0)
    assert symbols.at(at + 3) == ("function_7", 3)
    assert symbols.where(at + 3) == ("function_7", 3, kernel.address("function_8") - at)
    assert symbols.at(kernel.address("_text")) == ("_text", 0)  # the first of several names
    assert symbols.at(BASE[kernel.arch] - 1) is None
    assert symbols.at(symbols.limit) is None
    row = symbols.row_at(at + 3)
    assert (symbols.name(row), symbols.kind(row)) == ("function_7", "T")
    assert symbols.row_at(symbols.limit) is None


def test_pickled(symbols):
    again = pickle.loads(pickle.dumps(symbols))
    assert list(again.rows()) == list(symbols.rows())
    assert again.address("function_3") == symbols.address("function_3")
    assert again.limit == symbols.limit


def test_no_table(arch):
    with pytest.raises(ImageError, match=f"the kernel {RELEASE} has no symbol table of its own"):
        kallsyms.parse(image.parse(Kernel(arch, kallsyms=False).file()))


def damaged(kernel, at, data):
    memory = bytearray(kernel.memory)
    memory[at : at + len(data)] = data
    kernel.memory = bytes(memory)
    return image.parse(kernel.file())


def test_addresses_that_miss_the_banner(arch):
    kernel = Kernel(arch)
    at = kernel.address("linux_banner") - kernel.base
    with pytest.raises(ImageError, match="addresses in an unknown form"):
        kallsyms.parse(damaged(kernel, at, b"Minix"))


@pytest.mark.parametrize("back", range(0, 6000, 250))
def test_damaged_tables(arch, back):
    """Zeros over any part of the tables: an error, or names and addresses that are whole."""
    kernel = Kernel(arch)
    found = damaged(kernel, len(kernel.memory) - 200 - back, bytes(200))
    try:
        values = list(kallsyms.parse(found).values)
    except ImageError:
        values = []
    assert values == sorted(values)


def write_map(path, kernel):
    path.write_text("".join(f"{value:016x} {kind} {name}\n" for value, kind, name in kernel.symbols))
    return path


def test_a_system_map(tmp_path, arch):
    kernel = Kernel(arch, kallsyms=False)
    path = write_map(tmp_path / "System.map", kernel)
    found = image.parse(kernel.file())
    symbols = kallsyms.parse(found, path)
    assert list(symbols.rows()) == [(name, value, kind) for value, kind, name in kernel.symbols]
    assert symbols.address("function_5") == kernel.address("function_5")
    assert symbols.limit == found.limit
    assert symbols.at(kernel.address("function_5") + 1) == ("function_5", 1)


def test_a_system_map_is_sorted(tmp_path, kernel):
    expected = [value for value, _, _ in kernel.symbols]
    random.Random(1).shuffle(kernel.symbols)
    assert list(Kallsyms.from_system_map(write_map(tmp_path / "map", kernel)).values) == expected


@pytest.mark.parametrize("text", ["ffffffffffffffff B The real System.map is in the linux-image-dbg package\n", ""])
def test_a_placeholder_is_ignored(tmp_path, kernel, text):
    path = tmp_path / "System.map"
    path.write_text(text)
    assert Kallsyms.from_system_map(path) is None
    assert kallsyms.parse(image.parse(kernel.file()), path).address("twin")


def test_wrong_system_maps(tmp_path, arch, kernel):
    found = image.parse(kernel.file())
    with pytest.raises(ImageError, match=r"cannot read .*: No such file"):
        kallsyms.parse(found, tmp_path / "nothing")
    path = tmp_path / "System.map"
    path.write_text("ffffffff81000000 T _text\nhello\n")
    with pytest.raises(ImageError, match="is no System.map: line 2"):
        kallsyms.parse(found, path)
    other = Kernel(arch, exports=(), config=bytes(100))
    other.symbols = [(value + 64, kind, name) for value, kind, name in other.symbols]
    with pytest.raises(ImageError, match=f"is not the System.map of {RELEASE}"):
        kallsyms.parse(found, write_map(path, other))


def test_the_stock_kernel(stock_kernel, stock_symbols):
    assert len(stock_symbols) > 50_000
    assert list(stock_symbols.values) == sorted(stock_symbols.values)
    assert stock_kernel.text(stock_symbols.address("linux_banner")) == stock_kernel.banner + "\n"
    assert stock_symbols.at(stock_symbols.address("start_kernel") + 1) == ("start_kernel", 1)
    assert stock_symbols.at(stock_symbols.address("kallsyms_lookup_name"))[0] == "kallsyms_lookup_name"
    for row in range(0, len(stock_symbols), 997):
        assert stock_symbols.values[row] in stock_symbols.addresses(stock_symbols.name(row))


def test_the_stock_placeholder(module_tree, stock_kernel):
    found = sorted(module_tree.glob("boot/System.map*"))
    if not found:
        pytest.skip(f"{module_tree} has no System.map")
    assert kallsyms.parse(stock_kernel, found[0]).address("start_kernel")
