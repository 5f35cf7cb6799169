"""Ptr: a guest pointer that knows what it points at, read and written like C (drgn's rule for names).

Members of the struct are plain attributes (`task.pid`, `file.private_data = 0`), names of our own end in `_`.
Scalars come out as int; pointers, inner structs and arrays come out as Ptr. Nothing is copied or cached: each
access reads or writes guest memory through `mem_`, and one that NULL or a wild address makes raises
`GuestFault`. `print(p)` shows what `p` points at, `repr(p)` the pointer.

Names of types mean what the shared header says, or, for pointers into memory that is a `TypedMem`, what its
`types` say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex

from emukern.cdecl import abi
from emukern.ctype import Array, CType, DeclarationError, Float, Function, Int, Pointer, Record, VaList, Void
from emukern.errors import EmukernError
from emukern.pretty import is_char, pointed, value
from emukern.scalars import Load, Store, bit_accessors, float_accessors, int_accessors

if TYPE_CHECKING:
    from emukern.cdecl import Scope

_MASK = 0xFFFF_FFFF_FFFF_FFFF
LONGEST_LIST = 1 << 20  # entries; more is a list that was damaged into a ring without its head


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


class TypedMem:
    """`mem` with types of its own: its methods are `mem`'s, names of types next to it mean what `types` says.

    `symbol_at(address)` names functions in print-outs.
    """

    METHODS = ("read", "write", "cstr", "u8", "u16", "u32", "u64", "put_u8", "put_u16", "put_u32", "put_u64")
    __slots__ = (*METHODS, "mem", "symbol_at", "types")

    def __init__(self, mem: Mem, types: Scope, symbol_at: Callable[[int], str] = lambda address: "") -> None:
        self.mem, self.types, self.symbol_at = mem, types, symbol_at
        for name in self.METHODS:
            setattr(self, name, getattr(mem, name))


class Ptr:
    """The guest address `addr_` in `mem_`, of the pointer type `type_` (or its text: "struct file *")."""

    __slots__ = ("addr_", "mem_", "type_")

    addr_: int
    mem_: Mem
    type_: Pointer

    def __init__(self, mem: Mem, addr: SupportsIndex, type_: Pointer | str = "void *") -> None:
        _set_mem(self, mem)
        _set_addr(self, addr.__index__() & _MASK)
        _set_type(self, _pointer_named(mem, type_) if type_.__class__ is str else type_)

    def __getattr__(self, name: str) -> Any:
        offset, load, _ = _field(self.type_.target, name)
        return load(self.mem_, self.addr_ + offset)

    def __setattr__(self, name: str, value: Any) -> None:
        offset, _, store = _field(self.type_.target, name)
        store(self.mem_, self.addr_ + offset, value)

    def __getitem__(self, index: int) -> Any:
        size, load, _ = _element(self.type_)
        return load(self.mem_, (self.addr_ + index * size) & _MASK)

    def __setitem__(self, index: int, value: Any) -> None:
        size, _, store = _element(self.type_)
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

    def __str__(self) -> str:
        return pointed(self.mem_, self.type_, self.addr_)

    def __dir__(self) -> list[str]:
        target = self.type_.target
        members = list(target.members or ()) if isinstance(target, Record) else []
        return members + [name for name in super().__dir__() if name.endswith("_")]

    def __reduce__(self) -> tuple[Any, ...]:
        return Ptr, (self.mem_, self.addr_, str(self.type_))

    def str_(self, limit: int = 1 << 20) -> str:
        """The NUL-terminated string here, one character per byte."""
        return self.mem_.cstr(self.addr_, limit).decode("latin-1")

    def string_(self, limit: int = 1 << 20) -> str:
        """`str_`, by the name that drgn gives it."""
        return self.str_(limit)

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
        found = _record(self.type_.target, path).member(path)
        if found.width:
            raise DeclarationError(f"{path} is a bit-field: it has no address")
        return object_at(self.mem_, self.addr_ + found.offset, found.type)

    def container_of_(self, type_: str, path: str) -> Ptr:
        """The `type_` ("struct x") whose member `path` is the object here."""
        container = types_of(self.mem_).record(type_)
        return Ptr(self.mem_, self.addr_ - container.member(path).offset, Pointer(container))

    def list_entries_(self, type_: str, path: str) -> Iterator[Ptr]:
        """Each `type_` on the list whose head (list_head or hlist_head) is here, linked through its member `path`."""
        container = types_of(self.mem_).record(type_)
        offset, pointer = container.member(path).offset, Pointer(container)
        link = self.member_("first" if "first" in (_record(self.type_.target, "next").members or ()) else "next")
        for _ in range(LONGEST_LIST):
            if not link or link == self.addr_:
                return
            following = link.next
            yield Ptr(self.mem_, link.addr_ - offset, pointer)
            link = following
        raise EmukernError(f"the list at {self.addr_:#x} does not come back to its head")


class ArrayPtr(Ptr):
    """An array of `count_` elements: a pointer to the first that knows where the last is."""

    __slots__ = ("count_",)

    count_: int

    def __init__(self, mem: Mem, addr: SupportsIndex, type_: Pointer | str, count: int) -> None:
        super().__init__(mem, addr, type_)
        _set_count(self, count)

    def __len__(self) -> int:
        return self.count_

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(self.count_))

    def __eq__(self, other: object) -> bool:
        """With text: whether that is the string in a character array. With anything else as for pointers."""
        if isinstance(other, str | bytes) and is_char(self.type_.target):
            return self.str_() == (other if isinstance(other, str) else other.decode("latin-1"))
        return super().__eq__(other)

    __hash__ = Ptr.__hash__

    def __str__(self) -> str:
        array = Array(self.type_.target, self.count_)
        return value(self.mem_, array, self.bytes_())

    def __reduce__(self) -> tuple[Any, ...]:
        return ArrayPtr, (self.mem_, self.addr_, str(self.type_), self.count_)

    def str_(self, limit: int = 1 << 20) -> str:
        """The string in the array, up to its NUL or the end; arrays of one are taken for flexible ones."""
        if self.count_ == 1 or limit <= self.count_:
            return super().str_(limit)
        return self.bytes_().split(b"\0")[0].decode("latin-1")

    def bytes_(self, n: int | None = None) -> bytes:
        """`n` bytes from its start on; without `n`, the whole array."""
        return super().bytes_(self.count_ * self.type_.target.size if n is None else n)


# The slots' own setters, because Ptr.__setattr__ writes guest memory.
_set_mem: Callable[[Ptr, Any], None] = Ptr.__dict__["mem_"].__set__
_set_addr: Callable[[Ptr, int], None] = Ptr.__dict__["addr_"].__set__
_set_type: Callable[[Ptr, Any], None] = Ptr.__dict__["type_"].__set__
_set_count: Callable[[ArrayPtr, int], None] = ArrayPtr.__dict__["count_"].__set__


def types_of(mem: Mem) -> Scope:
    """What names of types mean next to this memory."""
    return getattr(mem, "types", None) or abi()


@cache
def pointer_type(text: str) -> Pointer:
    """The pointer type written `text`, in terms of the shared header."""
    type_ = abi().type(text)
    if not isinstance(type_, Pointer):
        raise DeclarationError(f"{text} is not a pointer type")
    return type_


def _pointer_named(mem: Mem, text: str) -> Pointer:
    types = getattr(mem, "types", None)
    if types is None:
        return pointer_type(text)
    type_ = types.type(text)
    if not isinstance(type_, Pointer):
        raise DeclarationError(f"{text} is not a pointer type")
    return type_


def object_at(mem: Mem, addr: int, type_: CType) -> Ptr:
    """The address of an object of `type_`; an array's is that of its first element."""
    if isinstance(type_, Array):
        pointer = Pointer(type_.element)
        return ArrayPtr(mem, addr, pointer, type_.count) if type_.count else Ptr(mem, addr, pointer)
    return Ptr(mem, addr, Pointer(type_))


def _record(target: CType, name: str) -> Record:
    if isinstance(target, Record) and not (name.startswith("__") and name.endswith("__")):
        return target
    raise AttributeError(f"{target} has no member {name}")


# How to reach a member or element is worked out once and kept with the type, in its `access`.


def _field(target: CType, name: str) -> tuple[int, Load, Store]:
    """Offset, reader and writer of a member."""
    record = _record(target, name)
    found: tuple[int, Load, Store] | None = record.access.get(name)
    if found is None:
        member = record.member(name)
        reach = bit_accessors(member) if member.width else accessors(member.type)
        found = record.access[name] = (member.offset, *reach)
    return found


def _element(type_: Pointer) -> tuple[int, Load, Store]:
    """Size, reader and writer of what a pointer points at."""
    try:
        found: tuple[int, Load, Store] = type_.access
    except AttributeError:
        found = (_stride(type_), *accessors(type_.target))
        object.__setattr__(type_, "access", found)
    return found


def _stride(type_: Pointer) -> int:
    """Bytes from one element to the next; 1 for `void *` and function pointers, as GNU C has it."""
    return type_.target.size or 1


def accessors(type_: CType) -> tuple[Load, Store]:
    """`load(mem, addr)` and `store(mem, addr, value)` for an object of `type_`."""
    match type_:
        case Int():
            return int_accessors(type_)
        case Pointer():
            return (lambda mem, addr: Ptr(mem, mem.u64(addr), type_)), (
                lambda mem, addr, value: mem.put_u64(addr, value.__index__())
            )
        case Float():
            return float_accessors(type_)
        case Array(element, count) if count:
            first = Pointer(element)
            return (lambda mem, addr: ArrayPtr(mem, addr, first, count)), _copier(type_)
        case Record() | Array():
            decayed = Pointer(type_.element if isinstance(type_, Array) else type_)
            return (lambda mem, addr: Ptr(mem, addr, decayed)), _copier(type_)
        case Void() | Function() | VaList():
            raise DeclarationError(f"{type_} has no value in memory")


def _copier(type_: Record | Array) -> Store:
    """Assignment to a whole struct or array: from bytes or text that fits, or from a pointer to another one."""
    text = isinstance(type_, Array) and is_char(type_.element)

    def store(mem: Mem, addr: int, value: bytes | str | Ptr) -> None:
        if isinstance(value, str) and text:
            value = value.encode("utf-8", "surrogateescape")
            value += bytes(len(value) < type_.size)
        data = value.bytes_(type_.size) if isinstance(value, Ptr) else bytes(value)  # type: ignore[arg-type]
        if len(data) > type_.size:
            raise DeclarationError(f"{len(data)} bytes do not fit {type_}, which has {type_.size}")
        mem.write(addr, data)

    return store
