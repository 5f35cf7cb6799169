"""Worker processes, and the one loop that keeps them busy. What a module does to its worker ends there.

A worker that dies is replaced, and its module tried once more in the new one, lest it pays for what another process
did to the machine; if that one dies as well, the module is recorded as a crash. One that does not answer for a long
time of the host's clock is killed and its module recorded as a hang.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import emukern
from emukern.errors import EmukernError, UsageError
from emukern.linux.trial import Item, Recipe, result
from emukern.linux.worker import resident

PROGRAM = (sys.executable, "-m", "emukern.linux.worker")
PATIENCE = 300.0  # seconds of the host's clock within which a worker answers
TRIES = 2
GREEDY = 2 << 30  # bytes; a worker that holds more is ended before the host suffers
BEAT = 0.5  # seconds between two looks at workers that say nothing


class WorkerFailure(EmukernError):
    """A worker process could not start."""


class Worker:
    """One process and what it is working on."""

    def __init__(self, recipe: Recipe, program: tuple[str, ...]) -> None:
        path = os.pathsep.join([str(Path(emukern.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        loud = os.environ.get("EMUKERN_TRACEBACK", "0") not in ("", "0")
        self.process = subprocess.Popen(
            [*program, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if loud else subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)},
            bufsize=0,
        )
        self.item: Item | None = None
        self.ready = False
        self.since = time.monotonic()
        self._part = b""
        self._tell(asdict(recipe))

    def _tell(self, fields: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.since = time.monotonic()
        with suppress(BrokenPipeError):  # it is dead: its end of the other pipe tells
            self.process.stdin.write(json.dumps(fields).encode() + b"\n")

    def give(self, item: Item) -> None:
        """Something to do."""
        self.item = item
        self._tell(asdict(item))

    def fileno(self) -> int:
        """What becomes readable when there is an answer, or its end."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def answer(self) -> dict[str, Any] | None:
        """What it has to say, {} when that is not whole yet, None when it is dead."""
        data = os.read(self.fileno(), 1 << 16)
        if not data:
            return None
        self._part += data
        line, newline, rest = self._part.partition(b"\n")
        if not newline:
            return {}
        self._part = rest
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End it; nothing of it is worth keeping."""
        self.process.kill()
        self._bury()

    def cause_of_death(self) -> str:
        """What it died of, once its answers have ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.process.kill()
        code = self._bury()
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def _bury(self) -> int:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return self.process.wait()


class Crew:
    """As many workers as there are jobs, while there is something to do."""

    def __init__(
        self, recipe: Recipe, items: Iterable[Item], jobs: int, program: tuple[str, ...], patience: float
    ) -> None:
        self.recipe, self.jobs, self.program, self.patience = recipe, jobs, program, patience
        self.queue = deque(items)
        self.workers: list[Worker] = []
        self.tried: dict[Item, int] = {}
        self.proven = False  # a worker has been ready once: the kernel boots, and is in the cache
        self.selector = selectors.DefaultSelector()

    def run(self) -> Iterator[tuple[Item, dict[str, Any], float]]:
        """Each item with its result and the seconds it took, as they come."""
        while self.queue or any(worker.item for worker in self.workers):
            self._staff()
            for key, _ in self.selector.select(BEAT):
                yield from self._hear(key.data)
            for worker in list(self.workers):
                yield from self._look_after(worker)

    def dismiss(self, *some: Worker) -> None:
        """End these workers, or all of them."""
        for worker in some or tuple(self.workers):
            self._forget(worker)
            worker.kill()

    def _staff(self) -> None:
        """Hire who is missing, and give everybody something to do."""
        busy = sum(worker.item is not None for worker in self.workers)
        wanted = min(self.jobs, busy + len(self.queue)) if self.proven else 1
        while len(self.workers) < wanted:
            worker = Worker(self.recipe, self.program)
            self.workers.append(worker)
            self.selector.register(worker, selectors.EVENT_READ, worker)
        for worker in self.workers:
            if worker.ready and worker.item is None and self.queue:
                worker.give(self.queue.popleft())

    def _hear(self, worker: Worker) -> Iterator[tuple[Item, dict[str, Any], float]]:
        answer = worker.answer()
        if answer is None:
            self._forget(worker)
            yield from self._lose(worker, worker.cause_of_death())
        elif "failed" in answer:
            raise (UsageError if answer["kind"] == "UsageError" else WorkerFailure)(answer["failed"])
        elif "ready" in answer:
            worker.ready = self.proven = True
        elif answer:
            item, worker.item = worker.item, None
            assert item is not None
            yield item, answer["result"], time.monotonic() - worker.since
            if answer["last"]:
                self.dismiss(worker)

    def _look_after(self, worker: Worker) -> Iterator[tuple[Item, dict[str, Any], float]]:
        """End a worker that says nothing for too long or that takes too much."""
        if worker.ready and worker.item is None:
            return
        if time.monotonic() - worker.since > self.patience:
            self.dismiss(worker)
            yield from self._lose(worker, f"gave no answer for {self.patience:g} s", "hang")
        elif resident(worker.process.pid) > GREEDY:
            self.dismiss(worker)
            yield from self._lose(worker, f"needed more than {GREEDY >> 20} MiB of memory")

    def _lose(self, worker: Worker, why: str, kind: str = "crash") -> Iterator[tuple[Item, dict[str, Any], float]]:
        """A worker is dead: its item is another one's to try, or has its result."""
        item = worker.item
        if item is None:
            if not worker.ready:
                raise WorkerFailure(f"a worker process {why} before it was ready")
            return
        self.tried[item] = self.tried.get(item, 0) + 1
        if kind == "crash" and self.tried[item] < TRIES:
            self.queue.appendleft(item)
        else:
            lost = result(self.recipe.machine, item.path, outcome=kind, reason=f"the worker process {why}")
            yield item, lost, time.monotonic() - worker.since

    def _forget(self, worker: Worker) -> None:
        self.selector.unregister(worker)
        self.workers.remove(worker)


def work(
    recipe: Recipe,
    items: Iterable[Item],
    jobs: int = 1,
    *,
    program: tuple[str, ...] = PROGRAM,
    patience: float = PATIENCE,
) -> Iterator[tuple[Item, dict[str, Any], float]]:
    """Try every item on a guest of `recipe`, `jobs` at a time: (item, result, seconds) as they come.

    No process outlives the iteration, however that ends. Raises WorkerFailure or UsageError when the guest cannot boot.
    """
    crew = Crew(recipe, items, jobs, program, patience)
    try:
        yield from crew.run()
    finally:
        crew.dismiss()
        crew.selector.close()
