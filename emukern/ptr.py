"""Ptr: a guest pointer that knows what it points at, read and written like C (drgn's rule for names).

Members of the struct are plain attributes (`task.pid`, `file.private_data = 0`), names of our own end in `_`.
Scalars come out as int; pointers, inner structs and arrays come out as Ptr. Nothing is copied or cached: each
access reads or writes guest memory through `mem_`, and one that NULL or a wild address makes raises
`GuestFault`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, SupportsIndex

from emukern.cdecl import abi
from emukern.ctype import Array, CType, DeclarationError, Function, Int, Pointer, Record, VaList, Void

_MASK = 0xFFFF_FFFF_FFFF_FFFF


class Mem(Protocol):
    """What a pointer needs of guest memory; every method raises GuestFault where nothing is mapped."""

    def read(self, addr: int, n: int, /) -> bytes: ...
    def write(self, addr: int, data: bytes, /) -> None: ...
    def cstr(self, addr: int, limit: int = ..., /) -> bytes: ...
    def u8(self, addr: int, /) -> int: ...
    def u16(self, addr: int, /) -> int: ...
    def u32(self, addr: int, /) -> int: ...
    def u64(self, addr: int, /) -> int: ...
    def put_u8(self, addr: int, v: int, /) -> None: ...
    def put_u16(self, addr: int, v: int, /) -> None: ...
    def put_u32(self, addr: int, v: int, /) -> None: ...
    def put_u64(self, addr: int, v: int, /) -> None: ...


Load = Callable[[Any, int], Any]
Store = Callable[[Any, int, Any], None]


class Ptr:
    """The guest address `addr_` in `mem_`, of the pointer type `type_` (or its text: "struct file *")."""

    __slots__ = ("addr_", "mem_", "type_")

    addr_: int
    mem_: Mem
    type_: Pointer

    def __init__(self, mem: Mem, addr: SupportsIndex, type_: Pointer | str = "void *") -> None:
        _set_mem(self, mem)
        _set_addr(self, addr.__index__() & _MASK)
        _set_type(self, pointer_type(type_) if type_.__class__ is str else type_)

    def __getattr__(self, name: str) -> Any:
        offset, load, _ = _field(self.type_.target, name)
        return load(self.mem_, self.addr_ + offset)

    def __setattr__(self, name: str, value: Any) -> None:
        offset, _, store = _field(self.type_.target, name)
        store(self.mem_, self.addr_ + offset, value)

    def __getitem__(self, index: int) -> Any:
        size, load, _, _ = _element(self.type_)
        return load(self.mem_, (self.addr_ + index * size) & _MASK)

    def __setitem__(self, index: int, value: Any) -> None:
        size, _, store, _ = _element(self.type_)
        store(self.mem_, (self.addr_ + index * size) & _MASK, value)

    def __add__(self, count: int) -> Ptr:
        return Ptr(self.mem_, self.addr_ + count * _stride(self.type_), self.type_)

    __radd__ = __add__

    def __sub__(self, other: int | Ptr) -> Any:
        """`p - n` is a pointer, `p - q` a count of elements, as in C."""
        if isinstance(other, Ptr):
            return (self.addr_ - other.addr_) // _stride(self.type_)
        return self + -other

    def __index__(self) -> int:
        return self.addr_

    __int__ = __index__

    def __bool__(self) -> bool:
        return self.addr_ != 0

    def __hash__(self) -> int:
        return hash(self.addr_)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ptr):
            return self.addr_ == other.addr_
        return self.addr_ == other if isinstance(other, int) else NotImplemented

    def __lt__(self, other: SupportsIndex) -> bool:
        return self.addr_ < other.__index__()

    def __le__(self, other: SupportsIndex) -> bool:
        return self.addr_ <= other.__index__()

    def __gt__(self, other: SupportsIndex) -> bool:
        return self.addr_ > other.__index__()

    def __ge__(self, other: SupportsIndex) -> bool:
        return self.addr_ >= other.__index__()

    def __repr__(self) -> str:
        return f"({self.type_}){self.addr_:#x}"

    def __dir__(self) -> list[str]:
        target = self.type_.target
        members = list(target.members or ()) if isinstance(target, Record) else []
        return members + [name for name in super().__dir__() if name.endswith("_")]

    def __reduce__(self) -> tuple[Any, ...]:
        return Ptr, (self.mem_, self.addr_, str(self.type_))

    def str_(self, limit: int = 1 << 20) -> str:
        """The NUL-terminated string here, one character per byte."""
        return self.mem_.cstr(self.addr_, limit).decode("latin-1")

    def bytes_(self, n: int | None = None) -> bytes:
        """`n` bytes from here on; without `n`, the whole object."""
        return self.mem_.read(self.addr_, self.type_.target.size if n is None else n)

    def cast_(self, type_: Pointer | str) -> Ptr:
        """The same address as another pointer type."""
        return Ptr(self.mem_, self.addr_, type_)

    def member_(self, path: str) -> Any:
        """The value of the member `path`, which may be `a.b` or clash with a name of Python's."""
        offset, load, _ = _field(self.type_.target, path)
        return load(self.mem_, self.addr_ + offset)

    def address_of_(self, path: str) -> Ptr:
        """`&p->path`; for an array, a pointer to its first element."""
        offset, pointer = _address(_record(self.type_.target, path), path)
        return Ptr(self.mem_, self.addr_ + offset, pointer)

    def container_of_(self, type_: str, path: str) -> Ptr:
        """The `type_` ("struct x") whose member `path` is the object here."""
        offset, container = _container(type_, path)
        return Ptr(self.mem_, self.addr_ - offset, container)


# The slots' own setters, because Ptr.__setattr__ writes guest memory.
_set_mem: Callable[[Ptr, Any], None] = Ptr.__dict__["mem_"].__set__
_set_addr: Callable[[Ptr, int], None] = Ptr.__dict__["addr_"].__set__
_set_type: Callable[[Ptr, Any], None] = Ptr.__dict__["type_"].__set__


@cache
def pointer_type(text: str) -> Pointer:
    """The pointer type written `text`, in terms of the shared header."""
    type_ = abi().type(text)
    if not isinstance(type_, Pointer):
        raise DeclarationError(f"{text} is not a pointer type")
    return type_


def _pointer_to(type_: CType) -> Pointer:
    """What an object of `type_` decays to."""
    return Pointer(type_.element if isinstance(type_, Array) else type_)


def _record(target: CType, name: str) -> Record:
    if isinstance(target, Record) and not name.startswith("__"):
        return target
    raise AttributeError(f"{target} has no member {name}")


@cache
def _address(target: Record, path: str) -> tuple[int, Pointer]:
    member = target.member(path)
    return member.offset, _pointer_to(member.type)


@cache
def _container(type_: str, path: str) -> tuple[int, Pointer]:
    record = abi().record(type_)
    return record.member(path).offset, Pointer(record)


# How to reach each member and element used so far. A pointer type hashes slowly (through its targets), hence
# the id; the entry keeps the type alive, so that the id stays its own.
_fields: dict[tuple[CType, str], tuple[int, Load, Store]] = {}
_elements: dict[int, tuple[int, Load, Store, Pointer]] = {}


def _field(target: CType, name: str) -> tuple[int, Load, Store]:
    """Offset, reader and writer of a member."""
    found = _fields.get((target, name))
    if found is None:
        member = _record(target, name).member(name)
        found = _fields[target, name] = (member.offset, *accessors(member.type))
    return found


def _element(type_: Pointer) -> tuple[int, Load, Store, Pointer]:
    """Size, reader and writer of what a pointer points at."""
    found = _elements.get(id(type_))
    if found is None:
        found = _elements[id(type_)] = (_stride(type_), *accessors(type_.target), type_)
    return found


def _stride(type_: Pointer) -> int:
    """Bytes from one element to the next; 1 for `void *` and function pointers, as GNU C has it."""
    return type_.target.size or 1


def accessors(type_: CType) -> tuple[Load, Store]:
    """`load(mem, addr)` and `store(mem, addr, value)` for an object of `type_`."""
    match type_:
        case Int():
            return _int_accessors(type_)
        case Pointer():
            return (lambda mem, addr: Ptr(mem, mem.u64(addr), type_)), (
                lambda mem, addr, value: mem.put_u64(addr, value.__index__())
            )
        case Record() | Array():
            decayed = _pointer_to(type_)
            return (lambda mem, addr: Ptr(mem, addr, decayed)), _copier(type_)
        case Void() | Function() | VaList():
            raise DeclarationError(f"{type_} has no value in memory")


def _int_accessors(type_: Int) -> tuple[Load, Store]:
    size, convert = type_.size, type_.convert
    load: Load = {
        1: lambda mem, addr: mem.u8(addr),
        2: lambda mem, addr: mem.u16(addr),
        4: lambda mem, addr: mem.u32(addr),
        8: lambda mem, addr: mem.u64(addr),
    }[size]
    store: Store = {
        1: lambda mem, addr, value: mem.put_u8(addr, value.__index__()),
        2: lambda mem, addr, value: mem.put_u16(addr, value.__index__()),
        4: lambda mem, addr, value: mem.put_u32(addr, value.__index__()),
        8: lambda mem, addr, value: mem.put_u64(addr, value.__index__()),
    }[size]
    if type_.boolean:
        return (lambda mem, addr: mem.u8(addr) != 0), (lambda mem, addr, value: mem.put_u8(addr, bool(value)))
    if type_.signed:
        return (lambda mem, addr: convert(load(mem, addr))), store
    return load, store


def _copier(type_: Record | Array) -> Store:
    """Assignment to a whole struct or array: from bytes that fit, or from a pointer to another one."""

    def store(mem: Mem, addr: int, value: bytes | Ptr) -> None:
        data = value.bytes_(type_.size) if isinstance(value, Ptr) else bytes(value)
        if len(data) > type_.size:
            raise DeclarationError(f"{len(data)} bytes do not fit {type_}, which has {type_.size}")
        mem.write(addr, data)

    return store
