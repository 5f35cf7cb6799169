"""What modules do here is what they did on real kernels: the comparison itself, and the sample that must agree."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from corpus import DEBIAN, tree

ROOT = Path(__file__).parents[2]
SAMPLE = 120
KILLED_AFTER = 10  # results


def script():
    """scripts/parity as a module."""
    loader = SourceFileLoader("parity", str(ROOT / "scripts" / "parity"))
    module = module_from_spec(spec_from_loader("parity", loader))
    sys.modules["parity"] = module  # dataclasses look their own module up
    loader.exec_module(module)
    return module


parity = script()


def record(path="kernel/a.ko", **fields):
    """A module that comes and goes without a word, but for `fields`."""
    quiet = {"insmod_errno": 0, "insmod_errname": "OK", "insmod_kmsg": [], "stable": "exact"}
    quiet |= {"rmmod_errno": 0, "rmmod_errname": "OK", "rmmod_kmsg": [], "deps": [], "insmod_ns_min": 1000}
    return {"path": path, **quiet, **fields}


def said(*texts, level=6):
    return [{"level": level, "text": text} for text in texts]


REFUSED = {"insmod_errno": 19, "insmod_errname": "ENODEV", "rmmod_errno": None, "rmmod_errname": None}


def errno_kind(here, recorded):
    found = parity.errno_difference(record(**here), record(**recorded))
    return None if found is None else found.kind


def test_errnos():
    busy = {"rmmod_errno": 16, "rmmod_errname": "EBUSY"}
    dead = {**REFUSED, "insmod_errno": None, "insmod_errname": None}
    assert errno_kind({}, {}) is None
    assert errno_kind(REFUSED, REFUSED) is None
    assert errno_kind(REFUSED, {}) == "insmod: ENODEV instead of OK"
    assert errno_kind({}, REFUSED) == "insmod: OK instead of ENODEV"
    assert errno_kind({}, busy) == "rmmod: OK instead of EBUSY"
    assert errno_kind({**dead, "outcome": "hang"}, {}) == "insmod: hang instead of OK"
    assert errno_kind(dead, {}) == "insmod: nothing instead of OK"
    left = {"rmmod_errno": None, "rmmod_errname": None, "outcome": "oops"}
    assert errno_kind(left, {}) == "rmmod: oops instead of OK"


def message_kinds(here, recorded, stable="exact"):
    ours, theirs = record(insmod_kmsg=here), record(insmod_kmsg=recorded, stable=stable)
    return [found.kind for found in parity.message_differences(ours, theirs)]


@pytest.mark.parametrize(
    ("here", "recorded", "kind"),
    [
        (said("a 1"), said("a 2"), "other numbers"),
        (said("at 0xffff0a"), said("at 0x12"), "other numbers"),
        (said("at (____ptrval____)"), said("at 00000000960a8b89"), "other numbers"),
        (said("a", level=4), said("a"), "other levels"),
        (said("a", "b"), said("b", "a"), "another order"),
        (said("a", "c"), said("a", "b", "c"), "messages missing"),
        (said("a"), [], "more messages"),
        (said("a", "x"), said("a", "b"), "other messages"),
    ],
)
def test_messages(here, recorded, kind):
    assert message_kinds(here, recorded) == [f"insmod: {kind}"]
    assert message_kinds(here, recorded, "varies") == []
    assert message_kinds(here, recorded, "numbers_vary") == ([] if kind == "other numbers" else [f"insmod: {kind}"])
    assert message_kinds(recorded, recorded) == []


def test_only_what_differs_is_shown():
    (found,) = parity.message_differences(record(rmmod_kmsg=said(*"abcde")), record(rmmod_kmsg=said("a", "z")))
    assert found.kind == "rmmod: other messages"
    assert (found.here, found.recorded) == ("<6>b\n<6>c\n… and 2 more", "<6>z")


def test_what_only_one_side_has_is_not_compared():
    found = parity.compare("x", [record("a"), record("c")], [record("a"), record("b")])
    assert (found.recorded, found.compared, found.percent) == (2, 1, (100.0, 100.0))
    assert parity.compare("x", [], [record("a")]).percent == (0.0, 0.0)


@pytest.fixture
def files(tmp_path):
    """Write a sweep and a recording in which one of four modules differs in errno and two in messages."""
    names = [f"kernel/{name}.ko" for name in "abcd"]
    recorded = [record(name, insmod_kmsg=said("hi")) for name in names]
    here = [dict(one) for one in recorded]
    here[1] |= REFUSED | {"insmod_kmsg": [], "reason": "no `device` | here"}
    here[2] |= {"rmmod_kmsg": said("bye")}
    paths = tmp_path / "here.jsonl", tmp_path / "amd64.jsonl"
    for path, records in zip(paths, (here, recorded), strict=True):
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return paths


def run(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "parity"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_report(files, tmp_path):
    (tmp_path / "causes").write_text("# a remark\nkernel/c\\.ko\tit is too polite\n")
    done = run(*files, "--causes", tmp_path / "causes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "amd64: 4 of 4 recorded modules swept",
        "errno parity 75.00 % (3 of 4)",
        "message parity 50.00 % (2 of 4)",
        "",
        "insmod: ENODEV instead of OK (1)",
        "  kernel/b.ko   [not known yet]",
        "    here     no `device` | here",
        "    recorded OK",
        "",
        "insmod: messages missing (1)",
        "  kernel/b.ko   [not known yet]",
        "    here     nothing",
        "    recorded <6>hi",
        "",
        "rmmod: more messages (1)",
        "  kernel/c.ko   [it is too polite]",
        "    here     <6>bye",
        "    recorded nothing",
    ]
    assert run(*files, "--at-least", 75, 50).returncode == 0
    assert run(*files, "--at-least", 76, 50).returncode == 1
    assert run(*files, "--at-least", 75, 51).returncode == 1
    assert run(files[0]).returncode == 2


def test_the_table_goes_between_its_marks(files, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- amd64 -->\nold\n<!-- /amd64 -->\n\nThe end.\n")
    for _ in range(2):  # a second time changes nothing
        assert run(*files, "--table", page).returncode == 0
        text = page.read_text()
        assert text.startswith("# Title\n\n<!-- amd64 -->\n**amd64**: 4 of 4 recorded modules swept; errno parity")
        assert text.endswith("|\n<!-- /amd64 -->\n\nThe end.\n")
        assert text.count("| kernel/b.ko | no \\`device\\` \\| here | OK | not known yet |") == 1
    page.write_text("# Title\n")
    run(*files, "--table", page)
    assert page.read_text().startswith("# Title\n\n<!-- amd64 -->\n**amd64**: ")


def test_a_sample_has_some_of_everything():
    recording = [record(f"kernel/{number}.ko", deps=["x"] * (number % 15)) for number in range(500)]
    recording[7] |= REFUSED
    recording[8] |= {"stable": "varies", "insmod_kmsg": said("a")}
    recording[9] |= {"insmod_ns_min": 60_000_000_000, "insmod_kmsg": said("a")}
    chosen = parity.sample(recording, 50)
    assert len(set(chosen)) == 50
    assert chosen == sorted(chosen)
    assert {"kernel/7.ko", "kernel/8.ko"} <= set(chosen)
    assert "kernel/9.ko" not in chosen  # who has the time?
    assert sum(len(recording[int(Path(path).stem)]["deps"]) >= 12 for path in chosen) >= 12
    assert parity.sample(recording[::-1], 50) == chosen


# with a kernel


@pytest.fixture
def oracle(arch):
    """The recording for this architecture."""
    path = parity.oracle(DEBIAN[arch])
    if not path.is_file():
        pytest.skip(f"there is no recording at {path}: EMUKERN_ORACLE names the folder of the recordings")
    return path


@pytest.fixture
def kernel(arch):
    """(image, module tree) of the kernel that was recorded."""
    root = tree(arch)
    images = sorted(root.glob("boot/vmlinu*")) if root is not None else []
    if not images:
        pytest.skip(f"no kernel for {arch}: run scripts/fetch-corpus (it needs a network)")
    return images[-1], root


def test_the_sample_is_that_of_the_recording(arch, oracle):
    chosen = (ROOT / "tests" / "linux" / f"sample-{DEBIAN[arch]}.txt").read_text().splitlines()
    assert chosen == parity.sample(parity.records(oracle), SAMPLE)


def test_the_sample_agrees_though_its_sweep_is_killed_and_goes_on(arch, oracle, kernel, tmp_path):
    out, (image, root) = tmp_path / "sweep.jsonl", kernel
    where = ROOT / "tests" / "linux" / f"sample-{DEBIAN[arch]}.txt"
    command = [sys.executable, "-m", "emukern", "sweep", where, "--kernel", image, "--modules", root, "--json", out]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, "--jobs", "2"], env=environment, stderr=subprocess.PIPE)
    while not out.exists() or out.read_bytes().count(b"\n") < KILLED_AFTER:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = subprocess.run([*command, "--jobs", "2"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = parity.compare(DEBIAN[arch], parity.records(out), parity.records(oracle))
    assert found.compared == SAMPLE
    assert found.percent == (100.0, 100.0), parity.as_text(found, parity.causes_in(parity.CAUSES))
