"""The Supervisor Binary Interface, version 2.0: what firmware in machine mode would answer to a kernel's ecalls.

RISC-V Supervisor Binary Interface Specification; one hart, number 0. Extensions: base, timer, IPI, RFENCE, hart state,
system reset, debug console, and the two legacy console calls that old early consoles use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

TIMEBASE = 10_000_000  # Hz of the time CSR, as QEMU's virt machine
NS_PER_TICK = 1_000_000_000 // TIMEBASE
SPEC_VERSION = 2 << 24
IMPLEMENTATION_ID, IMPLEMENTATION_VERSION = 0x454D_554B, 1  # "EMUK": the specification's registry does not list us
NEVER = (1 << 64) - 1

PUTCHAR, GETCHAR, BASE = 0x01, 0x02, 0x10
TIME, IPI, RFENCE = 0x5449_4D45, 0x0073_5049, 0x5246_4E43
HSM, SRST, DBCN = 0x0048_534D, 0x5352_5354, 0x4442_434E
OK, FAILED, NOT_SUPPORTED, INVALID_PARAM, ALREADY_AVAILABLE = 0, -1, -2, -3, -6
HART = 0
STARTED = 0
SHUTDOWN, COLD_REBOOT, WARM_REBOOT = range(3)


class Physical(Protocol):
    """The guest's physical memory."""

    def read(self, address: int, size: int) -> bytes | None:
        """None when part of it is no RAM."""

    def write(self, address: int, data: bytes) -> bool:
        """False when part of it is no RAM."""


class Answer(NamedTuple):
    """What comes back in a0 and a1 (None: a1 is kept), and what the hart has to do: "ipi" (its software interrupt
    becomes pending), "fence" (forget address translations) or nothing."""

    error: int = OK
    value: int | None = 0
    effect: str = ""


class Sbi:
    """The firmware's state: the timer, and keys nobody has asked for yet.

    `timer` is whether the supervisor timer interrupt is pending; `deadline` when it will be (virtual ns), or None.
    """

    def __init__(self, time: Any, console: Any, power: Any) -> None:
        self._time, self._console, self._power = time, console, power
        self.timer = False
        self.deadline: int | None = None
        self._keys = b""

    def call(self, extension: int, function: int, args: Sequence[int], memory: Physical) -> Answer:
        """Answer an ecall: a7, a6, (a0, a1, a2 …). What is not there gets SBI_ERR_NOT_SUPPORTED."""
        answer = self._EXTENSIONS.get(extension)
        return Answer(NOT_SUPPORTED) if answer is None else answer(self, function, args, memory)

    def expire(self, now: int) -> None:
        """The timer's time has come."""
        if self.deadline is not None and self.deadline <= now:
            self.deadline = None
            self.timer = True

    def receive(self, data: bytes) -> None:
        """Somebody types on the debug console."""
        self._keys += data

    def _base(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        if function == 3:
            return Answer(value=int(args[0] in self._EXTENSIONS))
        # After the versions: mvendorid, marchid, mimpid of a CPU that claims to be nobody's.
        values = {0: SPEC_VERSION, 1: IMPLEMENTATION_ID, 2: IMPLEMENTATION_VERSION, 4: 0, 5: 0, 6: 0}
        return Answer(value=values[function]) if function in values else Answer(NOT_SUPPORTED)

    def _set_timer(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        if function != 0:
            return Answer(NOT_SUPPORTED)
        self.timer = False
        self.deadline = None if args[0] == NEVER else args[0] * NS_PER_TICK
        self.expire(self._time.now)
        return Answer()

    def _ipi(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        return _for_harts(args, "ipi") if function == 0 else Answer(NOT_SUPPORTED)

    def _rfence(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        # 0 FENCE.I, 1 and 2 SFENCE.VMA; the rest is for hypervisors.
        return _for_harts(args, "fence") if function <= 2 else Answer(NOT_SUPPORTED)

    def _hart_state(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        if function == 0:  # start
            return Answer(ALREADY_AVAILABLE if args[0] == HART else INVALID_PARAM)
        if function == 1:  # stop: nobody could ever start the only hart again
            return Answer(FAILED)
        if function == 2:
            return Answer(value=STARTED) if args[0] == HART else Answer(INVALID_PARAM)
        return Answer(NOT_SUPPORTED)

    def _system_reset(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        if function != 0:
            return Answer(NOT_SUPPORTED)
        if args[0] == SHUTDOWN:
            self._power.off()
        elif args[0] in (COLD_REBOOT, WARM_REBOOT):
            self._power.reset()
        else:
            return Answer(INVALID_PARAM)
        return Answer()

    def _debug_console(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        if function == 2:
            self._console.write(bytes((args[0] & 0xFF,)))
            return Answer()
        if function > 2:
            return Answer(NOT_SUPPORTED)
        size, address = args[0], args[1] | args[2] << 64
        if function == 0:
            text = memory.read(address, size)
            if text is None:
                return Answer(INVALID_PARAM)
            self._console.write(text)
            return Answer(value=size)
        keys = self._keys[:size]
        if not memory.write(address, keys):
            return Answer(INVALID_PARAM)
        self._keys = self._keys[len(keys) :]
        return Answer(value=len(keys))

    def _putchar(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        self._console.write(bytes((args[0] & 0xFF,)))
        return Answer(value=None)

    def _getchar(self, function: int, args: Sequence[int], memory: Physical) -> Answer:
        key, self._keys = self._keys[:1], self._keys[1:]
        return Answer(key[0] if key else -1, value=None)

    _EXTENSIONS: ClassVar[dict[int, Callable[[Sbi, int, Sequence[int], Physical], Answer]]] = {
        PUTCHAR: _putchar,
        GETCHAR: _getchar,
        BASE: _base,
        TIME: _set_timer,
        IPI: _ipi,
        RFENCE: _rfence,
        HSM: _hart_state,
        SRST: _system_reset,
        DBCN: _debug_console,
    }


def _for_harts(args: Sequence[int], effect: str) -> Answer:
    """`effect` on the harts of (mask, base); base -1 means all."""
    mask, first = args[0], args[1]
    if first == NEVER or (first == HART and mask == 1):
        return Answer(effect=effect)
    return Answer() if mask == 0 else Answer(INVALID_PARAM)
