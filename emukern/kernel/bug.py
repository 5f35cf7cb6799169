"""The guest broke a rule of the kernel: what a handler raises so that the current task dies of an oops."""

from __future__ import annotations


class KernelBug(Exception):
    """BUG(): the run loop turns it into an oops of the current task; `text` is the report's first lines."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
