"""BTF as C text, with its typedefs and qualifiers: `int _printk(const char *fmt, ...)`, or a struct's definition."""

from __future__ import annotations

from emukern.errors import ImageError
from emukern.linux.btf import Btf, NoSuchType, Proto
from emukern.linux.btf_format import Kind

DEEPEST = 40  # pointers, arrays and records inside one another
_TAGGED = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum", Kind.ENUM64: "enum"}
_QUALIFIERS = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "restrict"}


def c_prototype(btf: Btf, name: str) -> str:
    """The declaration of the function `name`. Raises NoSuchType for one that BTF does not describe."""
    proto = btf.func_proto(name)
    if proto is None:
        raise NoSuchType(f"this kernel's types do not tell the parameters of {name}")
    return _function(btf, proto, name, 0)


def c_declaration(btf: Btf, type_: int, name: str = "") -> str:
    """`type_` as the declaration of `name`; without a name as in a cast."""
    return _declare(btf, type_, name, 0)


def c_record(btf: Btf, name: str) -> str:
    """The definition of `struct x` or `union x`, with anonymous records inside it. Raises NoSuchType."""
    found = btf.struct(name)
    type_ = btf.find(found.name, Kind.STRUCT if found.kind == "struct" else Kind.UNION) if found.name else 0
    return _body(btf, type_ or btf.resolve(btf.find(name, Kind.TYPEDEF)), 0) + ";"


def _declare(btf: Btf, type_: int, inner: str, depth: int) -> str:
    """C's inside-out notation around the declarator `inner`."""
    if depth > DEEPEST:
        raise ImageError("the type information is damaged: a type is made of itself")
    kind = btf.kind(type_)
    if kind == Kind.PTR:
        target = btf.target(type_)
        wrapped = f"(*{inner})" if btf.kind(target) in (Kind.ARRAY, Kind.FUNC_PROTO) else f"*{inner}"
        return _declare(btf, target, wrapped, depth + 1)
    if kind == Kind.ARRAY:
        return _declare(btf, btf.target(type_), f"{inner}[{btf.count(type_) or ''}]", depth + 1)
    if kind == Kind.FUNC_PROTO:
        return _function(btf, btf.proto(type_), inner, depth + 1)
    if kind in _QUALIFIERS:
        return _qualified(btf, type_, inner, depth)
    if kind == Kind.TYPE_TAG:
        return _declare(btf, btf.target(type_), inner, depth + 1)
    return f"{_name(btf, type_, kind, depth)} {inner}".rstrip()


def _function(btf: Btf, proto: Proto, inner: str, depth: int) -> str:
    params = [_declare(btf, type_, name, depth + 1) for name, type_ in proto.params] + ["..."] * proto.variadic
    return _declare(btf, proto.result, f"{inner}({', '.join(params) or 'void'})", depth + 1)


def _qualified(btf: Btf, type_: int, inner: str, depth: int) -> str:
    """A qualifier stands after the star of a pointer and before any other type."""
    word, target = _QUALIFIERS[btf.kind(type_)], btf.target(type_)
    at = target
    for _ in range(DEEPEST):
        if btf.kind(at) not in _QUALIFIERS:
            break
        at = btf.target(at)
    if btf.kind(at) == Kind.PTR:
        return _declare(btf, target, f"{word} {inner}".rstrip(), depth + 1)
    return f"{word} {_declare(btf, target, inner, depth + 1)}"


def _name(btf: Btf, type_: int, kind: int, depth: int) -> str:
    if kind == Kind.VOID:
        return "void"
    name = btf.name(type_)
    if kind == Kind.FWD:
        return f"{'union' if btf.flag(type_) else 'struct'} {name}"
    if kind not in _TAGGED:
        return name
    if name:
        return f"{_TAGGED[kind]} {name}"
    if kind in (Kind.STRUCT, Kind.UNION):
        return _body(btf, type_, depth)
    return "enum { " + ", ".join(f"{key} = {value}" for key, value in btf.enumerators(type_)) + " }"


def _body(btf: Btf, type_: int, depth: int) -> str:
    """A record with its members, indented by `depth` tabs less those of the records around it."""
    lines = []
    for one in btf.fields(type_):
        width = f" : {one.width}" if one.width else ""
        text = _declare(btf, one.type, one.name, depth + 1)
        lines += (f"{text}{width};").split("\n")
    head = f"{_TAGGED[btf.kind(type_)]} {btf.name(type_)}".rstrip()
    return "\n".join([f"{head} {{", *("\t" + line for line in lines), "}"])
