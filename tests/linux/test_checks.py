"""Complaints that are recognised, and references that are counted in guest memory."""

import struct

import pytest

from emukern.linux.checks import Belongings, complaints, died, references

KINDS = {
    "BUG: kernel NULL pointer dereference, address: 0000000000000010": "oops",
    "BUG: unable to handle page fault for address: ffffc90000000000": "oops",
    "Unable to handle kernel NULL pointer dereference at virtual address 0": "oops",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI": "oops",
    "Oops [#1]": "oops",
    "kernel BUG at lib/list_debug.c:26!": "oops",
    "general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1]": "oops",
    "Kernel panic - not syncing: Attempted to kill init!": "oops",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [insmod:99]": "stall",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:": "stall",
    "INFO: task insmod:99 blocked for more than 120 seconds.": "stall",
    "WARNING: CPU: 0 PID: 253 at arch/x86/mm/ioremap.c:211 __ioremap_caller+0x345/0x360": "warning",
    "WARNING: lib/refcount.c:25 at refcount_warn_saturate+0x1/0x2, CPU#0: insmod/99": "warning",
    "UBSAN: array-index-out-of-bounds in drivers/x.c:12:3": "warning",
    "refcount_t: underflow; use-after-free.": "corruption",
    "list_add corruption. prev->next should be next": "corruption",
    "sysfs: cannot create duplicate filename '/bus/x'": "corruption",
}
HARMLESS = ("WARNING: this driver is old", "parport0: no Oops here", "debugging: on", "The BUG: is fixed")


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_complaints(text, kind):
    message = {"level": 4, "text": f"{text}\nmore of it"}
    assert complaints([message]) == [f"{kind}: {text}"]
    assert died([message]) == (kind == "oops")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one(text):
    assert complaints([{"level": 4, "text": text}]) == []


class Btf:
    """struct module { list_head list; char name[8]; int refcnt; } and a kernel that may lack the last."""

    layout = {"list": 0, "name": 16, "refcnt": 24}

    def offset(self, record, member):
        assert record == "struct module"
        return self.layout[member]


class Memory:
    """Modules by name and reference count, one behind the other from 0x1000 on, the list's head at 0x100."""

    def __init__(self, modules):
        places = [0x100, *(0x1000 + 0x100 * n for n in range(len(modules))), 0x100]
        self.bytes = bytearray(0x4000)
        struct.pack_into("<Q", self.bytes, 0x100, places[1])
        for place, after, (name, count) in zip(places[1:-1], places[2:], modules.items(), strict=True):
            struct.pack_into("<QQ8sI", self.bytes, place, after, 0, name.encode(), count)

    def u32(self, at):
        return struct.unpack_from("<I", self.bytes, at)[0]

    def u64(self, at):
        return struct.unpack_from("<Q", self.bytes, at)[0]

    def cstr(self, at):
        return bytes(self.bytes[at : self.bytes.index(0, at)])


class Guest:
    """A borrowed kernel with some modules."""

    def __init__(self, **modules):
        self.machine, self.btf = self, Btf()
        self.mem = Memory(modules)

    def address(self, name):
        assert name == "modules"
        return 0x100


def test_references_are_read_from_the_list_of_modules():
    assert references(Guest()) == {}
    assert references(Guest(dummy=1, ecc=3)) == {"dummy": 1, "ecc": 3}


def test_a_kernel_that_never_unloads_counts_nothing():
    guest = Guest(dummy=1)
    guest.btf.layout = {"list": 0, "name": 16}
    assert references(guest) == {}


def test_what_a_module_leaves_behind():
    before = Belongings(Guest(ecc=1, dh=2))
    assert before.left_in(Guest(ecc=1, dh=2), "mine") == []
    assert before.left_in(Guest(ecc=2, dh=1), "mine") == ["left: 1 references to ecc"]
    assert before.left_in(Guest(ecc=1, dh=2, mine=1), "mine") == ["left: mine is still loaded"]
    assert before.left_in(Guest(ecc=9, dh=2, other=1), "mine") == []  # the other one may well need it
