"""The shared header: Python and both compilers must see the same layouts, and those must be Linux 6.1's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emukern.cdecl import Scope
from emukern.ctype import Record

ROOT = Path(__file__).parent.parent
HEADER = ROOT / "guest" / "include" / "emukern" / "abi.h"

# (size, offsets of some members) of structures that stock modules have compiled in, as the BTF of Debian's
# 6.1.192 says; rwlock_t's wait_lock sits in an inner structure there.
LINUX_6_1 = {
    "struct list_head": (16, {"next": 0, "prev": 8}),
    "struct hlist_node": (16, {"next": 0, "pprev": 8}),
    "struct rb_node": (24, {"rb_right": 8, "rb_left": 16}),
    "atomic_t": (4, {}),
    "atomic_long_t": (8, {}),
    "spinlock_t": (4, {}),
    "raw_spinlock_t": (4, {}),
    "rwlock_t": (8, {"wait_lock": 4}),
    "struct mutex": (32, {"owner": 0, "wait_lock": 8, "osq": 12, "wait_list": 16}),
    "struct rw_semaphore": (40, {"count": 0, "owner": 8, "osq": 16, "wait_lock": 20, "wait_list": 24}),
    "struct semaphore": (24, {"count": 4, "wait_list": 8}),
    "struct completion": (32, {"done": 0, "wait": 8}),
    "struct swait_queue_head": (24, {"task_list": 8}),
    "struct wait_queue_head": (24, {"lock": 0, "head": 8}),
    "struct wait_queue_entry": (40, {"flags": 0, "private": 8, "func": 16, "entry": 24}),
    "struct timer_list": (40, {"entry": 0, "expires": 16, "function": 24, "flags": 32}),
    "struct hrtimer": (64, {"_softexpires": 32, "function": 40, "base": 48, "state": 56, "is_hard": 59}),
    "struct work_struct": (32, {"data": 0, "entry": 8, "func": 24}),
    "struct delayed_work": (88, {"timer": 32, "wq": 72, "cpu": 80}),
    "struct timespec64": (16, {"tv_nsec": 8}),
    "struct kobject": (64, {"entry": 8, "parent": 24, "kset": 32, "ktype": 40, "sd": 48, "kref": 56}),
    "struct kernel_param": (40, {"mod": 8, "ops": 16, "perm": 24, "level": 26, "flags": 27, "arg": 32}),
    "struct kernel_param_ops": (32, {"set": 8, "get": 16, "free": 24}),
    "struct kparam_string": (16, {"string": 8}),
    "struct kparam_array": (32, {"elemsize": 4, "num": 8, "ops": 16, "elem": 24}),
    "struct file_operations": (
        280,
        {"owner": 0, "llseek": 8, "read": 16, "write": 24, "poll": 72, "unlocked_ioctl": 80, "mmap": 96}
        | {"open": 112, "release": 128, "splice_eof": 208, "fallocate": 224, "uring_cmd_iopoll": 272},
    ),
    "struct cdev": (104, {"owner": 64, "ops": 72, "list": 80, "dev": 96, "count": 100}),
    "struct miscdevice": (
        80,
        {"name": 8, "fops": 16, "list": 24, "parent": 40, "this_device": 48, "nodename": 64, "mode": 72},
    ),
    "struct module": (
        896,
        {"state": 0, "list": 8, "name": 24, "version": 184, "syms": 208, "num_syms": 224, "kp": 264}
        | {"num_kp": 272, "gpl_syms": 280, "extable": 304, "init": 312, "exit": 848, "refcnt": 856},
    ),
    "struct kernel_symbol": (12, {"value_offset": 0, "name_offset": 4, "namespace_offset": 8}),
    "struct bug_entry": (12, {"bug_addr_disp": 0, "file_disp": 4, "line": 8, "flags": 10}),
    "struct va_format": (16, {"fmt": 0, "va": 8}),
}


@pytest.fixture(scope="module")
def scope():
    return Scope(HEADER.read_text())


@pytest.mark.parametrize("name", LINUX_6_1)
def test_layout_is_that_of_linux_6_1(scope, name):
    size, offsets = LINUX_6_1[name]
    found = scope.type(name)
    assert found.size == size
    assert {member: found.member(member).offset for member in offsets} == offsets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GFP_KERNEL", 0xCC0),
        ("GFP_ATOMIC", 0xA20),
        ("__GFP_ZERO", 0x100),
        ("MODULE_STATE_UNFORMED", 3),
        ("LIST_POISON1", 0xDEAD000000000100),
        ("LIST_POISON2", 0xDEAD000000000122),
        ("WORK_STRUCT_NO_POOL", ((1 << 31) - 1) << 5),
        ("MAX_SCHEDULE_TIMEOUT", (1 << 63) - 1),
        ("HZ", 250),
        ("O_NONBLOCK", 0o4000),
    ],
)
def test_numbers_are_those_of_linux(scope, name, value):
    assert scope.constant(name) == value


def assertions(scope: Scope) -> str:
    """C text that does not compile unless the compiler agrees with Python on every record and constant."""
    text = HEADER.read_text()
    tags = sorted(set(re.findall(r"^(?:struct|union) \w+(?= \{)", text, re.MULTILINE)))
    assert len(tags) > 30
    lines = ['#include "emukern/abi.h"']
    for tag in tags:
        record = scope.type(tag)
        assert isinstance(record, Record)
        lines.append(f'_Static_assert(sizeof({tag}) == {record.size}, "{tag}");')
        lines.append(f'_Static_assert(_Alignof({tag}) == {record.align}, "{tag}");')
        for member in record.members or {}:
            place = f"__builtin_offsetof({tag}, {member})"
            lines.append(f'_Static_assert({place} == {record.member(member).offset}, "{tag}.{member}");')
    for macro in re.findall(r"^#define (\w+) \S", text, re.MULTILINE):
        value = scope.constant(macro)
        lines.append(f'_Static_assert((unsigned long)({macro}) == {value & (1 << 64) - 1}UL, "{macro}");')
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_compiler_and_python_agree(scope, arch, tmp_path):
    pytest.importorskip("ziglang", reason="the compiler of the package build is not installed")
    from buildsystem.cache import Cache
    from buildsystem.targets import TARGETS
    from buildsystem.toolchain import Toolchain

    flags = next(target.kernel for target in TARGETS if target.name == arch)
    tools = Toolchain(ROOT, Cache(tmp_path))
    tools.compile_text("test_abi.c", assertions(scope), flags, [ROOT / "guest" / "include"])
