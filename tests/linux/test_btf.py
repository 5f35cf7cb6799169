"""BTF: made in memory, split, of every age, damaged; and what real kernels say of themselves."""

import pickle
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.ctype import Record
from emukern.errors import EmukernError, ImageError
from emukern.linux.btf import Btf, Field, NoSuchType
from emukern.linux.btf_format import Kind
from emukern.linux.ctext import c_prototype, c_record
from emukern.linux.types import Types
from tests.linux.btfwriter import BtfWriter


@pytest.fixture(scope="module")
def writer():
    """A small kernel: lists, a module with an anonymous union and bit-fields, enumerations, functions, a variable."""
    w = BtfWriter()
    char, int_, u32, u64 = w.int("char", 1), w.int("int", 4, signed=True), w.int("unsigned int", 4), w.int("u64", 8)
    flag = w.int("_Bool", 1, boolean=True)
    string = w.ptr(w.const(char))
    node = w.struct("list_head", 16, ("next", w.next + 1, 0), ("prev", w.next + 1, 8))
    w.ptr(node)
    state = w.enum("module_state", MODULE_STATE_LIVE=0, MODULE_STATE_GOING=2)
    w.enum("sign", signed=True, MINUS=-1)
    w.enum64("wide", BIG=1 << 40)
    w.enum64("wide_sign", signed=True, FAR=-(1 << 40))
    inner = w.struct("", 8, ("low", u32, 0), ("high", u32, 4))
    both = w.union("", 8, ("whole", u64, 0), ("", inner, 0))
    w.struct(
        "module",
        56,
        ("state", state, 0),
        ("list", node, 8),
        ("", both, 24),
        ("ok", flag, 32 * 8, 1),
        ("count", int_, 32 * 8 + 1, 5),
        ("name", w.array(char, 12), 36),
        ("init", w.ptr(w.proto(int_)), 48),
    )
    size_t = w.typedef("size_t", u64)
    w.typedef("spin_t", w.struct("", 4, ("value", u32, 0)))
    w.forward("hidden")
    w.func("strlen", size_t, ("s", string))
    w.func("_printk", int_, ("fmt", string), variadic=True)
    w.func("sort", 0, ("base", w.ptr(0)), ("cmp", w.ptr(w.proto(int_, ("", w.ptr(w.const(0)))))))
    variable = w.var("runqueues", node)
    w.datasec(".data..percpu", (variable, 64, 16))
    return w


@pytest.fixture(scope="module")
def btf(writer):
    return Btf(writer.build())


def test_offsets_and_sizes(btf):
    assert btf.offset("module", "init") == btf.offset("struct module", "init") == 48
    assert btf.offset("module", "list.prev") == 16
    assert (btf.offset("module", "whole"), btf.offset("module", "high")) == (24, 28)
    assert btf.size("struct module") == 56
    assert (btf.size("module", "name"), btf.size("module", "init"), btf.size("module", "list.next")) == (12, 8, 8)
    assert btf.size("spin_t") == 4


def test_bit_fields(btf):
    assert btf.field("module", "count") == Field("count", btf.field("module", "count").type, 257, 5)
    assert btf.offset("module", "count") == 32


def test_bit_fields_of_old():
    w = BtfWriter()
    part = w.int("unsigned int", 4, bits=3)
    w.struct("old", 4, ("part", part, 0), ("whole", w.int("int", 4, signed=True), 0), flag=False)
    found = Btf(w.build())
    assert [found.field("old", name)[2:] for name in ("part", "whole")] == [(0, 3), (0, 0)]


def test_members_in_order(btf):
    assert list(btf.struct("module").members) == [
        *("state", "list", "whole", "low", "high", "ok", "count", "name", "init")
    ]
    assert [one.name for one in btf.struct("module").fields][2] == ""


@pytest.mark.parametrize(
    ("record", "path", "why"),
    [
        ("struct nobody", "x", "no struct nobody"),
        ("nobody", "x", "no struct nobody"),
        ("union module", "x", "no union module"),
        ("enum module", "x", "no enum module"),
        ("size_t", "x", "no struct size_t"),
        ("hidden", "x", "no struct hidden"),
        ("module", "exit", "struct module of this kernel has no member exit"),
        ("module", "init.x", "init in struct module of this kernel is no struct"),
        ("module", "list.x", "struct list_head of this kernel has no member x"),
    ],
)
def test_absent_names(btf, record, path, why):
    with pytest.raises(NoSuchType, match=why) as failure:
        btf.offset(record, path)
    assert isinstance(failure.value, LookupError)
    assert not btf.has(record, path)


def test_versions_are_told_apart_by_members(btf):
    assert btf.has("module", "list.next")
    assert not btf.has("module", "core_layout")


@pytest.mark.parametrize(
    ("name", "value"), [("MODULE_STATE_GOING", 2), ("MINUS", -1), ("BIG", 1 << 40), ("FAR", -1 << 40)]
)
def test_constants(btf, name, value):
    assert btf.constant(name) == value


@pytest.mark.parametrize("name", ["module", "", "NOBODY"])
def test_absent_constants(btf, name):
    with pytest.raises(NoSuchType, match="no constant"):
        btf.constant(name)


def test_enumerations_were_signed_before_they_could_say_so():
    w = BtfWriter()
    w.enum("zone", BELOW=-1)
    assert Btf(w.build()).constant("BELOW") == -1
    w.enum("other", signed=True, X=-2)
    assert Btf(w.build()).constant("BELOW") == 0xFFFF_FFFF


def test_prototypes(btf):
    proto = btf.func_proto("_printk")
    assert (proto.name, [name for name, _ in proto.params], proto.variadic) == ("_printk", ["fmt"], True)
    assert btf.func_proto("nobody") is None
    assert c_prototype(btf, "_printk") == "int _printk(const char *fmt, ...)"
    assert c_prototype(btf, "strlen") == "size_t strlen(const char *s)"
    assert c_prototype(btf, "sort") == "void sort(void *base, int (*cmp)(const void *))"
    with pytest.raises(NoSuchType, match="parameters of nobody"):
        c_prototype(btf, "nobody")


def test_definitions(btf):
    assert c_record(btf, "module").splitlines() == [
        "struct module {",
        "\tenum module_state state;",
        "\tstruct list_head list;",
        "\tunion {",
        "\t\tu64 whole;",
        "\t\tstruct {",
        "\t\t\tunsigned int low;",
        "\t\t\tunsigned int high;",
        "\t\t};",
        "\t};",
        "\t_Bool ok : 1;",
        "\tint count : 5;",
        "\tchar name[12];",
        "\tint (*init)(void);",
        "};",
    ]
    assert c_record(btf, "spin_t") == "struct {\n\tunsigned int value;\n};"


def test_variables(btf):
    found = btf.variables()["runqueues"]
    assert (found.section, found.offset, btf.name(found.type)) == (".data..percpu", 64, "list_head")


def test_split(writer, btf):
    own = BtfWriter(writer)
    thing = own.struct("thing", 72, ("mod", writer.first, 0), ("extra", own.int("short int", 2, signed=True), 64))
    own.func("thing_open", writer.first, ("t", own.ptr(thing)), ("strlen", own.int("int", 4)))
    own.enum("mine", MY_OWN=5)
    split = Btf(own.build(), btf)
    assert split.offset("thing", "extra") == 64
    assert split.offset("module", "init") == 48
    assert c_prototype(split, "thing_open") == "char thing_open(struct thing *t, int strlen)"
    assert (split.constant("MY_OWN"), split.constant("MINUS")) == (5, -1)
    assert set(split.names(Kind.FUNC)) == {"strlen", "_printk", "sort", "thing_open"}
    assert split.variables() == btf.variables()
    assert Types(split, Types(btf)).type("struct thing *").target.member("extra").offset == 64


def test_a_module_hides_its_kernels_names(writer, btf):
    own = BtfWriter(writer)
    own.struct("module", 4, ("only", writer.first, 0))
    split = Btf(own.build(), btf)
    assert split.size("module") == 4
    assert split.names(Kind.STRUCT)["module"] == split.find("module", Kind.STRUCT) > btf.last
    assert btf.size("module") == 56


def test_many_names(writer):
    w = BtfWriter()
    int_ = w.int("int", 4, signed=True)
    for i in range(700):
        w.func(f"f{i}", int_)
    found = Btf(w.build())
    assert [found.find(f"f{i}", Kind.FUNC) for i in range(700)] == [3 + 2 * i for i in range(700)]
    assert found.find("nobody", Kind.FUNC) == found.find("f1", Kind.STRUCT) == 0


def test_pickles(btf):
    again = pickle.loads(pickle.dumps(btf))
    assert again.offset("module", "init") == 48


def test_kinds_of_the_future_are_stepped_over():
    w = BtfWriter()
    w.int("int", 4)
    w.types += struct.pack("<6I", 0, 25 << 24 | 1, 0, 7, 8, 9)  # a kind with one word, and two for each part
    w.struct("after", 4, ("x", 1, 0))
    layout = b"".join(struct.pack("<BBH", once, each, 0) for once, each in [(0, 0)] * 25 + [(4, 8)])
    assert Btf(w.build(layout)).size("after") == 4
    with pytest.raises(ImageError, match="kind 25"):
        Btf(w.build())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "too short"),
        (b"\x7fELF" + bytes(60), "not BTF"),
        (struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 8, 8, 0), "cut off"),
        (struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1) + b"x", "do not end"),
        (struct.pack("<HBBIIIIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 0, 0, 1 << 24 | 5, 4), "middle of a type"),
    ],
)
def test_what_is_no_btf(data, why):
    with pytest.raises(ImageError, match=why):
        Btf(data)


def look_at_everything(data):
    """Use whatever `data` describes in every way there is."""
    btf = Btf(data)
    types = Types(btf)
    for type_ in range(btf.last + 2):
        for look in (types.of, btf.size_of, btf.record, btf.enumerators):
            with suppress(EmukernError):
                found = look(type_)
                if isinstance(found, Record):
                    found.members, found.align  # noqa: B018
    for name in ("module", "list_head", "sort", "runqueues", "BIG", "spin_t"):
        for look in (
            btf.struct,
            btf.constant,
            btf.func_proto,
            lambda name: btf.offset(name, "list.next"),
            lambda name: c_prototype(btf, name),
            lambda name: c_record(btf, name),
            lambda name: types.type(f"struct {name} *[3]"),
            lambda name: types.functions.get(name),
            lambda name: btf.variables(),
            lambda name: btf.names(Kind.STRUCT),
        ):
            with suppress(EmukernError):
                look(name)


def test_nothing_is_wrong_with_the_original(writer):
    look_at_everything(writer.build())


@given(st.data())
def test_damage_is_told_cleanly(writer, data):
    section = bytearray(writer.build())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(section) // 4 - 1)) * 4
        word = data.draw(
            st.one_of(st.integers(0, 60), st.integers(0, 2**32 - 1), st.integers(0, 31).map(lambda k: k << 24))
        )
        section[at : at + 4] = struct.pack("<I", word)
    with suppress(EmukernError):
        look_at_everything(bytes(section[: data.draw(st.one_of(st.none(), st.integers(0, len(section))))]))


@pytest.mark.parametrize(
    "make",
    [
        lambda w: w.typedef("a", w.next),
        lambda w: w.ptr(w.next),
        lambda w: w.array(w.next, 2),
        lambda w: w.struct("a", 8, ("", w.next, 0)),
        lambda w: w.struct("a", 8, ("x", 99, 0)),
        lambda w: w.struct("a", 1, ("x", w.next + 1, 0)) and w.int("int", 4),
        lambda w: w.func("a", w.next),
        lambda w: w.add(Kind.FUNC, "a", w.next),
        lambda w: w.int("a", 77),
    ],
)
def test_types_made_of_themselves(make):
    w = BtfWriter()
    make(w)
    look_at_everything(w.build())


# Real kernels.


@pytest.fixture
def stock_btf(stock_kernel, stock_symbols):
    start, stop = (stock_symbols.address(name) for name in ("__start_BTF", "__stop_BTF"))
    return Btf(stock_kernel.read(start, stop - start))


def test_struct_module_is_as_modules_have_it(stock_btf, stock_kernel):
    """Sizes and relocations of .gnu.linkonce.this_module in these kernels' modules."""
    facts = {"6.1": (896, 312, 848), "6.12": (1216, 312, 1152)}
    version = ".".join(stock_kernel.release.split(".")[:2])
    if version not in facts:
        pytest.skip(f"nobody noted the facts of Linux {version}")
    found = (stock_btf.size("module"), stock_btf.offset("module", "init"), stock_btf.offset("module", "exit"))
    assert found == facts[version]
    assert [stock_btf.offset("module", name) for name in ("state", "list", "name", "mkobj", "syms")] == [
        0,
        8,
        24,
        80,
        208,
    ]


def test_every_record_of_a_stock_kernel(stock_btf):
    """No member lies outside; ours and the type objects agree on where each is."""
    types = Types(stock_btf)
    for type_ in list(stock_btf.names(Kind.STRUCT).values())[::7]:
        ours, theirs = stock_btf.record(type_), types.of(type_)
        assert {m.name: m.offset * 8 + m.bit for m in theirs.members.values()} == {
            name: field.bit for name, field in ours.members.items()
        }


def test_prototypes_of_a_stock_kernel(stock_btf):
    assert c_prototype(stock_btf, "_printk") == "int _printk(const char *fmt, ...)"
    assert c_prototype(stock_btf, "kfree") == "void kfree(const void *object)"
    assert Types(stock_btf).functions["filp_open"].params[0].type.target.name == "char"
