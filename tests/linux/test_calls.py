"""Calling kernel functions with Python values: words, ranges, memory lent for the call, results."""

import pytest

from emukern.ctype import Function
from emukern.errors import GuestOops, UsageError
from emukern.linux.btf import Btf
from emukern.linux.calls import KernelFunction
from emukern.linux.types import Types
from emukern.ptr import Ptr, TypedMem
from tests.linux.btfwriter import BtfWriter
from tests.linux.fakehost import FakeHost

M64 = (1 << 64) - 1


@pytest.fixture(scope="module")
def types():
    w = BtfWriter()
    u64 = w.int("long unsigned int", 8)
    w.enum("state", RUNNING=0, DEAD=16)
    w.struct("small", 8, ("a", u64, 0))
    w.struct("pair", 16, ("a", u64, 0), ("b", u64, 8))
    w.struct("large", 24, ("a", u64, 0))
    return Types(Btf(w.build()))


@pytest.fixture
def host(types):
    return FakeHost(types.btf)


@pytest.fixture
def function(host, types):
    """`function("int f(int a)", body)`: a kernel function whose body is Python's."""

    def make(text, body=lambda *words: 0):
        name, type_ = types.declaration(text)
        assert isinstance(type_, Function)
        return KernelFunction(host, TypedMem(host.mem, types), host.function(name, body), type_)

    return make


@pytest.mark.parametrize(
    ("type_", "value", "word"),
    [
        ("int", -1, M64),
        ("int", 0x7FFF_FFFF, 0x7FFF_FFFF),
        ("int", 0xFFFF_FFFE, M64 - 1),
        ("unsigned int", 0x8000_0000, 0xFFFF_FFFF_8000_0000),
        ("unsigned int", -1, M64),
        ("short", -2, M64 - 1),
        ("unsigned short", 0xFFFF, 0xFFFF),
        ("unsigned short", -1, 0xFFFF),
        ("u8", 255, 255),
        ("signed char", 255, M64),
        ("long", -1, M64),
        ("u64", 1 << 63, 1 << 63),
        ("bool", 7, 1),
        ("bool", False, 0),
        ("enum state", "DEAD", 16),
        ("enum state", 3, 3),
        ("void *", None, 0),
        ("void *", -1, M64),
        ("char *", 0xFFFF_8000_0000_0000, 0xFFFF_8000_0000_0000),
        ("struct small", 5, 5),
        ("struct small", b"\1\2\0\0\0\0\0\0", 0x201),
    ],
)
def test_words(function, type_, value, word):
    seen = []
    function(f"void f({type_} a)", lambda *words: seen.append(words) or 0)(value)
    assert seen == [(word,)]


@pytest.mark.parametrize(
    ("type_", "value", "why"),
    [
        ("int", 1 << 32, "a of f is a int, which 0x100000000 does not fit"),
        ("int", -(1 << 31) - 1, "does not fit"),
        ("u8", 256, "does not fit"),
        ("u64", 1 << 64, "does not fit"),
        ("int", "5", "a of f is a int, not '5'"),
        ("int", 1.5, "not 1.5"),
        ("enum state", "SICK", "enum state has no constant SICK"),
        ("void *", 1 << 64, "a of f is a void *"),
        ("void *", 2.5, r"a of f is a void \*, not 2.5"),
        ("struct small", b"123", "8 bytes, not of 3"),
        ("struct small", "x", "struct small, not 'x'"),
        ("struct large", b"", "too large"),
    ],
)
def test_arguments_that_do_not_fit(function, host, type_, value, why):
    with pytest.raises(UsageError, match=why):
        function(f"void f(const char *text, {type_} a)")("text", value)
    assert not host.lent


def test_structs_by_value(function, host, types):
    seen = []
    call = function("void f(struct pair p, int x)", lambda *words: seen.append(words) or 0)
    call(b"\1" + bytes(7) + b"\2" + bytes(7), 3)
    host.mem.put(0x1000, b"\4" + bytes(15))
    call(Ptr(TypedMem(host.mem, types), 0x1000, "struct pair *"), 5)
    assert seen == [(1, 2, 3), (4, 0, 5)]
    with pytest.raises(UsageError, match="does not fit the argument registers"):
        function("void g(struct pair a, struct pair b, struct pair c, struct pair d)")(*[bytes(16)] * 4)


def test_number_of_arguments(function):
    call = function("long f(int a, void *b)")
    for args in ((), (1,), (1, 2, 3)):
        with pytest.raises(UsageError, match=rf"f takes 2 arguments, not {len(args)}: long f\(int a, void \*b\)"):
            call(*args)


def test_text_is_lent_for_the_call(function, host):
    def strlen(address):
        assert list(host.lent) == [address]
        return len(host.mem.cstr(address))

    call = function("size_t strlen(const char *s)", strlen)
    assert [call("häl\0o"), call(b"hello"), call("")] == [4, 5, 0]
    assert not host.lent


def test_a_bytearray_gets_back_what_the_function_left(function, host):
    def fill(address, n):
        host.mem.write(address, b"xyz"[:n])
        return 0

    buffer = bytearray(5)
    function("void fill(char *to, size_t n)", fill)(buffer, 3)
    assert buffer == b"xyz\0\0"
    assert not host.lent


def test_variadic_functions(function, host):
    seen = []

    def printk(form, *words):
        seen.append((host.mem.cstr(form), words[0], host.mem.cstr(words[1]), words[2]))
        return 0

    function("int _printk(const char *fmt, ...)", printk)("%d %s", -1, "text", None)
    assert seen == [(b"%d %s", M64, b"text", 0)]


@pytest.mark.parametrize(
    ("type_", "word", "value"),
    [
        ("int", 0xFFFF_FFFF, -1),
        ("unsigned int", 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF),
        ("bool", 0xABCD_0001, True),
        ("bool", 0xABCD_0000, False),
        ("long", M64, -1),
        ("void", 5, None),
        ("u8", 0x1FF, 255),
        ("enum state", 16, 16),
        ("struct small", 9, 9),
    ],
)
def test_results(function, type_, word, value):
    answer = function(f"{type_} f(void)", lambda: word)()
    assert answer == value
    assert type(answer) is type(value)


def test_pointers_come_back_typed(function, host):
    host.mem.put(0x1000, b"\7" + bytes(7))
    answer = function("struct small *f(void)", lambda: 0x1000)()
    assert (answer, answer.a, str(answer.type_)) == (0x1000, 7, "struct small *")


def test_results_in_several_registers_are_refused_before_the_call(function, host):
    called = []
    with pytest.raises(UsageError, match="does not fit one register"):
        function("struct pair f(const char *s)", lambda s: called.append(s) or 0)("x")
    assert not called
    assert not host.lent


def test_functions_are_addresses(function):
    f, g = function("void f(void)"), function("void g(void (*fn)(void))", lambda fn: 0)
    assert f == f.address_ == f.__index__()
    assert f != g
    assert len({f, f.address_}) == 1
    assert repr(f) == f"<void f(void) at {f.address_:#x}>"
    g(f)


def test_a_guest_that_dies_is_not_asked_to_free(function, host):
    def die(_address):
        raise GuestOops("BUG: it hurts")

    with pytest.raises(GuestOops, match="it hurts"):
        function("void f(const char *s)", die)("x")
    assert len(host.lent) == 1
