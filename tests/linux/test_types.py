"""A kernel's types over memory: every kind of member read, written and printed; C text next to them."""

import pickle
import struct

import pytest

from emukern.ctype import DeclarationError, Enum, Float, Int
from emukern.linux.btf import Btf
from emukern.linux.types import Types
from emukern.ptr import ArrayPtr, Ptr, TypedMem
from tests.guestmem import DictMem
from tests.linux.btfwriter import BtfWriter

BASE = 0xFFFF_8880_0000_1000
OTHER = BASE + 0x1000


@pytest.fixture(scope="module")
def types():
    w = BtfWriter()
    char, int_, u8, u64 = (
        w.int("char", 1),
        w.int("int", 4, signed=True),
        w.int("unsigned char", 1),
        w.int("long unsigned int", 8),
    )
    bool_, wide = w.typedef("bool", w.int("_Bool", 1, boolean=True)), w.int("__int128", 16, signed=True)
    node = w.struct("list_head", 16, ("next", w.next + 1, 0), ("prev", w.next + 1, 8))
    w.ptr(node)
    hnode = w.struct("hlist_node", 16, ("next", w.next + 1, 0), ("pprev", w.next + 2, 8))
    w.ptr(w.ptr(hnode) - 1)
    w.struct("hlist_head", 8, ("first", hnode + 1, 0))
    state = w.enum("state", 4, RUNNING=0, DEAD=16)
    tiny = w.typedef("tiny_t", w.enum("", 1, LOW=1, HIGH=2))
    atomic = w.typedef("atomic_t", w.struct("", 4, ("counter", int_, 0)))
    pid_t = w.typedef("pid_t", int_)
    union = w.union("", 8, ("word", u64, 0), ("bytes", w.array(u8, 8), 0))
    handler = w.ptr(w.proto(int_, ("", w.ptr(0))))
    w.struct(
        "task",
        160,
        ("__state", state, 0),
        ("pid", pid_t, 4),
        ("comm", w.array(char, 16), 8),
        ("links", node, 24),
        ("", union, 40),
        ("low", int_, 48 * 8, 3),
        ("mid", u64, 48 * 8 + 3, 40),
        ("on", bool_, 48 * 8 + 43, 1),
        ("what", state, 48 * 8 + 44, 6),
        ("grid", w.array(w.array(int_, 3), 2), 56),
        ("refs", atomic, 80),
        ("kind", tiny, 84),
        ("name", w.ptr(w.const(char)), 88),
        ("run", handler, 96),
        ("ratio", w.add(16, "double", 8), 104),
        ("big", wide, 112),
        ("parent", node + 1, 128),
        ("pair", w.array(node, 1), 136),
        ("tail", w.array(u8, 0), 152),
    )
    return Types(Btf(w.build()))


@pytest.fixture
def mem(types):
    mem = DictMem()
    mem.put(BASE, bytes(160))
    mem.put(OTHER, bytes(160))
    return TypedMem(mem, types, lambda address: "handle_it+0x0" if address == 0xFFFF_0000 else "")


@pytest.fixture
def task(mem):
    return Ptr(mem, BASE, "struct task *")


def test_c_text_means_what_the_kernel_says(types):
    assert types.type("struct task").size == 160
    assert str(types.type("struct task *(*)[2]")) == "struct task *(*)[2]"
    assert types.type("pid_t") == Int("pid_t", 4, True)
    assert types.type("unsigned long").size == 8
    assert types.type("u_char").size == 1  # not in BTF, but in every kernel
    assert types.type("enum state") == Enum("enum state", 4, False, constants=(("RUNNING", 0), ("DEAD", 16)))
    assert types.constant("DEAD") == 16
    assert str(types.record("atomic_t")) == "atomic_t"
    assert types.type("char[DEAD]").size == 16
    assert types.type("tiny_t").name == "tiny_t"
    assert types.record("struct nobody").members is None
    with pytest.raises(DeclarationError, match="nobody_t is not a type"):
        types.type("nobody_t")


def test_declarations(types):
    assert types.declaration("int panic_timeout;")[0] == "panic_timeout"
    name, function = types.declaration("struct task *find(pid_t pid)")
    assert (name, str(function)) == ("find", "struct task *find(pid_t pid)")
    with pytest.raises(DeclarationError, match="declares no name"):
        types.declaration("struct task *")


def test_numbers(task):
    task.pid = -5
    task.word = 0x0102_0304
    assert (task.pid, task.bytes[0], task.bytes[3]) == (-5, 4, 1)
    assert len(task.bytes) == 8
    task.big = -1 << 100
    assert task.big == -1 << 100
    task.ratio = 0.25
    assert task.ratio == 0.25
    task.refs.counter = 7
    assert task.refs.counter == 7
    assert task.__state == 0


def test_bit_fields(task, mem):
    task.mem_.write(BASE + 48, b"\xff" * 8)
    assert (task.low, task.mid, task.on, task.what) == (-1, (1 << 40) - 1, True, 63)
    task.mid = 0x12_3456_789A
    task.low, task.on = 3, False
    assert (task.low, task.mid, task.on, task.what) == (3, 0x12_3456_789A, False, 63)
    assert mem.u64(BASE + 48) == 0xFFFF << 50 & (1 << 64) - 1 | 63 << 44 | 0x12_3456_789A << 3 | 3
    with pytest.raises(DeclarationError, match="low is a bit-field"):
        task.address_of_("low")


def test_text(task):
    task.comm = "swapper"
    assert (task.comm.str_(), task.comm.string_(), task.comm == "swapper", task.comm == b"swapper") == (
        *("swapper", "swapper"),
        True,
        True,
    )
    assert task.comm != "other"
    task.comm = b"x" * 16  # no NUL: the array's end ends it
    assert task.comm == "x" * 16
    assert len(task.comm) == len(task.comm.bytes_()) == 16
    assert list(task.comm)[:2] == [ord("x")] * 2
    with pytest.raises(DeclarationError, match="17 bytes do not fit"):
        task.comm = "x" * 17


def test_arrays_of_arrays(task):
    task.grid[1][2] = -9
    assert [list(row) for row in task.grid] == [[0, 0, 0], [0, 0, -9]]
    assert isinstance(task.grid[1], ArrayPtr)
    assert task.grid[1] == BASE + 68
    assert isinstance(task.address_of_("grid"), ArrayPtr)
    assert type(task.tail) is Ptr


def test_casts_and_containers_use_the_kernels_types(task, types):
    node = task.links
    assert node == BASE + 24
    assert node.container_of_("struct task", "links") == task
    assert node.cast_("struct task *").type_.target is types.record("struct task")
    assert str(node.cast_("pid_t *")) == "*(pid_t *)0xffff888000001018 = 0"


def test_lists(mem, task):
    other, head = Ptr(mem, OTHER, "struct task *"), task.pair[0]
    ring = [head, task.links, other.links]
    for here, there in zip(ring, ring[1:] + ring[:1], strict=True):
        here.next, there.prev = there, here
    assert list(head.list_entries_("struct task", "links")) == [task, other]
    head.next = head
    assert list(head.list_entries_("struct task", "links")) == []


def test_lists_that_end(mem):
    mem.mem.put(0x1000, bytes(64))
    head, first, second = (Ptr(mem, at, "struct hlist_head *") for at in (0x1000, 0x1010, 0x1020))
    assert list(head.list_entries_("struct hlist_node", "next")) == []
    head.first, first.first = first, second
    assert list(head.list_entries_("struct hlist_node", "next")) == [first, second]


def test_printing(task, mem):
    name = mem.mem.put(0x5000, b'a "name"\n\0')
    task.comm, task.pid, task.kind, task.name, task.run, task.ratio = "swapper/0", 1, 2, name, 0xFFFF_0000, 1.5
    task.low, task.on, task.what, task.word = -1, 1, 16, 0x41
    task.grid[1][0] = 5
    assert str(task).expandtabs(4).splitlines() == [
        "*(struct task *)0xffff888000001000 = {",
        "    .__state = (enum state)RUNNING,",
        "    .pid = (pid_t)1,",
        '    .comm = (char [16])"swapper/0",',
        "    .links = (struct list_head){",
        "        .next = (struct list_head *)0x0,",
        "        .prev = (struct list_head *)0x0,",
        "    },",
        "    .word = (unsigned long)65,",
        "    .bytes = (unsigned char [8]){ 65 },",
        "    .low = (int)-1,",
        "    .mid = (unsigned long)0,",
        "    .on = (bool)1,",
        "    .what = (enum state)DEAD,",
        "    .grid = (int [2][3]){ {}, { 5 } },",
        "    .refs = (atomic_t){",
        "        .counter = (int)0,",
        "    },",
        "    .kind = (tiny_t)HIGH,",
        '    .name = (char *)0x5000 = "a \\"name\\"\\n",',
        "    .run = (int (*)(void *))handle_it+0x0 = 0xffff0000,",
        "    .ratio = (double)1.5,",
        "    .big = (__int128)0,",
        "    .parent = (struct list_head *)0x0,",
        "    .pair = (struct list_head [1]){},",
        "    .tail = (unsigned char [0]){},",
        "}",
    ]


def test_printing_other_things(task, mem):
    task.comm = "me"
    assert str(task.comm) == '(char [16])"me"'
    assert str(task.address_of_("pid")) == "*(pid_t *)0xffff888000001004 = 0"
    assert str(task.address_of_("__state")) == "*(enum state *)0xffff888000001000 = RUNNING"
    assert str(task.address_of_("name")) == "*(char **)0xffff888000001058 = 0x0"
    assert str(task.parent) == "(struct list_head *)0x0"
    assert str(Ptr(mem, 5)) == "(void *)0x5"
    assert str(Ptr(mem, 5, "struct nobody *")) == "(struct nobody *)0x5"
    task.links.next = 0x7
    assert str(task.pair[0].next) == "(struct list_head *)0x0"


def test_long_arrays_are_wrapped(mem):
    mem.mem.put(0x8000, struct.pack("<64I", *range(1000, 1064)))
    text = str(ArrayPtr(mem, 0x8000, "int *", 64))
    assert text.startswith("(int [64]){\n\t1000, 1001,")
    assert max(len(line.expandtabs(8)) for line in text.splitlines()) <= 108
    assert text.endswith("1063,\n}")


def test_types_of_the_compiler_have_their_names_in_c(types):
    assert types.type("struct task").member("big").type == Int("__int128", 16, True)
    assert types.type("struct task").member("ratio").type == Float("double", 8)


def test_pickles(types):
    assert pickle.loads(pickle.dumps(types)).type("struct task").size == 160
