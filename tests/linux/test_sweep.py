"""Sweeps from the outside: which modules, the file that survives anything, processes and clusters that do the work."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from emukern import UsageError, samples
from emukern.linux import cluster
from emukern.linux.sweep import Results, items_of, tree_of
from emukern.linux.trial import Item, Recipe, result

ROOT = Path(__file__).parents[2]
MANY = 120  # modules of the sweeps that are interrupted


# which modules


@pytest.fixture
def tree(tmp_path):
    """A module tree of empty files."""
    root = tmp_path / "lib" / "6.1.0"
    for path in "kernel/b/two.ko kernel/a/one.ko.xz kernel/kernel/deep.ko.gz kernel/a/note.txt extra/x.ko.zst".split():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / "modules.order").touch()
    return root


def paths(items):
    assert [item.index for item in items] == list(range(len(items)))
    assert all(Path(item.file).is_file() for item in items)
    return [item.path for item in items]


def test_every_module_below_a_folder(tree):
    everything = ["extra/x.ko", "kernel/a/one.ko", "kernel/b/two.ko", "kernel/kernel/deep.ko"]
    assert paths(items_of(tree, tree)) == everything
    assert paths(items_of(tree / "kernel" / "kernel", tree)) == ["kernel/kernel/deep.ko"]
    assert paths(items_of(tree / "kernel" / "a", tree / "kernel" / "b")) == ["one.ko"]  # outside of the tree


def test_a_list_names_modules_as_it_likes(tree, tmp_path):
    (tmp_path / "mine.ko").touch()
    lines = ["kernel/b/two.ko", "# a remark", "", "kernel/a/one.ko", str(tree / "extra/x.ko"), "mine.ko"]
    (tmp_path / "list").write_text("\n".join([*lines, "kernel/b/two.ko"]))
    found = paths(items_of(tmp_path / "list", tree))
    assert found == ["kernel/b/two.ko", "kernel/a/one.ko", "extra/x.ko", str(tmp_path / "mine.ko")]


def test_a_list_with_missing_modules(tree, tmp_path):
    (tmp_path / "list").write_text("\n".join(["kernel/b/two.ko", *(f"gone{n}.ko" for n in range(5))]))
    with pytest.raises(UsageError, match="neither beside .*list nor below .*: gone0.ko, gone1.ko, gone2.ko and 2 more"):
        items_of(tmp_path / "list", tree)


def test_nothing_to_do(tree, tmp_path):
    (tmp_path / "list").write_text("# nothing\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    (tmp_path / "empty").mkdir()
    for where, words in (("list", "names no module"), ("binary", "is no list"), ("empty", "no module below")):
        with pytest.raises(UsageError, match=words):
            items_of(tmp_path / where, tree)


def test_the_tree_is_found(tree, tmp_path):
    (tmp_path / "boot").mkdir()
    image = tmp_path / "boot" / "vmlinuz-6.1.0"
    image.touch()
    (tmp_path / "lib" / "modules").mkdir()
    assert tree_of(tree / "kernel" / "kernel", None) == tree
    assert tree_of(tmp_path, None) == tmp_path
    assert tree_of(tmp_path / "list", None) == tmp_path
    tree.rename(tmp_path / "lib" / "modules" / "6.1.0")
    assert tree_of(tmp_path, image) == tmp_path / "lib" / "modules" / "6.1.0"
    (tmp_path / "usr").mkdir()
    (tmp_path / "lib").rename(tmp_path / "usr" / "lib")
    assert tree_of(tmp_path, image) == tmp_path / "usr" / "lib" / "modules" / "6.1.0"
    (tmp_path / "modules.dep").touch()
    assert tree_of(tmp_path / "elsewhere", image) == tmp_path


# the file


ITEMS = [Item(index, f"{name}.ko", "") for index, name in enumerate("cab")]


def line(path, machine="m"):
    return json.dumps(result(machine, path)).encode() + b"\n"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.jsonl"


def missing(out):
    results = Results(out, "m", ITEMS)
    try:
        return [item.path for item in results.missing()]
    finally:
        results.close()


def test_lines_come_as_they_come_and_end_up_in_the_order_of_the_list(out):
    results = Results(out, "m", ITEMS)
    for path in ("b.ko", "c.ko", "a.ko"):
        results.add(result("m", path))
    assert out.read_bytes() == line("b.ko") + line("c.ko") + line("a.ko")
    results.finish()
    results.close()
    assert out.read_bytes() == line("c.ko") + line("a.ko") + line("b.ko")
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize("torn", [b"", b"{", line("c.ko")[:-1], line("c.ko")[:20]])
def test_whole_lines_count_and_a_torn_one_goes(out, torn):
    out.write_bytes(line("b.ko") + torn)
    assert missing(out) == ["c.ko", "a.ko"]
    assert out.read_bytes() == line("b.ko")


def test_results_of_something_else_are_refused_and_kept(out):
    for content, words in (
        (line("b.ko", "another"), "another kernel, machine or emukern"),
        (line("z.ko"), "has a result for z.ko, which is not asked for"),
        (line("b.ko") + b"[]\n", "line 2 of .* is no result of a sweep"),
        (b"my diary\nmonday", "line 1 of .* is no result of a sweep"),
        (b"my diary", "line 1 of .* is no result of a sweep"),
    ):
        out.write_bytes(content)
        with pytest.raises(UsageError, match=words):
            missing(out)
        assert out.read_bytes() == content


def test_two_sweeps_do_not_write_one_file(out):
    results = Results(out, "m", ITEMS)
    with pytest.raises(UsageError, match="another sweep is writing"):
        Results(out, "m", ITEMS)
    results.close()
    assert missing(out) == ["c.ko", "a.ko", "b.ko"]


def test_a_full_disk_at_the_end_costs_nothing(out, monkeypatch):
    results = Results(out, "m", ITEMS[:2])
    results.add(result("m", "a.ko"))
    results.add(result("m", "c.ko"))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        results.finish()
    results.close()
    assert os.listdir(out.parent) == [out.name]
    assert out.read_bytes() == line("a.ko") + line("c.ko")


# the command


def command(*arguments):
    return [sys.executable, "-m", "emukern", "sweep", *map(str, arguments)]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def sweep():
    """Run `emukern sweep ARGUMENTS`; answers the finished process."""

    def run(*arguments):
        return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, env=ENVIRONMENT)

    return run


def test_the_samples_by_any_number_of_workers(sweep, arch, tmp_path):
    outs = []
    for jobs in (1, 3):
        outs.append(tmp_path / f"{jobs}.jsonl")
        done = sweep(samples.folder(arch), "--json", outs[-1], "--jobs", jobs, "--limit", 0.1)
        assert done.returncode == 0, done.stderr
    assert outs[0].read_bytes() == outs[1].read_bytes()
    found = {fields["name"]: fields["outcome"] for fields in map(json.loads, outs[0].read_text().splitlines())}
    assert len(found) == len(samples.listing(arch))
    odd = {"initfail": "errno", "oops": "oops", "loop": "hang"}
    assert found == dict.fromkeys(found, "ok") | odd
    counts = [line.split()[:2] for line in done.stdout.splitlines()[:6]]
    count = str(len(found))
    assert counts[0] == ["ok", str(len(found) - 3)]
    assert counts[1:] == [["errno", "1"], ["oops", "1"], ["hang", "1"], ["crash", "0"], ["total", count]]
    assert "hang: loop.ko: watchdog: BUG: soft lockup" in done.stdout
    again = sweep(samples.folder(arch), "--json", outs[0], "--limit", 0.1)
    assert (again.stdout, again.stderr) == (done.stdout, "")  # nothing was left to do
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_without_a_file_there_is_the_summary(sweep, tmp_path, arch):
    (tmp_path / "list").write_text(str(samples.sample("hello", arch)))
    done = sweep(tmp_path / "list")
    assert done.stdout.splitlines()[0].split() == ["ok", "1"]
    assert done.stderr.startswith("1 modules in ")
    assert os.listdir(tmp_path) == ["list"]


def test_wrong_usage(sweep, tmp_path):
    (tmp_path / "x.ko").touch()
    for arguments, words in (
        (("nowhere",), "nowhere does not exist"),
        ((tmp_path, "--jobs", 0), "--jobs must be at least 1"),
        ((tmp_path, "--modules", tmp_path / "none"), "there is no module tree at"),
        ((tmp_path, "--kernel", tmp_path / "none"), "there is no kernel image at"),
        ((tmp_path, "--memory", 7), "memory must be an even number of MiB"),
    ):
        done = sweep(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("emukern: ")
        assert words in done.stderr
    assert sweep(tmp_path, "--json", tmp_path / "none" / "out").returncode == 1
    done = sweep(tmp_path, "--kernel", tmp_path / "x.ko", "--json", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("emukern: ")
    assert str(tmp_path / "x.ko") in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def many(tmp_path):
    """A folder of modules that is swept in a moment, but not in a blink."""
    blob = samples.sample("timer-and-work", "x86_64").read_bytes()
    (tmp_path / "many").mkdir()
    for number in range(MANY):
        (tmp_path / "many" / f"m{number:03}.ko").write_bytes(blob)
    return tmp_path / "many"


def descendants(pid):
    """The processes below one, by number."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [*found, *(deeper for one in found for deeper in descendants(one))]


def interrupted(many, out, number):
    """Start a sweep on two workers and end it with a signal when some lines are there; its exit status."""
    process = subprocess.Popen(
        command(many, "--json", out, "--jobs", 2), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    while not out.exists() or out.read_bytes().count(b"\n") < 5:
        assert process.poll() is None
        time.sleep(0.005)
    workers = descendants(process.pid)
    assert len(workers) == 2
    process.send_signal(number)
    said = process.communicate()[1]
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives its sweep"
        time.sleep(0.01)
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_sweep_that_is_stopped_goes_on_where_it_was(sweep, many, tmp_path, number):
    out, straight = tmp_path / "out.jsonl", tmp_path / "straight.jsonl"
    status, said = interrupted(many, out, number)
    done = out.read_bytes().count(b"\n")
    assert 5 <= done < MANY, "nothing was left to do"
    if number == signal.SIGINT:
        assert status == 130
        assert said == f"emukern: interrupted after {done} of {MANY} modules; the same command goes on\n"
    with out.open("ab") as file:
        file.write(b'{"path": "m')
    resumed = sweep(many, "--json", out, "--jobs", 2)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.startswith(f"{MANY - done} modules in ")
    assert sweep(many, "--json", straight, "--jobs", 1).returncode == 0
    assert out.read_bytes() == straight.read_bytes()


def test_a_sweep_of_another_machine_does_not_go_on(sweep, many, tmp_path):
    (tmp_path / "list").write_text("many/m000.ko\n")
    out = tmp_path / "out.jsonl"
    assert sweep(tmp_path / "list", "--json", out).returncode == 0
    before = out.read_bytes()
    done = sweep(tmp_path / "list", "--json", out, "--memory", 64)
    assert done.returncode == 2
    assert "has results of another kernel, machine or emukern" in done.stderr
    assert out.read_bytes() == before


# a cluster


@pytest.mark.filterwarnings("default")  # what Dask's dependencies deprecate is not ours to mend
def test_a_cluster_does_the_same(sweep, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'emukern[dask]'")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    nodes = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with distributed.LocalCluster(**nodes, dashboard_address=None, host="127.0.0.1") as local:
        arguments = (samples.folder("riscv64"), "--limit", 0.1)
        assert sweep(*arguments, "--json", here).returncode == 0
        done = sweep(*arguments, "--json", there, "--cluster", local.scheduler_address)
        assert done.returncode == 0, done.stderr
    assert there.read_bytes() == here.read_bytes()


@pytest.mark.filterwarnings("default")
def test_a_cluster_that_is_not_there(monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 0.2)
    with pytest.raises(UsageError) as error:
        list(cluster.work_on("tcp://127.0.0.1:1", Recipe(tree="/"), ITEMS))
    if find_spec("distributed") is None:
        assert str(error.value) == "--cluster needs Dask: pip install 'emukern[dask]'"
    else:
        assert str(error.value).startswith("no Dask scheduler answers at tcp://127.0.0.1:1")
