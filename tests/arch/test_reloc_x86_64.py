"""Relocation types of x86_64: what fits, what does not and in which words, and whether linkers agree."""

import struct

import pytest

from tests.kmod.relocating import Site, compile, has_zig, linked, linkers, ours

P = 0xFFFF_FFFF_C000_0000
TOP = 0xFFFF_FFFF_8000_0000
MINUS = -(1 << 63)


def site(before=bytes(8)):
    return Site("x86_64", P, before)


# type, S, A, bytes
ROWS = [
    (0, 0x1234, 5, bytes(8)),
    (1, TOP, 8, struct.pack("<Q", TOP + 8)),
    (1, 0, -1, b"\xff" * 8),
    (2, P + 0x100, -4, struct.pack("<iI", 0xFC, 0)),
    (2, P - 0x100, 0, struct.pack("<iI", -0x100, 0)),
    (4, TOP, -4, struct.pack("<iI", TOP - P - 4, 0)),
    (10, 0xFFFF_FFFF, 0, struct.pack("<II", 0xFFFF_FFFF, 0)),
    (10, 0x1_0000_0000, -1, struct.pack("<II", 0xFFFF_FFFF, 0)),
    (10, 0, 0, bytes(8)),
    (11, 0x7FFF_FFFF, 0, struct.pack("<iI", 0x7FFF_FFFF, 0)),
    (11, TOP, 0, struct.pack("<iI", -0x8000_0000, 0)),
    (11, P, 0x10, struct.pack("<iI", -0x3FFF_FFF0, 0)),
    (24, 0x1234, 0, struct.pack("<Q", 0x1234 - P & (1 << 64) - 1)),
]


@pytest.mark.parametrize(("number", "S", "A", "after"), ROWS)
def test_value(number, S, A, after):
    assert site().add(number, S, A).result() == after


OVERFLOWS = [
    (10, 0x1_0000_0000, 0, "100000000"),
    (10, P, 0, "ffffffffc0000000"),
    (10, 0, -1, "ffffffffffffffff"),
    (11, 0x8000_0000, 0, "80000000"),
    (11, TOP, -1, "ffffffff7fffffff"),
    (11, P, 1 << 40, "ffc0000000"),
]


@pytest.mark.parametrize(("number", "S", "A", "value"), OVERFLOWS)
def test_overflow_in_linux_words(number, S, A, value):
    assert site().add(number, S, A).refusal() == (
        [
            f"module: overflow in relocation type {number} val {value}",
            "module: `probe' likely not compiled with -mcmodel=kernel",
        ],
        8,
    )


@pytest.mark.parametrize("number", [9, 41, 42, 99, 4096, 1 << 20])
def test_unknown_type(number):
    assert site().add(number, 1).refusal() == ([f"module: probe: Unknown rela relocation: {number}"], 8)


@pytest.mark.parametrize(("number", "value"), [(1, 0x1234), (2, 0x1234 - P), (4, 0x1234 - P), (10, 0x1234)])
def test_a_place_that_is_not_zero(number, value):
    lines, errno = site(b"\0\0\0\1\0\0\0\0").add(number, 0x1234).refusal()
    assert lines == [
        "module: x86/modules: Skipping invalid relocation target, existing value is nonzero for type "
        f"{number}, loc {P:016x}, val {value & (1 << 64) - 1:x}"
    ]
    assert errno == 8


def test_the_first_bad_relocation_of_the_file_is_reported():
    bad = site(bytes(32)).add(2, P, at=0).add(11, 1 << 40, at=8).add(10, 1 << 40, at=16).add(99, 1, at=24)
    assert bad.refusal()[0][0] == "module: overflow in relocation type 11 val 10000000000"


@pytest.mark.parametrize(("number", "at"), [(1, 1), (2, 5), (1, 8), (4, 1 << 40), (1, (1 << 64) - 4)])
def test_a_place_outside_its_section(number, at):
    lines, errno = site().add(number, 0, at=at).refusal()
    assert "reaches outside its section" in lines[0]
    assert errno == 8


SOURCE = r"""
extern int external(int *), far_data; extern const char *names[];
static int counter = 3; int array[64]; int *where = &array[7];
const void *const table[] = { &counter, external, names };
__attribute__((section(".init.text"))) int start(int n) { static int calls; return external(&calls) + counter++ + n; }
int choose(int n) { switch (n) { case 1: return far_data; case 2: return array[n]; case 3: return external(where);
    case 4: return counter; case 5: return start(n); default: return names[n] != 0; } }
int (*const volatile pointer)(int) = choose;
__asm__(".section .distances,\"a\"\n .long array - .\n .quad external - .\n .long choose - . + 8\n .previous");
__asm__(".section .absolute,\"a\"\n .long small\n .long small + 4\n .previous");
"""
EXTERNALS = {"external": TOP + 0x1230, "far_data": TOP + 0x99_0008, "names": TOP + 0x40_0010, "small": 0x1234_5678}


@pytest.mark.skipif(not has_zig(), reason="ziglang is not installed")
@pytest.mark.parametrize("linker", ["lld", "gnu"])
def test_linkers_agree(linker, tmp_path):
    command = linkers("x86_64").get(linker)
    if command is None:
        pytest.skip(f"no {linker} linker for x86_64 here")
    (tmp_path / "probe.c").write_text(SOURCE)
    made = compile("x86_64", tmp_path / "probe.c", tmp_path)
    mine = ours("x86_64", made.read_bytes(), P, P + (1 << 20), EXTERNALS)
    assert {".text", ".init.text", ".distances", ".absolute"} <= mine.keys()
    assert linked("x86_64", command, made, mine, EXTERNALS, tmp_path) == mine
