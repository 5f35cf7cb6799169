"""Kernel functions whose body is a Python function: whoever calls one, a module or the kernel itself, gets its answer.

The machine stops before the function's first instruction, the Python function is called with typed arguments, and the
guest goes on behind the call. Calls that the compiler inlined cannot be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsIndex

from emukern.ctype import Void
from emukern.errors import Errno, UsageError
from emukern.linux.calls import decoder

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
        params = self._type.params
        self._decoders = [found for param in params if (found := decoder(param.type)) is not None]
        if len(self._decoders) < len(params) or len(params) > len(guest.machine.arch.registers.args):
            raise UsageError(f"`{self._type}` takes more than a register for each argument: it cannot be overridden")
        guest.overrides[self.address] = self._run
        guest.watch(self.address)

    def _run(self) -> None:
        """The guest has called it."""
        guest = self.guest
        cpu, mem = guest.machine.cpu, guest.kernel.mem_
        words = [cpu.gpr[index] for index in cpu.arch.registers.args]
        args = [decode(mem, word) for decode, word in zip(self._decoders, words, strict=False)]
        parked, guest.parked = guest.parked, True  # the body may call functions, here and now
        try:
            answer = self.body(*args)
        except Errno as error:
            answer = -error.number
        finally:
            guest.parked = parked
        guest.machine.platform.leave(self._word(answer))

    def _word(self, answer: Any) -> int:
        if isinstance(self._type.result, Void) or answer is None:
            return 0
        if not isinstance(answer, SupportsIndex):
            raise UsageError(f"the override of {self.name} answered {answer!r}, which is not a {self._type.result}")
        return answer.__index__() & MASK

    def remove(self) -> None:
        """The kernel's own function is back, unless something else has taken its place."""
        if self.guest.overrides.get(self.address) == self._run:
            del self.guest.overrides[self.address]

    def __enter__(self) -> Override:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
