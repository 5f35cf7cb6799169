"""The grammar of C declarations: tokens → type objects, by recursive descent.

Read: prototypes, typedefs, struct, union and enum definitions (nested and anonymous ones too), arrays and
function pointers; bodies of `static inline` functions are stepped over, `_Static_assert` is checked. Refused:
bit-fields, attributes, floating point, undeclared names. A struct that nobody defined may be pointed at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emukern.cexpr import Expression, Number, tokenize
from emukern.ctype import VOID, Array, CType, DeclarationError, Function, Int, Param, Pointer, Record, spell

if TYPE_CHECKING:
    from emukern.cdecl import Scope

# Qualifiers, storage classes and sparse annotations that change no layout and no calling convention.
_IGNORED = frozenset(
    """
    const volatile restrict __restrict __restrict__ register extern static inline __inline __inline__
    __always_inline noinline asmlinkage __user __kernel __iomem __percpu __rcu __force __nocast __must_check
    __visible __init __exit __cold __pure __attribute_const__ __malloc __noreturn _Noreturn __maybe_unused
    __used
    """.split()  # noqa: SIM905
)
_INT_WORDS = frozenset(("void", "char", "short", "int", "long", "signed", "unsigned", "_Bool", "__signed__"))
_INT_SIZES = {"char": 1, "short": 2, "int": 4, "long": 8, "long long": 8}


class Parser(Expression):
    """A recursive-descent parser over the tokens of one text; types it meets go into `scope`."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope, text: str) -> None:
        super().__init__(tokenize(text), scope.number, typed(scope))
        self.scope = scope

    def refuse(self, why: str) -> DeclarationError:
        near = " ".join(self.tokens[max(0, self.at - 6) : self.at + 6])
        return DeclarationError(f"{why} in `{near}`")

    def end(self) -> None:
        if self.peek():
            raise self.refuse(f"unexpected {self.peek()}")

    def accept(self, token: str) -> bool:
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def skip_block(self) -> None:
        """Step over a function body; the cursor is on its brace."""
        depth = 0
        while True:
            token = self.take()
            depth += (token == "{") - (token == "}")
            if depth == 0:
                break

    def external(self) -> None:
        """One declaration or definition at the top of a file."""
        if self.accept(";"):
            return
        if self.peek() in ("_Static_assert", "static_assert"):
            self.static_assert()
            return
        is_typedef = self.accept("typedef")
        specified = self.specifiers()
        while not self.accept(";"):
            name, type_ = self.declarator_of(specified)
            if is_typedef:
                self.define_typedef(name, type_)
            elif isinstance(type_, Function):
                self.scope.functions[name] = Function(type_.result, type_.params, type_.variadic, name)
                if self.peek() == "{":
                    self.skip_block()
                    return
            if self.peek() not in (",", ";"):
                raise self.refuse(f"unexpected {self.peek() or 'end'}")
            self.accept(",")

    def static_assert(self) -> None:
        start = self.at
        self.take()
        self.take("(")
        holds = self.conditional().value
        if not holds:
            raise DeclarationError(f"{' '.join(self.tokens[start : self.at])} …) does not hold")
        while not self.accept(";"):
            self.take()

    def define_typedef(self, name: str, type_: CType) -> None:
        if isinstance(type_, Int):
            type_ = Int(name, type_.size, type_.signed, type_.boolean)
        elif isinstance(type_, Record) and not type_.tag and not type_.name:
            type_.name = name
        known = self.scope.typedefs.get(name)
        if known is not None and known != type_:
            raise DeclarationError(f"typedef {name} is both {known} and {spell(type_)}")
        self.scope.typedefs[name] = type_

    def type_name(self) -> CType:
        """A type without a name in it, as in a cast."""
        name, type_ = self.declare()
        if name:
            raise self.refuse(f"unexpected {name}")
        return type_

    def declare(self) -> tuple[str, CType]:
        return self.declarator_of(self.specifiers())

    def declarator_of(self, specified: CType) -> tuple[str, CType]:
        name, wrap = self.declarator()
        return name, wrap(specified)

    def starts_type(self) -> bool:
        token = self.peek()
        return (
            token in _IGNORED
            or token in _INT_WORDS
            or token in ("struct", "union", "enum")
            or token in self.scope.typedefs
        )

    def specifiers(self) -> CType:
        """The words before the declarators: qualifiers and one type."""
        words: list[str] = []
        found: CType | None = None
        while token := self.peek():
            if token in _IGNORED:
                self.at += 1
            elif token in _INT_WORDS and found is None:
                words.append(self.take())
            elif found is None and not words and token in ("struct", "union", "enum"):
                self.at += 1
                found = self.enum() if token == "enum" else self.tagged(token)
            elif found is None and not words and token in self.scope.typedefs:
                found = self.scope.typedefs[self.take()]
            else:
                break
        if found is None and not words:
            raise self.refuse(f"{self.peek() or 'the end'} is not a type")
        return found or _int_of(words, self)

    def enum(self) -> Int:
        tag = self.take() if self.peek() != "{" else ""
        if not self.accept("{"):
            return self.scope.enums.setdefault(tag, Int(f"enum {tag}", 4, False))
        value, lowest = -1, 0
        while not self.accept("}"):
            name = self.take()
            value = self.conditional().value if self.accept("=") else value + 1
            lowest = min(lowest, value)
            self.scope.enumerators[name] = value
            if self.peek() != "}":
                self.take(",")
        made = Int(f"enum {tag}".rstrip(), 4, lowest < 0)
        if tag:
            self.scope.enums[tag] = made
        return made

    def tagged(self, kind: str) -> Record:
        """A struct or union: a mention of its tag, or its definition."""
        tag = self.take() if self.peek() != "{" else ""
        if tag == "__attribute__":
            raise self.refuse("attributes are not understood")
        record = Record(kind, tag) if not tag else self.scope.records.setdefault((kind, tag), Record(kind, tag))
        if self.accept("{"):
            parts: list[tuple[str, CType]] = []
            while not self.accept("}"):
                parts += self.members()
            record.define(parts)
        return record

    def members(self) -> list[tuple[str, CType]]:
        """One line of a record's body."""
        specified = self.specifiers()
        if self.accept(";"):
            if isinstance(specified, Record) and not specified.tag:
                return [("", specified)]
            return []
        found: list[tuple[str, CType]] = []
        while True:
            name, type_ = self.declarator_of(specified)
            if self.peek() == ":":
                raise self.refuse(f"bit-field {name}")
            found.append((name, type_))
            if self.accept(";"):
                return found
            self.take(",")

    def declarator(self) -> tuple[str, Callable[[CType], CType]]:
        """Stars, maybe a name, arrays, parameters: the name, and what it makes of the type before it."""
        stars, name = 0, ""
        inner: Callable[[CType], CType] | None = None
        while (token := self.peek()) == "*" or token in _IGNORED:
            self.at += 1
            stars += token == "*"
        if self.peek() == "(" and self.nested():
            self.at += 1
            name, inner = self.declarator()
            self.take(")")
        elif token[:1].isalpha() or token[:1] == "_":
            name = self.take()
            if name == "__attribute__":
                raise self.refuse("attributes are not understood")
        suffixes: list[Callable[[CType], CType]] = []
        while self.peek() in ("[", "("):
            suffixes.append(self.array() if self.take() == "[" else self.parameters())

        def wrap(type_: CType) -> CType:
            for _ in range(stars):
                type_ = Pointer(type_)
            for suffix in reversed(suffixes):
                type_ = suffix(type_)
            return inner(type_) if inner else type_

        return name, wrap

    def nested(self) -> bool:
        """Whether the parenthesis here groups a declarator rather than opens parameters."""
        self.at += 1
        token = self.peek()
        named = token[:1].isalpha() or token[:1] == "_"
        grouped = token in ("*", "(", "[") or (named and not self.starts_type())
        self.at -= 1
        return grouped

    def array(self) -> Callable[[CType], CType]:
        count = 0 if self.peek() == "]" else self.conditional().value
        self.take("]")
        if count < 0:
            raise self.refuse(f"{count} array elements")
        return lambda element: Array(element, count)

    def parameters(self) -> Callable[[CType], CType]:
        params: list[Param] = []
        variadic = False
        while not self.accept(")"):
            if self.accept("..."):
                variadic = True
            else:
                name, type_ = self.declare()
                if isinstance(type_, Array):
                    type_ = Pointer(type_.element)
                elif isinstance(type_, Function):
                    type_ = Pointer(type_)
                params.append(Param(name, type_))
            if self.peek() != ")":
                self.take(",")
        if len(params) == 1 and params[0].type is VOID:
            params = []
        return lambda result: Function(result, tuple(params), variadic)


def _int_of(words: list[str], parser: Parser) -> CType:
    if words == ["void"]:
        return VOID
    if words == ["_Bool"]:
        return Int("bool", 1, False, True)
    rest = sorted(word for word in words if word not in ("signed", "__signed__", "unsigned"))
    if len(rest) > 1 and "int" in rest:
        rest.remove("int")
    name = " ".join(rest) or "int"
    if name not in _INT_SIZES:
        raise parser.refuse(f"`{' '.join(words)}` is not a type")
    signed = "unsigned" not in words and (name != "char" or len(words) > 1)
    prefix = "unsigned " if "unsigned" in words else "signed " * (name == "char" and signed)
    return Int(prefix + name, _INT_SIZES[name], signed)


def typed(scope: Scope) -> Callable[[Expression], Number | None]:
    """The part of constant expressions that needs types: sizeof, offsetof and casts; None if none is here."""

    def typed(cursor: Expression) -> Number | None:
        token = cursor.peek()
        if token not in ("sizeof", "offsetof", "__builtin_offsetof", "_Alignof", "("):
            return None
        parser = Parser.__new__(Parser)
        parser.tokens, parser.lookup, parser.types = cursor.tokens, cursor.lookup, cursor.types
        parser.scope, parser.at = scope, cursor.at + (token != "(")
        parser.take("(")
        if token == "(" and not parser.starts_type():
            return None
        type_ = parser.type_name()
        value = type_.align if token == "_Alignof" else 0
        if token == "sizeof":
            value = type_.size
        elif token.endswith("offsetof"):
            parser.take(",")
            path = parser.take()
            while parser.accept("."):
                path += "." + parser.take()
            if not isinstance(type_, Record):
                raise parser.refuse(f"offsetof in {type_}")
            value = type_.member(path).offset
        parser.take(")")
        cursor.at = parser.at
        if token != "(":
            return Number(value, 64, False)
        operand = cursor.unary()
        bits, signed = (max(32, type_.size * 8), type_.signed) if isinstance(type_, Int) else (64, False)
        inner = type_.convert(operand.value) if isinstance(type_, Int) else operand.value
        return Number.of(inner, bits, signed)

    return typed
