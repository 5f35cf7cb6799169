"""The modules a kernel has at this moment, read from its own list, whoever placed them there."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emukern.kmod.module import TAINT_BITS, State
from emukern.kmod.symbols import Symbol, SymbolTable
from emukern.linux.names import NameIndex
from emukern.linux.placement import SYMBOL

if TYPE_CHECKING:
    from emukern.linux.struct_module import Kernel

MOST = 4096  # modules; a longer list is a broken one
RELATIVE = 12  # bytes of a struct kernel_symbol that holds distances; otherwise it holds pointers
GPL_ONLY = 1  # KSYM_FLAG_GPL_ONLY, in kernels that keep a byte of flags for each export
KNOWN_TABLES = 512  # of exports that are remembered
LONGEST_NAME = 512  # KSYM_NAME_LEN


@dataclass
class Present:
    """One module of the list. The kernel's struct module is at `address`; `raw` is a copy of it."""

    kernel: Kernel
    address: int
    raw: bytes
    holders: list[str] = field(default_factory=list)  # what the resolver notes; the kernel has its own list
    refcnt: int = 0

    def get(self, path: str) -> int:
        """A member's value at the time it was read."""
        return self.kernel.module.get(self.raw, path)

    @cached_property
    def name(self) -> str:
        """The module's name."""
        at, size = self.kernel.module.place("name") or (0, 0)
        return self.raw[at : at + size].split(b"\0", 1)[0].decode("latin-1")

    @property
    def state(self) -> State:
        """Live, coming, going or unformed."""
        return State(self.get("state") & 3)

    @property
    def taints(self) -> set[str]:
        """Letters of its taints."""
        mask = self.get("taints")
        return {letter for letter, bit in TAINT_BITS.items() if mask >> bit & 1}

    @property
    def exports(self) -> dict[str, Symbol]:
        """What it offers to others."""
        found: dict[str, Symbol] = {}
        for kind in ("", "gpl_"):
            count = self.get(f"num_{kind}syms")
            if count:
                found |= self._table(self.get(f"{kind}syms"), self.get(f"{kind}crcs"), count, bool(kind))
        return found

    def _table(self, start: int, crcs: int, count: int, gpl: bool) -> dict[str, Symbol]:
        """One table of exports. Its content is remembered, as it does not change while it is there."""
        mem = self.kernel.guest.machine.mem
        raw = mem.read(start, count * self.kernel.symbol_size)
        flags = mem.read(self.get("flagstab"), count) if self.get("flagstab") else bytes([GPL_ONLY * gpl]) * count
        known: dict[Any, dict[str, Symbol]] = self.kernel.tables
        key = (self.name, start, raw, flags)
        if key not in known:
            if len(known) >= KNOWN_TABLES:
                known.clear()
            versions = memoryview(mem.read(crcs, 4 * count)).cast("I") if crcs else None
            known[key] = {
                name: Symbol(
                    name, value, self.name, bool(flags[i] & GPL_ONLY), "func", space, versions[i] if versions else None
                )
                for i, (name, value, space) in enumerate(_entries(mem, start, raw, self.kernel.symbol_size))
            }
        return known[key]


def _entries(mem: Any, start: int, raw: bytes, size: int) -> Iterator[tuple[str, int, str]]:
    """Name, value and namespace of each struct kernel_symbol."""
    text = _Strings(mem)
    for at in range(0, len(raw), size):
        if size == RELATIVE:
            fields = [int.from_bytes(raw[at + i : at + i + 4], "little", signed=True) for i in (0, 4, 8)]
            value, name, space = (start + at + 4 * i + distance if distance else 0 for i, distance in enumerate(fields))
        else:
            value, name, space = (int.from_bytes(raw[at + i : at + i + 8], "little") for i in (0, 8, 16))
        yield text.at(name), value, text.at(space) if space else ""


class _Strings:
    """Strings of the guest, read a page at a time, for they lie side by side."""

    def __init__(self, mem: Any) -> None:
        self._mem = mem
        self._pages: dict[int, bytes] = {}

    def at(self, address: int) -> str:
        """The string at an address."""
        page, offset = address & -4096, address & 4095
        content = self._pages.get(page)
        if content is None:
            content = self._pages[page] = self._mem.read(page, 4096)
        end = content.find(b"\0", offset)
        if end < 0:
            return str(self._mem.cstr(address, LONGEST_NAME), "latin-1")
        return content[offset:end].decode("latin-1")


def present(kernel: Kernel) -> list[Present]:
    """Every module of the kernel's list, newest first, those that are coming or going too."""
    mem, record = kernel.guest.machine.mem, kernel.module
    link = record.offset("list")
    at = mem.u64(kernel.modules)
    found: list[Present] = []
    while at != kernel.modules and len(found) < MOST:
        found.append(Present(kernel, at - link, mem.read(at - link, record.size)))
        at = record.get(found[-1].raw, "list.next")
    return found


@dataclass(frozen=True)
class Chain:
    """Who answers a name: the kernel, then its modules; what `find_symbol` (kernel/module/main.c) does."""

    kernel: Any  # name → Symbol
    modules: dict[str, Present]

    @classmethod
    def of(cls, kernel: Kernel, modules: list[Present], likely: list[str]) -> Chain:
        """`likely`: names of modules to ask before the others."""
        formed = {m.name: m for m in modules if m.state is not State.UNFORMED}
        first = {name: formed[name] for name in likely if name in formed}
        return cls(kernel.guest.facts.exports, first | formed)

    def find(self, name: str, module: Any = None) -> Symbol | None:
        """The symbol that `name` means to `module`; None as the module stands for somebody who may see everything."""
        hidden = module is not None and not module.gpl_compatible
        symbol = self.kernel.find(name)
        if symbol is not None and not (symbol.gpl and hidden):
            return symbol  # type: ignore[no-any-return]
        for owner in self.modules.values():
            symbol = owner.exports.get(name)
            if symbol is not None and not (symbol.gpl and hidden):
                return symbol
        return None


class Loaded:
    """A module in the kernel, as who loaded it holds it. Everything else is read from the kernel when asked."""

    def __init__(self, kernel: Kernel, name: str, address: int, sections: dict[str, int] | None = None) -> None:
        self.name = name
        self.address = address  # of its struct module
        self.sections = sections or {}  # addresses by name, of those that go with init too; known to our loader alone
        self._kernel = kernel
        self._symbols: SymbolTable | None = None

    def __repr__(self) -> str:
        return f"<module {self.name}>"

    def __index__(self) -> int:
        return self.address

    @property
    def now(self) -> Present:
        """Its struct module as it is now."""
        raw = self._kernel.guest.machine.mem.read(self.address, self._kernel.module.size)
        return Present(self._kernel, self.address, raw)

    @property
    def refcnt(self) -> int:
        """How many use it, as lsmod counts."""
        return self.now.get("refcnt") - 1  # MODULE_REF_BASE

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(start, end) of its memory."""
        kernel, now = self._kernel, self.now
        found = []
        for start in block_places(kernel):
            base, size = kernel.block.get(now.raw, "base", start), kernel.block.get(now.raw, "size", start)
            if base and size:
                found.append((base, base + size))
        return found

    @property
    def size(self) -> int:
        """Bytes of module memory."""
        return sum(end - start for start, end in self.ranges)

    @property
    def symbols(self) -> SymbolTable:
        """The names of its addresses, static ones too, read once from what the kernel keeps of them."""
        if self._symbols is None:
            table = _read_symbols(self._kernel, self.now)
            if self.now.state is not State.LIVE:  # those of init go away
                return table
            self._symbols = table
        return self._symbols


def block_places(kernel: Kernel) -> list[int]:
    """Offsets in struct module of the records of its blocks of memory, by number."""
    if not kernel.in_pieces:
        return [kernel.module.offset("core_layout"), kernel.module.offset("init_layout")]
    first, size = kernel.module.place("mem") or (0, 0)
    return list(range(first, first + size, kernel.block.size))


class _Names(SymbolTable):
    """A table that finds names fast."""

    @cached_property
    def index(self) -> NameIndex:
        """Where the names are."""
        import numpy as np

        starts = np.frombuffer(self.starts, np.uint32)
        ends = np.flatnonzero(np.frombuffer(self.strings, np.uint8) == 0)
        lengths = ends[np.searchsorted(ends, starts)] - starts
        return NameIndex.of(self.strings, starts, lengths.astype(np.uint32))

    def address_of(self, name: str) -> int | None:
        """The address of the first row of that name."""
        rows = self.index.find(name.encode("latin-1", "replace"), self.strings, self.starts)
        return next((self.values[row] for row in rows if self.kinds[row] != ord("U")), None)


def _read_symbols(kernel: Kernel, module: Present) -> SymbolTable:
    """What struct mod_kallsyms refers to."""
    import numpy as np

    mem, record = kernel.guest.machine.mem, kernel.kallsyms
    raw = mem.read(module.get("kallsyms"), record.size)
    count = record.get(raw, "num_symtab")
    rows = np.frombuffer(mem.read(record.get(raw, "symtab"), count * SYMBOL), "<u4").reshape(count, SYMBOL // 4)
    kinds = mem.read(record.get(raw, "typetab"), count)
    starts = rows[:, 0]
    base = record.get(raw, "strtab")
    last = int(starts.max()) if count else 0
    strings = mem.read(base, last) + mem.cstr(base + last) + b"\0"
    values = np.ascontiguousarray(rows[:, 2:4]).view("<u8").reshape(-1)
    limit = max((end for _, end in Loaded(kernel, module.name, module.address).ranges), default=0)
    return _Names(array("Q", values.tobytes()), array("I", starts.tobytes()), kinds, strings, limit)
