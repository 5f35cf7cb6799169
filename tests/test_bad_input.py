"""What bad input gets: kmod's sentence, Linux's errno, and a machine that is exactly as before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emukern import ModuleError, sample

ROOT = Path(__file__).parent.parent
OTHER = {"x86_64": "riscv64", "riscv64": "x86_64"}

FORMAT = "could not insert module {file}: Invalid module format"
# name of the file, errno, what kmod's insmod says, what the kernel logs ({} is another architecture's number)
FILES = [
    ("missing.ko", 2, "could not load module {file}: No such file or directory", []),
    ("folder.ko", 21, "could not insert module {file}: Is a directory", []),
    ("empty.ko", 22, "could not insert module {file}: Invalid parameters", []),
    ("text.ko", 8, FORMAT, ["Invalid ELF header magic: != \x7fELF"]),
    ("short.ko", 8, FORMAT, ["Invalid ELF header len 20"]),
    ("cut.ko", 8, FORMAT, ["Invalid ELF section header overflow"]),
    ("other.ko", 8, FORMAT, ["Invalid architecture in ELF header: {}"]),
    ("program.ko", 8, FORMAT, ["Invalid ELF header type: 2 != 1"]),
    ("broken.ko.xz", 22, "could not insert module {file}: Invalid parameters", None),
]
MACHINES = {"x86_64": 62, "riscv64": 243}


@pytest.fixture
def folder(tmp_path, arch):
    """One file of each kind in FILES."""
    hello = sample("hello", arch).read_bytes()
    (tmp_path / "folder.ko").mkdir()
    contents = {
        "empty.ko": b"",
        "text.ko": b"This is no module, whatever its name may say.\n" * 3,
        "short.ko": hello[:20],
        "cut.ko": hello[: len(hello) * 2 // 3],
        "other.ko": sample("hello", OTHER[arch]).read_bytes(),
        "program.ko": (ROOT / "emukern" / "built" / arch / "bin" / "ls").read_bytes(),
        "broken.ko.xz": b"\xfd7zXZ\0" + b"no xz stream follows",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def state(guest):
    """All that a failure must not change."""
    k = guest.k
    tables = {
        task.pid: {fd: (type(file), file.flags, file.pos, file.refs) for fd, file in task.fds.files.items()}
        for task in k.sched.tasks.values()
        if task.fds is not None
    }
    names = list(k.symbols.kallsyms()), dict(k.symbols.modules.table), k.symbols.ranges.copy()
    modules = {name: (m.state, m.refcnt, list(m.holders), list(m.uses)) for name, m in k.modules.items()}
    mounts = [mount.path for mount in k.vfs.mounts]
    return k.ram.hash(), names, modules, tables, mounts, k.heap.live(), k.pages.used, set(k.timers.armed)


def refused(guest, action, *arguments, **values):
    """Errno and log lines of a refusal that must leave no trace but these."""
    before, seen = state(guest), len(guest.dmesg())
    with pytest.raises(ModuleError) as error:
        action(*arguments, **values)
    assert state(guest) == before
    return error.value.errno, [record.text for record in guest.dmesg()[seen:]]


def expected_log(lines, arch):
    return lines and [line.format(MACHINES[OTHER[arch]]) for line in lines]


# through the Python face


@pytest.mark.parametrize(("name", "number", "sentence", "log"), FILES, ids=[row[0] for row in FILES])
def test_files(guest, arch, folder, name, number, sentence, log):
    found, told = refused(guest, guest.insmod, folder / name)
    assert found == number
    if log is not None:
        assert told == expected_log(log, arch)


def test_an_unknown_symbol(guest):
    number, told = refused(guest, guest.insmod, "needs-a")
    assert number == 2
    assert told
    assert all(line.startswith("needs_a: Unknown symbol exports_a_") and line.endswith("(err -2)") for line in told)
    assert len(told) > 1, "every missing name is told"


def test_an_unknown_parameter_is_ignored_as_in_linux(guest):
    guest.insmod("hello", nobody="knows")
    assert "hello: unknown parameter 'nobody' ignored" in [record.text for record in guest.dmesg()]


@pytest.mark.parametrize("value", ["zz", "", "99999999999999999999", "-"])
def test_a_parameter_that_cannot_be(guest, value):
    number, told = refused(guest, guest.insmod, "params", int=value)
    assert number in (22, 34)
    assert told[-1] == f"params: `{value}' invalid for parameter `int'"


def test_a_module_twice(guest):
    guest.insmod("hello")
    assert refused(guest, guest.insmod, "hello")[0] == 17


def test_a_failing_init(guest):
    assert refused(guest, guest.insmod, "initfail")[0] == 22


def test_removing_what_is_used(guest):
    guest.insmod("exports-a")
    guest.insmod("needs-a")
    assert refused(guest, guest.rmmod, "exports_a") == (11, [])
    guest.rmmod("needs_a")
    guest.rmmod("exports_a")


@pytest.mark.parametrize("name", ["nothing", "", "hello.ko", "x" * 200])
def test_removing_what_is_not_there(guest, name):
    assert refused(guest, guest.rmmod, name) == (2, [])


# through the command line


@pytest.fixture
def emukern():
    def run(*arguments):
        command = [sys.executable, "-m", "emukern", *map(str, arguments)]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL
        )

    return run


@pytest.mark.parametrize(("name", "number", "sentence", "log"), FILES, ids=[row[0] for row in FILES])
def test_files_at_the_command_line(emukern, arch, folder, name, number, sentence, log):
    file = folder / name
    done = emukern("run", file, "--arch", arch)
    assert done.stderr == f"insmod: ERROR: {sentence.format(file=file)}\n"
    assert done.returncode == number
    if log is not None:
        assert done.stdout.splitlines() == expected_log(log, arch)


def test_names_at_the_command_line(emukern):
    done = emukern("run", "no-such-sample")
    assert done.stderr == "insmod: ERROR: could not load module no-such-sample: No such file or directory\n"
    assert done.returncode == 2


def test_unknown_symbols_at_the_command_line(emukern, tmp_path):
    """Without modules.dep and without a `depends` field nobody knows what the module would need."""
    file = tmp_path / "lonely.ko"
    file.write_bytes(sample("needs-a", "x86_64").read_bytes().replace(b"depends=exports_a", b"denends=exports_a"))
    done = emukern("run", file)
    assert done.stderr == f"insmod: ERROR: could not insert module {file}: Unknown symbol in module\n"
    assert done.stdout.startswith("needs_a: Unknown symbol exports_a_")
    assert done.returncode == 2


# through the guest's own programs


def test_files_in_the_guest(arch, folder):
    from emukern import boot

    guest = boot(arch, share=folder)
    for name, number, sentence, log in FILES:
        file = f"/mnt/{name}"
        guest.shell(f"insmod {file}")  # its pages are cached now
        guest.run()  # init buries the shell
        before, seen = state(guest), len(guest.dmesg())
        done = guest.shell(f"insmod {file}")
        assert done.output == f"insmod: ERROR: {sentence.format(file=file)}\n"
        assert done.status == number
        if log is not None:
            assert [record.text for record in guest.dmesg()[seen:]] == expected_log(log, arch)
        guest.run()
        assert state(guest) == before


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("insmod needs-a.ko", 2, "insmod: ERROR: could not insert module needs-a.ko: Unknown symbol in module"),
        ("insmod hello.ko; insmod hello.ko", 17, "insmod: ERROR: could not insert module hello.ko: File exists"),
        ("insmod params.ko int=x", 22, "insmod: ERROR: could not insert module params.ko: Invalid parameters"),
        ("insmod initfail.ko", 22, "insmod: ERROR: could not insert module initfail.ko: Invalid parameters"),
        ("rmmod nothing", 2, "rmmod: ERROR: Module nothing is not currently loaded"),
        (
            "insmod exports-a.ko; insmod needs-a.ko; rmmod exports_a",
            11,
            "rmmod: ERROR: Module exports_a is in use by: needs_a",
        ),
        ("insmod", 1, "insmod: ERROR: missing filename."),
    ],
)
def test_the_guests_own_words(guest, line, status, words):
    done = guest.shell(line)
    assert done.output.splitlines()[-1] == words
    assert done.status == status


@pytest.mark.parametrize("name", ["oops", "loop", "bug-and-warn"])
def test_the_shell_answers_after_a_module_died(guest, name):
    guest.shell(f"insmod {name}.ko bug=1")
    assert any("Call trace" in record.text for record in guest.dmesg())
    assert guest.shell("echo alive").output == "alive\n"
    assert guest.shell("insmod hello.ko && rmmod hello").status == 0


def test_a_disk_full_of_modules(guest):
    """The guest's memory runs out in an orderly way."""
    done = guest.shell("cat /dev/zero > /tmp/large; echo $?; rm /tmp/large; echo alive")
    assert done.output.splitlines()[-1] == "alive"


def test_samples_cannot_be_named_by_path(tmp_path):
    from emukern import UsageError

    for name in ("../bin/ls", "", ".", "/etc/passwd", "x/../hello"):
        with pytest.raises(UsageError):
            sample(name, "x86_64")
    shutil.rmtree(tmp_path)
