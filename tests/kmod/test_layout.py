"""Where sections go, and how large that makes a module."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.kmod.file import parse
from emukern.kmod.layout import place
from tests.elfwriter import COMMON, DATA, RODATA, TEXT, ElfWriter

KINDS = {"text": TEXT, "rodata": RODATA, "ro_after_init": DATA, "data": DATA}


def placed(writer, **options):
    file = parse(writer.build(), 62, plain=True)
    return file, place(file, **options)


def test_a_small_module_takes_three_pages():
    writer = ElfWriter()
    writer.section(".text", bytes(100), TEXT)
    writer.section(".rodata.str1.1", b"hello\0", RODATA, align=1)
    writer.section(".init.text", bytes(10), TEXT)
    writer.section(".exit.text", bytes(10), TEXT)
    writer.module()
    _, layout = placed(writer)
    assert (layout.core_size, layout.init_size) == (12288, 4096)
    assert [(s.kind, s.init, s.offset, s.size, s.prot) for s in layout.spans] == [
        ("text", False, 0, 4096, "rx"),
        ("rodata", False, 4096, 4096, "r"),
        ("data", False, 8192, 4096, "rw"),
        ("text", True, 12288, 4096, "rx"),
    ]


def test_what_is_not_placed():
    writer = ElfWriter()
    text = writer.section(".text", bytes(4), TEXT)
    for name in (".modinfo", "__versions", ".data..percpu"):
        writer.section(name, bytes(64), RODATA)
    writer.section(".debug_info", bytes(64), 0)
    _, layout = placed(writer)
    assert list(layout.offsets) == [text]


def test_common_symbols_follow_the_data():
    writer = ElfWriter()
    data = writer.section(".data", bytes(5), DATA)
    writer.symbol("a", COMMON, 32, 100)
    writer.symbol("b", COMMON, 1, 1)
    _, layout = placed(writer, allow_common=True)
    assert layout.offsets[data] == 0
    assert list(layout.commons.values()) == [32, 132]
    assert placed(writer)[1].commons == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*KINDS]),
            st.booleans(),
            st.integers(0, 9000),
            st.sampled_from([1, 8, 64, 4096]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_sections_fit_without_overlap_in_pages_of_their_kind(wanted):
    writer = ElfWriter()
    kinds = {}
    for i, (kind, init, size, align, nobits) in enumerate(wanted):
        name = ".data..ro_after_init" if kind == "ro_after_init" else f"{'.init' if init else ''}.s{i}"
        content = b"" if nobits else bytes(size)
        index = writer.section(name, content, KINDS[kind], 8 if nobits else 1, align, size)
        kinds[index] = (kind, init and kind != "ro_after_init")
    file, layout = placed(writer, got_slots=3)
    assert layout.size % 4096 == 0
    taken = []
    for index, (kind, init) in kinds.items():
        section, offset = file.elf.sections[index], layout.offsets[index]
        assert offset % section.align == 0
        assert (
            any(
                (s.kind, s.init) == (kind, init) and s.offset <= offset and offset + section.size <= s.offset + s.size
                for s in layout.spans
            )
            or section.size == 0
        )
        assert (offset < layout.core_size) is not init or section.size == 0
        taken.append((offset, section.size))
    taken.append((layout.got, 24))
    taken = sorted((o, s) for o, s in taken if s)
    assert all(a + size <= b for (a, size), (b, _) in zip(taken, taken[1:], strict=False))
    based = layout.at(0x10000, 0x90000)
    assert based.address(0) == (0x10000 if layout.core_size else 0x90000)
    if layout.init_size:
        assert based.address(layout.core_size) == 0x90000


@pytest.mark.parametrize("kind", ["data", "rodata"])
def test_spans_are_never_writable_and_executable(kind):
    writer = ElfWriter()
    writer.section(".text", bytes(4), TEXT)
    writer.section(f".{kind}", bytes(4), KINDS[kind])
    for span in placed(writer)[1].spans:
        assert not {"w", "x"} <= {*span.prot}
        assert not {"w", "x"} <= {*span.prot_after}
