"""Argument strings and parameter types, by Linux's rules and in Linux's words."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.errors import ModuleError
from emukern.flow import Call
from emukern.kapi import export
from emukern.kmod.load import load_module
from emukern.kmod.params import split
from emukern.kmod.symbols import Symbol
from emukern.kmod.unload import unload_module
from emukern.ptr import Ptr
from tests.elfwriter import DATA, RODATA
from tests.kmod.fakehost import FakeKernel
from tests.kmod.test_load import state, writer_for

ROOM = 64  # bytes of each variable
KP = "const struct kernel_param *"


def words(text):
    """[(name, value or None)] and what stood behind "--"."""
    found, cut, rest = split(text.encode())
    values = [None if w.value is None else cut[w.value : cut.index(0, w.value)].decode() for w in found]
    return [(w.name, v) for w, v in zip(found, values, strict=True)], rest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   ", []),
        ("a=1 b=x,y", [("a", "1"), ("b", "x,y")]),
        ("  a\t=1\n", [("a", None), ("=1", None)]),
        ("flag other=", [("flag", None), ("other", "")]),
        ('a="one two" b=3', [("a", "one two"), ("b", "3")]),
        ('"a=one two" b', [("a", "one two"), ("b", None)]),
        ('"numdummies=2"', [("numdummies", "2")]),
        ('a=x"y z"', [("a", 'x"y z"')]),
        ('a="open', [("a", "open")]),
        ("a=b=c", [("a", "b=c")]),
        ('a="', [("a", "")]),
        ("=1", [("=1", None)]),
    ],
)
def test_words(text, expected):
    assert words(text) == (expected, None)


def test_dashes():
    assert words("a=1 -- b=2 c") == ([("a", "1")], "b=2 c")
    assert words("--") == ([], "")
    assert words("--=1") == ([("--", "1")], None)


name_text = st.text(st.characters(codec="ascii", exclude_characters='\0= "\t\n\v\f\r-'), min_size=1)
value_text = st.text(st.characters(codec="ascii", exclude_characters='\0"'))


@given(st.lists(st.tuples(name_text, st.none() | value_text)))
def test_quoting_brings_every_value_through(pairs):
    text = " ".join(name if value is None else f'{name}="{value}"' for name, value in pairs)
    assert words(text) == (pairs, None)


@given(st.binary().filter(lambda b: 0 not in b))
def test_any_bytes_split(text):
    found, cut, _ = split(text)
    assert len(cut) == len(text) + 1
    assert all(w.value is None or w.value < len(cut) for w in found)


class Params:
    """A module with one parameter `p` of a standard type, or an array of it, and everything that serves it."""

    def __init__(self, arch, kind, array=0, num=True):
        self.k = k = FakeKernel(arch)
        for name in export.EXPORTS:
            if name.startswith("param_"):
                address = export.address_of(k, name)
                k.kernel.table[name] = Symbol(name, address)
                k.functions[address] = self.handler(name)
        for name in export.DATA:
            if name.startswith("param_"):
                address = k.arch.layout.stubs + (1 << 19) + 64 * len(k.kernel.table)
                k.kernel.table[name] = Symbol(name, address, kind="data")
                export.DATA[name].init(k, Ptr(k.mem, address, "struct kernel_param_ops *"))
        self.writer = writer_for(k, "hello", calls=())
        data = self.writer.section(".data.p", bytes(ROOM), DATA, align=1)
        self.writer.symbol("p", data)
        target = "p"
        if array:
            size = {"charp": 8, "int": 4, "byte": 1, "bool": 1}[kind]
            table = self.writer.section(
                ".data.array", array.to_bytes(4, "little") + size.to_bytes(4, "little") + bytes(24), RODATA
            )
            self.writer.symbol("num", self.writer.section(".data.num", bytes(4), DATA))
            self.writer.symbol("array", table)
            pointer = 1 if arch == "x86_64" else 2
            for at, symbol in ((8, "num" if num else ""), (16, f"param_ops_{kind}"), (24, "p")):
                if symbol:
                    self.writer.rela(table, at, pointer, symbol)
            target = "array"
        elif kind == "string":
            table = self.writer.section(".data.string", (8).to_bytes(8, "little") + bytes(8), RODATA)
            self.writer.symbol("string", table)
            self.writer.rela(table, 8, 1 if arch == "x86_64" else 2, "p")
            target = "string"
        self.writer.kernel_param("p", "param_array_ops" if array else f"param_ops_{kind}", target)

    def handler(self, name):
        made = export.EXPORTS[name]

        def run(k, *args):
            from emukern.errors import Errno

            types = [p.type for p in made.function.params]
            try:
                answer = made.handler(k, *(Ptr(k.mem, a, t) for a, t in zip(args, types, strict=True)))
            except Errno as error:
                return made.failed(error)
            return answer if isinstance(answer, Call) else made.result(answer)

        return run

    def load(self, args):
        """0 or the errno; the variable's bytes and the log lines go into the object."""
        k = self.k
        before, lines = state(k), len(k.log.lines)
        result = k.run(load_module(k, self.writer.build(), args))
        self.lines = k.log.lines[lines:]
        if result:
            assert state(k) == before
            return -result
        module = k.modules["hello"]
        self.data = k.mem.read(module.sections[".data.p"], ROOM)
        self.num = k.mem.u32(module.sections[".data.num"]) if ".data.num" in module.sections else None
        parameter = module.parameters[0]
        page = k.heap.alloc(4096)
        get = k.mem.u64(parameter.ops + 16)
        self.shown = k.mem.read(page, k.run(Call(get, page, parameter.address))).decode()
        k.heap.free(page)
        return 0

    def unload(self):
        assert self.k.run(unload_module(self.k, "hello")) == 0
        assert self.k.heap.owners == {}


@pytest.fixture(params=["x86_64", "riscv64"])
def arch(request):
    export.slots()  # every export has been imported
    return request.param


NUMBERS = {
    "byte": (8, False), "short": (16, True), "ushort": (16, False), "int": (32, True), "uint": (32, False),
    "long": (64, True), "ulong": (64, False), "ullong": (64, False), "hexint": (32, False),
}  # fmt: skip


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers(arch, kind, monkeypatch):
    bits, signed = NUMBERS[kind]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    probe = Params(arch, kind)
    for text, value in (("7", 7), (str(low), low), (str(high), high), ("0x1F", 31), ("010", 8), ("+5", 5), ("0", 0)):
        assert probe.load(f"p={text}") == 0
        assert int.from_bytes(probe.data[: bits // 8], "little", signed=signed) == value
        assert probe.data[bits // 8 :] == bytes(ROOM - bits // 8)
        assert probe.shown == (f"{value:#08x}\n" if kind == "hexint" else f"{value}\n")
        probe.unload()
    bad = [(str(high + 1), errno.ERANGE), ("abc", errno.EINVAL), ("", errno.EINVAL), ("1x", errno.EINVAL)]
    bad += [("0x", errno.EINVAL), ("08", errno.EINVAL), ("99999999999999999999", errno.ERANGE)]
    bad += [(str(low - 1), errno.ERANGE if signed else errno.EINVAL), ("99999999999999999999x", errno.ERANGE)]
    for text, code in bad:
        assert (text, probe.load(f"p={text}")) == (text, code)
        assert probe.lines == [(3, f"hello: `{text}' invalid for parameter `p'")]
    assert probe.load("p") == errno.EINVAL
    assert probe.lines == [(3, "hello: `' invalid for parameter `p'")]


@pytest.mark.parametrize(("kind", "true"), [("bool", True), ("invbool", False)])
def test_booleans(arch, kind, true):
    probe = Params(arch, kind)
    for text, value in {"y": 1, "Y": 1, "1": 1, "on": 1, "ON": 1, "n": 0, "N": 0, "0": 0, "off": 0, "Off": 0}.items():
        assert probe.load(f"p={text}") == 0
        assert bool(probe.data[0]) is (bool(value) is true)
        assert probe.shown == ("Y\n" if value else "N\n") if kind == "bool" else probe.shown in ("Y\n", "N\n")
        probe.unload()
    for text in ("", "2", "o", "maybe"):
        assert probe.load(f"p={text}") == errno.EINVAL
    assert probe.load("p") == (0 if kind == "bool" else errno.EINVAL)


def test_charp_copies_and_frees(arch):
    probe = Params(arch, "charp")
    assert probe.load('p="one two" p=three') == 0
    assert probe.shown == "three\n"
    assert list(probe.k.heap.owners.values()).count("param_set_charp") == 1
    probe.unload()
    assert probe.load("p=" + "x" * 1025) == errno.ENOSPC
    assert probe.lines == [
        (3, "p: string parameter too long"),
        (3, f"hello: `{'x' * 1025}' too large for parameter `p'"),
    ]
    assert probe.load("p=text q=1 p") == errno.EINVAL
    assert probe.k.heap.owners == {}


def test_string(arch):
    probe = Params(arch, "string")
    assert probe.load("p=1234567") == 0
    assert probe.data[:8] == b"1234567\0"
    assert probe.shown == "1234567\n"
    probe.unload()
    assert probe.load("p=12345678") == errno.ENOSPC
    assert probe.lines[0] == (3, "p: string doesn't fit in 7 chars.")


def test_arrays(arch):
    probe = Params(arch, "int", array=3)
    assert probe.load("p=1,-2,0x10") == 0
    assert (probe.num, probe.shown) == (3, "1,-2,16\n")
    probe.unload()
    assert probe.load("p=5") == 0
    assert (probe.num, probe.shown) == (1, "5\n")
    probe.unload()
    assert probe.load("p=1,2,3,4") == errno.EINVAL
    assert probe.lines == [
        (3, "p: can only take 3 arguments"),
        (3, "hello: `1' invalid for parameter `p'"),  # the text was cut at its first comma
    ]
    assert probe.load("p=1,,3") == errno.EINVAL
    assert probe.load("p=1,99999999999") == errno.ERANGE


def test_arrays_of_strings(arch):
    probe = Params(arch, "charp", array=3, num=False)
    assert probe.load("p=one,two") == 0
    assert probe.shown == "one,two,(null)\n"
    probe.unload()
    assert probe.load("p=one,two,three,four") == errno.EINVAL
    assert probe.k.heap.owners == {}


def test_unknown_and_special_names(arch):
    probe = Params(arch, "int")
    assert probe.load("x=1 async_probe=1 dyndbg=+p hello.dyndbg p=4 y") == 0
    assert probe.lines == [
        (4, "hello: unknown parameter 'x' ignored"),
        (4, "hello: unknown parameter 'y' ignored"),
    ]
    probe.unload()
    assert probe.load("p=1 -- p=2") == 0
    assert probe.lines == [(4, "hello: parameters 'p=2' after `--' ignored")]
    assert probe.shown == "1\n"


def test_all_bad_parameters_are_told_and_the_last_error_wins(arch):
    probe = Params(arch, "byte")
    assert probe.load("p=x p=256 q p=1") == errno.ERANGE
    assert [text for _, text in probe.lines] == [
        "hello: `x' invalid for parameter `p'",
        "hello: `256' invalid for parameter `p'",
        "hello: unknown parameter 'q' ignored",
    ]


def test_a_type_of_the_modules_own(arch):
    k = FakeKernel(arch)
    ops = k.export("custom_ops", kind="data")
    setter = k.export("custom_set", lambda k, val, kp: k.mem.cstr(val) != b"right" and -errno.EACCES)
    k.mem.put_u64(ops + 8, setter)
    writer = writer_for(k, "hello", calls=())
    writer.symbol("p", writer.section(".data.p", bytes(8), DATA))
    writer.kernel_param("a-name", "custom_ops", "p")
    assert k.run(load_module(k, writer.build(), "a_name=right")) == 0
    k.run(unload_module(k, "hello"))
    assert k.run(load_module(k, writer.build(), "a-name=wrong")) == -errno.EACCES
    assert k.text == ["hello: `wrong' invalid for parameter `a-name'"]


def test_no_memory_for_the_arguments(arch):
    k = FakeKernel(arch)
    k.heap.alloc = lambda size, **more: 0
    before = k.module_area.prot.copy()
    with pytest.raises(ModuleError) as refused:
        load_module(k, writer_for(k, calls=()).build(), "a=1")
    assert refused.value.errno == errno.ENOMEM
    assert k.module_area.prot == before
