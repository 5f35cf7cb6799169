"""Relocation types of riscv64: what fits, what does not and in which words, and whether linkers agree."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern import arch
from tests.kmod.relocating import Site, compile, has_zig, linked, linkers, ours

P = 0xFFFF_FFFF_1000_0000
TOP = 0xFFFF_FFFF_8000_0000
REACH = 1 << 31
HALF = 1 << 11
AUIPC, ADDI, JALR, LD, SD, LUI = 0x0000_0517, 0x0005_0513, 0x0000_80E7, 0x0005_3503, 0x00A5_3023, 0x0000_0537
BEQ, JAL, C_BEQZ, C_J = 0x00B5_0063, 0x0000_006F, 0xC111, 0xA001


def sext(value, width):
    half = 1 << (width - 1)
    return ((value & (1 << width) - 1) ^ half) - half


def u_imm(word):
    return sext(word & 0xFFFF_F000, 32)


def i_imm(word):
    return sext(word >> 20, 12)


def s_imm(word):
    return sext(word >> 25 << 5 | word >> 7 & 31, 12)


def b_imm(word):
    return sext((word >> 31 & 1) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 63) << 5 | (word >> 8 & 15) << 1, 13)


def j_imm(word):
    return sext(
        (word >> 31 & 1) << 20 | (word >> 12 & 255) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 1023) << 1, 21
    )


def cb_imm(word):
    return sext(
        (word >> 12 & 1) << 8
        | (word >> 10 & 3) << 3
        | (word >> 5 & 3) << 6
        | (word >> 3 & 3) << 1
        | (word >> 2 & 1) << 5,
        9,
    )


def cj_imm(word):
    places = ((12, 11), (11, 4), (10, 9), (9, 8), (8, 10), (7, 6), (6, 7), (5, 3), (4, 2), (3, 1), (2, 5))
    return sext(sum((word >> at & 1) << to for at, to in places), 12)


def site(before, place=P):
    return Site("riscv64", place, before)


def words(*numbers):
    return b"".join(struct.pack("<I", n) for n in numbers)


def reached(pair):
    """Where auipc and the signed half behind it lead, from P."""
    first, second = struct.unpack("<II", pair)
    return u_imm(first) + i_imm(second)


BRANCHES = [
    (16, words(BEQ), b_imm, 13, 0x01FF_F07F),
    (17, words(JAL), j_imm, 21, 0x0000_0FFF),
    (44, struct.pack("<H", C_BEQZ), cb_imm, 9, 0xE383),
    (45, struct.pack("<H", C_J), cj_imm, 12, 0xE003),
]


@pytest.mark.parametrize(("number", "before", "imm", "width", "kept"), BRANCHES)
def test_branches_reach_as_far_as_their_bits(number, before, imm, width, kept):
    far = 1 << (width - 1)
    old = int.from_bytes(before, "little")
    for offset in (-far, far - 2, 0, 2, -2, 0x54, -0x56):
        word = int.from_bytes(site(before).add(number, P + offset).result(), "little")
        assert imm(word) == offset
        assert word & kept == old & kept
    for offset in (far, -far - 2, 1):
        target = P + offset & (1 << 64) - 1
        text = f"probe: target {target:016x} can not be addressed by the {width}-bit offset from PC = {P:016x}"
        assert site(before).add(number, target).refusal() == ([text], 22)


@pytest.mark.parametrize("number", [18, 19])
def test_calls(number):
    for offset in (0, 0x800, 0x7FF, -0x801, REACH - HALF - 1, -REACH - HALF):
        pair = site(words(AUIPC, JALR)).add(number, P + offset).result()
        assert reached(pair) == offset
    for offset in (REACH - HALF, -REACH - HALF - 1, 1 << 40):
        lines, errno = site(words(AUIPC, JALR)).add(number, P + offset).refusal()
        target = P + offset & (1 << 64) - 1
        text = f"probe: target {target:016x} can not be addressed by the 32-bit offset from PC = {P:016x}"
        assert (lines, errno) == ([text], 22)


@given(st.integers(-REACH - HALF, REACH - HALF - 1))
def test_a_pc_relative_pair_leads_to_its_target(offset):
    made = site(words(AUIPC, ADDI, LD, SD)).add(23, P + offset, at=0)
    made = made.add(24, P, at=4).add(24, P, at=8).add(25, P, at=12)
    first, addi, load, store = struct.unpack("<4I", made.result())
    assert u_imm(first) + i_imm(addi) == sext(offset, 64)
    assert i_imm(load) == s_imm(store) == i_imm(addi)
    assert store & 0x01FF_F07F == SD & 0x01FF_F07F


def test_each_low_half_finds_its_own_high_half():
    code = words(AUIPC, AUIPC, ADDI, ADDI)
    made = site(code).add(24, P + 4, at=8).add(24, P, at=12).add(23, P + 0x1_2345, at=0).add(23, P - 0x7_6543, at=4)
    high0, high1, low1, low0 = struct.unpack("<4I", made.result())
    assert u_imm(high0) + i_imm(low0) == 0x1_2345
    assert u_imm(high1) + i_imm(low1) == -0x7_6543 - 4


@pytest.mark.parametrize("number", [24, 25])
@pytest.mark.parametrize("other", [23, None])
def test_a_low_half_without_its_high_half(number, other):
    made = site(words(AUIPC, ADDI))
    if other:
        made.add(other, P, at=0)
    assert made.add(number, P + 4, at=4).refusal() == (["probe: Can not find HI20 relocation information"], 22)


def test_the_global_offset_table():
    made = site(words(AUIPC, LD, AUIPC, LD, AUIPC, LD))
    for at, symbol, addend in ((0, 0xDEAD_BEEF_0000, 8), (8, 0x1234, 0), (16, 0xDEAD_BEEF_0000, 8)):
        name = f"g{symbol:x}"
        if all(s.name != name for s in made.writer.symbols):
            made.writer.symbol(name, 0xFFF1, symbol)
        made.writer.rela(made.text, at, 20, name, addend)
        made.add(24, P + at, at=at + 4)
    code = struct.unpack("<6I", made.result())
    slots = [P + at + u_imm(code[at // 4]) + i_imm(code[at // 4 + 1]) for at in (0, 8, 16)]
    assert slots[0] == slots[2] != slots[1]
    assert made.layout.got_slots == 2
    contents = [struct.unpack_from("<Q", made.image, slot - P)[0] for slot in slots]
    assert contents == [0xDEAD_BEEF_0008, 0x1234, 0xDEAD_BEEF_0008]


@pytest.mark.parametrize("value", [0, 0x7FF, 0x800, 0x1234_5678, -(1 << 31), -1, (1 << 31) - HALF - 1])
def test_absolute_high_and_low(value):
    code = site(words(LUI, ADDI, SD)).add(26, value, at=0).add(27, value, at=4).add(28, value, at=8).result()
    lui, addi, store = struct.unpack("<3I", code)
    assert u_imm(lui) + i_imm(addi) == value
    assert s_imm(store) == i_imm(addi)


def test_absolute_high_of_a_far_address():
    assert site(words(LUI)).add(26, 1 << 32).refusal() == (
        [f"probe: target 0000000100000000 can not be addressed by the 32-bit offset from PC = {P:016x}"],
        22,
    )


# type, S, A, place before, place after
WORDS = [
    (1, 0xFFFF_FFFF, 0, 4, 0xFFFF_FFFF),
    (2, TOP, 8, 8, TOP + 8),
    (57, P + 0x100, -8, 4, 0xF8),
    (57, P - REACH, 0, 4, 0x8000_0000),
    (59, P + REACH - 1, 0, 4, 0x7FFF_FFFF),
    (51, P, 0, 4, 0),
]


@pytest.mark.parametrize(("number", "S", "A", "width", "after"), WORDS)
def test_words(number, S, A, width, after):
    assert site(bytes(width)).add(number, S, A).result() == after.to_bytes(width, "little")


def test_a_word_too_small():
    assert site(bytes(4)).add(1, TOP).refusal() == (
        ["probe: value ffffffff80000000 out of range for 32-bit field"],
        22,
    )
    for number in (57, 59):
        lines, errno = site(bytes(4)).add(number, P + REACH).refusal()
        assert lines[0].startswith(f"probe: target {P + REACH:016x} can not be addressed by the 32-bit")
        assert errno == 22


# width, ADD, SUB, SET; 64 bits have no SET
SUMS = [(6, None, 52, 53), (8, 33, 37, 54), (16, 34, 38, 55), (32, 35, 39, 56), (64, 36, 40, None)]


@pytest.mark.parametrize(("width", "add", "sub", "set_"), SUMS)
def test_differences_of_labels(width, add, sub, set_):
    size = max(width // 8, 1)
    for first in filter(None, (add, set_)):
        before = 0xC0 if width == 6 else 0
        for difference in (0, 1, (1 << width) - 1 & 0xFFFF_FFFF, 0x15):
            made = site(before.to_bytes(size, "little")).add(first, TOP + difference).add(sub, TOP)
            assert int.from_bytes(made.result(), "little") == before | difference


@pytest.mark.parametrize(("width", "add", "sub", "set_"), SUMS[:4])
def test_a_difference_too_large(width, add, sub, set_):
    for first in filter(None, (add, set_)):
        for difference in (1 << width, -(1 << (width - 1)) - 1):
            made = site(bytes(8)).add(first, TOP + difference).add(sub, TOP)
            text = f"probe: value {difference} out of range for {width}-bit relocation."
            assert made.refusal() == ([text], 22)


def test_terms_add_up_in_any_order_and_to_what_is_there():
    made = site(struct.pack("<I", 100)).add(39, TOP).add(35, TOP + 7).add(35, 30).add(39, 2)
    assert made.result() == struct.pack("<I", 135)


def test_set_forgets_what_is_there():
    assert site(b"\x7f\x7f").add(54, 5, at=0).add(33, 5, at=1).result() == b"\x05\x84"


@pytest.mark.parametrize(
    ("difference", "before", "after"),
    [
        (0, b"\x80\x80\x00", b"\x80\x80\x00"),
        (5, b"\x80\x80\x00", b"\x85\x80\x00"),
        (300, b"\x80\x00", b"\xac\x02"),
        (127, b"\x00", b"\x7f"),
        ((1 << 63) - 1, b"\x80" * 9 + b"\x00", b"\xff" * 9 + b"\x00"),
    ],
)
def test_uleb128_keeps_its_length(difference, before, after):
    made = site(before + b"\xee").add(60, 0x1000 + difference).add(61, 0x1000)
    assert made.result() == after + b"\xee"


def test_uleb128_too_large():
    made = site(b"\x80\x00").add(60, 1 << 14).add(61, 0)
    assert made.refusal() == (["probe: value 16384 out of range for ULEB128 relocation."], 22)


REFUSED = [
    (0, "Unknown relocation type 0"),
    (12, "Unknown relocation type 12"),
    (99, "Unknown relocation type 99"),
    (43, f"The unexpected relocation type 'R_RISCV_ALIGN' from PC = {P:016x}"),
    (3, f"Dynamic linking not supported in kernel modules PC = {P:016x}"),
    (4, f"Dynamic linking not supported in kernel modules PC = {P:016x}"),
    (58, f"Dynamic linking not supported in kernel modules PC = {P:016x}"),
    (21, f"Thread local storage not supported in kernel modules PC = {P:016x}"),
    (32, f"Thread local storage not supported in kernel modules PC = {P:016x}"),
]


@pytest.mark.parametrize(("number", "text"), REFUSED)
def test_types_that_linux_refuses(number, text):
    assert site(bytes(8)).add(number, P).refusal() == ([f"probe: {text}"], 22)


def test_every_type_of_linux_is_there():
    usable = {n for n, row in arch.get("riscv64").relocations.items() if not row.refused}
    linux = {1, 2, *range(16, 21), 23, 24, 25, 26, 27, 28, *range(33, 41), 44, 45, 51, *range(52, 58), 59, 60, 61}
    assert usable == linux


def test_a_hundred_thousand_pairs_take_no_python_step_each():
    count = 100_000
    made = site(words(AUIPC, ADDI) * count)
    name = made.writer.symbol("target", 0xFFF1, P + (1 << 20))
    for i in range(count):
        label = made.writer.symbol(f"l{i}", made.text, 8 * i, bind=0)
        made.writer.sections[made.text].relas += [(8 * i, 23, name, 0), (8 * i + 4, 24, label, 0)]
    blob = made.result()
    for i in (0, 77_777, count - 1):
        assert reached(blob[8 * i : 8 * i + 8]) == (1 << 20) - 8 * i


SOURCE = r"""
extern int external(int *), far_data; extern const char *names[];
static int counter = 3; int array[64]; int *where = &array[7];
const void *const table[] = { &counter, external, names };
__attribute__((section(".init.text"))) int start(int n) { static int calls; return external(&calls) + counter++ + n; }
int choose(int n) { switch (n) { case 1: return far_data; case 2: return array[n]; case 3: return external(where);
    case 4: return counter; case 5: return start(n); default: return names[n] != 0; } }
int (*const volatile pointer)(int) = choose;
"""
ASSEMBLY = r"""
    .section .asm,"ax"
    .option norvc
    .globl first, last
first:
    call external
    la a0, far_data
1:  auipc a1, %pcrel_hi(names)
    ld a2, %pcrel_lo(1b)(a1)
    sd a2, %pcrel_lo(1b)(a1)
    lui a3, %hi(small)
    addi a3, a3, %lo(small)
    sw a4, %lo(small)(a3)
    .reloc ., R_RISCV_BRANCH, last
    beq a0, a1, .
    .reloc ., R_RISCV_JAL, last
    j .
    .option rvc
    .reloc ., R_RISCV_RVC_JUMP, last
    c.j .
    .reloc ., R_RISCV_RVC_BRANCH, last
    c.beqz a0, .
last:
    ret
    .section .sums,"a"
    .reloc ., R_RISCV_ADD64, last
    .reloc ., R_RISCV_SUB64, first
    .quad 0
    .reloc ., R_RISCV_ADD32, first
    .reloc ., R_RISCV_SUB32, last
    .word 0
    .reloc ., R_RISCV_ADD16, last
    .reloc ., R_RISCV_SUB16, first
    .half 0
    .reloc ., R_RISCV_SET16, last + 1
    .reloc ., R_RISCV_SUB16, first
    .half 0
    .reloc ., R_RISCV_ADD8, last
    .reloc ., R_RISCV_SUB8, first
    .byte 0
    .reloc ., R_RISCV_SET6, last - 2
    .reloc ., R_RISCV_SUB6, first
    .byte 0x40
    .balign 4
    .reloc ., R_RISCV_32_PCREL, external
    .word 0
    .reloc ., R_RISCV_32, small
    .word 0
    .quad external
"""
ULEB128 = r"""
    .section .uleb128,"a"
    .reloc ., R_RISCV_SET_ULEB128, last
    .reloc ., R_RISCV_SUB_ULEB128, first
    .byte 0x80, 0x80, 0x00
"""
EXTERNALS = {"external": P + 0x4567_89AA, "far_data": P - 0x1234_5678, "names": P + 0x10_0800, "small": 0x1234_5800}


@pytest.mark.skipif(not has_zig(), reason="ziglang is not installed")
@pytest.mark.parametrize("linker", ["lld", "gnu"])
@pytest.mark.parametrize("source", ["probe.c", "probe.S"])
def test_linkers_agree(source, linker, tmp_path):
    command = linkers("riscv64").get(linker)
    if command is None:
        pytest.skip(f"no {linker} linker for riscv64 here")
    assembly = ASSEMBLY + (ULEB128 if linker == "lld" else "")  # binutils know it since 2.42 only
    (tmp_path / source).write_text(SOURCE if source == "probe.c" else assembly)
    made = compile("riscv64", tmp_path / source, tmp_path)
    mine = ours("riscv64", made.read_bytes(), P, P + (1 << 20), EXTERNALS)
    assert mine.keys() >= ({".text", ".init.text"} if source == "probe.c" else {".asm", ".sums"})
    assert linked("riscv64", command, made, mine, EXTERNALS, tmp_path) == mine
