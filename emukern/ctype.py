"""C types as values: sizes, alignments and member offsets of LP64, the same on every architecture here.

`cdecl` makes them from C text, `linux.types` from what a kernel image says of itself. All are frozen but
`Record`, which C itself lets one name first and define later; identity is what makes two records the same type.
Plain `char` is unsigned, as in kernels since 6.2 and as the RISC-V psABI has it, so that a byte read from a
`char *` is 0..255.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emukern.errors import EmukernError


class DeclarationError(EmukernError):
    """C text that cannot be understood, or a type used in a way it does not allow."""


@dataclass(frozen=True, slots=True)
class Void:
    """`void`: no size, only worth pointing at."""

    size: int = 0
    align: int = 1

    def __str__(self) -> str:
        return "void"


@dataclass(frozen=True, slots=True)
class Int:
    """An integer, boolean or enumeration called `name`; `size` in bytes."""

    name: str
    size: int
    signed: bool
    boolean: bool = False

    @property
    def align(self) -> int:
        return self.size

    def __str__(self) -> str:
        return self.name

    def convert(self, value: int) -> int:
        """`value` as this type holds it: cut to its width, then given its sign."""
        if self.boolean:
            return int(value & 0xFF != 0)
        bits = self.size * 8
        value &= (1 << bits) - 1
        return value - (1 << bits) if self.signed and value >> (bits - 1) else value


@dataclass(frozen=True, slots=True)
class Enum(Int):
    """An enumeration whose constants are known: `constants` are its (name, value) pairs, as declared."""

    constants: tuple[tuple[str, int], ...] = ()

    def named(self, value: int) -> str:
        """The first constant of that value, "" if there is none."""
        return next((name for name, one in self.constants if one == value), "")


@dataclass(frozen=True, slots=True)
class Float:
    """A floating point number of `size` bytes; kernels have them only inside some drivers."""

    name: str
    size: int

    @property
    def align(self) -> int:
        return self.size

    def __str__(self) -> str:
        return self.name


class _Reached:
    """Room for what `ptr` works out about a type when it first reads through a pointer of it."""

    __slots__ = ("access",)

    access: Any


@dataclass(frozen=True, slots=True)
class Pointer(_Reached):
    """A pointer to `target`, complete or not."""

    target: CType
    size: int = 8
    align: int = 8

    def __str__(self) -> str:
        return spell(self)


@dataclass(frozen=True, slots=True)
class Array:
    """`count` elements in a row; a flexible array member has none."""

    element: CType
    count: int

    @property
    def size(self) -> int:
        return self.element.size * self.count

    @property
    def align(self) -> int:
        return self.element.align

    def __str__(self) -> str:
        return spell(self)


@dataclass(frozen=True, slots=True)
class VaList:
    """`va_list` as a parameter: one register that leads to the rest, as each psABI defines."""

    size: int = 8
    align: int = 8

    def __str__(self) -> str:
        return "va_list"


@dataclass(frozen=True, slots=True)
class Function:
    """A function type; `name` is set for a prototype. Array and function parameters are already pointers."""

    result: CType
    params: tuple[Param, ...]
    variadic: bool = False
    name: str = ""
    size: int = 1
    align: int = 1

    def __str__(self) -> str:
        return spell(self, self.name)


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a function; `name` may be empty."""

    name: str
    type: CType


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a record at byte `offset` from the record's start; anonymous ones have no name.

    A bit-field is the `width` bits from bit `bit` of that byte on; other members have no width.
    """

    name: str
    type: CType
    offset: int
    bit: int = 0
    width: int = 0

    def at(self, offset: int, name: str = "") -> Member:
        """The same member `offset` bytes further on, as `name` if given."""
        return Member(name or self.name, self.type, offset + self.offset, self.bit, self.width)


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """A struct or union. `members` has the members of anonymous inner records too; None while incomplete."""

    kind: str
    tag: str
    name: str = ""
    fields: tuple[Member, ...] = ()
    members: dict[str, Member] | None = None
    align: int = 1
    _size: int = field(default=0)
    access: dict[str, Any] = field(default_factory=dict, init=False)  # how `ptr` reaches each member used so far

    def __str__(self) -> str:
        return self.name or f"{self.kind} {self.tag or '(anonymous)'}"

    __repr__ = __str__

    @property
    def size(self) -> int:
        if self.members is None:
            raise DeclarationError(f"{self} is incomplete: nobody defined it")
        return self._size

    def member(self, name: str) -> Member:
        """The member `name`, or `a.b` for one of an inner record; AttributeError if there is none."""
        if self.members is None:
            raise DeclarationError(f"{self} is incomplete: nobody defined it, so it has no member {name}")
        first, _, rest = name.partition(".")
        found = self.members.get(first)
        if found is None:
            raise AttributeError(f"{self} has no member {first}; it has {', '.join(self.members)}")
        if not rest:
            return found
        if not isinstance(found.type, Record):
            raise AttributeError(f"{self}.{first} is {found.type}: it has no member {rest}")
        inner = found.type.member(rest)
        return inner.at(found.offset, name)

    def define(self, parts: list[tuple[str, CType]]) -> None:
        """Lay the record out from its (name, type) members in order; once."""
        if self.members is not None:
            raise DeclarationError(f"{self} is defined twice")
        offset = size = 0
        align = 1
        fields: list[Member] = []
        for name, type_ in parts:
            align = max(align, type_.align)
            if self.kind == "struct":
                offset = -(-size // type_.align) * type_.align
            fields.append(Member(name, type_, offset))
            size = max(size, offset + type_.size)
        members = self._named(fields)
        self.fields, self.align, self._size, self.members = (
            tuple(fields),
            align,
            -(-size // align) * align,
            members,
        )

    def _named(self, fields: list[Member]) -> dict[str, Member]:
        members: dict[str, Member] = {}
        for one in fields:
            inner = one.type.members if not one.name and isinstance(one.type, Record) else None
            found = [one] if inner is None else [m.at(one.offset) for m in inner.values()]
            for member in found:
                if member.name in members:
                    raise DeclarationError(f"{self} has two members called {member.name}")
                members[member.name] = member
        return members


class LazyRecord(Record):
    """A record whose members are asked for when somebody first looks: `describe()` lists them."""

    __slots__ = ("describe",)

    def __init__(self, kind: str, tag: str, name: str, size: int, describe: Callable[[], list[Member]]) -> None:
        self.kind, self.tag, self.name, self._size, self.access = kind, tag, name, size, {}
        self.describe = describe

    def __getattr__(self, name: str) -> Any:
        if name == "align":
            self.align = 1  # so that one that holds itself, which only damage makes, comes to an end
            self.align = max((one.type.align for one in self.fields), default=1)
        elif name in ("fields", "members"):
            describe, self.describe = self.describe, self._again
            try:
                fields = describe()
                members = self._named(fields)
            except Exception:
                self.describe = describe
                raise
            self.fields, self.members = tuple(fields), members
        else:
            raise AttributeError(name)
        return getattr(self, name)

    def _again(self) -> list[Member]:
        raise DeclarationError(f"{self} holds itself")

    @property
    def size(self) -> int:
        return self._size


CType = Void | Int | Float | Pointer | Array | VaList | Function | Record

VOID = Void()


def spell(type_: CType, inner: str = "") -> str:
    """`type_` in C's own inside-out notation, around the declarator `inner`: `int (*open)(void)`."""
    match type_:
        case Pointer(target):
            wrapped = f"(*{inner})" if isinstance(target, Array | Function) else f"*{inner}"
            return spell(target, wrapped)
        case Array(element, count):
            return spell(element, f"{inner}[{count}]")
        case Function(result, params, variadic):
            listed = [spell(p.type, p.name) for p in params] + ["..."] * variadic
            return spell(result, f"{inner}({', '.join(listed) or 'void'})")
        case _:
            return f"{type_} {inner}".rstrip()
