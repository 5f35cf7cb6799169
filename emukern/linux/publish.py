"""A formed module becomes one of the kernel's: from its place in the list to its init function having returned.

Each step says how it is undone; when one fails, what was done is undone in reverse, as the labels at the end of
`load_module` (kernel/module/main.c) do it, and the module is as if it had never been there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from emukern.errors import ModuleError
from emukern.kmod.module import TAINT_BITS, State
from emukern.kmod.refusal import WARNING
from emukern.linux import acceptance, load_info
from emukern.linux.acceptance import say
from emukern.linux.load_info import LoadInfo
from emukern.linux.struct_module import COPIED, errno_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emukern.kmod.layout import Layout
    from emukern.kmod.resolve import Resolver
    from emukern.linux.forming import Forming
    from emukern.linux.struct_module import Kernel

NOTIFY_STOP_MASK, NOTIFY_OK = 0x8000, 1
MIN_LEVEL, MAX_LEVEL = -32768, 32767  # of parameters
ERRORS_FROM = (1 << 64) - 4095  # from here on a pointer is a negative errno
Failure = Callable[[int], ModuleError]  # makes the exception for an errno


@dataclass
class Formed:
    """A module that is ready but for the kernel. `uses`: addresses of the struct module of what it uses."""

    forming: Forming
    layout: Layout
    content: NDArray[Any]
    resolver: Resolver
    uses: list[int]
    signed: bool

    @property
    def sections(self) -> dict[str, int]:
        """Addresses of the sections by name."""
        forming = self.forming
        found: dict[str, int] = {}
        for index in forming.placement.sections:
            section = forming.file.elf.sections[index]
            if section.size:
                found.setdefault(section.name, forming.at(index))
        return found


def publish(formed: Formed, params: str, failure: Failure, ready: Callable[[int], object]) -> None:
    """Let the kernel know the module, and run its init. Before that, `ready` is told where its struct module is.

    Raises what `failure` makes of an errno, after everything was undone.
    """
    work = _Publication(formed, failure)
    info = None
    try:
        info = load_info.build(formed.forming)
        work.write(info, params)
        work.insert()
        work.finalize(info)
        work.protect(info)
        work.announce()
        work.set_parameters()
        work.link_in_sysfs(info)
    except ModuleError:
        if info is not None:
            info.free()
        formed.forming.give_back()
        raise
    info.free()
    ready(formed.forming.address)
    work.run_init()


class _Publication:
    """One module on its way into the kernel."""

    def __init__(self, formed: Formed, failure: Failure) -> None:
        self.formed, self.failure = formed, failure
        self.forming = formed.forming
        self.kernel: Kernel = formed.forming.kernel
        self.file = formed.forming.file
        self.mem = self.kernel.guest.machine.mem
        self.at = 0  # its struct module
        self.args = 0
        self.parameters = (0, 0)  # address and number

    def later(self, undo: Callable[[], object]) -> None:
        """What to do when a later step fails."""
        self.forming.undo.append(undo)

    def must(self, result: int) -> None:
        """Fail if a function of the kernel did."""
        number = errno_of(result)
        if number:
            raise self.failure(number)

    def put(self, path: str, value: int) -> None:
        """Set a member of the struct module in the guest."""
        place = self.kernel.module.place(path)
        if place is not None:
            self.mem.write(self.at + place[0], value.to_bytes(place[1], "little"))

    def write(self, info: LoadInfo, params: str) -> None:
        """Fill in struct module and write everything into the guest's memory."""
        forming, kernel = self.forming, self.kernel
        odd = list(acceptance.oddities(kernel, self.file, self.formed.signed))
        module = self.formed.resolver.module
        letters = {one.letter for one in odd if one.letter} | set(module.taints)
        self.args = kernel.guest.alloc(params.encode("utf-8", "surrogateescape") + b"\0")
        self.later(lambda: kernel.guest.free(self.args))
        known = {
            "args": self.args,
            "taints": sum(1 << TAINT_BITS[letter] for letter in letters),
            "using_gplonly_symbols": int(module.uses_gpl_symbols),
            "sig_ok": int(self.formed.signed),
        }
        for section in self.file.elf.sections:
            for name, pointer, count in COPIED:
                if section.name == name:
                    known |= {pointer: info.copied(section.index), count: section.size}
        forming.describe(self.formed.layout, self.formed.content, known)
        self.at = forming.address
        forming.write(self.formed.layout, self.formed.content)
        load_info.finish(info, forming, self.formed.signed)
        acceptance.tell(kernel, self.file, odd, self.formed.resolver.messages)
        self._set_attributes(info)
        start, size = forming.section("__param")
        self.parameters = start, size // kernel.module.element("kp")

    def _set_attributes(self, info: LoadInfo) -> None:
        """The strings of .modinfo that sysfs shows (setup_modinfo)."""
        section = self.file.elf.section(".modinfo")
        assert section is not None
        text = b"\0" + self.file.elf.bytes_of(section)
        for name, setup, free in self.kernel.attributes:
            at = text.find(b"\0" + name + b"=")
            if setup and at >= 0:
                self.kernel.guest.call(setup, self.at, info.copied(section.index) + at + len(name) + 1)
            if free:
                self.later(partial(self.kernel.guest.call, free, self.at))
        spaces = self.file.infos("import_ns")
        if spaces and self.kernel.module.has("imported_namespaces"):
            self.put("imported_namespaces", self.kernel.guest.alloc("\n".join(spaces).encode() + b"\0"))

    def insert(self) -> None:
        """Put it into the kernel's list and tree, and on the lists of those it uses."""
        kernel, mem = self.kernel, self.mem
        link = self.at + kernel.module.offset("list")
        first = mem.u64(kernel.modules)
        mem.write(link, first.to_bytes(8, "little") + kernel.modules.to_bytes(8, "little"))
        mem.put_u64(first + 8, link)
        mem.put_u64(kernel.modules, link)
        self._widen_bounds()
        kernel.call_if_there("mod_tree_insert", self.at)
        self.later(self._remove)
        self.later(lambda: kernel.call("module_unload_free", self.at))
        for used in self.formed.uses:
            self._use(used)
        kernel.call_if_there("init_param_lock", self.at)

    def _widen_bounds(self) -> None:
        """The span of addresses in which the kernel looks for modules at all (mod_update_bounds)."""
        kernel, forming = self.kernel, self.forming
        tree = kernel.need("mod_tree")
        low, high = tree + kernel.tree.offset("addr_min"), tree + kernel.tree.offset("addr_max")
        for base, block in zip(forming.bases, forming.placement.blocks, strict=True):
            self.mem.put_u64(low, min(self.mem.u64(low), base))
            self.mem.put_u64(high, max(self.mem.u64(high), base + block.size))

    def _use(self, used: int) -> None:
        """Hold another module for as long as this one is there (ref_module)."""
        kernel, mem = self.kernel, self.mem
        record, module = kernel.use, kernel.module
        use = kernel.guest.alloc(record.size)
        mem.put_u64(use + record.offset("source"), self.at)
        mem.put_u64(use + record.offset("target"), used)
        count = used + module.offset("refcnt")
        mem.put_u32(count, mem.u32(count) + 1)
        for link, head in (("source_list", used), ("target_list", self.at)):
            node, head = use + record.offset(link), head + module.offset(link)
            first = mem.u64(head)
            mem.write(node, first.to_bytes(8, "little") + head.to_bytes(8, "little"))
            mem.put_u64(first + 8, node)
            mem.put_u64(head, node)

    def _remove(self) -> None:
        """Take it out of list and tree, and wait until nobody can be looking at it any more."""
        mem, link = self.mem, self.at + self.kernel.module.offset("list")
        following, before = mem.u64(link), mem.u64(link + 8)
        mem.put_u64(following + 8, before)
        mem.put_u64(before, following)
        self.kernel.call_if_there("mod_tree_remove", self.at)
        self.kernel.call("synchronize_rcu")

    def finalize(self, info: LoadInfo) -> None:
        """What the architecture does to relocated code, and the tables that have to be sorted."""
        kernel = self.kernel
        table, size = self.forming.section("__ex_table")
        if size:
            kernel.call("sort_extable", table, table + size)
        self.later(lambda: kernel.call("module_arch_cleanup", self.at))
        self.must(kernel.call("module_finalize", info.header, info.sections, self.at))
        info.show()
        if kernel.load_info.has("dyndbg") and self.forming.section("__dyndbg")[1]:
            place = info.address + kernel.load_info.offset("dyndbg")
            kernel.call_if_there("ddebug_add_module", place, self.at + kernel.module.offset("name"))
            self.later(lambda: kernel.call("ddebug_remove_module", self.at + kernel.module.offset("name")))

    def protect(self, info: LoadInfo) -> None:
        """Set the pages' permissions (complete_formation); from here on the module is coming."""
        kernel = self.kernel
        kernel.call("module_bug_finalize", info.header, info.sections, self.at)
        self.later(lambda: kernel.call("module_bug_cleanup", self.at))
        for name in kernel.protecting:
            result = kernel.call_if_there(name, self.at, 0)
            self.must(result if kernel.in_pieces else 0)  # before, they had no result
        self.put("state", State.COMING)

    def announce(self) -> None:
        """Tell those in the kernel who care for modules: jump labels, tracepoints, types … (prepare_coming_module)."""
        kernel = self.kernel
        self.later(lambda: self.put("state", State.GOING))
        self.must(kernel.call_if_there("klp_module_coming", self.at))
        self.later(lambda: kernel.call_if_there("klp_module_going", self.at))
        chain = "blocking_notifier_call_chain_robust"
        answer = kernel.call(chain, kernel.notifiers, State.COMING, State.GOING, self.at) & 0xFFFF & ~NOTIFY_STOP_MASK
        if answer > NOTIFY_OK:
            raise self.failure(answer - NOTIFY_OK)
        self.later(self._withdraw)

    def _withdraw(self) -> None:
        """It goes before it was there."""
        kernel = self.kernel
        self.put("state", State.GOING)
        kernel.call("module_destroy_params", *self.parameters)
        kernel.call("blocking_notifier_call_chain", kernel.notifiers, State.GOING, self.at)

    def set_parameters(self) -> None:
        """Have the kernel parse the arguments; without any there is nothing to parse."""
        kernel = self.kernel
        if not kernel.guest.machine.mem.u8(self.args):
            return
        name, unknown = self.at + kernel.module.offset("name"), kernel.need("unknown_module_param_cb")
        count = (MIN_LEVEL, MAX_LEVEL, self.at, unknown)
        rest = kernel.call("parse_args", name, self.args, *self.parameters, *count)
        if rest >= ERRORS_FROM:
            raise self.failure((1 << 64) - rest)
        if rest:
            text = self.mem.cstr(rest).decode("utf-8", "replace")
            say(kernel, WARNING, f"{self.file.name}: parameters '{text}' after `--' ignored")

    def link_in_sysfs(self, info: LoadInfo) -> None:
        """Its folder below /sys/module."""
        self.must(self.kernel.call("mod_sysfs_setup", self.at, info.address, *self.parameters))

    def run_init(self) -> None:
        """Let the kernel run init and do what follows; when init fails it also takes the module back itself."""
        self.forming.undo.clear()
        self.must(self.kernel.call("do_init_module", self.at))
