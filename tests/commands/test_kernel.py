"""`emukern boot` and `emukern run` on a distribution's kernel: what they print, and their exit status."""

import gc
import io
import json
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass

import pytest

from emukern import cli, samples
from emukern.commands import kernel
from emukern.linux import boot as booting
from emukern.linux.kallsyms import Kallsyms
from emukern.linux.machine import Machine

OTHER = {"x86_64": "riscv64", "riscv64": "x86_64"}
QUIET = "dummy"  # a module that says nothing and needs nothing
NEEDS = "macvtap"  # one that needs others
SPEAKS = "tun"  # one with something to say


@dataclass
class Done:
    """A finished command."""

    status: int
    out: str
    err: str


@pytest.fixture
def emukern(monkeypatch, capfd):
    """Run `emukern ARGUMENTS`, here and not in a process of its own; answers what became of it."""
    machines = []

    def build(*arguments):
        machines.append(Machine(*arguments))
        return machines[-1]

    monkeypatch.setattr(booting, "Machine", build)

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = cli.main([str(word) for word in arguments])
        except SystemExit as end:
            status = end.code
        return Done(status, *capfd.readouterr())

    yield run
    memories = [machine.ram for machine in machines]
    machines.clear()
    gc.collect()
    for ram in memories:
        ram.close()


@pytest.fixture
def boot(emukern, kernel_image):
    """Run `emukern boot --kernel IMAGE ARGUMENTS`."""
    return lambda *arguments, **more: emukern("boot", "--kernel", kernel_image, *arguments, **more)


@pytest.fixture
def run(emukern, kernel_image):
    """Run `emukern run --kernel IMAGE ARGUMENTS`."""
    return lambda *arguments, **more: emukern("run", "--kernel", kernel_image, *arguments, **more)


# A shell.


def test_a_script_prints_its_output_alone(boot):
    done = boot("-c", f"lsmod; modprobe {QUIET}; lsmod; rmmod {QUIET}; cat /proc/modules; sh -c 'exit 42'")
    head, head_again, module = done.out.splitlines()
    assert head == head_again == "Module                  Size  Used by"
    assert module.split()[0] == QUIET
    assert (done.err, done.status) == ("", 42)


def test_what_follows_a_command_may_be_for_that_command(boot):
    keys = bytes(range(1, 10)) + bytes(range(11, 256))
    done = boot("-c", "hexdump", stdin=keys + b"\nand the rest")
    assert "00000100" in done.out
    done = boot(stdin=b"echo one\ncat\nto cat, not\n to the shell \x03\x04\x16\x7f")
    assert (done.out, done.status) == ("one\nto cat, not\n to the shell \x03\x04\x16\x7f", 0)


def test_a_script_from_a_file_and_from_standard_input(boot, tmp_path):
    script = "echo one\necho two\nsh -c 'exit 7'"
    (tmp_path / "script").write_text(script)
    for done in (boot("--stdin", tmp_path / "script"), boot(stdin=script.encode())):
        assert (done.out, done.err, done.status) == ("one\ntwo\n", "", 7)


def test_a_line_that_no_terminal_takes(boot):
    done = boot(stdin=b"echo " + b"x" * 5000)
    assert "longer than a terminal takes" in done.err
    assert done.status == 2


def test_the_machine_may_be_switched_off_from_inside(boot):
    done = boot("-c", "poweroff; echo never")
    assert "reboot: Power down" in done.out
    assert "never" not in done.out
    assert done.status == 0
    done = boot("-c", "echo b > /proc/sysrq-trigger")
    assert (done.err, done.status) == ("", 0)


def test_boot_messages_on_request(boot):
    done = boot("--verbose", "-c", "echo done")
    assert done.out.startswith("[    0.000000] Linux version ")
    assert done.out.endswith("\ndone\n")


def test_kernel_parameters_memory_and_no_cache(boot):
    line = "cat /proc/cmdline; head -1 /proc/meminfo"
    done = boot("--no-cache", "--append", "loglevel=3 quiet", "--memory", "256", "-c", line)
    cmdline, memory = done.out.splitlines()
    assert cmdline.endswith(" loglevel=3 quiet")
    assert 150_000 < int(memory.split()[1]) < 256 * 1024


def test_modules_are_put_where_the_shell_starts(boot, module_tree, tmp_path):
    (file,) = module_tree.glob(f"kernel/**/{QUIET}.ko*")
    shutil.copy(file, tmp_path / file.name)
    done = boot(tmp_path / file.name, SPEAKS, "-c", f"ls *.ko; insmod {QUIET}.ko && lsmod | tail -1")
    assert done.out.split()[:3] == [f"{QUIET}.ko", f"{SPEAKS}.ko", QUIET]
    assert done.status == 0
    done = boot("nowhere.ko", "-c", "true")
    assert (done.err, done.status) == ("emukern: cannot read the module nowhere.ko: No such file or directory\n", 2)


def test_a_shared_folder_is_copied_to_mnt(boot, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_text("from the host\n")
    (tmp_path / "link").symlink_to("below/file")
    os.mkfifo(tmp_path / "pipe")
    done = boot("--share", tmp_path, "-c", "cat /mnt/link; ls /mnt; echo new > /mnt/below/file; cat /mnt/link")
    assert done.out.split("\n") == ["from the host", "below", "link", "new", ""]
    assert (tmp_path / "below" / "file").read_text() == "from the host\n"


def test_folders_that_cannot_be_shared(boot, tmp_path):
    done = boot("--share", tmp_path / "nowhere", "-c", "true")
    assert (done.err, done.status) == (f"emukern: cannot share {tmp_path}/nowhere: it is not a directory\n", 2)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    done = boot("--share", tmp_path, "-c", "true")
    assert done.err.startswith(f"emukern: cannot share {tmp_path}: it holds more than ")
    assert done.status == 2


def test_somebodys_busybox(boot, arch):
    program = shutil.which("busybox") if platform.machine() == arch else None
    program = os.environ.get(f"EMUKERN_BUSYBOX_{arch}", program)
    if program is None:
        pytest.skip(f"there is no static busybox for {arch}: EMUKERN_BUSYBOX_{arch} names one")
    done = boot("--init", program, stdin=b"for i in 1 2; do\necho $i\ndone\nsed s/a/b/\nabba\n")
    assert (done.out, done.status) == ("1\n2\nbbba\n", 0)
    done = boot("--init", program, "-c", f"modprobe {QUIET}; lsmod | awk 'END {{print $1}}'")
    assert (done.out, done.status) == (f"{QUIET}\n", 0)


def test_programs_that_are_no_busybox(boot, arch):
    ours = samples.folder(arch).parent / "bin" / "true"
    theirs = samples.folder(OTHER[arch]).parent / "bin" / "true"
    for program, complaint in (
        (ours, "no busybox"),
        (theirs, "is a program for"),
        ("/nowhere", "cannot read /nowhere"),
    ):
        done = boot("--init", program, "-c", "true")
        assert complaint in done.err
        assert done.status == 2


# A module.


def fields(done):
    return json.loads(done.out)


@pytest.mark.parametrize("via", kernel.VIAS)
def test_a_stock_module_by_name(run, via):
    done = run(QUIET, "--json", "--via", via)
    good = {"insmod_errno": 0, "insmod_errname": "OK", "rmmod_errno": 0, "rmmod_errname": "OK"}
    assert fields(done) == {"name": QUIET, **good, "insmod_kmsg": [], "rmmod_kmsg": []}
    assert (done.err, done.status) == ("", 0)


def test_messages_have_a_level_and_a_time(run):
    (message,) = fields(run(SPEAKS, "--json"))["insmod_kmsg"]
    done = run(SPEAKS)
    level, _, text = done.out.partition(" ")
    assert level == kernel.LEVELS[message["level"]]
    assert text.strip().startswith("[    ")
    assert text.endswith(f"] {message['text']}\n")


def test_what_a_module_needs_goes_in_first(run, module_tree, tmp_path):
    assert run(NEEDS).status == 0
    (file,) = module_tree.glob(f"kernel/**/{NEEDS}.ko*")
    shutil.copy(file, tmp_path / file.name)  # no file of the tree any more
    assert fields(run(tmp_path / file.name, "--json", "--modules", module_tree))["insmod_errno"] == 0


def test_without_a_module_tree(run, boot, module_tree, tmp_path, kernel_image):
    image = tmp_path / kernel_image.name
    image.symlink_to(kernel_image)
    (file,) = module_tree.glob(f"kernel/**/{NEEDS}.ko*")
    done = run("--kernel", image, file)
    assert done.err.startswith("emukern: there is no module tree for ")
    assert done.status == 2
    (file,) = module_tree.glob(f"kernel/**/{QUIET}.ko*")
    assert run("--kernel", image, file).status == 0  # needs nothing
    done = boot("--kernel", image, "-c", f"modprobe {QUIET}")
    assert "not found in directory" in done.out
    assert done.status == 1


def test_parameters_and_refusals(run):
    done = run(QUIET, "numdummies=zz")
    assert done.out.startswith(f"err    [    {done.out[12]}")
    assert f"{QUIET}: `zz' invalid for parameter `numdummies'" in done.out
    assert (done.err, done.status) == (
        f"insmod: ERROR: could not insert module {QUIET}: Invalid parameters\n",
        22,
    )
    assert fields(run("hello", "--json"))["insmod_errname"] == "ENOEXEC"  # a sample for our own kernel


def test_modules_that_are_not_there(run):
    done = run("./nowhere.ko")
    assert (done.out, done.err, done.status) == (
        "",
        "insmod: ERROR: could not load module ./nowhere.ko: No such file or directory\n",
        2,
    )
    done = run("no_such_module", "--json")
    assert done.err == "insmod: ERROR: could not load module no_such_module: No such file or directory\n"
    assert (fields(done)["insmod_errno"], done.status) == (2, 2)


# What cannot be.


def test_a_kernel_that_panics_says_so_in_one_sentence(boot):
    done = boot("--no-cache", "--append", "rdinit=/nonexistent", "-c", "true")
    *lines, sentence = done.err.splitlines()
    assert sentence == "emukern: kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)"
    assert any("Kernel panic - not syncing: VFS" in line for line in lines)
    assert (done.out, done.status) == ("", 134)


def test_a_panic_under_the_shells_hands(boot):
    done = boot("-c", "echo c > /proc/sysrq-trigger")
    assert "Kernel panic - not syncing: sysrq triggered crash" in done.out
    assert (done.err, done.status) == ("emukern: kernel panic: sysrq triggered crash\n", 134)


def test_a_kernel_that_never_reaches_user_space(boot, monkeypatch):
    monkeypatch.setattr(booting, "BOOT_LIMIT", 1_500_000_000)
    done = boot("--no-cache", "-c", "true")
    *lines, sentence = done.err.splitlines()
    assert sentence == "emukern: the kernel did not reach user space"
    assert len(lines) > 3
    assert (done.out, done.status) == ("", 134)


@pytest.mark.parametrize(
    ("options", "complaint", "status"),
    [
        (["--memory", "33"], "memory must be an even number of MiB from 96 to 3072", 2),
        (["--memory", "4096"], "memory must be an even number of MiB from 96 to 3072", 2),
        (["--modules", "/nowhere"], "there is no module tree at /nowhere", 2),
        (["--seed", "1"], "--seed is for emukern's own kernel only", 2),
        (["--lazy-symbols"], "--lazy-symbols is for emukern's own kernel only", 2),
        (["--append", "x" * 4000], "the kernel's command line may have ", 2),
        (["--kernel", "/nowhere"], "there is no kernel image at /nowhere", 1),
        (["--kernel", __file__], f"{__file__}: not a kernel image", 1),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_machines_that_cannot_be(boot, options, complaint, status):
    done = boot(*options, "-c", "true")
    assert done.err.startswith(f"emukern: {complaint}")
    assert len(done.err.splitlines()) == 1
    assert (done.out, done.status) == ("", status)


def test_a_kernel_without_types(boot, monkeypatch):
    own = Kallsyms.address
    monkeypatch.setattr(Kallsyms, "address", lambda self, name: None if name.endswith("_BTF") else own(self, name))
    done = boot("--no-cache", "-c", "true")
    assert re.fullmatch(r"emukern: the kernel \S+ has no BTF type information \(CONFIG_DEBUG_INFO_BTF\)\n", done.err)
    assert (done.out, done.status) == ("", 1)


def test_a_kernel_of_another_architecture(boot, arch, kernel_image):
    done = boot("--arch", OTHER[arch], "-c", "true")
    assert done.err == f"emukern: the kernel {kernel_image} is for {arch}, not for {OTHER[arch]}\n"
    assert done.status == 2


def test_a_module_tree_of_another_release(run, tmp_path, module_tree):
    sample = samples.sample("hello", "x86_64")
    (tmp_path / "kernel").mkdir()
    shutil.copy(sample, tmp_path / "kernel" / "hello.ko")
    done = run(QUIET, "--modules", tmp_path)
    assert done.err.startswith(f"emukern: the modules in {tmp_path} are of 0.1.0, the kernel is ")
    assert (done.out, done.status) == ("", 2)


@pytest.mark.parametrize(
    ("command", "option"),
    [("boot", "--append x"), ("boot", "--init x"), ("boot", "--no-cache"), ("run", "--via kernel")],
)
def test_options_that_need_a_kernel(emukern, command, option):
    done = emukern(command, *option.split(), *(["hello"] if command == "run" else ["-c", "true"]))
    assert done.err == f"emukern: {option.split()[0]} is for --kernel IMAGE only\n"
    assert done.status == 2


def test_the_words_of_a_panic():
    report = "triple fault\n[    1.0] Kernel panic - not syncing: Attempted to kill init!\n[    1.1] CPU: 0\n"
    assert kernel.sentence(report) == "kernel panic: Attempted to kill init!"
    assert kernel.sentence("the kernel did not reach user space\nlast line") == "the kernel did not reach user space"
    assert kernel.sentence("Attempted to kill init!") == "kernel panic: Attempted to kill init!"
