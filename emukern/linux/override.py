"""Kernel functions whose body is a Python function: whoever calls one, a module or the kernel itself, gets its answer.

The machine stops before the function's first instruction, the Python function is called with typed arguments, and the
guest goes on behind the call. Calls that the compiler inlined cannot be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsIndex

from emukern.ctype import CType, Int, Pointer, Void
from emukern.errors import Errno, UsageError
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.linux.guest import LinuxGuest

MASK = (1 << 64) - 1


class Override:
    """One function's stand-in; a context manager that ends it, or `remove` does."""

    def __init__(self, guest: LinuxGuest, name: str, body: Callable[..., Any]) -> None:
        function = guest.kernel.function(name)
        self.guest, self.name, self.body = guest, name, body
        self.address: int = function.address_
        self._type = function.type_
        self._decoders = [_decoder(param.type, name) for param in self._type.params]
        if len(self._decoders) > len(guest.machine.arch.registers.args):
            raise UsageError(f"{name} takes more arguments than there are registers for: it cannot be overridden")
        guest.overrides[self.address] = self._run
        guest.watch(self.address)

    def _run(self) -> None:
        """The guest has called it."""
        guest = self.guest
        cpu, mem = guest.machine.cpu, guest.mem
        words = [cpu.gpr[index] for index in cpu.arch.registers.args]
        before = cpu.gpr[:]
        args = [decode(mem, word) for decode, word in zip(self._decoders, words, strict=False)]
        try:
            answer = self.body(*args)
        except Errno as error:
            answer = -error.number
        cpu.gpr[:] = before
        guest.machine.platform.leave(self._word(answer))

    def _word(self, answer: Any) -> int:
        if isinstance(self._type.result, Void) or answer is None:
            return 0
        if not isinstance(answer, SupportsIndex):
            raise UsageError(f"the override of {self.name} answered {answer!r}, which is not a {self._type.result}")
        return answer.__index__() & MASK

    def remove(self) -> None:
        """The kernel's own function is back."""
        self.guest.overrides.pop(self.address, None)

    def __enter__(self) -> Override:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _decoder(type_: CType, name: str) -> Callable[[Any, int], Any]:
    """A register's word as a Python value."""
    match type_:
        case Int(boolean=True):
            return lambda mem, word: word & 0xFF != 0
        case Int(size=1 | 2 | 4 | 8) as integer:
            return lambda mem, word: integer.convert(word)
        case Pointer() as pointer:
            return lambda mem, word: Ptr(mem, word, pointer)
    raise UsageError(f"{name} takes a {type_}, which does not fit one register: it cannot be overridden")
