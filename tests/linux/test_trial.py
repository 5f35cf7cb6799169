"""One module after the other on the same guest: outcomes, what a module needs, what it leaves behind."""

import errno
import lzma

import pytest

from emukern import samples
from emukern.linux.trial import Bench, Item, Recipe, result

FIELDS = (
    "path name deps deps_failed insmod_errno insmod_errname insmod_kmsg rmmod_errno rmmod_errname rmmod_kmsg "
    "insmod_ns outcome reason checks machine"
).split()


@pytest.fixture(scope="module")
def bench(arch):
    """The tiny kernel with the sample modules for a tree. Busy code hangs after a tenth of a second."""
    return Bench(Recipe(tree=str(samples.folder(arch)), arch=arch, limit=0.1, machine="here"))


def attempt(bench, file):
    return bench.attempt(Item(0, f"samples/{file.name}", str(file)))


@pytest.fixture
def sample(bench, arch):
    """Try a sample module; answers its result."""
    return lambda name: attempt(bench, samples.sample(name, arch))


def test_a_module_that_comes_and_goes(sample):
    found = sample("hello")
    assert list(found) == FIELDS
    assert found.pop("insmod_ns") > 0
    assert found == {
        "path": "samples/hello.ko",
        "name": "hello",
        "deps": [],
        "deps_failed": [],
        "insmod_errno": 0,
        "insmod_errname": "OK",
        "insmod_kmsg": [{"level": 6, "text": "hello: Hello, world!"}],
        "rmmod_errno": 0,
        "rmmod_errname": "OK",
        "rmmod_kmsg": [{"level": 6, "text": "hello: Goodbye, world!"}],
        "outcome": "ok",
        "reason": None,
        "checks": [],
        "machine": "here",
    }


def test_each_module_finds_the_same_guest(sample):
    first = sample("params")
    for name in ("leak", "oops", "needs-a"):
        sample(name)
    assert sample("params") == first


def test_a_refusal(sample):
    found = sample("initfail")
    assert (found["outcome"], found["insmod_errname"], found["rmmod_errno"]) == ("errno", "EINVAL", None)
    assert found["reason"] == "initfail: failing with -22"
    assert found["name"] == "initfail"


def test_what_a_module_needs_goes_in_first_and_says_nothing_of_its_own(sample):
    found = sample("needs-a")
    assert found["deps"] == ["exports_a"]
    assert found["outcome"] == "ok"
    assert [message["text"] for message in found["insmod_kmsg"]] == ["needs_a: double(21) = 42, secret = 42, calls = 2"]


def test_what_fails_of_the_needed_is_noted_and_the_module_tried_all_the_same(arch, tmp_path):
    (tmp_path / "tree").mkdir()
    file = tmp_path / "needs-a.ko"
    file.write_bytes(samples.sample("needs-a", arch).read_bytes())
    found = attempt(Bench(Recipe(tree=str(tmp_path / "tree"), arch=arch)), file)
    missing = {"name": "exports_a", "insmod_errno": errno.ENOENT, "insmod_errname": "ENOENT"}
    assert (found["deps"], found["deps_failed"]) == (["exports_a"], [missing])
    assert (found["insmod_errno"], found["outcome"]) == (errno.ENOENT, "errno")
    assert "Unknown symbol exports_a_" in found["insmod_kmsg"][0]["text"]

    (tmp_path / "exports-a.ko").write_bytes(b"\x7fELF and no more")
    found = attempt(Bench(Recipe(tree=str(tmp_path), arch=arch)), file)
    assert [one["insmod_errname"] for one in found["deps_failed"]] == ["ENOEXEC"]


def test_a_needed_module_that_dies(arch, tmp_path):
    (tmp_path / "modules.dep").write_text("hello.ko: oops.ko\noops.ko:\n")
    for name in ("hello", "oops"):
        (tmp_path / f"{name}.ko").write_bytes(samples.sample(name, arch).read_bytes())
    found = attempt(Bench(Recipe(tree=str(tmp_path), arch=arch)), tmp_path / "hello.ko")
    assert (found["outcome"], found["insmod_errno"]) == ("oops", None)
    assert found["reason"].startswith("oops, which it needs: BUG: kernel NULL pointer dereference")


def test_an_oops(sample):
    found = sample("oops")
    assert (found["outcome"], found["insmod_errno"], found["insmod_ns"]) == ("oops", None, None)
    assert found["reason"].startswith("BUG: kernel NULL pointer dereference")
    assert found["checks"][0] == f"oops: {found['reason']}"
    assert any("oops_c+" in message["text"] for message in found["insmod_kmsg"])


def test_a_hang(sample):
    found = sample("loop")
    assert (found["outcome"], found["insmod_errno"]) == ("hang", None)
    assert "soft lockup" in found["reason"]
    assert found["checks"][0].startswith("stall: ")


def test_a_warning_is_remarked_and_no_more(sample):
    found = sample("bug-and-warn")
    assert found["outcome"] == "ok"
    assert found["checks"][0].startswith("warning: WARNING: CPU: 0 ")


def test_what_is_left_behind(sample):
    (remark,) = sample("leak")["checks"]
    assert remark.startswith("leak: 100 bytes of leak_init+")


def test_a_compressed_module_has_the_path_it_was_given(bench, arch, tmp_path):
    file = tmp_path / "hello.ko.xz"
    file.write_bytes(lzma.compress(samples.sample("hello", arch).read_bytes()))
    assert attempt(bench, file)["outcome"] == "ok"


@pytest.mark.parametrize("content", [b"", b"text", b"\xfd7zXZ\0 and nothing"])
def test_what_is_no_module(bench, tmp_path, content):
    file = tmp_path / "broken.ko"
    file.write_bytes(content)
    found = attempt(bench, file)
    assert found["outcome"] == "errno"
    assert found["insmod_errname"] in ("EINVAL", "ENOEXEC")


def test_a_file_that_is_gone(bench, tmp_path):
    found = attempt(bench, tmp_path / "gone.ko")
    assert (found["outcome"], found["insmod_errname"]) == ("errno", "ENOENT")
    assert found["reason"] == "cannot read the file: No such file or directory"


def test_a_failure_of_emukern_itself_is_a_crash_after_which_the_bench_is_not_trusted(bench, arch, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(bench.guest, "insmod", broken, raising=False)
    found = attempt(bench, samples.sample("hello", arch))
    assert (found["outcome"], found["reason"]) == ("crash", "ZeroDivisionError: deep inside")
    assert not bench.sound
    monkeypatch.setattr(bench, "sound", True)


def test_a_result_has_every_field_whatever_is_known():
    assert list(result("m", "kernel/x-y.ko", outcome="crash", reason="why")) == FIELDS
    assert result("m", "kernel/x-y.ko")["name"] == "x_y"


def test_the_digest_knows_the_machine(arch, tmp_path):
    (tmp_path / "image").write_bytes(b"one kernel")
    recipes = [
        Recipe(tree="/", arch=arch),
        Recipe(tree="/", arch=arch, memory=64 << 20),
        Recipe(tree="/", arch=arch, limit=1.0),
        Recipe(tree="/", kernel=str(tmp_path / "image")),
    ]
    digests = [recipe.digest() for recipe in recipes]
    (tmp_path / "image").write_bytes(b"another one")
    digests.append(recipes[-1].digest())
    assert len(set(digests)) == len(digests)
    assert Recipe(tree="/elsewhere", arch=arch).sealed().machine == digests[0]
