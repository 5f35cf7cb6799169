"""Our user space on Debian's kernels: the agent's commands, the tools, modprobe, a shell at the console."""

import errno
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from emukern.kmod.compression import unpack
from emukern.linux import busybox, initramfs
from emukern.linux.agent import (
    DeleteModule,
    Died,
    Done,
    Exec,
    Exited,
    Folder,
    InitModule,
    Link,
    PowerOff,
    Put,
    Shell,
)

SECOND = 1_000_000_000


@pytest.fixture
def perform(borrowed):
    """Have the agent do commands: their results."""

    def perform(commands):
        borrowed.parked = False
        borrowed.agent.commands += commands
        borrowed.park()
        results = list(borrowed.agent.results)
        borrowed.agent.results.clear()
        return results

    return perform


@pytest.fixture
def sh(borrowed):
    """Run a line in the shell: what it prints, then its exit status."""

    def sh(line):
        done = borrowed.shell(line)
        return f"{done.output}{done.status}"

    return sh


def ko(borrowed, name):
    return borrowed.tree.blob(borrowed.tree.paths[name])


def test_programs(perform):
    results = perform(
        [
            Exec(("echo", "to the host")),
            Exec(("/bin/sh", "-c", "echo $A; echo oops >&2; exit 3"), ("A=1", "PATH=/bin")),
            Exec(("sh", "-c", "kill -9 $$")),
            Exec(("sh", "-c", "sleep 100 & echo there")),  # nobody waits for it
        ]
    )
    assert results == [Exited(0, b"to the host\n"), Exited(3, b"1\noops\n"), Exited(137), Exited(0, b"there\n")]
    (missing,) = perform([Exec(("/bin/nosuch",))])
    assert missing.number == errno.ENOENT


def test_much_output(perform):
    blob = bytes(range(256)) * 1000
    assert perform([Put("/blob", blob), Exec(("cat", "/blob", "/blob"))])[1] == Exited(0, blob * 2)


def test_files(perform, sh, tmp_path):
    (tmp_path / "host").write_text("from the host\n")
    results = perform(
        [
            Put("/a/b/file", b"text\n", 0o640),
            Put("/a/b/file", tmp_path / "host", 0o600),  # again
            Link("/a/link", "b/file"),
            Folder("/a/empty", 0o700),
            Folder("/a/empty"),
            Folder("/a/b/file"),
            Put("/proc/nothing", b""),
        ]
    )
    assert results == [Done(0)] * 5 + [Done(errno.EEXIST), Done(errno.ENOENT)]
    listed = sh("cat /a/link; ls -l /a /a/b")
    assert listed.startswith("from the host\n")
    assert re.search(r"^-rw------- +1 +14 file$", listed, re.MULTILINE)
    assert re.search(r"^drwx------ .* empty$", listed, re.MULTILINE)


def test_system_calls_about_modules(borrowed, perform):
    blob = ko(borrowed, "dummy")
    results = perform(
        [
            InitModule(blob, "numdummies=2"),
            InitModule(blob),
            DeleteModule("dummy"),
            DeleteModule("dummy"),
            InitModule(blob, flags=0),
            InitModule(b"no module"),
            Exec(("cat", "/proc/modules")),
        ]
    )
    assert [one.status for one in results] == [0, errno.EEXIST, 0, errno.ENOENT, 0, errno.ENOEXEC, 0]
    assert results[-1].output.startswith(b"dummy ")


def test_tools(borrowed, sh):
    release = borrowed.release
    assert sh("uname -r") == f"{release}\n0"
    assert sh("lsmod") == "Module                  Size  Used by\n0"
    assert re.search(r"^\[ +\d+\.\d{6}\] Linux version " + re.escape(release), sh("dmesg"), re.MULTILINE)
    listing = sh("ps")
    assert re.search(r"^ +1 +0 S +init$", listing, re.MULTILINE)
    assert re.search(r"^ +2 +0 S +kthreadd$", listing, re.MULTILINE)
    assert sh("cat /proc/sys/kernel/modprobe") == "/sbin/modprobe\n0"
    assert sh("echo $PATH; head -n 1 /proc/mounts | grep -q rootfs; ls /dev/null /proc/self/stat").endswith("0")
    assert sh("echo text >/tmp/a && cp /tmp/a /tmp/b && cat /tmp/b | wc && rm /tmp/a && ls /tmp") == "1 1 5\nb\n0"


def test_insmod_and_rmmod_at_the_shell(borrowed, perform, sh):
    perform([Put("/dummy.ko", ko(borrowed, "dummy"))])
    assert sh("insmod /dummy.ko numdummies=2 && ls /sys/class/net") == "dummy0\ndummy1\nlo\n0"
    assert sh("insmod /dummy.ko") == "insmod: ERROR: could not insert module /dummy.ko: File exists\n17"
    assert re.fullmatch(r"Module +Size  Used by\ndummy +\d+  0\n0", sh("lsmod"))
    assert sh("rmmod dummy; rmmod dummy") == "rmmod: ERROR: Module dummy is not currently loaded\n2"
    assert sh("modinfo -F license /dummy.ko") == "GPL\n0"


def test_modprobe(borrowed, sh):
    named = [row.split()[0] for row in sh("modprobe -a libcrc32c dummy; cat /proc/modules").splitlines()[:-1]]
    assert {"libcrc32c", "crc32c_generic", "dummy"} <= set(named)
    assert sh("modprobe dummy; modprobe nls-utf8 && lsmod | grep nls_").startswith("nls_utf8 ")
    assert sh("rmmod dummy; modprobe dummy numdummies=3; ls /sys/class/net") == "dummy0\ndummy1\ndummy2\nlo\n0"
    *_, shown, status = sh("modprobe -D libcrc32c").splitlines()
    assert shown.startswith(f"insmod /lib/modules/{borrowed.release}/kernel/lib/libcrc32c.ko")
    assert status == "0"
    removed = sh("modprobe -v -r dummy libcrc32c nls_utf8").splitlines()
    assert removed[:2] == ["rmmod dummy", "rmmod libcrc32c"]
    assert "rmmod crc32c_generic" in removed  # nobody uses it any more
    assert sh("cat /proc/modules") == "0"


def test_modprobe_options_of_the_host(borrowed, sh):
    borrowed.agent.options = {"dummy": "numdummies=4"}
    assert sh("modprobe dummy; ls /sys/class/net") == "dummy0\ndummy1\ndummy2\ndummy3\nlo\n0"
    borrowed.agent.options = {}


def test_what_modprobe_says(borrowed, sh):
    release = borrowed.release
    assert sh("modprobe nosuch") == f"modprobe: FATAL: Module nosuch not found in directory /lib/modules/{release}\n1"
    assert sh("modprobe -q -- nosuch") == "1"
    assert sh("modprobe -r nosuch") == "modprobe: FATAL: Module nosuch not found.\n1"
    assert sh("modprobe") == "modprobe: ERROR: missing parameters. See -h.\n1"
    assert sh("modprobe --frob dummy") == "modprobe: unrecognized option '--frob'\n1"
    assert sh("modprobe dummy numdummies=x") == "modprobe: ERROR: could not insert 'dummy': Invalid argument\n1"
    assert sh("modprobe ipv6; modprobe -r ipv6") == "modprobe: FATAL: Module ipv6 is builtin.\n1"
    assert sh("modprobe ext4; modprobe -r mbcache") == "modprobe: FATAL: Module mbcache is in use.\n1"
    assert sh("modprobe -r dummy") == "0"  # it is not there, as wanted


def test_request_module_finds_modprobe(borrowed, sh):
    text = borrowed.alloc(b"rtnl-link-%s\0")
    name = borrowed.alloc(b"dummy\0")
    assert borrowed.call("__request_module", 1, text, name) == 0
    assert sh("cat /proc/modules").startswith("dummy ")
    assert borrowed.call("__request_module", 1, text, borrowed.alloc(b"nosuch\0")) == 256  # its exit status, 1


def test_worker_that_is_killed(borrowed, perform, sh):
    worker = re.search(r"^ *(\d+) +1 S +init$", sh("ps"), re.MULTILINE)[1]
    (died,) = perform([Exec(("sh", "-c", f"kill -9 {worker}; sleep 1"))])
    assert died == Died(137)
    assert borrowed.agent.died == 1
    assert sh("echo there is a new one") == "there is a new one\n0"


def test_orphans_are_adopted(borrowed, sh):
    sh('sh -c "sleep 2 & sleep 3 &"')
    borrowed.advance(4)
    assert "sleep" not in sh("ps")


def test_shell_at_the_console(borrowed):
    seen = bytearray()
    borrowed.machine.console.console.sink = seen.extend
    borrowed.parked = False
    borrowed.agent.commands.append(Shell(rows=24, columns=80))

    def until(text):
        end = borrowed.machine.clock.now + 30 * SECOND
        while text not in seen:
            borrowed.run(borrowed.machine.clock.now + SECOND // 10)
            assert borrowed.machine.clock.now < end, bytes(seen)
        seen[:] = seen[seen.index(text) + len(text) :]

    def type_(text):
        borrowed.machine.board.receive(text.encode())

    until(b"/ # ")
    type_("echo one | cat\r")
    until(b"\r\none\r\n")
    type_("sleep 1000\r")
    until(b"sleep 1000\r\n")
    borrowed.run(borrowed.machine.clock.now + SECOND)
    type_("\x03")  # Ctrl-C
    until(b"/ # ")
    type_("echo status $?\r")
    until(b"\r\nstatus 130\r\n")
    type_("exit 5\r")
    borrowed.park()
    assert borrowed.agent.results == [Exited(5)]
    borrowed.agent.results.clear()
    borrowed.machine.console.console.sink = None


def test_poweroff(borrowed):
    borrowed.parked = False
    borrowed.agent.commands.append(PowerOff())
    assert borrowed.run().why == "poweroff"
    assert borrowed.agent.results == [Done(0)]


def test_two_runs_are_the_same(borrowed, sh):
    moment = borrowed.save()
    seen = []
    for _ in range(2):
        borrowed.restore(moment)
        text = sh("modprobe dummy; ps; dmesg")
        seen.append((text, borrowed.machine.clock.now))
    assert seen[0] == seen[1]


def test_busybox(borrowed, perform, sh, arch):
    program = shutil.which("busybox") if platform.machine() == arch else None
    program = os.environ.get(f"EMUKERN_BUSYBOX_{arch}", program)
    if program is None:
        pytest.skip(f"there is no static busybox for {arch}: EMUKERN_BUSYBOX_{arch} names one")
    assert "sed" in busybox.install(perform, Path(program), arch)
    assert sh("for i in 1 2; do echo $i | sed s/2/two/; done; modprobe dummy; lsmod | awk 'END {print $1}'") == (
        "1\ntwo\ndummy\n0"
    )


QEMU = {"x86_64": ["-M", "pc", "-cpu", "Westmere"], "riscv64": ["-M", "virt"]}


def test_same_files_in_qemu(kernel_image, module_tree, arch, tmp_path):
    """Where nobody answers hypercalls there is a shell all the same; it gets the module from a second archive."""
    emulator = shutil.which(f"qemu-system-{arch}")
    if emulator is None:
        pytest.skip(f"this host has no qemu-system-{arch}")
    blob = unpack(next(module_tree.rglob("dummy.ko*")).read_bytes())
    (tmp_path / "initrd").write_bytes(initramfs.build(arch) + initramfs.archive([initramfs.file("dummy.ko", blob)]))
    script = "uname -r; insmod /dummy.ko; lsmod; rmmod dummy; modprobe dummy; ps; exit 7"
    kernel = ["-kernel", str(kernel_image), "-initrd", str(tmp_path / "initrd")]
    line = ["-append", f'console=ttyS0 quiet panic=-1 -- -c "{script}"']
    machine = [emulator, *QEMU[arch], "-m", "512", "-nographic", "-no-reboot"]
    done = subprocess.run([*machine, *kernel, *line], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    said = done.stdout.decode("latin-1").replace("\r", "")
    release = module_tree.name
    assert re.search(rf"{re.escape(release)}\nModule +Size  Used by\ndummy +\d+  0\n", said)
    assert f"modprobe: FATAL: Module dummy not found in directory /lib/modules/{release}\n" in said
    assert re.search(r"^ +1 +0 S +init$", said, re.MULTILINE)
    assert "init: the shell has ended with status 7\n" in said
    assert said.rstrip().endswith("reboot: Power down")
