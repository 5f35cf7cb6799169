"""The names of a borrowed kernel as Python attributes: `guest.kernel.init_task.comm`, `guest.kernel.strlen("abc")`.

Where a type comes from, in this order: what the user declared; BTF (functions, per-cpu variables, constants);
`declarations`. For other symbols the user says the type: `kernel.object("nr_iowait", "int")` reads one,
`kernel.declare("int nr_iowait")` makes it an attribute. A global that is a number or pointer is its value, and can be
assigned; a struct or array is a Ptr. Inline functions whose work a symbol does are found under their own name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex

from emukern.ctype import CType, Function, Record
from emukern.errors import UsageError
from emukern.linux.btf import Btf, NoSuchType
from emukern.linux.calls import Caller, KernelFunction
from emukern.linux.declarations import INLINE, PROFILED, known
from emukern.linux.types import Types
from emukern.ptr import Mem, Ptr, TypedMem, accessors, object_at
from emukern.scalars import Load, Store


class Symbols(Protocol):
    """The kernel's own names."""

    def address(self, name: str, /) -> int | None: ...
    def at(self, address: int, /) -> tuple[str, int] | None: ...


class Host(Caller, Protocol):
    """What the names need of a guest. `percpu_base`: what to add to a per-cpu symbol for the CPU's own copy."""

    @property
    def mem(self) -> Mem: ...
    @property
    def btf(self) -> Btf: ...
    @property
    def symbols(self) -> Symbols: ...
    @property
    def percpu_base(self) -> int: ...


class UnknownName(UsageError, AttributeError):
    """A name the kernel does not have, or whose type nobody has told."""


@dataclass(frozen=True, slots=True)
class _Global:
    """A variable and how to reach it."""

    address: int
    type: CType
    load: Load
    store: Store


class TypedKernel:
    """The names of the kernel in `host`; of a module, with a host of its own and `types` on top of its kernel's."""

    _host: Host
    _types: Types
    _mem: Any
    _declared: dict[str, CType]
    _found: dict[str, Any]

    def __init__(self, host: Host, types: Types | None = None) -> None:
        types = types or Types(host.btf)
        own = self.__dict__
        own.update(_host=host, _types=types, _declared={}, _found={})
        own["_mem"] = TypedMem(host.mem, types, self._symbol_at)

    @property
    def mem_(self) -> Mem:
        """Guest memory where names of types mean this kernel's: `Ptr(kernel.mem_, address, "struct x *")`."""
        memory: Mem = self._mem
        return memory

    def __repr__(self) -> str:
        return f"<names of a kernel with {self._types.btf.last} types>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        found = self._find(name)
        return found.load(self._mem, found.address) if isinstance(found, _Global) else found

    def __setattr__(self, name: str, value: Any) -> None:
        found = self._find(name)
        if not isinstance(found, _Global):
            raise UsageError(f"{name} is not a variable")
        found.store(self._mem, found.address, value)

    def __getitem__(self, name: str) -> Any:
        """The name, also one that a method has: `kernel["type"]`."""
        return self.__getattr__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    def object(self, where: str | SupportsIndex, type_: str) -> Any:
        """What is at a symbol or address, taken for a `type_`: the value of a number or pointer, a Ptr to the rest."""
        address = self._address(where) if isinstance(where, str) else where.__index__()
        return accessors(self._types.type(type_))[0](self._mem, address)

    def declare(self, text: str) -> None:
        """Tell the type of a variable or function: `int panic_timeout`, `void *foo(struct bar *)`."""
        name, type_ = self._types.declaration(text)
        self._address(name)
        self._declared[name] = type_
        self._found.pop(name, None)

    def type(self, text: str) -> CType:
        """The type written `text`: `kernel.type("struct module").size`."""
        return self._types.type(text)

    def constant(self, name: str) -> int:
        """The enumerator `name`."""
        return self._types.btf.constant(name)

    def address_of_(self, name: str) -> Ptr:
        """`&name`, of a variable."""
        found = self._find(name)
        if not isinstance(found, _Global):
            raise UsageError(f"{name} is not a variable")
        return object_at(self._mem, found.address, found.type)

    def function(self, name: str) -> KernelFunction:
        """The function `name`."""
        found = self._find(name)
        if not isinstance(found, KernelFunction):
            raise UsageError(f"{name} is not a function")
        return found

    # Finding.

    def _symbol_at(self, address: int) -> str:
        found = self._host.symbols.at(address)
        return f"{found[0]}+{found[1]:#x}" if found else ""

    def _address(self, name: str) -> int:
        address = self._host.symbols.address(name)
        if address is None:
            raise UnknownName(f"the kernel has no symbol {name}")
        return address

    def _find(self, name: str) -> Any:
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._look(name)
        return found

    def _look(self, name: str) -> Any:
        ways: tuple[Callable[[str], Any], ...] = (self._of_user, self._of_btf, self._of_table, self._of_inline)
        for way in ways:
            if (found := way(name)) is not None:
                return found
        try:
            return self._types.btf.constant(name)
        except NoSuchType:
            pass
        self._address(name)
        raise UnknownName(
            f"the kernel does not tell the type of {name}: "
            f'say kernel.object("{name}", "its type"), or kernel.declare("its type {name}") once'
        )

    def _made(self, name: str, type_: CType, base: int = 0) -> Any:
        """The variable or function that the symbol `name` is; None without one."""
        address = self._host.symbols.address(name)
        if address is None:
            return None
        if isinstance(type_, Function):
            return KernelFunction(self._host, self._mem, address, type_)
        return _Global(address + base & (1 << 64) - 1, type_, *accessors(type_))

    def _of_user(self, name: str) -> Any:
        type_ = self._declared.get(name)
        return None if type_ is None else self._made(name, type_)

    def _of_btf(self, name: str) -> Any:
        variable = self._types.btf.variables().get(name)
        if variable is not None:
            base = self._host.percpu_base if "percpu" in variable.section else 0
            return self._made(name, self._types.of(variable.type), base)
        function = self._types.functions.get(name)
        return None if function is None else self._made(name, function)

    def _of_table(self, name: str) -> Any:
        text = known().get(name)
        if text is None or self._host.symbols.address(name) is None:
            return None
        _, type_ = self._types.declaration(text)
        if isinstance(type_, Record) and type_.members is None:
            return None
        return self._made(name, type_)

    def _of_inline(self, name: str) -> Any:
        for other in (*INLINE.get(name, ()), name + PROFILED):
            if (found := self._of_btf(other)) is not None:
                return found
        return None
