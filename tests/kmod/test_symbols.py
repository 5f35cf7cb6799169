"""Who answers a name, and what lies at an address."""

import pickle
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.kmod import symbols
from emukern.kmod.symbols import Exports, Symbol, SymbolChain, SymbolTable


@dataclass
class Licensed:
    gpl_compatible: bool


def chain():
    image = Exports("image", {"memcpy": Symbol("memcpy", 0x1000), "both": Symbol("both", 0x2000)})
    python = Exports("kernel", {"both": Symbol("both", 0x3000), "secret": Symbol("secret", 0x4000, gpl=True)})
    return SymbolChain(kernel=[image, python])


def table(*rows, limit=0x2000):
    return SymbolTable.of(rows, limit)


def test_the_first_provider_answers():
    names = chain()
    assert names.find("both").value == 0x2000
    names.add_module("m", [Symbol("both", 0x5000, "m")], table(), ())
    assert names.find("both").owner == "m"
    names.override("both", 0x6000)
    assert names.find("both").value == 0x6000
    names.remove_module("m")
    assert names.modules.table == {}
    assert names.find("nothing") is None


def test_gpl_symbols():
    names = chain()
    assert names.find("secret").value == 0x4000
    assert names.find("secret", Licensed(True)).value == 0x4000
    assert names.find("secret", Licensed(False)) is None


def test_where():
    names = chain()
    names.kernel_table = table(("start", 0x1000, "T"), ("alias", 0x1000, "T"), ("next", 0x1010, "t"))
    names.add_module("m", [], table(("f", 0x9000, "t"), (".L1", 0x9004, "t"), limit=0xA000), ((0x9000, 0xA000),))
    assert names.where(0xFFF) is None
    assert names.where(0x1000) == ("start", 0, 0x10, None)
    assert names.where(0x100F) == ("start", 15, 0x10, None)
    assert names.where(0x1FFF) == ("next", 0xFEF, 0xFF0, None)
    assert names.where(0x2000) is None
    assert names.where(0x9008) == ("f", 8, 0x1000, "m")
    assert names.where(0xA000) is None
    assert list(names.kallsyms()) == [
        (0x1000, "T", "start", None),
        (0x1000, "T", "alias", None),
        (0x1010, "t", "next", None),
        (0x9000, "t", "f", "m"),
        (0x9004, "t", ".L1", "m"),
    ]


rows_strategy = st.lists(st.tuples(st.from_regex(r"[.$]?[a-z]{1,4}", fullmatch=True), st.integers(0, 50), st.just("t")))


@pytest.mark.parametrize("many", [0, 20_000])
def test_where_agrees_with_a_scan(many, monkeypatch):
    monkeypatch.setattr(symbols, "_MANY", many)

    @given(rows_strategy, st.integers(0, 70))
    def check(rows, address):
        named = [(n, v) for n, v, _ in rows if n[0] not in ".$"]
        below = [v for _, v in named if v <= address]
        found = table(*rows, limit=60).where(address)
        if not below or address >= 60:
            assert found is None
            return
        start = max(below)
        end = min([v for _, v in named if v > start], default=60)
        assert found == (next(n for n, v in named if v == start), address - start, end - start)

    check()


def test_tables_pickle_and_shrink():
    whole = table(("a", 0x10, "t"), ("b", 0x20, "d"), ("c", 0x30, "t"), limit=0x40)
    whole.where(0x10)
    copy = pickle.loads(pickle.dumps(whole))
    assert list(copy.rows()) == list(whole.rows())
    rest = whole.without(0x20, 0x30, 0x31)
    assert list(rest.rows()) == [("a", 0x10, "t"), ("c", 0x30, "t")]
    assert rest.where(0x31) is None
    assert rest.address_of("c") == 0x30
    assert rest.address_of("b") is None
