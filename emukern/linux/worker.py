"""A sweep's worker: `python -m emukern.linux.worker`, a process of its own that may die of a module.

It reads lines of JSON from standard input, first the recipe, then one item after the other, and answers each with a
line on standard output: `{"ready": …}` or `{"failed": …}` after the boot, then `{"result": …, "last": …}`. After a
`last` one it ends by itself: it has grown too large or cannot vouch for itself any longer.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

from emukern.errors import EmukernError
from emukern.linux.trial import Bench, Item, Recipe

PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
LARGEST = 380 << 20  # bytes of memory in use after which a worker makes room for a new one


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that a process has in use; 0 when it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def die_with(parent: int) -> None:
    """End when the process that started this one does, however it ends; Ctrl-C is for that one to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is a result here, its memory image is not wanted
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it ended before we could ask


def serve(requests: TextIO, answers: TextIO) -> None:
    """Boot what the first line asks for and try what the others name."""

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    try:
        bench = Bench(Recipe(**json.loads(requests.readline())))
    except (EmukernError, OSError) as error:
        answer(failed=str(error), kind=type(error).__name__)
        return
    answer(ready=True)
    for line in requests:
        fields = bench.attempt(Item(**json.loads(line)))
        last = not bench.sound or resident() > LARGEST
        answer(result=fields, last=last)
        if last:
            return


def main() -> None:
    """The process: nothing but answers may get into the pipe, whatever prints."""
    die_with(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
