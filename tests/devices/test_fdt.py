"""The devicetree writer: what is put in comes out of a reader that knows only the specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices.fdt import Node, cells, encode, flatten
from emukern.errors import UsageError
from tests.devices.fdtreader import read


def test_a_tree_of_every_kind_of_property():
    leaf = Node("leaf@1f", {"reg": cells(0x1F), "flag": True, "not-there": False})
    root = Node("", {"#address-cells": 2, "model": "a board", "compatible": ["a", "bc"]}, [leaf, Node("empty")])
    assert read(flatten(root)) == {
        "#address-cells": bytes.fromhex("00000002"),
        "model": b"a board\0",
        "compatible": b"a\0bc\0",
        "leaf@1f": {"reg": bytes.fromhex("00000000 0000001f"), "flag": b""},
        "empty": {},
    }


def test_the_boot_cpu_is_in_the_header():
    assert flatten(Node(""), boot_cpu=3)[28:32] == bytes.fromhex("00000003")


def test_a_property_name_is_stored_once():
    children = [Node(f"n{i}", {"a-rather-long-name": i}) for i in range(10)]
    assert flatten(Node("", children=children)).count(b"a-rather-long-name") == 1


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (1, "00000001"),
        ((1, 0xFFFFFFFF), "00000001 ffffffff"),
        (cells(0x1_2345_6789), "00000001 23456789"),
        (b"\1\2\3", "010203"),
        ("ab", "616200"),
        (("ab", "c"), "61620063 00"),
        ((), ""),
        (True, ""),
    ],
)
def test_values(value, data):
    assert encode(value) == bytes.fromhex(data)


@pytest.mark.parametrize("value", [-1, 1 << 32, (0, 1 << 32), (1, "a")])
def test_what_is_no_cell_is_refused(value):
    with pytest.raises(UsageError, match="does not fit into the cells"):
        encode(value)


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789,._+-#", min_size=1, max_size=31)
trees = st.recursive(
    st.builds(lambda p: (p, {}), st.dictionaries(names, st.binary(max_size=9), max_size=4)),
    lambda below: st.tuples(st.dictionaries(names, st.binary(max_size=9), max_size=3), st.dictionaries(names, below)),
    max_leaves=8,
)


def node(name, tree):
    properties, children = tree
    return Node(name, properties, [node("@" + child, below) for child, below in children.items()])


def expected(tree):
    properties, children = tree
    return {**properties, **{"@" + child: expected(below) for child, below in children.items()}}


@given(trees)
def test_any_tree_survives(tree):
    assert read(flatten(node("", tree))) == expected(tree)
