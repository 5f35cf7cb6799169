"""The names of a kernel as attributes: variables, per-cpu ones, functions, constants, and those of unknown type."""

import struct

import pytest

from emukern.errors import GuestFault, UsageError
from emukern.linux.btf import Btf
from emukern.linux.calls import KernelFunction
from emukern.linux.declarations import known
from emukern.linux.objects import TypedKernel
from emukern.linux.types import Types
from emukern.ptr import ArrayPtr, Ptr
from tests.guestmem import DictMem
from tests.linux.btfwriter import BtfWriter
from tests.linux.fakehost import FakeHost

PERCPU = 0x7000_0000


@pytest.fixture(scope="module")
def btf():
    w = BtfWriter()
    char, int_, u64 = w.int("char", 1), w.int("int", 4, signed=True), w.int("long unsigned int", 8)
    w.typedef("size_t", u64)
    w.typedef("gfp_t", w.int("unsigned int", 4))
    w.enum("module_state", MODULE_STATE_LIVE=0, MODULE_STATE_GOING=2)
    task = w.struct("task_struct", 24, ("pid", int_, 0), ("comm", w.array(char, 16), 8))
    w.func("kfree", 0, ("object", w.ptr(w.const(0))))
    w.func("__kmalloc", w.ptr(0), ("size", u64), ("flags", int_))
    w.func("vmalloc_noprof", w.ptr(0), ("size", u64))
    w.func("gone", 0)
    w.datasec(".data..percpu", (w.var("current_task", w.ptr(task)), 8, 8), (w.var("depth", int_), 16, 4))
    w.datasec(".bss", (w.var("plain", int_), 0, 4))
    return Btf(w.build())


@pytest.fixture
def host(btf):
    host = FakeHost(btf, percpu_base=PERCPU)
    task = host.put("init_task", struct.pack("<i4x16s", 1, b"swapper/0"))
    host.put("jiffies", struct.pack("<Q", 4711))
    host.put("console_printk", struct.pack("<4i", 7, 4, 1, 7))
    host.put("linux_banner", b"Linux version 6.1\0")
    host.put("mystery", struct.pack("<i", -5))
    host.put("plain", struct.pack("<i", 3))
    host.put("init_net", bytes(8))
    host.names |= {"current_task": 8, "depth": 16}
    host.mem.put(PERCPU, struct.pack("<8xQi4x", task, 2))
    host.function("strlen", lambda s: len(host.mem.cstr(s)))
    host.function("__kmalloc", lambda size, flags: 0xFFFF_8000_0000_0000 + size + flags)
    host.function("vmalloc_noprof", lambda size: size)
    host.function("kfree", lambda address: 0)
    return host


@pytest.fixture
def kernel(host):
    return TypedKernel(host)


def test_structs(kernel, host):
    assert isinstance(kernel.init_task, Ptr)
    assert (kernel.init_task.pid, kernel.init_task.comm.str_()) == (1, "swapper/0")
    kernel.init_task.comm = "other"
    assert kernel.init_task.comm == "other"
    assert str(kernel.init_task.comm) == '(char [16])"other"'
    assert "task_struct" in str(kernel.init_task)


def test_numbers_can_be_assigned(kernel, host):
    assert kernel.jiffies == 4711
    kernel.jiffies += 1
    assert host.mem.u64(host.names["jiffies"]) == 4712
    pointer = kernel.address_of_("jiffies")
    assert (pointer[0], str(pointer.type_)) == (4712, "unsigned long *")


def test_arrays(kernel):
    assert isinstance(kernel.console_printk, ArrayPtr)
    assert list(kernel.console_printk) == [7, 4, 1, 7]
    assert kernel.linux_banner.str_() == "Linux version 6.1"


def test_per_cpu_variables(kernel, host):
    assert kernel.current_task.comm == "swapper/0"
    kernel.depth = 9
    assert kernel.depth == host.mem.u32(PERCPU + 16) == 9
    assert kernel.plain == 3


def test_functions(kernel):
    assert isinstance(kernel.kfree, KernelFunction)
    assert kernel.kfree(5) is None
    assert kernel.strlen("four") == 4
    assert repr(kernel.function("strlen")).startswith("<size_t strlen(char *s) at 0x")
    with pytest.raises(UsageError, match="jiffies is not a function"):
        kernel.function("jiffies")
    with pytest.raises(UsageError, match="kfree is not a variable"):
        kernel.kfree = 5
    with pytest.raises(UsageError, match="kfree is not a variable"):
        kernel.address_of_("kfree")


def test_what_headers_make_of_functions(kernel):
    assert kernel.kmalloc(16, 3) == 0xFFFF_8000_0000_0013
    assert kernel.vmalloc(9) == 9


def test_constants_and_types(kernel):
    assert kernel.MODULE_STATE_GOING == kernel.constant("MODULE_STATE_GOING") == 2
    assert kernel.type("struct task_struct").size == 24


def test_names_of_unknown_type(kernel):
    with pytest.raises(
        UsageError, match=r'does not tell the type of mystery: say kernel.object\("mystery", "its type"\)'
    ):
        kernel.mystery  # noqa: B018
    assert not hasattr(kernel, "mystery")
    assert kernel.object("mystery", "int") == -5
    kernel.declare("int mystery")
    assert kernel.mystery == -5
    kernel.mystery = 6
    assert kernel.object(kernel.address_of_("mystery"), "int") == 6
    assert kernel.object("mystery", "struct task_struct").pid == 6


def test_declared_functions(kernel, host):
    host.function("secret", lambda a, b: a - b)
    kernel.declare("long secret(int a, int b);")
    assert kernel.secret(3, 5) == -2


def test_declarations_win(kernel):
    assert kernel.jiffies == 4711
    kernel.declare("int jiffies")
    assert kernel.address_of_("jiffies").type_.target.size == 4


@pytest.mark.parametrize("name", ["nobody", "init_mm", "gone", "strcmp"])
def test_names_the_kernel_does_not_have(kernel, name):
    with pytest.raises(UsageError, match=f"no symbol {name}"):
        getattr(kernel, name)
    with pytest.raises(UsageError, match=f"no symbol {name}"):
        kernel.object(name, "int")
    with pytest.raises(UsageError, match=f"no symbol {name}"):
        kernel.declare(f"int {name}")


def test_a_table_entry_of_a_type_the_kernel_lacks(kernel):
    with pytest.raises(UsageError, match="type of init_net"):
        kernel.init_net  # noqa: B018


def test_names_that_methods_have(kernel, host):
    host.put("type", struct.pack("<i", 8))
    kernel.declare("int type")
    assert kernel["type"] == 8
    kernel["type"] = 9
    assert kernel["type"] == 9


def test_names_of_python_are_not_the_kernels(kernel):
    assert not hasattr(kernel, "__len__")
    assert "names of a kernel" in repr(kernel)


def test_function_pointers_are_printed_by_name(kernel, host):
    host.put("handler", struct.pack("<Q", host.names["kfree"]))
    kernel.declare("void (*handler)(void *)")
    assert (
        str(kernel.address_of_("handler"))
        == f"*(void (**)(void *)){host.names['handler']:#x} = {host.names['kfree']:#x}"
    )


def test_modules_have_names_of_their_own(btf, kernel, host):
    w = BtfWriter()
    w.next = w.first = btf.last + 1
    w.string_base, w.strings = len(btf._strings), b""
    own = w.struct("thing", 24, ("task", btf.find("task_struct", 4), 0))
    w.func("thing_open", own, ("a", own))
    split = Btf(w.build(), btf)
    module = FakeHost(split, host.mem)
    module.put("things", bytes(24), 0x6000)
    names = TypedKernel(module, Types(split, kernel._types))
    names.declare("struct thing things[1]")
    assert names.things[0].task.type_.target is kernel.type("struct task_struct")


def test_every_line_of_the_tables_can_be_read(btf):
    types = Types(btf)
    assert len(known()) > 90
    for name, text in known().items():
        declared = text.replace("rwlock_t", "int").replace("atomic_long_t", "long").replace("acpi_handle", "void *")
        declared = declared.replace("enum system_states", "int")
        assert types.declaration(declared)[0] == name


# Real kernels, as they are on disk.


class StaticMem(DictMem):
    """What an image holds before it runs."""

    def __init__(self, image):
        self.image = image

    def read(self, addr, n):
        if not any(s.vaddr <= addr and addr + n <= s.vaddr + s.memsz for s in self.image.segments):
            raise GuestFault(addr)
        return self.image.read(addr, n)

    def cstr(self, addr, limit=1 << 20):
        return self.read(addr, min(limit, 256)).split(b"\0")[0]


@pytest.fixture
def stock(stock_kernel, stock_symbols):
    start, stop = (stock_symbols.address(name) for name in ("__start_BTF", "__stop_BTF"))
    host = FakeHost(Btf(stock_kernel.read(start, stop - start)), StaticMem(stock_kernel))
    host.address, host.at = stock_symbols.address, stock_symbols.at
    return TypedKernel(host)


def test_stock_kernels(stock, stock_kernel):
    assert stock.init_task.comm.str_() in ("swapper", "swapper/0")
    assert stock.linux_banner.str_().startswith(f"Linux version {stock_kernel.release}")
    text = str(stock.init_task)
    assert '.comm = (char [16])"swapper' in text
    assert ".prio = (int)120," in text
    assert stock.kmalloc.type_.params[1].name == "flags"
    assert stock.strlen.type_.result.name in ("size_t", "__kernel_size_t")
    assert stock.init_net.type_.target.tag == "net"
    assert stock.type("struct module").member("init").type.target.result.name == "int"


def test_stock_tables(stock):
    """Most of the commonly wanted names are there, each of its type."""
    found = [name for name in known() if hasattr(stock, name)]
    assert len(found) > 60, sorted(set(known()) - set(found))


# Real kernels that run.


def test_a_running_kernel(borrowed):
    kernel = borrowed.kernel
    assert kernel.init_task.comm == "swapper/0"
    assert kernel.strlen("hello") == 5
    assert kernel.find_task_by_vpid(1).comm == "init"
    assert kernel.runqueues.idle == kernel.init_task
    block = kernel.kmalloc(64, 0xCC0)
    assert kernel.kfree(block) is None
    kernel.panic_timeout = -5
    assert kernel.panic_timeout == -5
    assert kernel.kstrtoint("7x", 0, None) == -22


def test_buffers_and_formats(borrowed):
    buffer = bytearray(64)
    kernel = borrowed.kernel
    assert kernel.snprintf(buffer, len(buffer), "%s %d %pS", "text", -5, kernel.kfree) == len(buffer.rstrip(b"\0"))
    assert buffer.startswith(b"text -5 kfree+0x0/0x")


def test_tasks(borrowed):
    tasks = borrowed.kernel.init_task.address_of_("tasks").list_entries_("struct task_struct", "tasks")
    names = [task.comm.str_() for task in tasks]
    assert names[:2] == ["init", "kthreadd"]
    assert len(names) > 10


def test_memory_for_pointers_of_ones_own(borrowed):
    kernel = borrowed.kernel
    assert Ptr(kernel.mem_, kernel.init_task, "struct task_struct *").comm == "swapper/0"
