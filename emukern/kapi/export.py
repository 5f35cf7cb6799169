"""@export and @export_data: what the kernel offers to modules, one decorated function each.

The C prototype in the decorator is the only description of an export: it decodes the arguments, converts the
result and feeds the trace. Importing a file of handlers only notes them down; a prototype is parsed when its
export is first called. Slots are numbered by sorted name, so they depend on nothing but the set of exports.
An export's address is its slot in the stub window; data exports get guest memory at boot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

import emukern.kapi
from emukern.cdecl import abi
from emukern.ctype import Array, CType, DeclarationError, Function, Int, Pointer, Record, VaList, Void
from emukern.errors import Errno
from emukern.flow import Call, Wait
from emukern.ptr import Ptr
from emukern.varargs import CallArgs, va_list

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

Answer = SupportsIndex | Wait | Call | None
STUB_SIZE = 16
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_NAME = re.compile(r"(\w+)\s*\(")

Handler = Callable[..., Any]
Decoder = Callable[[Any, int], Any]


@dataclass(slots=True, eq=False)
class Export:
    """A kernel function that a Python handler answers."""

    name: str
    text: str
    handler: Handler
    gpl: bool = False
    aliases: tuple[str, ...] = ()
    _function: Function | None = None
    _decoders: tuple[Decoder, ...] | None = None
    _to_word: Callable[[int], int] = field(default=lambda value: value & _MASK)

    @property
    def function(self) -> Function:
        """The parsed prototype."""
        if self._function is None:
            self._compile()
        assert self._function is not None
        return self._function

    def invoke(self, k: Kernel) -> int | Wait | Call:
        """Answer the call that trapped: the word for the return register, or what must be done first."""
        try:
            answer = self.handler(k, *self.decode(k))
        except Errno as error:
            return self.failed(error)
        return answer if isinstance(answer, Wait | Call) else self.result(answer)

    def decode(self, k: Kernel) -> list[Any]:
        """The handler's arguments, from `k.args`."""
        decoders = self._compile() if self._decoders is None else self._decoders
        words = k.args
        reg, registers, count = words.reg, words.nregs, len(decoders)
        if count <= registers:
            values = [decoder(k, reg(i)) for i, decoder in enumerate(decoders)]
        else:
            stack = words.stack
            values = [d(k, reg(i) if i < registers else stack(i - registers)) for i, d in enumerate(decoders)]
        if self.function.variadic:
            values.append(CallArgs(k.mem, words, count))
        return values

    def result(self, answer: SupportsIndex | None) -> int:
        """A handler's or continuation's answer as the unsigned 64-bit word that the caller expects."""
        if answer is None:
            return 0
        if self._function is None:
            self._compile()
        try:
            return self._to_word(answer.__index__())
        except AttributeError:
            raise TypeError(f"export {self.name} answered {answer!r}, which is not a number or pointer") from None

    def failed(self, error: Errno) -> int:
        """The word for a handler that raised `Errno`: -errno, which is also what ERR_PTR makes of it."""
        return self.result(-error.number)

    def _compile(self) -> tuple[Decoder, ...]:
        try:
            function = abi().prototype(self.text)
            decoders = tuple(_decoder(param.type) for param in function.params)
            self._to_word = _to_word(function.result)
        except DeclarationError as error:
            raise DeclarationError(f"export {self.name}: {error}") from error
        code = self.handler.__code__
        wanted = 1 + len(decoders) + function.variadic
        if code.co_argcount != wanted and not code.co_flags & 0x04:  # 0x04: it takes *args
            raise DeclarationError(f"export {self.name}: the handler takes {code.co_argcount} arguments, not {wanted}")
        self._function, self._decoders = function, decoders
        return decoders


@dataclass(frozen=True, slots=True)
class DataExport:
    """A kernel variable: `init(k, ptr)` fills its memory, which is zero before."""

    name: str
    ctype: str
    init: Callable[[Any, Ptr], None]
    gpl: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def type(self) -> CType:
        try:
            return abi().type(self.ctype)
        except DeclarationError as error:
            raise DeclarationError(f"data export {self.name}: {error}") from error

    def at(self, k: Kernel, address: int) -> Ptr:
        """The variable as a typed pointer; an array's to its first element."""
        type_ = self.type
        return Ptr(k.mem, address, Pointer(type_.element if isinstance(type_, Array) else type_))


class ExportedSymbol(NamedTuple):
    """One name that modules may bind to."""

    name: str
    value: int
    gpl: bool
    data: bool
    size: int


EXPORTS: dict[str, Export] = {}
DATA: dict[str, DataExport] = {}


def export(prototype: str, *, aliases: tuple[str, ...] = (), gpl: bool = False) -> Callable[[Handler], Handler]:
    """Offer `handler(k, *arguments)` to modules as the C function `prototype`, also under `aliases`."""
    found = _NAME.search(prototype)
    if found is None:
        raise DeclarationError(f"@export({prototype!r}) names no function")
    name = found[1]

    def register(handler: Handler) -> Handler:
        made = Export(name, prototype, handler, gpl, aliases)
        for one in (name, *aliases):
            _refuse_duplicate(one)
            EXPORTS[one] = made
        return handler

    return register


def export_data(
    name: str, ctype: str, *, aliases: tuple[str, ...] = (), gpl: bool = False
) -> Callable[[Handler], Handler]:
    """Offer a variable of type `ctype` to modules; the decorated `init(k, ptr)` gives it its first value."""

    def register(init: Handler) -> Handler:
        made = DataExport(name, ctype, init, gpl, aliases)
        for one in (name, *aliases):
            _refuse_duplicate(one)
            DATA[one] = made
        return init

    return register


def _refuse_duplicate(name: str) -> None:
    if name in EXPORTS or name in DATA:
        raise ValueError(f"{name} is exported twice")


@cache
def slots() -> tuple[str, ...]:
    """The names of all function exports in slot order, without aliases; imports every file of handlers."""
    emukern.kapi.import_all()
    return tuple(sorted({made.name for made in EXPORTS.values()}))


@cache
def by_slot() -> tuple[Export, ...]:
    """The exports in slot order: `by_slot()[trap.slot].invoke(k)`."""
    return tuple(EXPORTS[name] for name in slots())


@cache
def _slot_of() -> dict[str, int]:
    return {name: slot for slot, name in enumerate(slots())}


def address_of(k: Kernel, name: str) -> int:
    """The guest address of the export `name`, function or data."""
    emukern.kapi.import_all()
    if name in DATA:
        return int(k.exported_data[DATA[name].name])
    return int(k.arch.layout.stubs) + _slot_of()[EXPORTS[name].name] * STUB_SIZE


def data(k: Kernel, name: str) -> Ptr:
    """The exported variable `name` as a typed pointer: `data(k, "jiffies")[0] += 1`."""
    return DATA[name].at(k, k.exported_data[DATA[name].name])


def install_data(k: Kernel) -> None:
    """Give every data export its memory, in sorted order, then run the initialisers (at boot, once)."""
    emukern.kapi.import_all()
    made = [DATA[name] for name in sorted({one.name for one in DATA.values()})]
    k.exported_data = {one.name: k.data_area.alloc(one.type.size, max(8, one.type.align)) for one in made}
    for one in made:
        one.init(k, one.at(k, k.exported_data[one.name]))


def kernel_symbols(k: Kernel) -> dict[str, ExportedSymbol]:
    """Every exported name with its address, sorted; to be plugged into the chain of symbol providers."""
    emukern.kapi.import_all()
    found = {}
    for name in sorted(EXPORTS.keys() | DATA.keys()):
        one = EXPORTS.get(name) or DATA[name]
        size = one.type.size if isinstance(one, DataExport) else STUB_SIZE
        found[name] = ExportedSymbol(name, address_of(k, name), one.gpl, isinstance(one, DataExport), size)
    return found


def _decoder(type_: CType) -> Decoder:
    """How to make one argument of the word that carries it."""
    match type_:
        case Int(size=8, signed=False):
            return lambda k, word: word
        case Int():
            convert = type_.convert
            return lambda k, word: convert(word)
        case Pointer():
            return lambda k, word: Ptr(k.mem, word, type_)
        case VaList():
            return va_list
        case Record() if type_.size <= 8:  # both psABIs pass it in one register, lowest byte first
            mask = (1 << type_.size * 8) - 1
            return lambda k, word: word & mask
    raise DeclarationError(f"a parameter of type {type_} cannot be passed in one register")


def _to_word(type_: CType) -> Callable[[int], int]:
    """How the return register carries a value of `type_`.

    RISC-V wants 32-bit results sign-extended even if unsigned; x86-64 leaves the upper half undefined.
    """
    match type_:
        case Void() | Pointer() | Int(size=8):
            return lambda value: value & _MASK
        case Int(boolean=True):
            return lambda value: int(value != 0)
        case Int():
            convert = type_.convert
            return lambda value: ((convert(value) & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000) & _MASK
        case Record() if type_.size <= 8:
            mask = (1 << type_.size * 8) - 1
            return lambda value: value & mask
    raise DeclarationError(f"a result of type {type_} does not fit the return register")
