"""Booted kernels on disk: found again whole or not at all, whatever happens to their files."""

import errno
import fcntl
import os
import resource
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from booted import BOOT, FACTS, MEMORY, RISCV, content, pages, snapshot
from hypothesis import given
from hypothesis import strategies as st

from emukern import arch as arches
from emukern.linux import archive, cache, sources
from emukern.linux.cache import Cache, Image
from emukern.machine.ram import PAGE, Ram, RamImage

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def said():
    """What the cache complained of."""
    return []


@pytest.fixture
def store(tmp_path, said, monkeypatch):
    """An empty cache."""
    monkeypatch.setattr(sources, "digest", lambda: BOOT.emukern)
    return Cache(tmp_path / "kernels", said.append)


def files(store):
    return sorted(path.name for path in store.folder.iterdir())


# What is kept comes back.


@pytest.mark.parametrize("boot", [BOOT, RISCV])
def test_what_was_kept_is_found(store, said, boot):
    saved = snapshot()
    assert store.load(boot) is None
    assert store.save(boot, saved, FACTS)
    kept = store.load(boot)
    assert (kept.facts, kept.snapshot.cpu, kept.snapshot.parts) == (FACTS, saved.cpu, saved.parts)
    assert content(kept.snapshot.ram) == content(saved.ram)
    assert store.load(replace(boot, cmdline="loud")) is None
    assert said == []


def test_kept_memory_is_an_image_to_come_back_to(store):
    store.save(BOOT, snapshot(), FACTS)
    image = store.load(BOOT).snapshot.ram
    ram = Ram(0, MEMORY)
    ram.bytes[:PAGE] = b"x" * PAGE
    ram.restore(image)
    whole = content(image)
    assert bytes(ram.bytes) == whole
    ram.bytes[5 * PAGE] = 7
    assert ram.touched() == [(5 * PAGE, 6 * PAGE)]
    later = ram.save()
    ram.restore(image)
    assert bytes(ram.bytes) == whole
    ram.restore(later)
    assert ram.bytes[5 * PAGE] == 7
    ram.close()


def test_zero_pages_take_no_room(store):
    store.save(BOOT, snapshot(), FACTS)
    image = store.load(BOOT).snapshot.ram
    there = [page for start, end in image.extents(0, MEMORY) for page in range(start, end, PAGE)]
    assert there == sorted(pages())


def test_memory_without_content(store):
    empty = snapshot()
    empty.ram = RamImage(MEMORY)
    assert store.save(BOOT, empty, b"")
    kept = store.load(BOOT)
    assert (content(kept.snapshot.ram), kept.facts) == (bytes(MEMORY), b"")


def test_more_memory_than_a_frame_holds(store):
    large = snapshot()
    large.ram = RamImage(4 * archive.FRAME)
    for start, end in ((0, 5), (100, 700), (702, 703), (1023, 1024)):
        large.ram.write(os.urandom((end - start) * PAGE), start * PAGE)
    assert store.save(BOOT, large, FACTS)
    assert content(store.load(BOOT).snapshot.ram) == content(large.ram)


def test_the_same_boot_makes_the_same_file(store, monkeypatch):
    made = []
    for threads in (1, 3):
        monkeypatch.setattr(archive, "THREADS", threads)
        store.save(BOOT, snapshot(), FACTS)
        made.append((store.folder / f"{BOOT.name}.boot").read_bytes())
    assert made[0] == made[1]


def test_entries_are_private(store):
    store.save(BOOT, snapshot(), FACTS)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert (store.folder / f"{BOOT.name}.boot").stat().st_mode & 0o777 == 0o600


def test_loading_in_the_background(store):
    assert store.start(BOOT).result() is None
    store.save(BOOT, snapshot(), FACTS)
    assert store.start(BOOT).result().facts == FACTS


# The name says what the boot depends on.


@pytest.mark.parametrize("field", [field.name for field in fields(BOOT)])
def test_everything_a_boot_depends_on_is_in_its_name(field):
    other = 1 if field == "memory" else "other"
    assert replace(BOOT, **{field: other}).name != BOOT.name


@pytest.mark.parametrize("name", arches.NAMES)
def test_a_boot_is_described_by_content(name):
    def describe(digest="aa", **changes):
        given = {"cmdline": "quiet", "initramfs": b"files", "memory": 1 << 28} | changes
        return cache.boot(Image(digest, name, "6.1"), arch=arches.get(name), **given)

    first = describe()
    assert first.name == describe().name
    assert (first.arch, first.memory) == (name, 1 << 28)
    others = [describe("bb"), describe(cmdline=""), describe(initramfs=b"others"), describe(memory=1 << 27)]
    assert len({first.name, *(other.name for other in others)}) == 5


# Damage.


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of an entry."""
    path = tmp_path_factory.mktemp("whole") / "entry"
    saved = snapshot()
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    blobs = {"facts": FACTS, "cpu": saved.cpu, "parts": saved.parts}
    archive.write(fd, {field.name: getattr(BOOT, field.name) for field in fields(BOOT)}, blobs, saved.ram)
    os.close(fd)
    return path.read_bytes()


def put(store, data):
    store.folder.mkdir(exist_ok=True)
    path = store.folder / f"{BOOT.name}.boot"
    path.write_bytes(data)
    return path


@contextmanager
def expect_damage(folder, data):
    said = []
    store = Cache(folder, said.append)
    path = put(store, data)
    yield
    assert store.load(BOOT) is None
    assert len(said) == 1
    assert "\n" not in said[0]
    assert "damaged" in said[0]
    assert "and is removed" in said[0]
    assert not path.exists()


def test_the_undamaged_bytes_are_believed(store, whole):
    put(store, whole)
    assert store.load(BOOT).facts == FACTS


@given(data=st.data())
def test_a_flipped_bit_anywhere(tmp_path_factory, whole, data):
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    with expect_damage(tmp_path_factory.getbasetemp() / "flipped", damaged):
        pass


@given(data=st.data())
def test_a_file_cut_off_anywhere(tmp_path_factory, whole, data):
    size = data.draw(st.integers(0, len(whole) - 1))
    with expect_damage(tmp_path_factory.getbasetemp() / "cut", whole[:size]):
        pass


@given(more=st.binary(min_size=1, max_size=100))
def test_a_file_that_goes_on(tmp_path_factory, whole, more):
    with expect_damage(tmp_path_factory.getbasetemp() / "longer", whole + more):
        pass


@pytest.mark.parametrize("length", [1, 16, 4096])
def test_a_piece_overwritten(tmp_path, whole, length):
    for at in range(0, len(whole) - length, len(whole) // 7):
        with expect_damage(tmp_path, whole[:at] + os.urandom(length) + whole[at + length :]):
            pass


def test_what_belongs_to_another_boot(store, said, whole):
    put(store, whole).rename(store.folder / f"{RISCV.name}.boot")
    assert store.load(RISCV) is None
    assert "another boot" in said[0]
    assert files(store) == []


def test_a_better_entry_is_not_removed_for_a_damaged_one(store, whole, monkeypatch):
    put(store, whole[:-1])

    def replaced(fd):
        store.save(BOOT, snapshot(), FACTS)
        raise archive.Damaged("too late")

    with monkeypatch.context() as patch:
        patch.setattr(archive, "read", replaced)
        assert store.load(BOOT) is None
    assert store.load(BOOT).facts == FACTS


# Places where nothing can be kept.


@contextmanager
def file_size_limit(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 10, 1000, 20000])
def test_a_file_that_may_not_grow(store, said, room):
    saved = snapshot()
    with file_size_limit(room):
        assert not store.save(BOOT, saved, FACTS)
    assert len(said) == 1
    assert "cannot be kept" in said[0]
    assert files(store) == []
    assert store.save(BOOT, saved, FACTS)


def test_a_full_disk(store, said, monkeypatch):
    def full(fd, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert not store.save(BOOT, snapshot(), FACTS)
    assert said == [f"the booted kernel cannot be kept for the next time: {store.folder}: No space left on device"]
    assert files(store) == []


def test_a_folder_that_cannot_be(tmp_path, said, monkeypatch):
    monkeypatch.setattr(sources, "digest", lambda: BOOT.emukern)
    (tmp_path / "file").write_text("no folder")
    store = Cache(tmp_path / "file" / "kernels", said.append)
    assert store.load(BOOT) is None
    assert not store.save(BOOT, snapshot(), FACTS)
    assert [("Not a directory" in text, "\n" in text) for text in said] == [(True, False)] * 2
    assert store.entries() == []


def test_a_folder_without_rights(tmp_path, said, monkeypatch):
    monkeypatch.setattr(sources, "digest", lambda: BOOT.emukern)
    store = Cache(tmp_path / "kernels", said.append)
    store.save(BOOT, snapshot(), FACTS)

    def refuse(*_args, **_more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    for name in ("open", "utime", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    assert store.load(BOOT) is None
    assert not store.save(BOOT, snapshot(), FACTS)
    assert [text.rsplit(": ", 1)[1] for text in said] == ["Permission denied"] * 2


def test_an_entry_of_somebody_else(store, said, monkeypatch):
    store.save(BOOT, snapshot(), FACTS)
    path = store.folder / f"{BOOT.name}.boot"
    if os.getuid() == 0:
        os.chown(path, 4712, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert store.load(BOOT) is None
    assert "belongs to somebody else" in said[0]
    assert path.exists()


def test_an_interrupted_writer_leaves_nothing(store, monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.save(BOOT, snapshot(), FACTS)
    assert files(store) == []


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(store):
    store.folder.mkdir(parents=True)
    (store.folder / "dead.unfinished").write_bytes(b"half")
    with open(store.folder / "alive.unfinished", "wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        store.save(BOOT, snapshot(), FACTS)
        assert files(store) == sorted(["alive.unfinished", f"{BOOT.name}.boot"])


WRITER = """
import sys
sys.path[:0] = {path!r}
from booted import BOOT, FACTS, snapshot
from emukern.linux import sources
from emukern.linux.cache import Cache
from pathlib import Path
sources.digest = lambda: BOOT.emukern
store = Cache(Path({folder!r}))
saved = snapshot()
print("ready", flush=True)
sys.stdin.readline()
sys.exit(not all(store.save(BOOT, saved, FACTS) for _ in range(20)))
"""


def test_two_processes_that_keep_the_same_boot(store, said):
    program = WRITER.format(path=[str(ROOT), str(ROOT / "tests")], folder=str(store.folder))
    writers = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    while any(writer.poll() is None for writer in writers):
        kept = store.load(BOOT)
        assert kept is None or kept.facts == FACTS
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert files(store) == [f"{BOOT.name}.boot"]
    assert store.load(BOOT).facts == FACTS
    assert said == []


def test_two_threads_that_keep_the_same_boot(store, said):
    saved, done = snapshot(), []
    threads = [threading.Thread(target=lambda: done.append(store.save(BOOT, saved, FACTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 4
    assert files(store) == [f"{BOOT.name}.boot"]
    assert said == []


# Images.


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A file, and how often it was loaded."""
    monkeypatch.setattr(cache, "SETTLED", -1.0)
    path = tmp_path / "vmlinuz"
    path.write_bytes(b"kernel")
    loaded = []

    def load(where):
        loaded.append(where.read_bytes())
        return SimpleNamespace(digest=loaded[-1].hex(), arch="x86_64", release="6.1")

    return SimpleNamespace(path=path, load=load, loaded=loaded)


def test_an_image_is_loaded_once(store, image):
    first, loaded = store.image(image.path, image.load)
    assert loaded.digest == first.digest == b"kernel".hex()
    link = image.path.with_name("vmlinuz-link")
    link.symlink_to(image.path)
    for path in (image.path, link):
        assert store.image(path, image.load) == (first, None)
    assert len(image.loaded) == 1


def test_an_image_that_changes_is_loaded_again(store, image):
    store.image(image.path, image.load)
    state = image.path.stat()
    image.path.write_bytes(b"KERNEL")  # as long, and as old as far as its owner says
    os.utime(image.path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert store.image(image.path, image.load)[0].digest == b"KERNEL".hex()
    other = image.path.with_name("other")
    other.write_bytes(b"kernel")
    other.rename(image.path)
    assert store.image(image.path, image.load)[0].digest == b"kernel".hex()
    assert len(image.loaded) == 3


def test_an_image_that_has_just_changed_is_not_remembered(store, image, monkeypatch):
    monkeypatch.setattr(cache, "SETTLED", 1000.0)
    for _ in range(2):
        assert store.image(image.path, image.load)[1] is not None


def test_an_image_that_changes_while_it_is_read_is_not_remembered(store, image):
    def load(path):
        loaded = image.load(path)
        path.write_bytes(b"another kernel")
        return loaded

    store.image(image.path, load)
    assert store.image(image.path, image.load)[0].digest == b"another kernel".hex()


@pytest.mark.parametrize("index", [b"", b"no JSON", b"[]", b'{"PATH": 5}', b'{"PATH": []}', b'{"PATH": [1, 2, 3]}'])
def test_an_index_that_makes_no_sense(store, image, index):
    store.folder.mkdir()
    (store.folder / "images.json").write_bytes(index.replace(b"PATH", str(image.path).encode()))
    assert store.image(image.path, image.load)[1] is not None
    assert store.image(image.path, image.load)[1] is None


def test_an_image_that_is_not_there_is_the_loaders_business(store, tmp_path, image):
    with pytest.raises(FileNotFoundError):
        store.image(tmp_path / "nothing", image.load)


def test_the_index_does_not_grow_for_ever(store, image, monkeypatch):
    monkeypatch.setattr(cache, "REMEMBERED", 2)
    for name in "abc":
        path = image.path.with_name(name)
        path.write_bytes(name.encode())
        store.image(path, image.load)
    for name, again in (("c", True), ("b", True), ("a", False)):
        assert (store.image(image.path.with_name(name), image.load)[1] is None) == again


# Housekeeping.


def test_entries_and_their_removal(store):
    for boot in (BOOT, RISCV, replace(BOOT, memory=2 * MEMORY)):
        store.save(boot, snapshot(), FACTS)
    (store.folder / "0123.boot").write_bytes(b"rubbish")
    entries = {entry.name: entry for entry in store.entries()}
    assert entries[RISCV.name].boot == RISCV
    assert entries["0123"].boot is None
    with pytest.raises(cache.UsageError, match="nothing called zzz"):
        store.remove(RISCV.release, "zzz")
    with pytest.raises(cache.UsageError, match="nothing called"):
        store.remove("")
    assert len(store.entries()) == 4
    assert [entry.name for entry in store.remove(RISCV.name[:8])] == [RISCV.name]
    assert {entry.name for entry in store.remove("0123", BOOT.release)} == entries.keys() - {RISCV.name}
    assert store.entries() == []


def test_the_beginning_of_several_names(store):
    store.folder.mkdir()
    for name in ("abc1", "abc2"):
        (store.folder / f"{name}.boot").write_bytes(b"")
    with pytest.raises(cache.UsageError, match="beginning of 2 names"):
        store.remove("abc")
    assert len(store.clear()) == 2
    assert files(store) == []


def test_the_longest_unused_go_first(store, monkeypatch):
    boots = [replace(BOOT, cmdline=str(number)) for number in range(3)]
    for boot in boots[:2]:
        store.save(boot, snapshot(), FACTS)
        os.utime(store.folder / f"{boot.name}.boot", (0, 0))
    store.load(boots[0])  # and is so used
    size = (store.folder / f"{boots[0].name}.boot").stat().st_size
    monkeypatch.setattr(cache, "LIMIT", 2 * size + size // 2)
    store.save(boots[2], snapshot(), FACTS)
    assert {entry.boot for entry in store.entries()} == {boots[0], boots[2]}


def test_the_folder(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(cache.folder()) == "/somewhere/emukern/kernels"
    monkeypatch.setenv("HOME", "/home/me")
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert str(cache.folder()) == "/home/me/.cache/emukern/kernels"


# Which emukern.


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a few files, older than this process."""
    for name in ("errors.py", "arch/x86_64/regs.py", "commands/boot.py", "machine/notes.txt", "linux/boot.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(sources, "PACKAGE", tmp_path)
    monkeypatch.setattr(sources, "_started", lambda: float("inf"))
    return tmp_path


def test_the_version_follows_the_sources_that_have_a_part(package):
    first = sources.digest()
    for name in ("commands/boot.py", "machine/notes.txt"):
        (package / name).write_text("changed")
        assert sources.digest() == first
    seen = {first}
    (package / "arch/x86_64/regs.py").write_text("changed")
    seen.add(sources.digest())
    (package / "built").mkdir()
    (package / "built/native.so").write_bytes(b"hooks")
    seen.add(sources.digest())
    (package / "errors.py").rename(package / "error.py")
    seen.add(sources.digest())
    assert len(seen) == 4


def test_sources_younger_than_the_process_say_nothing_of_it(package, store, said, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(sources, "PACKAGE", package)
    assert sources.digest() is None
    boot = cache.boot(Image("aa", "x86_64", "6.1"), cmdline="", initramfs=b"", memory=0, arch=arches.get("x86_64"))
    assert boot.emukern == ""
    assert store.load(boot) is None
    assert not store.save(boot, snapshot(), FACTS)
    assert said == ["emukern has changed since this process started: the kernel boots without its cache"]


def test_sources_that_change_during_the_boot(store, said, monkeypatch):
    monkeypatch.setattr(sources, "digest", lambda: None)
    assert not store.save(BOOT, snapshot(), FACTS)
    assert "is not kept" in said[0]
