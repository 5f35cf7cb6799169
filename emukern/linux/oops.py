"""An oops in the kernel log: where the report of it begins."""

from __future__ import annotations

BEGINNINGS = ("BUG: ", "Oops", "Unable to handle", "general protection fault", "kernel BUG")


def report(texts: list[str]) -> str:
    """The last oops in the lines of a log, or the last lines when there is none."""
    begins = (i for i in reversed(range(len(texts))) if texts[i].startswith(BEGINNINGS))
    return "\n".join(texts[next(begins, max(0, len(texts) - 3)) :])
