"""The platform-level interrupt controller: numbered level-triggered sources in, one external interrupt out.

RISC-V Platform-Level Interrupt Controller Specification 1.0. As on QEMU's virt machine each hart has two contexts;
number 0 is machine mode, which nobody uses here, number 1 is supervisor mode.
"""

from __future__ import annotations

SOURCES = 96  # 1..96; 0 means "none"
CONTEXTS = 2
SUPERVISOR = 1
MAX_PRIORITY = 7
SIZE = 0x60_0000
PENDING, ENABLE, ENABLE_STRIDE, CONTEXT, CONTEXT_STRIDE = 0x1000, 0x2000, 0x80, 0x20_0000, 0x1000
WORD = 0xFFFF_FFFF
EXISTING = ((1 << SOURCES) - 1) << 1


class Plic:
    """State as bit masks over the sources. `external`: the supervisor external interrupt is asserted."""

    width = 4

    def __init__(self) -> None:
        self.external = False
        self._priority = [0] * (SOURCES + 1)
        self._level = 0  # what the wires say
        self._pending = 0
        self._claimed = 0
        self._enabled = [0] * CONTEXTS
        self._threshold = [0] * CONTEXTS

    def set(self, source: int, level: bool) -> None:
        """The wire of `source` changes."""
        self._level = self._level & ~(1 << source) | level << source
        self._update()

    def _update(self) -> None:
        # The gateway passes a request on unless the source is being served. A wire that drops takes it back only
        # before that, as QEMU's does.
        self._pending = self._level & ~self._claimed
        self.external = self._best(SUPERVISOR) != 0

    def _best(self, context: int) -> int:
        """The enabled pending source of the highest priority above the threshold, the lowest number first; or 0."""
        best, highest = 0, self._threshold[context]
        wanted = self._pending & self._enabled[context]
        while wanted:
            source = (wanted & -wanted).bit_length() - 1
            wanted &= wanted - 1
            if self._priority[source] > highest:
                best, highest = source, self._priority[source]
        return best

    def _claim(self, context: int) -> int:
        source = self._best(context)
        if source:
            self._claimed |= 1 << source
            self._update()
        return source

    def _complete(self, context: int, source: int) -> None:
        if source <= SOURCES and self._enabled[context] >> source & 1:
            self._claimed &= ~(1 << source)

    def read(self, offset: int, size: int) -> int:
        """Registers are words; what is not there reads 0."""
        if offset < PENDING:
            return self._priority[offset >> 2] if offset >> 2 <= SOURCES else 0
        if offset < ENABLE:
            return self._pending >> (offset - PENDING) * 8 & WORD
        if offset < CONTEXT:
            context, at = divmod(offset - ENABLE, ENABLE_STRIDE)
            return self._enabled[context] >> at * 8 & WORD if context < CONTEXTS else 0
        context, at = divmod(offset - CONTEXT, CONTEXT_STRIDE)
        if context >= CONTEXTS or at > 4:
            return 0
        return self._claim(context) if at == 4 else self._threshold[context]

    def write(self, offset: int, size: int, value: int) -> None:
        """Registers are words; writes elsewhere vanish."""
        if offset < PENDING:
            if 0 < offset >> 2 <= SOURCES:
                self._priority[offset >> 2] = value & MAX_PRIORITY
        elif ENABLE <= offset < CONTEXT:
            context, at = divmod(offset - ENABLE, ENABLE_STRIDE)
            if context < CONTEXTS:
                others = self._enabled[context] & ~(WORD << at * 8)
                self._enabled[context] = (others | (value & WORD) << at * 8) & EXISTING
        elif offset >= CONTEXT:
            context, at = divmod(offset - CONTEXT, CONTEXT_STRIDE)
            if context < CONTEXTS and at == 0:
                self._threshold[context] = value & MAX_PRIORITY
            elif context < CONTEXTS and at == 4:
                self._complete(context, value)
        self._update()


class Wire:
    """A device's interrupt output, connected to `source`."""

    def __init__(self, plic: Plic, source: int) -> None:
        self._plic, self._source = plic, source

    def set(self, level: bool) -> None:
        """Assert or release."""
        self._plic.set(self._source, level)
