"""Worker processes die, hang, grow and answer; every module has a result and no process stays."""

import os
import sys
import time
from pathlib import Path

import pytest

from emukern.errors import UsageError
from emukern.linux import crew
from emukern.linux.trial import Item, Recipe

PROGRAM = (sys.executable, str(Path(__file__).with_name("rough_worker.py")))


def children():
    """The processes that this one has started and that still run."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Sweep modules of the names given; answers the results by name, and checks that no process is left."""
    monkeypatch.setattr(crew, "BEAT", 0.05)

    def run(*names, memory=None, jobs=2, patience=30.0):
        recipe = Recipe(tree=str(tmp_path), memory=memory)
        items = [Item(index, f"{name}.ko", f"/nowhere/{name}.ko") for index, name in enumerate(names)]
        before = children()
        found = list(crew.work(recipe, items, jobs, program=PROGRAM, patience=patience))
        assert children() == before
        assert sorted(item.index for item, _, _ in found) == list(range(len(items)))
        assert all(seconds >= 0 for _, _, seconds in found)
        return {item.path.removesuffix(".ko"): fields for item, fields, _ in found}

    return run


def verdicts(results):
    return {name: (fields["outcome"], fields["reason"]) for name, fields in results.items()}


def test_one_worker_serves_many_modules(work):
    results = work("a", "b", "c", jobs=1)
    assert {fields["outcome"] for fields in results.values()} == {"ok"}
    assert len({fields["machine"] for fields in results.values()}) == 1  # where the rough worker puts its pid


def test_there_are_no_more_workers_than_jobs_or_modules(work):
    assert len({fields["machine"] for fields in work("a", jobs=9).values()}) == 1
    assert len({fields["machine"] for fields in work(*map(str, range(60)), jobs=2).values()}) <= 2
    assert work() == {}


def test_a_module_that_kills_its_worker_is_a_crash_and_the_others_go_on(work):
    assert verdicts(work("a", "segv", "b", "exit", "c")) == {
        "a": ("ok", None),
        "segv": ("crash", "the worker process died of SIGSEGV"),
        "b": ("ok", None),
        "exit": ("crash", "the worker process ended with status 3"),
        "c": ("ok", None),
    }


def test_a_death_that_does_not_repeat_is_nobodys_fault(work):
    assert verdicts(work("once"))["once"] == ("ok", None)


def test_a_module_that_never_answers_is_a_hang(work):
    assert verdicts(work("a", "hang", "b", patience=0.6)) == {
        "a": ("ok", None),
        "hang": ("hang", "the worker process gave no answer for 0.6 s"),
        "b": ("ok", None),
    }


def test_a_worker_that_takes_all_memory_is_ended(work, monkeypatch):
    monkeypatch.setattr(crew, "GREEDY", 100 << 20)
    found = verdicts(work("grow", "a"))
    assert found == {"grow": ("crash", "the worker process needed more than 100 MiB of memory"), "a": ("ok", None)}


def test_a_worker_that_retires_is_replaced(work):
    results = work("last", "a", jobs=1)
    assert results["last"]["machine"] != results["a"]["machine"]


def test_a_guest_that_does_not_boot_is_an_error(work):
    with pytest.raises(UsageError, match="no such machine"):
        work("a", memory=1)
    with pytest.raises(crew.WorkerFailure, match="a worker process died of SIGKILL before it was ready"):
        work("a", memory=2)


def test_stopping_in_the_middle_leaves_no_process(tmp_path):
    before, recipe = children(), Recipe(tree=str(tmp_path))
    items = [Item(index, f"{name}.ko", "") for index, name in enumerate(("a", "hang", "hang"))]
    running = crew.work(recipe, items, 2, program=PROGRAM)
    item, _, _ = next(running)
    assert item.path == "a.ko"
    assert len(children()) > len(before)
    start = time.monotonic()
    running.close()
    assert children() == before
    assert time.monotonic() - start < 5
