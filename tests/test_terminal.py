"""A session at a terminal: emukern runs behind a pty, and a person types."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest

from emukern.terminal import Left, Script, Terminal

ROOT = Path(__file__).parent.parent
PROMPT = "/ # "


class Session:
    """`emukern boot` at a terminal of 30 lines and 100 columns, at its first prompt."""

    def __init__(self, arch, *arguments):
        command = ["-m", "emukern", "boot", "--arch", arch, *arguments]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = pexpect.spawn(
            sys.executable, command, timeout=20, encoding="utf-8", dimensions=(30, 100), env=env
        )
        self.before = termios.tcgetattr(self.process.child_fd)
        self.process.expect_exact(PROMPT)
        self.boot_messages = self.process.before

    def say(self, keys):
        self.process.send(keys)

    def hear(self, text):
        self.process.expect_exact(text)
        return self.process.before

    def line(self, text):
        """Type a line; what is printed up to the next prompt."""
        self.say(text + "\r")
        self.hear("\r\n")
        return self.hear(PROMPT)

    def end(self):
        """Wait for the process; its exit status, and whether the terminal is as it was."""
        self.process.expect(pexpect.EOF)
        restored = termios.tcgetattr(self.process.child_fd) == self.before
        self.process.close()
        return self.process.exitstatus, restored


@pytest.fixture
def session(arch):
    session = Session(arch)
    yield session
    session.process.close(force=True)


def test_boot_messages_and_a_prompt(session, arch):
    assert f"emukern 0.1 ({arch})\r\n" in session.boot_messages
    assert "memory: 128 MiB found\r\n" in session.boot_messages


def test_the_session_that_the_readme_promises(session):
    assert session.line("insmod hello.ko who=world") == "hello: Hello, world!\r\n"
    assert session.line("lsmod").splitlines()[1].split() == ["hello", "12288", "0"]
    assert session.line("rmmod hello") == "hello: Goodbye, world!\r\n"
    assert "hello: Goodbye, world!" in session.line("dmesg | tail -3")
    session.say("poweroff\r")
    assert session.end() == (0, True)


def test_exit_ends_the_machine_with_that_status(session):
    session.say("exit 3\r")
    assert session.end() == (3, True)


def test_a_line_can_be_edited(session):
    session.say("echo abX\x7fc")
    session.say("\x1b[D\x1b[D-\x1b[C\r")  # left, left, a dash, right
    session.hear("\r\na-bc\r\n")
    session.hear(PROMPT)


def test_up_arrow_brings_the_last_line_back(session):
    session.line("echo again")
    session.say("\x1b[A")
    session.hear("echo again")
    session.say("\r")
    session.hear("\r\nagain\r\n")


def test_ctrl_c_ends_the_command_and_not_the_shell(session):
    for command in ("sleep 1000", "cat", "cat /dev/zero | hexdump -C /dev/zero > /dev/null"):
        session.say(f"{command}\r")
        session.hear("\r\n")
        time.sleep(0.2)
        session.say("\x03")
        session.hear("^C")
        session.hear(PROMPT)
    assert session.line("echo alive") == "alive\r\n"


def test_ctrl_d_ends_the_input(session):
    session.say("cat\r")
    session.say("typed\r")
    session.hear("typed\r\ntyped\r\n")
    session.say("\x04")
    session.hear(PROMPT)
    session.say("\x04")
    assert session.end() == (0, True)


def test_an_oops_and_an_endless_loop_leave_the_shell_alone(session):
    assert "BUG: kernel NULL pointer dereference" in session.line("insmod oops.ko")
    assert "soft lockup" in session.line("insmod loop.ko")
    assert session.line("echo alive") == "alive\r\n"


def test_a_second_asleep_is_a_second(session):
    start = time.monotonic()
    session.line("sleep 1")
    assert 0.8 < time.monotonic() - start < 5


def test_time_goes_on_while_keys_are_typed(session):
    """A timer is due in one second; somebody who types all the time must not keep it from firing."""
    session.line("insmod timer-and-work.ko")
    start = time.monotonic()
    seen = ""
    while "tick 5" not in seen and time.monotonic() - start < 10:
        session.say("\x7f")
        time.sleep(0.03)
        with contextlib.suppress(pexpect.TIMEOUT):
            seen += session.process.read_nonblocking(4096, timeout=0)
    assert "tick 5" in seen


def test_ctrl_a_x_leaves(session):
    session.say("\x01h")
    session.hear("Ctrl-A x  leave emukern")
    session.say("\x01x")
    assert session.end() == (0, True)


def test_ctrl_a_twice_goes_to_the_guest(session):
    session.say("hexdump -C\r")
    session.say("\x01\x01\r\x04")
    session.hear("01 0a")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_the_session_and_restore_the_terminal(session, number):
    session.process.kill(number)
    assert session.end() == (128 + number, True)


def test_a_signal_ends_a_guest_that_is_busy(session):
    session.say("cat /dev/zero > /dev/null\r")
    session.hear("\r\n")
    time.sleep(0.2)
    session.process.kill(signal.SIGTERM)
    assert session.end() == (143, True)


# without a process


@pytest.fixture
def keyboard():
    """A Terminal, and a function that types."""
    master, slave = pty.openpty()
    terminal = Terminal(slave, slave)
    with terminal.raw():
        yield terminal, lambda data: os.write(master, data)
    os.close(master)
    os.close(slave)


def test_keys_that_are_there(keyboard):
    terminal, type_ = keyboard
    assert terminal.poll() == b""
    type_(b"ab\x03\x01")
    assert terminal.poll() == b"ab\x03"
    type_(b"\x01c\x01?")
    assert terminal.wait(None) == b"\x01c"
    type_(b"\x01x")
    with pytest.raises(Left):
        terminal.poll()


def test_waiting_ends_after_the_time(keyboard):
    terminal, _ = keyboard
    start = time.monotonic()
    assert terminal.wait(50_000_000) == b""
    assert 0.05 <= time.monotonic() - start < 1


def test_a_signal_ends_waiting(keyboard):
    terminal, _ = keyboard
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(Left) as left:
        terminal.wait(None)
    assert left.value.status == 143


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal._in, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_the_guest_learns_the_size_of_the_window(keyboard):
    terminal, _ = keyboard
    sizes = []
    set_size(terminal, 30, 100)
    terminal.attach(SimpleNamespace(), lambda rows, columns: sizes.append((rows, columns)))
    set_size(terminal, 40, 60)
    os.kill(os.getpid(), signal.SIGWINCH)
    assert terminal.poll() == b""
    assert sizes == [(30, 100), (40, 60)]


def test_the_terminal_is_restored_after_an_exception():
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with pytest.raises(ZeroDivisionError), Terminal(slave, slave).raw():
        1 // (termios.tcgetattr(slave) == before)
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    master, slave = pty.openpty()
    with Terminal(slave, slave).raw():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    os.close(master)
    os.close(slave)


def test_a_script_gives_one_line_at_a_time(tmp_path):
    (tmp_path / "lines").write_bytes(b"one\ntwo")
    with (tmp_path / "lines").open("rb") as file:
        script = Script(file)
        assert script.poll() == b""
        assert [script.wait(None) for _ in range(3)] == [b"one\n", b"two", None]


# A distribution's kernel.


def times(pid):
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def stock(arch, kernel_image):
    session = Session(arch, "--kernel", str(kernel_image))
    yield session
    session.process.close(force=True)


def test_a_distributions_kernel(stock, kernel_image):
    assert stock.line("uname -r").strip() in kernel_image.name
    assert stock.line("modprobe dummy; lsmod").splitlines()[1].split()[0] == "dummy"
    assert stock.line("cat /proc/modules").startswith("dummy ")
    assert stock.line("rmmod dummy; lsmod").splitlines() == ["Module                  Size  Used by"]
    assert "HOME=/" in stock.line("dmesg | tail -2")
    stock.say("exit 7\r")
    stock.hear("reboot: Power down")
    assert stock.end() == (7, True)


def test_keys_and_time_of_a_distributions_kernel(stock):
    stock.say("sleep 1000\r")
    stock.hear("\r\n")
    time.sleep(0.3)
    stock.say("\x03")
    assert stock.hear(PROMPT) == "^C\r\n"
    assert stock.line("echo $?") == "130\r\n"
    start = time.monotonic()
    stock.line("sleep 1")
    assert 0.9 < time.monotonic() - start < 5
    stock.say("\x01x")
    assert stock.end() == (0, True)


def test_an_idle_distributions_kernel_costs_little(stock):
    time.sleep(1)
    before = times(stock.process.pid)
    time.sleep(2)
    assert times(stock.process.pid) - before < 0.3


def test_a_first_boot_shows_the_console_and_can_be_left(arch, kernel_image):
    process = pexpect.spawn(
        sys.executable,
        ["-m", "emukern", "boot", "--no-cache", "--kernel", str(kernel_image)],
        timeout=60,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    process.expect_exact("Linux version ")
    process.send("\x01x")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


def test_what_is_typed_during_the_boot_is_not_lost(keyboard):
    terminal, type_ = keyboard
    with terminal.early():
        type_(b"early")
        time.sleep(0.05)
        assert terminal.poll() == b""
        assert terminal.wait(None) == b""
    assert terminal.wait(None) == b"early"
    assert terminal.wait(1) == b""
