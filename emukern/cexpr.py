"""The part of C below declarations: tokens, `#define` and `#if`, constant expressions (C11 6.4, 6.6, 6.10).

Arithmetic follows C's usual conversions between int, unsigned int, long and unsigned long, so `~(4096UL - 1)`
is what it is in the guest. Macros with parameters, or not numbers, may be defined; using one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from emukern.ctype import DeclarationError

_TOKEN = re.compile(
    r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+[uUlL]*|[0-9]+[uUlL]*|'(?:\\.[0-7]*|[^'\\])'|\"(?:\\.|[^\"\\])*\""
    r"|\.\.\.|<<|>>|<=|>=|==|!=|&&|\|\||\S"
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.S)
_DIRECTIVE = re.compile(r"\s*#\s*(\w*)\s*(.*)")
_ESCAPES = {
    "n": 10,
    "t": 9,
    "r": 13,
    "0": 0,
    "\\": 92,
    "'": 39,
    '"': 34,
    "a": 7,
    "b": 8,
    "f": 12,
    "v": 11,
    "e": 27,
}
_PRECEDENCE = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
}  # fmt: skip


def tokenize(text: str) -> list[str]:
    """The tokens of `text`, which has no comments or directives left."""
    return _TOKEN.findall(text)


def preprocess(text: str, macros: dict[str, str]) -> str:
    """`text` without comments, directives and untaken branches; its `#define`s go into `macros`."""
    text = _COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else " " * (m[0][0] == "/"), text).replace("\\\n", " ")
    if "#" not in text:
        return text
    kept: list[str] = []
    branches: list[tuple[bool, bool]] = []  # (this branch is taken, some branch of this #if was taken)
    taking = True
    for line in text.split("\n"):
        if "#" in line and (found := _DIRECTIVE.match(line)):
            word, rest = found[1], found[2].strip()
            if word in _CONDITIONALS:
                _branch(word, rest, branches, macros)
                taking = all(taken for taken, _ in branches)
            elif taking:
                _directive(word, rest, macros)
        elif taking:
            kept.append(line)
    if branches:
        raise DeclarationError("#if without #endif")
    return "\n".join(kept)


_CONDITIONALS = frozenset(("if", "ifdef", "ifndef", "elif", "else", "endif"))


def _branch(word: str, rest: str, branches: list[tuple[bool, bool]], macros: dict[str, str]) -> None:
    if word in ("if", "ifdef", "ifndef"):
        outside = all(taken for taken, _ in branches)
        taken = outside and _holds(word, rest, macros)
        branches.append((taken, taken or not outside))
        return
    if not branches:
        raise DeclarationError(f"#{word} without #if")
    _, done = branches.pop()
    if word != "endif":
        taken = not done and (word == "else" or _holds("if", rest, macros))
        branches.append((taken, done or taken))


def _holds(word: str, rest: str, macros: dict[str, str]) -> bool:
    if word == "if":
        rest = re.sub(r"\bdefined\s*\(?\s*(\w+)\s*\)?", lambda m: str(int(m[1] in macros)), rest)
        return (
            Expression(tokenize(rest), lambda name: constant(name, macros) if name in macros else INT_ZERO).all().value
            != 0
        )
    return (rest.split()[0] in macros) == (word == "ifdef")


def _directive(word: str, rest: str, macros: dict[str, str]) -> None:
    match word:
        case "define":
            name = re.match(r"\w+", rest)
            if name is None:
                raise DeclarationError(f"#define {rest}: no name")
            macros[name[0]] = rest[name.end() :]
        case "undef":
            macros.pop(rest, None)
        case "error":
            raise DeclarationError(f"#error {rest}")
        case "include" | "pragma" | "":
            pass  # what a shared header includes, the package build has already put into one file
        case _:
            raise DeclarationError(f"unknown directive #{word}")


@dataclass(frozen=True, slots=True)
class Number:
    """A constant of C's type int, long or an unsigned one of them."""

    value: int
    bits: int = 32
    signed: bool = True

    @staticmethod
    def of(value: int, bits: int, signed: bool) -> Number:
        """`value` wrapped into the given type."""
        value &= (1 << bits) - 1
        return Number(value - (1 << bits) if signed and value >> (bits - 1) else value, bits, signed)


INT_ZERO = Number(0)
Lookup = Callable[[str], Number]
TypeSizes = Callable[["Expression"], "Number | None"]


def constant(name: str, macros: dict[str, str], types: TypeSizes | None = None) -> Number:
    """The value of the object-like macro `name`."""
    body = macros[name]
    if body[:1] == "(":
        raise DeclarationError(f"{name} is a macro with parameters, not a constant")
    # A macro that mentions itself is not expanded again (C11 6.10.3.4), so it ends as an unknown name.
    others = {key: value for key, value in macros.items() if key != name} if name in body else macros

    def lookup(other: str) -> Number:
        if other not in others:
            raise DeclarationError(f"{name}: unknown name {other}")
        return constant(other, others, types)

    return Expression(tokenize(body), lookup, types).all()


def literal(token: str) -> Number:
    """The value and type of an integer or character constant."""
    if token[0] == "'":
        body = token[1:-1]
        if body[0] != "\\":
            return Number(ord(body))
        return Number(int(body[1:], 8) if body[1].isdigit() else _ESCAPES[body[1]])
    digits = token.rstrip("uUlL")
    suffix = token[len(digits) :].lower()
    octal = digits[0] == "0" and digits.isdigit()
    value = int(digits, 8 if octal else 0)
    decimal = digits.isdigit() and not octal
    for bits, signed in ((32, True), (32, False), (64, True), (64, False)):
        fits = value < 1 << (bits - signed)
        allowed = bits == 64 or "l" not in suffix
        if fits and allowed and (not signed if "u" in suffix else signed or not decimal):
            return Number(value, bits, signed)
    raise DeclarationError(f"{token} does not fit any integer type")


class Expression:
    """A cursor over tokens that computes what is under it; `types` handles sizeof, offsetof and casts."""

    __slots__ = ("at", "lookup", "tokens", "types")

    def __init__(self, tokens: list[str], lookup: Lookup, types: TypeSizes | None = None, at: int = 0) -> None:
        self.tokens, self.lookup, self.types, self.at = tokens, lookup, types, at

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise DeclarationError(
                f"expected {wanted or 'more'} in `{' '.join(self.tokens[max(0, self.at - 8) :][:16])}`"
            )
        self.at += 1
        return token

    def all(self) -> Number:
        """The value of everything from here to the end of the tokens."""
        value = self.conditional()
        if self.peek():
            raise DeclarationError(f"unexpected {self.peek()} in the constant `{' '.join(self.tokens[:16])}`")
        return value

    def conditional(self) -> Number:
        """A value with an optional `?:`."""
        value = self.binary(1)
        if self.peek() != "?":
            return value
        self.take()
        yes = self.conditional()
        self.take(":")
        no = self.conditional()
        return yes if value.value else no

    def binary(self, weakest: int) -> Number:
        left = self.unary()
        while (strength := _PRECEDENCE.get(self.peek(), 0)) >= weakest:
            operator = self.take()
            left = _apply(operator, left, self.binary(strength + 1))
        return left

    def unary(self) -> Number:
        if self.types and (typed := self.types(self)) is not None:
            return typed
        token = self.take()
        match token:
            case "(":
                value = self.conditional()
                self.take(")")
                return value
            case "-" | "+" | "~" | "!":
                value = self.unary()
                if token == "!":
                    return Number(int(not value.value))
                changed = {"-": -value.value, "+": value.value, "~": ~value.value}[token]
                return Number.of(changed, value.bits, value.signed)
        if token[0].isdigit() or token[0] == "'":
            return literal(token)
        if not (token[0].isalpha() or token[0] == "_"):
            raise DeclarationError(f"unexpected {token} in a constant")
        return self.lookup(token)


def _apply(operator: str, a: Number, b: Number) -> Number:
    x, y = a.value, b.value
    if operator in ("<<", ">>"):  # a shift has the type of its left side
        return Number.of(x << y if operator == "<<" else x >> y, a.bits, a.signed)
    bits = max(a.bits, b.bits)
    signed = all(n.signed for n in (a, b) if n.bits == bits)
    x, y = Number.of(x, bits, signed).value, Number.of(y, bits, signed).value
    match operator:
        case "+" | "-" | "*" | "&" | "|" | "^":
            value = {"+": x + y, "-": x - y, "*": x * y, "&": x & y, "|": x | y, "^": x ^ y}[operator]
            return Number.of(value, bits, signed)
        case "/" | "%":
            if y == 0:
                raise DeclarationError("division by zero in a constant")
            quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
            return Number.of(quotient if operator == "/" else x - quotient * y, bits, signed)
        case "&&" | "||":
            return Number(int(bool(a.value and b.value) if operator == "&&" else bool(a.value or b.value)))
    holds = {"==": x == y, "!=": x != y, "<": x < y, ">": x > y, "<=": x <= y, ">=": x >= y}[operator]
    return Number(int(holds))
