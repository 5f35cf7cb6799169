"""The registry: prototypes decode arguments and convert results as both psABIs want them."""

from types import SimpleNamespace

import pytest

from emukern.cdecl import abi
from emukern.ctype import DeclarationError
from emukern.errors import Errno
from emukern.flow import Call, Wait
from emukern.kapi import export as registry
from emukern.kapi.export import DATA, EXPORTS, Export, export, export_data
from emukern.ptr import Ptr
from emukern.varargs import HostArgs, va_list_at
from tests.guestmem import DictMem

MASK = 2**64 - 1


class Words:
    """Argument words 0, 1, 2…: the first `nregs` in registers."""

    def __init__(self, nregs, *words):
        self.nregs, self.words = nregs, words

    def reg(self, i):
        assert i < self.nregs
        return self.words[i] & MASK

    def stack(self, i):
        return self.words[self.nregs + i] & MASK


def kernel(*words, nregs=6, va_list="sysv"):
    return SimpleNamespace(
        args=Words(nregs, *words), mem=DictMem(), arch=SimpleNamespace(va_list=va_list), exported_data={}
    )


@pytest.fixture
def clean():
    """Leave the registry as it was."""
    exports, data = dict(EXPORTS), dict(DATA)
    yield
    for registered, before in ((EXPORTS, exports), (DATA, data)):
        registered.clear()
        registered.update(before)


def answers(value):
    """An export whose handler answers `value`, with each result type."""
    return lambda k: value


@pytest.mark.parametrize("nregs", [6, 8])
def test_arguments_have_the_width_and_sign_of_the_prototype(nregs):
    seen = []
    proto = "void f(int a, u8 b, s16 c, bool d, size_t e, long long f, char *g, unsigned int h, s8 i, u64 j)"
    garbage = 0xDEAD_BEEF << 32
    words = [
        garbage | 0xFFFF_FFFE,
        garbage | 0x1FF,
        garbage | 0x8000,
        garbage | 0x100,
        MASK,
        MASK,
        0x1000,
        MASK,
        0x80,
        5,
    ]
    made = Export("f", proto, lambda k, *args: seen.extend(args))
    assert made.invoke(kernel(*words, nregs=nregs)) == 0
    assert seen == [-2, 255, -32768, 0, MASK, -1, 0x1000, 0xFFFF_FFFF, -128, 5]
    assert repr(seen[6]) == "(char *)0x1000"


@pytest.mark.parametrize(
    ("result", "value", "word"),
    [
        ("void", None, 0),
        ("int", -22, MASK - 21),
        ("int", None, 0),
        ("unsigned int", 0x8000_0000, 0xFFFF_FFFF_8000_0000),
        ("u8", 0x1FF, 0xFF),
        ("s8", 0xFF, MASK),
        ("bool", 256, 1),
        ("bool", False, 0),
        ("size_t", -1, MASK),
        ("ssize_t", -1, MASK),
        ("struct list_head *", Ptr(DictMem(), 0x1234), 0x1234),
        ("char *", 0, 0),
    ],
)
def test_results(result, value, word):
    assert Export("f", f"{result} f(void)", answers(value)).invoke(kernel()) == word


@pytest.mark.parametrize("result", ["int", "void *", "ssize_t"])
def test_errno_is_answered_negative(result):
    def fails(k):
        raise Errno(12)

    assert Export("f", f"{result} f(void)", fails).invoke(kernel()) == MASK - 11


@pytest.mark.parametrize("answer", [Wait(("x", 1)), Call(0x1000, 1)])
def test_wait_and_call_pass_through(answer):
    assert Export("f", "int f(void)", answers(answer)).invoke(kernel()) is answer


@pytest.mark.parametrize("nregs", [6, 8])
def test_varargs_go_on_after_the_named_ones(nregs):
    def f(k, fmt, rest):
        return [
            rest.int(),
            rest.int("unsigned int"),
            rest.int("long"),
            rest.ptr("char *"),
            rest.int("u8"),
        ] + [rest.int() for _ in range(5)]

    made = Export("f", "int f(const char *fmt, ...)", f)
    k = kernel(0x1000, -1, -1, -1, 0x2000, 0x101, 6, 7, 8, 9, 10, nregs=nregs)
    values = made.handler(k, *made.decode(k))
    assert values == [-1, 0xFFFF_FFFF, -1, 0x2000, 0x101, 6, 7, 8, 9, 10]


def test_sysv_va_list():
    k = kernel(0x100)
    k.mem.put(0x100, b"".join(n.to_bytes(s, "little") for n, s in [(32, 4), (48, 4), (0x300, 8), (0x200, 8)]))
    k.mem.put(0x200, b"".join(n.to_bytes(8, "little") for n in range(6)))
    k.mem.put(0x300, b"".join(n.to_bytes(8, "little") for n in range(6, 9)))
    made = Export("f", "int f(va_list args)", lambda k, args: [args.int() for _ in range(5)])
    assert made.handler(k, *made.decode(k)) == [4, 5, 6, 7, 8]
    assert va_list_at(k, 0x100).int() == 4


def test_pointer_va_list():
    k = kernel(0x200, va_list="pointer")
    k.mem.put(0x100, (0x208).to_bytes(8, "little"))
    k.mem.put(0x200, b"".join(n.to_bytes(8, "little") for n in range(4, 7)))
    made = Export("f", "int f(va_list args)", lambda k, args: [args.int() for _ in range(3)])
    assert made.handler(k, *made.decode(k)) == [4, 5, 6]
    assert va_list_at(k, 0x100).int() == 5


def test_host_args():
    args = HostArgs(DictMem(), [-1, 5, Ptr(DictMem(), 0x10)])
    assert (args.int(), args.int("u8"), args.ptr("char *")) == (-1, 5, 0x10)


def test_small_struct_by_value():
    abi().add("typedef struct { unsigned int export_probe; } export_probe_t;")
    made = Export("f", "export_probe_t f(export_probe_t a)", lambda k, a: a + 1)
    assert made.invoke(kernel(0xFFFF_0000_0005)) == 6


@pytest.mark.parametrize(
    ("prototype", "handler", "why"),
    [
        ("int f(wibble_t x)", lambda k, x: 0, "export f: wibble_t is not a type"),
        ("int f(int x)", lambda k: 0, "export f: the handler takes 1 arguments, not 2"),
        ("int f(struct nobody x)", lambda k, x: 0, "export f: struct nobody is incomplete"),
        ("int f(struct list_head x)", lambda k, x: 0, "export f: a parameter of type struct list_head"),
        ("struct list_head f(void)", lambda k: 0, "export f: a result of type struct list_head"),
        ("int f", lambda k: 0, "does not declare a function"),
    ],
)
def test_a_bad_prototype_names_its_export(prototype, handler, why):
    with pytest.raises(DeclarationError, match=why):
        Export("f", prototype, handler).invoke(kernel(1))


def test_an_answer_that_is_no_number():
    with pytest.raises(TypeError, match="export f answered 'text'"):
        Export("f", "int f(void)", answers("text")).invoke(kernel())


@pytest.mark.usefixtures("clean")
def test_decorator_registers_name_and_aliases():
    @export("int probe_printk(const char *fmt, ...)", aliases=("probe_kprintf",), gpl=True)
    def probe_printk(k, fmt, args):
        return 0

    assert EXPORTS["probe_printk"] is EXPORTS["probe_kprintf"]
    assert EXPORTS["probe_printk"].gpl
    with pytest.raises(ValueError, match="probe_kprintf is exported twice"):
        export("void probe_kprintf(void)")(probe_printk)
    with pytest.raises(ValueError, match="probe_printk is exported twice"):
        export_data("probe_printk", "int")(lambda k, ptr: None)
    with pytest.raises(DeclarationError, match="names no function"):
        export("int x")


@pytest.mark.usefixtures("clean")
def test_data_gets_memory_then_its_first_value(monkeypatch):
    @export_data("probe_table", "unsigned short [4]")
    def probe_table(k, ptr):
        ptr[3] = registry.data(k, "probe_ticks")[0]

    @export_data("probe_ticks", "unsigned long", aliases=("probe_ticks_64",))
    def probe_ticks(k, ptr):
        ptr[0] = 77

    monkeypatch.setattr(registry.emukern.kapi, "import_all", lambda: None)
    for name in [n for n in DATA if not n.startswith("probe_")]:
        del DATA[name]
    k = kernel()
    places = iter((0x1000, 0x2000))
    k.data_area = SimpleNamespace(alloc=lambda size, align: k.mem.put(next(places), bytes(size)))
    registry.install_data(k)
    assert k.exported_data == {"probe_table": 0x1000, "probe_ticks": 0x2000}
    assert registry.data(k, "probe_ticks_64")[0] == 77
    assert registry.address_of(k, "probe_ticks_64") == 0x2000
    assert len(k.mem.blocks[0x1000]) == 8


def test_every_export_compiles():
    """Each prototype is known to the shared header and fits its handler; each variable has a type."""
    for name in registry.slots():
        assert EXPORTS[name].function.name == name
    for one in DATA.values():
        assert one.type.size >= 0


def test_slots_are_sorted_and_stubs_16_bytes_apart():
    k = kernel()
    k.arch.layout = SimpleNamespace(stubs=0xFFFF_FFFF_BF00_0000)
    k.exported_data = {one.name: 0x1000 for one in DATA.values()}
    names = registry.slots()
    assert list(names) == sorted(names)
    symbols = registry.kernel_symbols(k)
    for slot, name in enumerate(names):
        assert symbols[name].value == k.arch.layout.stubs + 16 * slot
        assert registry.by_slot()[slot].name == name
