"""A kernel's own types as type objects: BTF → `ctype`, one at a time, when something asks for it.

`Types` is a `cdecl.Scope` whose names come from the kernel instead of a header, so C text is understood next to it:
`types.type("struct list_head *")`, `types.constant("MODULE_STATE_LIVE")`. Qualifiers are dropped; a typedef of a number
keeps its name, one of an anonymous struct names it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from emukern.cdecl import Scope
from emukern.cparse import Parser
from emukern.ctype import (
    VOID,
    Array,
    CType,
    DeclarationError,
    Enum,
    Float,
    Function,
    Int,
    LazyRecord,
    Member,
    Param,
    Pointer,
    Record,
)
from emukern.errors import ImageError
from emukern.linux.btf import Btf, NoSuchType
from emukern.linux.btf_format import Kind

DEEPEST = 100  # pointers, arrays and functions inside one another
SIGNED, BOOLEAN = 1, 4  # encodings of an INT

# What C calls the types that compilers call otherwise.
_SPELLED = {
    "long unsigned int": "unsigned long",
    "long int": "long",
    "long long unsigned int": "unsigned long long",
    "long long int": "long long",
    "short unsigned int": "unsigned short",
    "short int": "short",
    "_Bool": "bool",
    "__int128 unsigned": "unsigned __int128",
}

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Lookup(dict[K, V]):
    """A dictionary that looks for what it does not have yet."""

    def __init__(self, find: Callable[[K], V | None]) -> None:
        super().__init__()
        self._find = find
        self._absent: set[K] = set()

    def __missing__(self, key: K) -> V:
        found = None if key in self._absent else self._find(key)
        if found is None:
            self._absent.add(key)
            raise KeyError(key)
        self[key] = found
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # type: ignore[arg-type]

    def get(self, key: K, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def setdefault(self, key: K, default: V) -> V:
        if key not in self:
            self[key] = default
        return self[key]


@cache
def _standard() -> Scope:
    """The typedefs that every kernel has, for those that BTF leaves out because nothing uses them."""
    return Scope()


class Types(Scope):
    """What C names mean in one kernel, or in one module on top of its kernel's `base`."""

    def __init__(self, btf: Btf, base: Types | None = None) -> None:
        self.btf, self.base = btf, base
        self.typedefs = _Lookup(self._typedef)
        self.records = _Lookup(self._tagged)
        self.enums = _Lookup(self._enum)
        self.enumerators = _Lookup(self._constant)
        self.macros = {"__LP64__": "1", "__SIZEOF_POINTER__": "8"}
        self.functions: dict[str, Function] = _Lookup(self._function)
        self._types: dict[str, CType] = {}
        self._by_id: dict[int, CType] = {}
        self._open: set[int] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return Types, (self.btf, self.base)

    def of(self, type_: int) -> CType:
        """The type object of a BTF type. Raises ImageError where BTF is damaged."""
        if self.base and type_ <= self.base.btf.last:
            return self.base.of(type_)
        found = self._by_id.get(type_)
        if found is None:
            if type_ in self._open or len(self._open) > DEEPEST:
                raise ImageError("the type information is damaged: a type is made of itself")
            self._open.add(type_)
            try:
                found = self._by_id[type_] = self._make(type_)
            finally:
                self._open.discard(type_)
        return found

    def declaration(self, text: str) -> tuple[str, CType]:
        """The name and type that a C declaration such as `int panic_timeout` gives."""
        parser = Parser(self, text)
        name, type_ = parser.declare()
        parser.accept(";")
        parser.end()
        if not name:
            raise DeclarationError(f"`{text}` declares no name")
        return name, Function(type_.result, type_.params, type_.variadic, name) if isinstance(
            type_, Function
        ) else type_

    # Names.

    def _named(self, name: str, *kinds: int) -> CType | None:
        found = self.btf.find(name, *kinds)
        return self.of(found) if found else None

    def _typedef(self, name: str) -> CType | None:
        return self._named(name, Kind.TYPEDEF) or _standard().typedefs.get(name)

    def _tagged(self, key: tuple[str, str]) -> Record | None:
        found = self._named(key[1], Kind.STRUCT if key[0] == "struct" else Kind.UNION)
        return found if isinstance(found, Record) else None

    def _enum(self, tag: str) -> Int | None:
        found = self._named(tag, Kind.ENUM, Kind.ENUM64)
        return found if isinstance(found, Int) else None

    def _function(self, name: str) -> Function | None:
        found = self._named(name, Kind.FUNC)
        return found if isinstance(found, Function) else None

    def _constant(self, name: str) -> int | None:
        try:
            return self.btf.constant(name)
        except NoSuchType:
            return None

    # Types.

    def _make(self, type_: int) -> CType:
        btf = self.btf
        match btf.kind(type_):
            case Kind.VOID:
                return VOID
            case Kind.INT:
                return self._int(type_)
            case Kind.FLOAT:
                return Float(btf.name(type_), btf.size_of(type_))
            case Kind.PTR:
                return Pointer(self.of(btf.target(type_)))
            case Kind.ARRAY:
                return Array(self.of(btf.target(type_)), btf.count(type_))
            case Kind.STRUCT | Kind.UNION as kind:
                return self._record("struct" if kind == Kind.STRUCT else "union", type_)
            case Kind.FWD:
                return self._forward("union" if btf.flag(type_) else "struct", btf.name(type_))
            case Kind.ENUM | Kind.ENUM64:
                constants = tuple(btf.enumerators(type_))
                signed = any(value < 0 for _, value in constants)
                return Enum(f"enum {btf.name(type_)}".rstrip(), btf.size_of(type_), signed, constants=constants)
            case Kind.TYPEDEF:
                return self._alias(btf.name(type_), self.of(btf.target(type_)))
            case Kind.VOLATILE | Kind.CONST | Kind.RESTRICT | Kind.TYPE_TAG | Kind.VAR:
                return self.of(btf.target(type_))
            case Kind.FUNC:
                return self._callable(btf.target(type_), btf.name(type_))
            case Kind.FUNC_PROTO:
                return self._callable(type_, "")
        raise ImageError(f"the type information is damaged: type {type_} is none that an object can have")

    def _int(self, type_: int) -> Int:
        name, (encoding, _, _) = self.btf.name(type_), self.btf.encoding(type_)
        signed = bool(encoding & SIGNED) and name != "char"
        size = self.btf.size_of(type_)
        if not 0 < size <= 16:
            raise ImageError(f"the type information is damaged: {name} has {size} bytes")
        return Int(_SPELLED.get(name, name), size, signed, bool(encoding & BOOLEAN))

    def _record(self, kind: str, type_: int) -> Record:
        return LazyRecord(kind, self.btf.name(type_), "", self.btf.size_of(type_), lambda: self._members(type_))

    def _members(self, type_: int) -> list[Member]:
        """The members of a struct or union; one called like another of them stays out."""
        btf, found = self.btf, []
        bits = btf.size_of(type_) * 8
        for one in btf.fields(type_):
            kind = self.of(one.type)
            width = one.width or btf.size_of(one.type) * 8
            if one.bit + width > bits or (one.bit % 8 and not one.width):
                raise ImageError(f"the type information is damaged: {one.name or 'a member'} lies outside its struct")
            found.append(Member(one.name, kind, one.bit >> 3, one.bit & 7 if one.width else 0, one.width))
        return found

    def _forward(self, kind: str, name: str) -> CType:
        """A struct that this part of the kernel only mentions: the one of that name, or one without members."""
        return self.records.get((kind, name)) or Record(kind, name)

    def _alias(self, name: str, type_: CType) -> CType:
        if isinstance(type_, Enum):
            return replace(type_, name=name) if type_.name == "enum" else type_
        if isinstance(type_, Int):
            return replace(type_, name=name)
        if isinstance(type_, Record) and not type_.tag and not type_.name:
            type_.name = name
        return type_

    def _callable(self, proto: int, name: str) -> Function:
        if self.btf.kind(proto) != Kind.FUNC_PROTO:
            raise ImageError(f"the type information is damaged: {name or 'a function'} has no prototype")
        described = self.btf.proto(proto)
        params = tuple(Param(param, self._decayed(self.of(kind))) for param, kind in described.params)
        return Function(self.of(described.result), params, described.variadic, name)

    def _decayed(self, type_: CType) -> CType:
        """A parameter's type: arrays and functions arrive as pointers."""
        if isinstance(type_, Array):
            return Pointer(type_.element)
        return Pointer(type_) if isinstance(type_, Function) else type_
