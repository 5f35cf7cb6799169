"""Where this kernel's structures keep what: offsets through BTF, values by member path, addresses by symbol.

What a kernel has is asked for by name and never concluded from its version. A member it lacks reads as 0 and is
skipped on writing, for it belongs to something this kernel was built without.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from emukern.errors import ModuleError

if TYPE_CHECKING:
    from emukern.linux.btf import Btf
    from emukern.linux.placement import Style

ENOSYS = 38
MOST_ATTRIBUTES = 64

# What `find_module_sections` (kernel/module/main.c) looks for: section, the pointer to it, the number of its elements.
SECTIONS: tuple[tuple[str, str, str], ...] = (
    ("__param", "kp", "num_kp"),
    ("__ksymtab", "syms", "num_syms"),
    ("__kcrctab", "crcs", ""),
    ("__kflagstab", "flagstab", ""),
    ("__ksymtab_gpl", "gpl_syms", "num_gpl_syms"),
    ("__kcrctab_gpl", "gpl_crcs", ""),
    (".init_array", "ctors", "num_ctors"),
    (".ctors", "ctors", "num_ctors"),
    (".noinstr.text", "noinstr_text_start", "noinstr_text_size"),
    ("__tracepoints_ptrs", "tracepoints_ptrs", "num_tracepoints"),
    ("___srcu_struct_ptrs", "srcu_struct_ptrs", "num_srcu_structs"),
    ("__bpf_raw_tp_map", "bpf_raw_events", "num_bpf_raw_events"),
    ("__jump_table", "jump_entries", "num_jump_entries"),
    ("_ftrace_events", "trace_events", "num_trace_events"),
    ("_ftrace_eval_map", "trace_evals", "num_trace_evals"),
    ("__trace_printk_fmt", "trace_bprintk_fmt_start", "num_trace_bprintk_fmt"),
    ("__patchable_function_entries", "ftrace_callsites", "num_ftrace_callsites"),
    ("__mcount_loc", "ftrace_callsites", "num_ftrace_callsites"),  # has the last word where both are there
    ("_error_injection_whitelist", "ei_funcs", "num_ei_funcs"),
    (".kprobes.text", "kprobes_text_start", "kprobes_text_size"),
    ("_kprobe_blacklist", "kprobe_blacklist", "num_kprobe_blacklist"),
    (".printk_index", "printk_index_start", "printk_index_size"),
    (".static_call_sites", "static_call_sites", "num_static_call_sites"),
    (".kunit_test_suites", "kunit_suites", "num_kunit_suites"),
    (".kunit_init_test_suites", "kunit_init_suites", "num_kunit_init_suites"),
    ("__ex_table", "extable", "num_exentries"),
    ("__dyndbg", "dyndbg_info.descs", "dyndbg_info.num_descs"),
    ("__dyndbg_classes", "dyndbg_info.classes", "dyndbg_info.num_classes"),
)
# The same for sections that stay in the temporary copy of the file.
COPIED: tuple[tuple[str, str, str], ...] = (
    (".BTF", "btf_data", "btf_data_size"),
    (".BTF.base", "btf_base_data", "btf_base_data_size"),
)

# Functions without which there is no placing a module; of several names any will do.
NEEDED: tuple[tuple[str, ...], ...] = (
    ("execmem_alloc", "module_alloc"),
    ("execmem_free", "module_memfree"),
    ("__alloc_reserved_percpu", "pcpu_alloc_noprof", "pcpu_alloc"),
    ("_printk", "printk"),
    ("blocking_notifier_call_chain_robust",),
    ("blocking_notifier_call_chain",),
    ("do_init_module",),
    ("mod_sysfs_setup",),
    ("module_arch_cleanup",),
    ("module_bug_cleanup",),
    ("module_bug_finalize",),
    ("module_destroy_params",),
    ("module_finalize",),
    ("module_unload_free",),
    ("parse_args",),
    ("unknown_module_param_cb",),
    ("vermagic",),
    ("vmalloc", "vmalloc_noprof"),
)
PROTECTING = ("module_enable_ro", "module_enable_nx", "module_enable_x")
PROTECTING_PIECES = ("module_enable_rodata_ro", "module_enable_data_nx", "module_enable_text_rox")


class Record:
    """Members of one kind of record in bytes, by path: "mkobj.mod"."""

    def __init__(self, btf: Btf, name: str) -> None:
        self.btf, self.name = btf, name
        self.size = btf.size(name)
        self._places: dict[str, tuple[int, int] | None] = {}

    def place(self, path: str) -> tuple[int, int] | None:
        """Offset and size of a member, None when this kernel has no such member."""
        if path not in self._places:
            known = self.btf.has(self.name, path)
            self._places[path] = (self.btf.offset(self.name, path), self.btf.size(self.name, path)) if known else None
        return self._places[path]

    def has(self, path: str) -> bool:
        """Whether this kernel has that member."""
        return self.place(path) is not None

    def offset(self, path: str) -> int:
        """Bytes from the start of the record to the member. Raises ModuleError when there is no such member."""
        place = self.place(path)
        if place is None:
            raise missing(f"struct {self.name} has no member {path}")
        return place[0]

    def element(self, path: str) -> int:
        """Bytes of what the pointer `path` points to; 1 for void."""
        return self.btf.size_of(self.btf.target(self.btf.resolve(self.btf.field(self.name, path).type))) or 1

    def put(self, raw: memoryview, path: str, value: int, start: int = 0) -> None:
        """Set a member of the record that begins at `start` of `raw`, if the record has it."""
        place = self.place(path)
        if place is not None:
            at, size = place[0] + start, place[1]
            raw[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def get(self, raw: bytes | memoryview, path: str, start: int = 0) -> int:
        """A member's value; 0 for one that is not there."""
        place = self.place(path)
        return int.from_bytes(raw[start + place[0] : start + sum(place)], "little") if place else 0


def missing(what: str) -> ModuleError:
    """This kernel cannot be served: `what` completes the sentence."""
    return ModuleError(ENOSYS, f'emukern cannot place modules into this kernel: {what}; via="kernel" works')


class Kernel:
    """What placing modules needs to know of the kernel of `guest`; found out once."""

    def __init__(self, guest: Any) -> None:
        self.guest = guest
        self.btf: Btf = guest.btf
        self._addresses: dict[str, int | None] = {}
        self._constants: dict[str, int] = {}
        self.tables: dict[Any, Any] = {}  # exports of modules (loaded.py)
        self.keys: dict[bytes, Any] | None = None  # trusted ones (keyring.py)
        self.module = Record(self.btf, "module")
        self.load_info = Record(self.btf, "load_info")
        self.use = Record(self.btf, "module_use")
        self.kallsyms = Record(self.btf, "mod_kallsyms")
        self.tree = Record(self.btf, "mod_tree_root")
        self.in_pieces = self.module.has("mem")  # one block for each kind of content; before 6.4 two in all
        self.block = Record(self.btf, "module_memory" if self.in_pieces else "module_layout")
        self.modules = self.need("modules")
        self.notifiers = self.need("module_notify_list")
        self.signed = self.module.has("sig_ok")
        self.symbol_size = self.btf.size("kernel_symbol")
        self.protecting = PROTECTING_PIECES if self.in_pieces else PROTECTING
        self.strict = self.find(self.protecting[0]) is not None  # otherwise pages are not aligned for it
        for names in NEEDED:
            self.need(*names)
        if self.module.has("data_layout"):
            raise missing("it keeps the data of modules apart from their code")
        if self.btf.size("mod_arch_specific") and self.btf.has("mod_arch_specific", "got"):
            raise missing("its modules have offset tables of their own")

    @cached_property
    def style(self) -> Style:
        """How it lays modules out."""
        from emukern.linux.placement import KINDS, PAGE, Style

        numbers: dict[tuple[str, bool], int] = {}
        for kind in KINDS:
            for init in (False, True):
                if not self.in_pieces:
                    numbers[kind, init] = int(init)
                elif not (init and kind == "ro_after_init"):
                    numbers[kind, init] = self.constant(f"MOD_{'INIT_' * init}{kind.upper()}")
        after_init = [".data..ro_after_init", "__jump_table"]
        if self.find("module_mark_ro_after_init") is not None:  # came together with the third name
            after_init.append(".static_call_sites")
        return Style(
            pieces=self.in_pieces,
            page=PAGE if self.strict else 1,
            numbers=tuple(numbers.items()),
            kallsyms_size=self.kallsyms.size,
            after_init=tuple(after_init),
            keep_exit=self.module.has("refcnt"),
        )

    @cached_property
    def vermagic(self) -> str:
        """What a module's vermagic must be."""
        return str(self.guest.machine.mem.cstr(self.need("vermagic")), "latin-1")

    @cached_property
    def attributes(self) -> list[tuple[bytes, int, int]]:
        """What of .modinfo sysfs shows: name, and the functions that take and free it, 0 for one that is not there."""
        mem, record = self.guest.machine.mem, Record(self.btf, "module_attribute")
        found: list[tuple[bytes, int, int]] = []
        at = self.need("modinfo_attrs")
        while (attribute := mem.u64(at)) and len(found) < MOST_ATTRIBUTES:
            raw = mem.read(attribute, record.size)
            name = mem.cstr(record.get(raw, "attr.name"), 64)
            found.append((name, record.get(raw, "setup"), record.get(raw, "free")))
            at += 8
        return found

    def cpu_offsets(self) -> list[int]:
        """What is added to a per-CPU pointer, for each CPU that there may be."""
        mem, count = self.guest.machine.mem, self.word("nr_cpu_ids", 4) or 1
        mask = self.word("__cpu_possible_mask", (count + 7) // 8)
        start = self.need("__per_cpu_offset")
        return [mem.u64(start + 8 * cpu) for cpu in range(count) if mask >> cpu & 1]

    def find(self, *names: str) -> int | None:
        """Address of the first of these symbols that the kernel has."""
        for name in names:
            if name not in self._addresses:
                self._addresses[name] = self.guest.facts.symbols.address(name)
            if self._addresses[name] is not None:
                return self._addresses[name]
        return None

    def need(self, *names: str) -> int:
        """The same. Raises ModuleError when there is none."""
        found = self.find(*names)
        if found is None:
            raise missing(f"it has no symbol {' or '.join(names)}")
        return found

    def call(self, names: str | tuple[str, ...], *args: int) -> int:
        """Call the first of these functions that the kernel has; its unsigned result."""
        result: int = self.guest.call(self.need(*((names,) if isinstance(names, str) else names)), *args)
        return result

    def call_if_there(self, name: str, *args: int) -> int:
        """Call a function that kernels lack which were built without its subject; 0 then."""
        address = self.find(name)
        return self.guest.call(address, *args) if address is not None else 0

    def constant(self, name: str) -> int:
        """An enumerator's value."""
        if name not in self._constants:
            try:
                self._constants[name] = self.btf.constant(name)
            except LookupError:
                raise missing(f"its types have no {name}") from None
        return self._constants[name]

    def word(self, name: str, size: int = 8) -> int:
        """The value of a global of `size` bytes, 0 when the kernel has no such global."""
        address = self.find(name)
        return int.from_bytes(self.guest.machine.mem.read(address, size), "little") if address is not None else 0


def kernel_of(guest: Any) -> Kernel:
    """The `Kernel` of a guest."""
    found = guest.__dict__.get("_module_kernel")
    if found is None:
        try:
            found = Kernel(guest)
        except LookupError as unknown:
            raise missing(str(unknown)) from None
        guest.__dict__["_module_kernel"] = found
    return found  # type: ignore[no-any-return]


def errno_of(result: int) -> int:
    """The positive errno in a C int result; 0 for success."""
    code = ((result & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
    return -code if code < 0 else 0
