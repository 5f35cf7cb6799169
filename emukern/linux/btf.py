"""BTF, the type information that a kernel image or module carries (Documentation/bpf/btf.rst, uapi/linux/btf.h).

`Btf` finds type boundaries once (10 ms for 100,000 types) and looks names up in the string section when asked, so that
a handful of offsets costs next to nothing: `btf.offset("module", "init")`. Types are numbers, 0 is void. A module's BTF
is split: it goes on where its kernel's ends, in numbers and in strings. Whatever damage it has shows as ImageError when
it is looked at. C text is in `ctext`, type objects over guest memory are in `types`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from emukern.errors import ImageError
from emukern.linux.btf_format import Kind, Steps, sections

if TYPE_CHECKING:
    import numpy as np

DEEPEST = 64  # types inside one another; more is a loop
MANY_NAMES = 300  # looked up: from then on an index of them all is cheaper
MOST_MEMBERS = 1 << 17  # of one record with those of its anonymous members
_SIZED = frozenset((Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.FLOAT, Kind.ENUM64, Kind.DATASEC))
_TRANSPARENT = frozenset((Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG))
_RECORDS = {"struct": Kind.STRUCT, "union": Kind.UNION}


class NoSuchType(ImageError, LookupError):
    """This kernel has no type, member or constant of that name; `except LookupError` tells versions apart."""


class Field(NamedTuple):
    """A member of a struct or union: `type` at bit `bit` of the record; bit-fields have `width` bits, others 0."""

    name: str
    type: int
    bit: int
    width: int = 0

    @property
    def offset(self) -> int:
        """Bytes from the start of the record."""
        return self.bit >> 3


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct or union of `size` bytes; `members` by name, with those of anonymous ones inside."""

    kind: str
    name: str
    size: int
    fields: tuple[Field, ...]
    members: dict[str, Field]


class Proto(NamedTuple):
    """A function's type: the types of its result and of its (name, type) parameters."""

    name: str
    result: int
    params: tuple[tuple[str, int], ...]
    variadic: bool


class Variable(NamedTuple):
    """A global that BTF describes; in most kernels these are the per-cpu ones, whose `section` is ".data..percpu"."""

    type: int
    section: str
    offset: int


class Btf:
    """The types in `data`, a .BTF section; `base` is the kernel's when it is a module's.

    `offsets`, the word each type starts at, spares the search for them. Raises ImageError.
    """

    def __init__(self, data: bytes, base: Btf | None = None, offsets: list[int] | None = None) -> None:
        self.base = base
        self.data = bytes(data)
        types, self._strings, layout = sections(self.data)
        self._words = types.cast("I")
        self._offsets: list[int] = offsets or self._walk(Steps(layout))
        self._first: int = base.last + 1 if base else 1
        self._first_string: int = base._first_string + len(base._strings) if base else 0
        self._found: dict[tuple[str, tuple[int, ...]], int] = {}
        self._structs: dict[int, Struct] = {}
        self._by_name: dict[str, Struct] = {}
        self._indexes: dict[int, dict[str, int]] = {}
        self._variables: dict[str, Variable] | None = None
        self._cells: tuple[Any, Any] | None = None

    def _walk(self, steps: Steps) -> list[int]:
        """The word each type starts at."""
        words, end, at = self._words, len(self._words), 0
        offsets: list[int] = []
        add = offsets.append
        try:
            while at < end:
                add(at)
                at += steps[words[at + 1]]
        except IndexError:
            at = -1
        if at != end:
            raise ImageError("the type information is cut off in the middle of a type")
        return offsets

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: without the caches."""
        return Btf, (self.data, self.base, self._offsets)

    @property
    def last(self) -> int:
        """The highest type number."""
        return self._first + len(self._offsets) - 1

    # Single types.

    def _at(self, type_: int) -> tuple[Btf, int]:
        """Whose type it is and the word it starts at."""
        if type_ >= self._first:
            if type_ > self.last:
                raise ImageError(f"the type information is damaged: there is no type {type_}")
            return self, self._offsets[type_ - self._first]
        if self.base is None or type_ <= 0:
            raise ImageError(f"the type information is damaged: there is no type {type_}")
        return self.base._at(type_)

    def _string(self, at: int) -> str:
        if at < self._first_string and self.base is not None:
            return self.base._string(at)
        at -= self._first_string
        end = self._strings.find(b"\0", at) if at < len(self._strings) else -1
        if end < 0:
            raise ImageError("the type information is damaged: a name lies outside its strings")
        return self._strings[at:end].decode("utf-8", "replace")

    def kind(self, type_: int) -> int:
        """One of `Kind`."""
        if type_ == 0:
            return Kind.VOID
        btf, at = self._at(type_)
        return btf._words[at + 1] >> 24 & 0x7F

    def flag(self, type_: int) -> bool:
        """The kind's flag: a union for FWD, signed for enumerations."""
        btf, at = self._at(type_)
        return btf._words[at + 1] >> 31 == 1

    def name(self, type_: int) -> str:
        """The type's own name, "" for an anonymous one."""
        btf, at = self._at(type_)
        return btf._string(btf._words[at])

    def target(self, type_: int) -> int:
        """What a pointer, typedef, qualifier, function, variable or array refers to."""
        btf, at = self._at(type_)
        return btf._words[at + (3 if btf._words[at + 1] >> 24 & 0x7F == Kind.ARRAY else 2)]

    def resolve(self, type_: int) -> int:
        """`type_` without typedefs and qualifiers."""
        for _ in range(DEEPEST):
            if self.kind(type_) not in _TRANSPARENT:
                return type_
            type_ = self.target(type_)
        raise ImageError("the type information is damaged: a type is made of itself")

    def count(self, type_: int) -> int:
        """Elements of an array."""
        btf, at = self._at(type_)
        return btf._words[at + 5]

    def encoding(self, type_: int) -> tuple[int, int, int]:
        """Of an INT: encoding bits (1 signed, 2 char, 4 bool), bit offset and width."""
        btf, at = self._at(type_)
        word = btf._words[at + 3]
        return word >> 24 & 15, word >> 16 & 255, word & 255

    def size_of(self, type_: int) -> int:
        """Bytes of an object of that type; 0 where C allows no sizeof."""
        total = 1
        for _ in range(DEEPEST):
            type_ = self.resolve(type_)
            kind = self.kind(type_)
            if kind == Kind.PTR:
                return total * 8
            if kind != Kind.ARRAY:
                btf, at = self._at(type_) if kind in _SIZED else (self, 0)
                return total * btf._words[at + 2] if kind in _SIZED else 0
            total *= self.count(type_)
            type_ = self.target(type_)
        raise ImageError("the type information is damaged: an array holds itself")

    def _parts(self, type_: int, width: int) -> Iterator[tuple[int, ...]]:
        """The `vlen` parts of a type, each of `width` words."""
        btf, at = self._at(type_)
        count = btf._words[at + 1] & 0xFFFFFF
        words = btf._words[at + 3 : at + 3 + count * width].tolist()
        if len(words) != count * width:
            raise ImageError(f"the type information is damaged: type {type_} is cut off")
        return zip(*[iter(words)] * width, strict=True)

    def enumerators(self, type_: int) -> list[tuple[str, int]]:
        """(name, value) of an enumeration, in its order."""
        btf, _ = self._at(type_)
        signed = self.flag(type_)
        if self.kind(type_) == Kind.ENUM64:
            wide = [(btf._string(n), low | high << 32) for n, low, high in self._parts(type_, 3)]
            return [(name, value - (value >> 63 << 64) if signed else value) for name, value in wide]
        signed = signed or btf._flags_unused()
        return [(btf._string(n), v - (v >> 31 << 32) if signed else v) for n, v in self._parts(type_, 2)]

    def _flags_unused(self) -> bool:
        """Whether this comes from tools older than the flag for signed enumerations (2022), when all were signed."""
        return not any(self.flag(id_) for id_ in self._ids(Kind.ENUM)) and not self._ids(Kind.ENUM64)

    def proto(self, type_: int, name: str = "") -> Proto:
        """A FUNC_PROTO taken apart."""
        btf, _ = self._at(type_)
        params = [(btf._string(at), kind) for at, kind in self._parts(type_, 2)]
        variadic = bool(params) and params[-1] == ("", 0)
        return Proto(name, self.target(type_), tuple(params[: len(params) - variadic]), variadic)

    # Records.

    def fields(self, type_: int) -> list[Field]:
        """The members of a struct or union as declared; anonymous ones have no name."""
        btf, _ = self._at(type_)
        packed = self.flag(type_)
        found = []
        for name, kind, bit in self._parts(type_, 3):
            width = bit >> 24 if packed else 0
            bit = bit & 0xFFFFFF if packed else bit
            if not packed and self.kind(inner := self.resolve(kind)) == Kind.INT:  # bit-fields of old: the INT says
                _, shift, bits = self.encoding(inner)
                if bits != self.size_of(inner) * 8 & 0xFF:
                    bit, width = bit + shift, bits
            found.append(Field(btf._string(name), kind, bit, width))
        return found

    def record(self, type_: int) -> Struct:
        """A struct or union by number."""
        found = self._structs.get(type_)
        if found is None:
            fields = tuple(self.fields(type_))
            members: dict[str, Field] = {}
            self._flatten(fields, 0, members, 0)
            kind = "struct" if self.kind(type_) == Kind.STRUCT else "union"
            found = self._structs[type_] = Struct(kind, self.name(type_), self.size_of(type_), fields, members)
        return found

    def _flatten(self, fields: tuple[Field, ...] | list[Field], base: int, into: dict[str, Field], deep: int) -> None:
        if deep > DEEPEST or len(into) > MOST_MEMBERS:
            raise ImageError("the type information is damaged: a struct holds itself")
        for one in fields:
            if one.name:
                into.setdefault(one.name, one._replace(bit=base + one.bit))
            elif self.kind(inner := self.resolve(one.type)) in (Kind.STRUCT, Kind.UNION):
                self._flatten(self.fields(inner), base + one.bit, into, deep + 1)

    # Names.

    def _columns(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """String offset and kind of each own type."""
        if self._cells is None:
            import numpy as np

            words = np.frombuffer(self._words, "<u4")
            starts = np.array(self._offsets, dtype=np.int64)
            self._cells = words[starts], (words[starts + 1] >> 24 & 0x7F).astype(np.uint8)
        return self._cells

    def _ids(self, *kinds: int) -> list[int]:
        """The own types of these kinds."""
        import numpy as np

        where = np.nonzero(np.isin(self._columns()[1], kinds))[0]
        return [i + self._first for i in where.tolist()]

    def _string_offsets(self, name: str) -> list[int]:
        """Where `name` is in the strings; every string is there once."""
        found = self.base._string_offsets(name) if self.base else []
        wanted = name.encode("utf-8", "replace") + b"\0"
        at = 0 if self._strings.startswith(wanted) else self._strings.find(b"\0" + wanted) + 1
        return [*found, at + self._first_string] if at or self._strings.startswith(wanted) else found

    def find(self, name: str, *kinds: int) -> int:
        """The first type of one of these kinds that is called `name`, a module's own first; 0 when there is none."""
        found = self._found.get((name, kinds))
        if found is None:
            look = self._search if len(self._found) < MANY_NAMES else self._from_indexes
            found = self._found[name, kinds] = look(name, kinds)
        return found

    def _search(self, name: str, kinds: tuple[int, ...]) -> int:
        """`find` without any index: what one name costs is one pass over the strings and one over the types."""
        names, own_kinds = self._columns()
        for at in self._string_offsets(name) if name else ():
            alike: list[int] = (names == at).nonzero()[0].tolist()
            for i in alike:
                if own_kinds[i] in kinds:
                    return i + self._first
        return self.base.find(name, *kinds) if self.base else 0

    def _from_indexes(self, name: str, kinds: tuple[int, ...]) -> int:
        found = [index[name] for kind in kinds if name in (index := self.names(kind))]
        return min([id_ for id_ in found if id_ >= self._first] or found, default=0)

    def names(self, kind: int) -> dict[str, int]:
        """All types of a kind by name, a module's own instead of its kernel's; the first of several alike."""
        index = self._indexes.get(kind)
        if index is None:
            index = dict(self.base.names(kind)) if self.base else {}
            index.update({name: id_ for id_ in reversed(self._ids(kind)) if (name := self.name(id_))})
            self._indexes[kind] = index
        return index

    def struct(self, name: str) -> Struct:
        """`struct module`, `union x`, a typedef of one, or just `module`. Raises NoSuchType."""
        found = self._by_name.get(name)
        if found is None:
            word, _, tag = name.strip().rpartition(" ")
            kinds: tuple[int, ...] = (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF)
            if word:
                kinds = (_RECORDS[word],) if word in _RECORDS else ()
            type_ = next((id_ for kind in kinds if (id_ := self.find(tag.strip(), kind))), 0)
            type_ = self.resolve(type_)
            if self.kind(type_) not in (Kind.STRUCT, Kind.UNION):
                raise NoSuchType(f"this kernel has no {name if word else f'struct {name}'}")
            found = self._by_name[name] = self.record(type_)
        return found

    def field(self, record: str, path: str) -> Field:
        """The member `path` ("init", or "mkobj.kobj" for one inside another) of a record. Raises NoSuchType."""
        first, *rest = path.split(".")
        member = self._member(self.struct(record), first)
        for name in rest:
            inner = self.resolve(member.type)
            if self.kind(inner) not in (Kind.STRUCT, Kind.UNION):
                raise NoSuchType(f"{member.name} in struct {record} of this kernel is no struct: it has no {name}")
            found = self._member(self.record(inner), name)
            member = found._replace(name=f"{member.name}.{name}", bit=member.bit + found.bit)
        return member

    def _member(self, record: Struct, name: str) -> Field:
        if name not in record.members:
            raise NoSuchType(f"{record.kind} {record.name} of this kernel has no member {name}")
        return record.members[name]

    def offset(self, record: str, path: str) -> int:
        """Bytes from the start of `record` to its member `path`: `btf.offset("module", "init")`. Raises NoSuchType."""
        return self.field(record, path).offset

    def has(self, record: str, path: str) -> bool:
        """Whether this kernel has that record with that member."""
        try:
            self.field(record, path)
        except NoSuchType:
            return False
        return True

    def size(self, record: str, path: str = "") -> int:
        """Bytes of a record or of its member `path`. Raises NoSuchType."""
        return self.size_of(self.field(record, path).type) if path else self.struct(record).size

    def func_proto(self, name: str) -> Proto | None:
        """The type of the function `name`; None for one that BTF does not describe, as many in assembly."""
        type_ = self.find(name, Kind.FUNC)
        return self.proto(self.target(type_), name) if type_ else None

    def variables(self) -> dict[str, Variable]:
        """The globals that BTF describes, by name."""
        if self._variables is None:
            found = dict(self.base.variables()) if self.base else {}
            for section in self._ids(Kind.DATASEC):
                name = self.name(section)
                for variable, offset, _ in self._parts(section, 3):
                    found[self.name(variable)] = Variable(self.target(variable), name, offset)
            self._variables = found
        return self._variables

    def constant(self, name: str) -> int:
        """The value of the enumerator `name`. Raises NoSuchType."""
        import numpy as np

        words = np.frombuffer(self._words, "<u4")
        for at in np.nonzero(np.isin(words, self._string_offsets(name)))[0].tolist() if name else ():
            owner = bisect_right(self._offsets, at) - 1 + self._first
            if self.kind(owner) in (Kind.ENUM, Kind.ENUM64):
                for found, value in self.enumerators(owner):
                    if found == name:
                        return value
        if self.base:
            return self.base.constant(name)
        raise NoSuchType(f"this kernel has no constant {name}")
