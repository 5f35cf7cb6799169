"""What the guest kernel asks of its machine while it boots (guest/include/emukern/boot.h: HC_*)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emukern.errors import Errno, Unimplemented
from emukern.kernel import exec as exec_
from emukern.kernel import process
from emukern.kernel.bootinfo import constants
from emukern.kernel.bug import KernelBug
from emukern.kernel.fdtable import FileTable, FsContext
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

HYPERCALLS: dict[str, Callable[[Kernel, int, int], int]] = {}
INFO = 6


def hypercall(function: Callable[[Kernel, int, int], int]) -> Callable[[Kernel, int, int], int]:
    """Answer HC_<NAME> with `name(k, a, b)`."""
    HYPERCALLS[f"HC_{function.__name__.upper()}"] = function
    return function


def answer(k: Kernel, number: int) -> int:
    """The result of service `number`. Raises Unimplemented, and KernelBug when a module asks for a part of the boot."""
    for name, value in constants().items():
        if value == number and name in HYPERCALLS:
            if k.booted and name != "HC_LOG":
                raise KernelBug(f"BUG: hypercall {name} after the boot")
            return HYPERCALLS[name](k, k.args.reg(1), k.args.reg(2))
    raise Unimplemented(f"hypercall {number}", k.caller)


@hypercall
def log(k: Kernel, text: int, length: int) -> int:
    """A line of the guest kernel's own C code."""
    k.log.emit(INFO, k.mem.read(text, length).decode("latin-1"))
    return 0


@hypercall
def exports(k: Kernel, _a: int, _b: int) -> int:
    """Map the stub window and publish what modules may bind to."""
    from emukern.kapi import export

    size = (len(export.slots()) + k.lazy_room) * export.STUB_SIZE
    code = k.arch.stub * (PAGE // export.STUB_SIZE)
    for start in range(0, size, PAGE):
        frame = k.pages.alloc()
        k.pages.make_executable(k.cpu, frame)
        k.mem.write(k.mem.virt(frame), code)
        k.tables.map(k.kernel_root, k.arch.layout.stubs + start, frame, "rx")
    k.kernel_context = k.cpu.save()
    return k.publish_symbols()


@hypercall
def rootfs(k: Kernel, _a: int, _b: int) -> int:
    """Make the file system."""
    from emukern.kernel import rootfs as rootfs_

    return rootfs_.populate(k)


@hypercall
def init(k: Kernel, _a: int, _b: int) -> int:
    """Process 1: the boot task's CPU goes on as /bin/init."""
    argv = ["/bin/init", *k.init_args]
    try:
        inode = k.vfs.lookup(k, argv[0])
        arguments = [a.encode("utf-8", "surrogateescape") for a in argv]
        program = exec_.load(k, inode, argv[0], arguments, list(process.ENVIRONMENT))
    except Errno:
        return 0
    task = process.new_task(k, "init", 0)
    task.mm, task.argv, task.compat = program.mm, tuple(argv), program.compat
    task.fds, task.fs = FileTable(), FsContext(k.vfs.root)
    task.pgid = task.sid = 0
    k.sched.tasks[task.pid] = task
    k.current.stack = k.vmalloc_area.alloc(k.stack_size // PAGE)  # the idle task's; the old one has no guard page
    k.current, k.booted = task, True
    k.use_root(program.mm.root)
    return write_entry(k, task.stack, program.entry, program.sp, program.compat)


def write_entry(k: Kernel, stack: int, entry: int, sp: int, compat: bool) -> int:
    """Put enter_user's argument on the kernel stack; returns its address."""
    words = k.arch.user_entry(entry, sp, compat)
    address = stack + k.stack_size - 8 * len(words) - 64
    for i, word in enumerate(words):
        k.mem.put_u64(address + 8 * i, word)
    return address
