"""A loaded module: plain data, so that it is part of snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from emukern.kmod.symbols import Symbol, SymbolTable


class State(IntEnum):
    """enum module_state; the number is what `struct module` holds."""

    LIVE = 0
    COMING = 1
    GOING = 2
    UNFORMED = 3


STATE_NAMES = {
    State.LIVE: "Live",
    State.COMING: "Loading",
    State.GOING: "Unloading",
    State.UNFORMED: "Loading",
}

# Letters of a module's taints and their bits in the kernel's mask (include/linux/panic.h).
TAINT_BITS = {"P": 0, "F": 1, "S": 2, "R": 3, "C": 10, "O": 12, "E": 13, "K": 15, "X": 16, "N": 18}


@dataclass(frozen=True, slots=True)
class Region:
    """Pages of one purpose: `kind` text, rodata, ro_after_init or data; `prot` as module_area takes it."""

    kind: str
    init: bool
    address: int
    size: int
    prot: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One struct kernel_param in guest memory at `address`."""

    name: str
    address: int
    ops: int
    perm: int
    level: int
    flags: int
    arg: int


@dataclass(slots=True)
class Module:
    """One module in any of its states. Addresses are guest virtual, 0 for what it does not have."""

    name: str
    state: State = State.UNFORMED
    modinfo: tuple[tuple[str, str], ...] = ()
    gpl_compatible: bool = False
    taints: str = ""
    args: str = ""
    args_address: int = 0
    core: int = 0
    core_size: int = 0
    init_core: int = 0
    init_size: int = 0
    regions: tuple[Region, ...] = ()
    sections: dict[str, int] = field(default_factory=dict)
    percpu: int = 0
    percpu_offset: int = 0  # what its symbols get: from the CPU's own base
    this_module: int = 0
    bug_table: tuple[int, int] = (0, 0)  # address and size of its __bug_table
    init: int = 0
    exit: int = 0
    parameters: tuple[Parameter, ...] = ()
    words: tuple[tuple[str, int | None], ...] = ()  # its arguments: name and address of the value, while it comes
    after_dashes: str | None = None  # what stood behind "--" in the arguments
    exports: tuple[Symbol, ...] = ()
    symbols: SymbolTable = field(default_factory=lambda: SymbolTable.of((), 0))
    refcnt: int = 0
    holders: list[str] = field(default_factory=list)  # modules that use this one
    uses: list[str] = field(default_factory=list)  # modules this one uses
    uses_gpl_symbols: bool = False
    build_id: str = ""

    @property
    def size(self) -> int:
        """Bytes of module memory in use, as lsmod shows them."""
        return self.core_size + self.init_size

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The (start, end) of the module's memory."""
        blocks = ((self.core, self.core_size), (self.init_core, self.init_size))
        return tuple((start, start + size) for start, size in blocks if size)

    def info(self, key: str) -> str | None:
        """The first modinfo value of `key`."""
        return next((value for found, value in self.modinfo if found == key), None)

    def taint(self, letter: str) -> None:
        """Add a taint letter, kept in the order of the kernel's bits."""
        self.taints = "".join(sorted({*self.taints, letter}, key=TAINT_BITS.__getitem__))

    @property
    def flags(self) -> str:
        """What Linux writes behind a module's name: taints, + or - while it comes or goes: "(OE)"."""
        moving = {State.COMING: "+", State.GOING: "-"}.get(self.state, "")
        return f"({self.taints}{moving})" if self.taints or moving else ""

    @property
    def proc_line(self) -> str:
        """The module's line in /proc/modules, without the newline."""
        users = "".join(f"{holder}," for holder in self.holders)
        if self.init and not self.exit:
            users += "[permanent],"
        state = STATE_NAMES[self.state]
        line = f"{self.name} {self.size} {self.refcnt} {users or '-'} {state} {self.core:#018x}"
        return f"{line} {self.flags}" if self.flags else line
