"""What the loader needs from a kernel: the tiny kernel's `k` has it, tests use a small fake."""

from __future__ import annotations

from typing import Any, Protocol

from emukern.kmod.module import Module
from emukern.kmod.symbols import SymbolChain


class HostArch(Protocol):
    """The part of an architecture's record that loading needs."""

    @property
    def e_machine(self) -> int: ...

    @property
    def relocations(self) -> Any: ...


class ModuleArea(Protocol):
    """Pages within reach of the kernel. `protect` takes "rx", "r" or "rw"; fresh pages are "rw"."""

    def alloc(self, npages: int) -> int: ...
    def free(self, address: int) -> None: ...
    def protect(self, address: int, npages: int, prot: str) -> None: ...


class HostMemory(Protocol):
    """Guest kernel memory by virtual address."""

    def read(self, addr: int, n: int, /) -> bytes: ...
    def write(self, addr: int, data: bytes, /) -> None: ...
    def cstr(self, addr: int, limit: int = ..., /) -> bytes: ...
    def u32(self, addr: int, /) -> int: ...
    def u64(self, addr: int, /) -> int: ...
    def put_u32(self, addr: int, v: int, /) -> None: ...


class HostHeap(Protocol):
    """kmalloc, for the argument string."""

    def alloc(self, size: int, *, by: str = ...) -> int: ...
    def free(self, address: int) -> None: ...


class HostLog(Protocol):
    """The printk ring."""

    def emit(self, level: int, text: str, /) -> None: ...


class ModuleHost(Protocol):
    """A kernel that modules can be loaded into.

    Optional attributes: `allow_common` and `plain_objects` (bool, what hobby modules need; true when absent).
    """

    @property
    def arch(self) -> HostArch: ...

    @property
    def mem(self) -> HostMemory: ...

    @property
    def heap(self) -> HostHeap: ...

    @property
    def log(self) -> HostLog: ...

    @property
    def module_area(self) -> ModuleArea: ...

    symbols: SymbolChain
    modules: dict[str, Module]
    taints: set[str]  # letters of the kernel's taint flags
    vermagic: str | None  # what a module's vermagic must be; None: anything will do
    percpu_base: int  # where the CPU's per-CPU variables start; what %gs holds on x86_64, 0 elsewhere

    def lazy_stub(self, name: str, module: str) -> int | None:
        """A stand-in for a symbol nobody offers, or None to refuse the module."""
        ...
