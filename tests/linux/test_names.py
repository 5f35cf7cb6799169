"""The index of names: finds what a dict would find."""

from array import array

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emukern.linux.names import NameIndex


def table(names):
    lengths = np.array([len(name) for name in names], np.uint32)
    starts = np.cumsum(lengths + 1, dtype=np.uint32) - (lengths + 1)
    strings = b"".join(name + b"\0" for name in names)
    return NameIndex.of(strings, starts, lengths), strings, array("I", starts.tobytes())


@given(st.lists(st.binary(max_size=30).map(lambda name: name.replace(b"\0", b"_")), max_size=50))
def test_rows_of_every_name(names):
    index, strings, starts = table(names)
    for name in names:
        assert index.find(name, strings, starts) == [row for row, other in enumerate(names) if other == name]
    for name in (b"absent", b"x" * 31, b"\xff" * 9):
        if name not in names:
            assert index.find(name, strings, starts) == []


def test_names_with_one_key():
    """The key looks at three places only; names that agree there are told apart by comparing."""
    names = [b"first_eight" + bytes([letter]) * 4 + b"_in_the_middle_of_it_all_the_last" for letter in b"abc"]
    index, strings, starts = table(names)
    assert len(set(index.keys)) == 1
    assert [index.find(name, strings, starts) for name in names] == [[0], [1], [2]]
