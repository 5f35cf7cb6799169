"""Why a module was refused, with the log lines that Linux writes about it."""

from __future__ import annotations

from emukern.elf import ElfError
from emukern.errors import ModuleError

ERR, WARNING, NOTICE = 3, 4, 5  # printk levels


class Refused(ModuleError):
    """A module was refused: `messages` are the (level, text) lines for the log, none when Linux is silent."""

    def __init__(self, errno: int, *messages: tuple[int, str]) -> None:
        super().__init__(errno, "; ".join(text for _, text in messages))
        self.messages = messages


def log_lines(refusal: ModuleError) -> tuple[tuple[int, str], ...]:
    """What the kernel logs about `refusal`."""
    if isinstance(refusal, Refused):
        return refusal.messages
    return ((ERR, str(refusal)),) if isinstance(refusal, ElfError) else ()
