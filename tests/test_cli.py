"""The command line: what it prints, and its exit status. Each command is a process, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emukern import arch as arches
from emukern import cli, samples

ROOT = Path(__file__).parent.parent
FIELDS = "name insmod_errno insmod_errname insmod_kmsg rmmod_errno rmmod_errname rmmod_kmsg".split()


@pytest.fixture
def emukern():
    """Run `emukern ARGUMENTS`; answers the finished process."""

    def run(*arguments, stdin=None, **environment):
        command = [sys.executable, "-m", "emukern", *map(str, arguments)]
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, **source)

    return run


# boot


def test_a_script_prints_its_output_alone(emukern, arch):
    done = emukern("boot", "--arch", arch, "-c", "insmod hello.ko who=you; lsmod; rmmod hello")
    assert done.stdout.splitlines() == [
        "hello: Hello, you!",
        "Module                  Size  Used by",
        "hello                  12288  0",
        "hello: Goodbye, you!",
    ]
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_exit_status_is_the_last_commands(emukern):
    assert emukern("boot", "-c", "true; false").returncode == 1
    assert emukern("boot", "-c", "sh -c 'exit 42'").returncode == 42
    assert emukern("boot", "-c", "insmod initfail.ko").returncode == 22


def test_boot_messages_on_request(emukern):
    done = emukern("boot", "--verbose", "-c", "echo done")
    assert done.stdout.startswith("emukern 0.1 (x86_64)\nmemory: 128 MiB found\n")
    assert done.stdout.endswith("\ndone\n")


def test_a_script_from_a_file_and_from_standard_input(emukern, tmp_path):
    script = "echo one\necho two\nsh -c 'exit 7'"
    (tmp_path / "script").write_text(script)
    for done in (emukern("boot", "--stdin", tmp_path / "script"), emukern("boot", stdin=script)):
        assert (done.stdout, done.stderr, done.returncode) == ("one\ntwo\n", "", 7)
    assert emukern("boot", "--stdin", "-", stdin="echo three").stdout == "three\n"


def test_what_follows_a_command_may_be_for_that_command(emukern):
    assert emukern("boot", stdin="cat\nto cat, not\n to the shell \x03\x04\x7f\n").stdout.splitlines() == [
        "to cat, not",
        " to the shell \x03\x04\x7f",
    ]


def test_a_script_may_read_standard_input(emukern):
    assert emukern("boot", "-c", "wc", stdin="a b\nc\n").stdout.split() == ["2", "3", "6"]
    assert emukern("boot", "-c", "cat; echo over").stdout == "over\n"


def test_a_line_that_no_terminal_takes(emukern):
    done = emukern("boot", stdin="echo " + "x" * 5000)
    assert "longer than a terminal takes" in done.stderr
    assert done.returncode == 2


def test_a_guest_that_waits_for_ever(emukern):
    done = emukern("boot", "-c", "insmod waitqueue.ko; cat /dev/waitqueue")
    assert done.stderr == "emukern: everything in the guest waits for what will never happen\n"
    assert done.returncode == 124


def test_memory_and_seed(emukern):
    line = "head -2 /proc/meminfo; hexdump -C /dev/urandom | head -1"
    first, again, other = (emukern("boot", "--memory", 64, "--seed", n, "-c", line).stdout for n in (1, 1, 2))
    assert 50_000 < int(first.split()[1]) < 65_536
    assert first == again != other


def test_a_shared_folder_is_at_mnt_and_read_only(emukern, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    done = emukern("boot", "--share", tmp_path, "-c", "cat /mnt/file; echo no > /mnt/file")
    assert done.stdout.splitlines()[0] == "from the host"
    assert "Read-only file system" in done.stdout + done.stderr
    assert done.returncode != 0
    assert (tmp_path / "file").read_text() == "from the host\n"


def test_no_path_leaves_a_shared_folder(emukern, tmp_path):
    share, secret = tmp_path / "share", tmp_path / "secret"
    share.mkdir()
    secret.write_text("not for the guest\n")
    (share / "up").symlink_to("../secret")
    (share / "absolute").symlink_to(secret)
    (share / "folder").symlink_to("..")
    paths = f"/mnt/up /mnt/absolute /mnt/../secret /mnt/folder/secret /mnt/../../secret {secret}"
    for path in paths.split():
        done = emukern("boot", "--share", share, "-c", f"cat {path}")
        assert done.returncode == 1, path
        assert "No such file" in done.stdout, path


@pytest.mark.parametrize("wrong", [["--memory", "1"], ["--memory", "33"], ["--share", "/nonexistent"]])
def test_machines_that_cannot_be(emukern, wrong):
    done = emukern("boot", *wrong, "-c", "true")
    assert done.stderr.startswith("emukern: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 2


# run


def test_run_prints_the_messages(emukern, arch):
    done = emukern("run", "hello", "who=big world", "--arch", arch)
    assert done.stdout == "hello: Hello, big world!\nhello: Goodbye, big world!\n"
    assert (done.stderr, done.returncode) == ("", 0)


def test_parameters_may_stand_anywhere(emukern):
    assert "Hello, you" in emukern("run", "hello", "--json", "who=you").stdout


def test_run_json(emukern, arch):
    done = emukern("run", "hello", "--arch", arch, "--json")
    assert json.loads(done.stdout) == {
        "name": "hello",
        "insmod_errno": 0,
        "insmod_errname": "OK",
        "insmod_kmsg": [{"level": 6, "text": "hello: Hello, world!"}],
        "rmmod_errno": 0,
        "rmmod_errname": "OK",
        "rmmod_kmsg": [{"level": 6, "text": "hello: Goodbye, world!"}],
    }
    assert list(json.loads(done.stdout)) == FIELDS


def test_run_json_of_a_refusal(emukern):
    done = emukern("run", "initfail", "--json")
    told = json.loads(done.stdout)
    assert (told["insmod_errno"], told["insmod_errname"]) == (22, "EINVAL")
    assert told["insmod_kmsg"] == [{"level": 6, "text": "initfail: failing with -22"}]
    assert (told["rmmod_errno"], told["rmmod_errname"], told["rmmod_kmsg"]) == (None, None, [])
    assert done.returncode == 22


def test_the_file_says_the_architecture(emukern, arch):
    done = emukern("run", samples.sample("hello", arch), "--verbose")
    assert f"emukern 0.1 ({arch})" in done.stdout
    assert done.returncode == 0


def test_what_a_module_needs_goes_in_first(emukern, tmp_path):
    done = emukern("run", "needs-a")
    assert done.stdout.splitlines()[0] == "exports_a: ready"
    for name in ("needs-a", "exports-a"):  # a folder without modules.dep
        (tmp_path / f"{name}.ko").write_bytes(samples.sample(name, "x86_64").read_bytes())
    assert emukern("run", tmp_path / "needs-a.ko").stdout == done.stdout
    (tmp_path / "below").mkdir()
    (tmp_path / "exports-a.ko").rename(tmp_path / "below" / "exports-a.ko")
    (tmp_path / "needs-a.ko").rename(tmp_path / "below" / "needs-a.ko")
    (tmp_path / "modules.dep").write_text("below/needs-a.ko: below/exports-a.ko\nbelow/exports-a.ko:\n")
    assert emukern("run", tmp_path / "below" / "needs-a.ko").stdout == done.stdout
    (tmp_path / "alone.ko").write_bytes(samples.sample("needs-a", "x86_64").read_bytes())
    assert emukern("run", tmp_path / "alone.ko", "--modules", tmp_path / "below").stdout == done.stdout


def test_a_needed_module_that_is_not_there(emukern, tmp_path):
    (tmp_path / "needs-a.ko").write_bytes(samples.sample("needs-a", "x86_64").read_bytes())
    done = emukern("run", tmp_path / "needs-a.ko")
    assert "needs-a.ko needs the module exports_a, which is not there" in done.stderr
    assert done.returncode == 2


def test_an_oops_is_reported(emukern, arch):
    done = emukern("run", "oops", "--arch", arch)
    assert "BUG: kernel NULL pointer dereference" in done.stdout
    assert "oops_c+" in done.stdout
    assert done.returncode == 139
    told = json.loads(emukern("run", "oops", "--arch", arch, "--json").stdout)
    assert told["insmod_errno"] is None
    assert any("oops_c+" in message["text"] for message in told["insmod_kmsg"])


def test_virtual_time_between_insmod_and_rmmod(emukern):
    done = emukern("run", "timer-and-work", "--seconds", 10)
    assert "timer_and_work: finished with 5 ticks and 5 works" in done.stdout


# modinfo and samples


def test_modinfo(emukern, arch):
    done = emukern("modinfo", samples.sample("params", arch))
    lines = done.stdout.splitlines()
    assert lines[0] == f"filename:       {samples.sample('params', arch)}"
    assert "license:        GPL" in lines
    assert "parm:           numbers:up to four integers (array of int)" in lines
    assert emukern("modinfo", "params", "-F", "license").stdout == "GPL\n"


def test_modinfo_of_what_is_no_module(emukern, tmp_path):
    done = emukern("modinfo", "nothing-like-this")
    assert (done.stderr, done.returncode) == ("modinfo: ERROR: Module nothing-like-this not found.\n", 1)
    (tmp_path / "text.ko").write_text("text")
    done = emukern("modinfo", tmp_path / "text.ko")
    assert "could not get modinfo from" in done.stderr
    assert done.returncode == 1


def test_samples_are_listed_with_a_line_each(emukern, arch):
    done = emukern("samples", "--arch", arch)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == sorted(names)
    assert {"hello", "params", "chardev", "oops", "needs-a"} <= set(names)
    assert all(len(line.split(maxsplit=1)) == 2 for line in done.stdout.splitlines())


# what every command keeps to


def test_help_imports_nothing_large():
    code = "import sys, emukern.cli; emukern.cli.parser().format_help(); print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert not {"numpy", "unicorn", "capstone", "rich", "prompt_toolkit"} & set(loaded.stdout.split())


def test_booting_does_not_import_numpy():
    code = "import sys, emukern; emukern.boot(); print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert not {"numpy", "capstone", "rich", "prompt_toolkit"} & set(loaded.stdout.split())


def test_version(emukern):
    assert emukern("--version").stdout == "emukern 0.1.0\n"


def test_wrong_usage(emukern):
    spoken = ["boot", "-c", "x", "--stdin", "y"], ["boot", "--fly"]
    for wrong in ([], ["fly"], ["boot", "--arch", "vax"], ["run"], *spoken):
        done = emukern(*wrong)
        assert done.returncode == 2, wrong
        assert "usage: " in done.stderr, wrong


def test_a_bug_of_ours_is_one_line_unless_asked_for(monkeypatch, capsys):
    def broken(options):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(cli.samples, "run", broken)
    monkeypatch.delenv("EMUKERN_TRACEBACK", raising=False)
    assert cli.main(["samples"]) == cli.INTERNAL
    assert capsys.readouterr().err.startswith("emukern: internal error: ZeroDivisionError: deep inside")
    with pytest.raises(ZeroDivisionError):
        cli.main(["--traceback", "samples"])
    monkeypatch.setenv("EMUKERN_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["samples"])


def test_interrupts_and_broken_pipes_are_quiet(monkeypatch, capsys, emukern):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.samples, "run", interrupted)
    assert cli.main(["samples"]) == 130
    assert capsys.readouterr().err == ""
    command = f"{sys.executable} -m emukern boot -c 'ls /bin; ls /bin; ls /bin' 2>&1 >&3 3>&- | cat; true"
    piped = subprocess.run(
        ["sh", "-c", f"{{ {command}; }} 3>&1 | true"], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert piped.stderr == ""


def test_every_architecture_is_offered():
    assert set(arches.NAMES) == {"x86_64", "riscv64"}
