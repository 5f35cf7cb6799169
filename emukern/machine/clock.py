"""Virtual time: executed blocks plus the jumps made while everything slept. No host clock, ever."""

from __future__ import annotations

HZ = 250
NS_PER_BLOCK = 4
NS_PER_JIFFY = 1_000_000_000 // HZ
EPOCH = 1_700_000_000 * 1_000_000_000  # what the real-time clock says at reset, in ns since 1970
INITIAL_JIFFIES = (1 << 32) - 300 * HZ  # as Linux: wraps five minutes after boot, to find bugs


class Clock:
    """Time since reset: `blocks` is the CPU's block count, `jumped` the nanoseconds that were not executed."""

    hz = HZ

    def __init__(self, ns_per_block: int = NS_PER_BLOCK) -> None:
        self.ns_per_block = ns_per_block
        self.jumped = 0
        self.blocks = 0

    @property
    def now(self) -> int:
        """Nanoseconds since reset."""
        return self.blocks * self.ns_per_block + self.jumped

    @property
    def realtime(self) -> int:
        """Nanoseconds since 1970, as the machine's real-time clock has it."""
        return EPOCH + self.now

    @property
    def jiffies(self) -> int:
        """Linux's tick counter, which does not start at zero."""
        return INITIAL_JIFFIES + self.now // NS_PER_JIFFY

    def advance(self, ns: int) -> None:
        """Let `ns` nanoseconds pass at once."""
        self.jumped += max(0, ns)

    def jump_to(self, deadline: int) -> None:
        """Let time pass until `deadline`; never backwards."""
        self.advance(deadline - self.now)

    def blocks_until(self, deadline: int) -> int:
        """How many blocks may run before `deadline`; at least one."""
        return max(1, -(-(deadline - self.now) // self.ns_per_block))
