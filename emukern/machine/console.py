"""The console: a paravirtual device. What the guest prints goes to a host function, what the host types to the guest's
terminal; both are the host's business and no part of a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Input(Protocol):
    """Where keys come from. `paced`: a person sits there, so that a second asleep is a second of the host's time;
    otherwise time jumps to the next deadline when everything sleeps, unless it is keys that are waited for."""

    paced: bool

    def poll(self) -> bytes:
        """Keys that are there already; never waits."""

    def wait(self, timeout_ns: int | None) -> bytes | None:
        """Keys, waiting for them at most so long; b"" when time ran out, None when there will never be any."""


class Console:
    """Output to `sink` (None: nowhere), input from `input` (None: nobody types)."""

    def __init__(self, sink: Callable[[bytes], object] | None = None, source: Input | None = None) -> None:
        self.sink = sink
        self.input = source

    def write(self, data: bytes) -> None:
        """Print."""
        if self.sink is not None:
            self.sink(data)
