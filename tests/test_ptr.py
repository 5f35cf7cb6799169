"""Ptr: members, elements, arithmetic and faults, on memory that is a dictionary."""

import copy
import pickle

import pytest

from emukern.cdecl import abi
from emukern.ctype import DeclarationError
from emukern.errors import GuestFault
from emukern.ptr import Ptr, pointer_type
from tests.guestmem import DictMem

BASE = 0xFFFF_8880_0000_1000


@pytest.fixture(scope="module", autouse=True)
def types():
    if ("struct", "ptr_probe") not in abi().records:
        abi().add(
            """
            struct ptr_link { struct ptr_link *next; int weight; };
            struct ptr_probe {
                    u32 done; s16 small; bool flag; char name[9];
                    struct ptr_link link, more[2];
                    void *data; int (*run)(int); union { u64 wide; u8 first; };
                    int addr, __x;
            };
            """
        )


@pytest.fixture
def mem():
    mem = DictMem()
    mem.put(BASE, bytes(256))
    return mem


@pytest.fixture
def probe(mem):
    return Ptr(mem, BASE, "struct ptr_probe *")


def test_scalars_read_and_write(probe, mem):
    probe.done = 0x1_0000_0005
    probe.small = -3
    probe.flag = 0x100
    probe.addr = 7
    assert (probe.done, probe.small, probe.flag, probe.addr) == (5, -3, True, 7)
    assert mem.read(BASE, 8) == b"\x05\0\0\0\xfd\xff\x01\0"


def test_pointers_and_inner_structs_come_out_as_ptr(probe):
    probe.link.next = probe.link
    assert isinstance(probe.link.next, Ptr)
    assert probe.link.next == probe.link == BASE + 16
    assert probe.link.next.next.container_of_("struct ptr_probe", "link") == probe
    assert str(probe.run.type_) == "int (*)(int)"
    assert not probe.run


def test_arrays_decay(probe):
    probe.more[1].weight = 9
    assert probe.member_("more")[1].weight == 9
    assert probe.more[1].addr_ - probe.more.addr_ == 16
    probe.name = b"seven\0"
    assert (probe.name.str_(), probe.name[0], probe.name.bytes_(3)) == ("seven", ord("s"), b"sev")


def test_arrays_know_their_length(probe):
    assert (len(probe.name), len(probe.name.bytes_()), len(probe.more), len(probe.more.bytes_())) == (9, 9, 2, 32)
    probe.name = "nine char"  # fills it: there is no NUL
    assert probe.name.str_() == probe.name.string_() == "nine char"
    assert probe.name == "nine char"
    assert probe.name != b"nine"
    assert probe.name == BASE + 7
    assert [one.addr_ - BASE for one in probe.more] == [32, 48]
    assert list(copy.copy(probe.name)) == list(b"nine char")
    probe.name = "x"
    assert (probe.name.str_(), probe.name.bytes_(3)) == ("x", b"x\0n")


def test_lists(mem, probe):
    links = [probe.link, *probe.more]
    for one, following in zip(links, links[1:] + links[:1], strict=True):
        one.next = following
    entries = list(probe.link.list_entries_("struct ptr_link", "next"))
    assert entries == links[1:]
    assert str(entries[0].type_) == "struct ptr_link *"


def test_anonymous_union(probe):
    probe.wide = 0x1234
    assert probe.first == 0x34


def test_struct_assignment_copies(probe):
    probe.link.weight = 5
    probe.more[1] = probe.link
    assert probe.more[1].weight == 5
    with pytest.raises(DeclarationError, match="10 bytes do not fit"):
        probe.name = b"0123456789"


def test_address_of(probe):
    field = probe.address_of_("small")
    field[0] = -2
    assert (probe.small, repr(field)) == (-2, "(s16 *)0xffff888000001004")
    assert probe.address_of_("link.weight") == probe.link.addr_ + 8
    assert str(probe.address_of_("name").type_) == "char *"
    assert str(probe.address_of_("data").type_) == "void **"


def test_arithmetic(mem):
    words = Ptr(mem, BASE, "unsigned int *")
    words[3] = 77
    assert (words + 3)[0] == (3 + words)[0] == words[3] == 77
    assert (words + 3 - words, (words + 3 - 1).addr_) == (3, BASE + 8)
    assert (Ptr(mem, BASE) + 5).addr_ == BASE + 5
    assert Ptr(mem, -1).addr_ == 2**64 - 1
    assert words < words + 1 <= BASE + 4
    assert words + 1 > words >= BASE


def test_identity_is_the_address(mem, probe):
    assert probe == BASE
    assert probe == probe.cast_("char *")
    assert probe != BASE + 1
    assert {BASE: "found"}[probe] == "found"
    assert hex(probe) == hex(BASE)
    assert int(probe) == BASE
    assert (probe == "text") is False
    assert not Ptr(mem, 0, "struct ptr_probe *")


def test_faults(mem):
    with pytest.raises(GuestFault) as fault:
        Ptr(mem, 0, "struct ptr_probe *").link.weight  # noqa: B018
    assert fault.value.address == 24
    with pytest.raises(GuestFault):
        Ptr(mem, BASE + 250, "struct ptr_probe *").wide = 1


def test_wrong_names(probe, mem):
    with pytest.raises(AttributeError, match="struct ptr_probe has no member don; it has done, small"):
        probe.don  # noqa: B018
    with pytest.raises(AttributeError, match="int has no member x"):
        Ptr(mem, BASE, "int *").x = 1
    with pytest.raises(DeclarationError, match="struct nobody is incomplete"):
        Ptr(mem, BASE, "struct nobody *").x  # noqa: B018
    with pytest.raises(DeclarationError, match="int is not a pointer type"):
        Ptr(mem, BASE, "int")
    assert not hasattr(probe, "__len__")
    assert "done" in dir(probe)
    assert "cast_" in dir(probe)


def test_repr(probe):
    assert repr(probe) == "(struct ptr_probe *)0xffff888000001000"


def test_print(probe, mem):
    probe.name, probe.link.weight, probe.small = "me", 5, -1
    assert str(probe.link).split() == [
        *("*(struct", "ptr_link", "*)0xffff888000001010", "=", "{"),
        *(".next", "=", "(struct", "ptr_link", "*)0x0,", ".weight", "=", "(int)5,", "}"),
    ]
    assert str(probe.name) == '(char [9])"me"'
    assert str(probe.name + 1) == '(char *)0xffff888000001008 = "e"'
    assert str(probe.address_of_("small")) == "*(s16 *)0xffff888000001004 = -1"
    assert str(Ptr(mem, 8, "struct ptr_probe *")) == "(struct ptr_probe *)0x8"  # nothing is mapped there
    assert str(Ptr(mem, BASE, "struct nobody *")) == "(struct nobody *)0xffff888000001000"


@pytest.mark.parametrize("twin", [lambda p: pickle.loads(pickle.dumps(p)), copy.copy])
def test_pickles_by_type_name(probe, twin):
    probe.done = 3
    other = twin(probe)
    assert (other.addr_, str(other.type_), other.done) == (probe.addr_, str(probe.type_), 3)


def test_pointer_type_is_parsed_once():
    assert pointer_type("struct ptr_probe *") is pointer_type("struct ptr_probe *")
