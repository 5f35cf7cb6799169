"""A shell on a distribution's kernel's console, without the command line around it: files, lines, sizes, the end."""

import pytest

from emukern.errors import Errno, GuestPanic, UsageError
from emukern.linux import session
from emukern.linux.agent import Done, Exec, Exited, Folder, Link, Put
from emukern.linux.tty import Feed, Tty

SECOND = 1_000_000_000


class Lines:
    """A script's input."""

    def __init__(self, *lines):
        self.lines = list(lines)
        self.asked = 0

    def wait(self, timeout_ns):
        self.asked += 1
        return self.lines.pop(0) if self.lines else None


@pytest.fixture
def console(borrowed):
    """What the guest prints."""
    printed = bytearray()
    borrowed.machine.console.console.sink = printed.extend
    yield printed
    borrowed.machine.console.console.sink = borrowed.machine.console.console.input = None
    borrowed.overrides.clear()


def feed(guest, *lines):
    """Have a script's lines typed."""
    tty = Tty(guest)
    tty.take_lines()
    source = Lines(*lines)
    guest.machine.console.console.input = Feed(tty, source)
    return source


def test_the_agent_does_several_things_at_once(borrowed):
    results = session.perform(borrowed, [Put("/a/b", b"text"), Exec(("/bin/cat", "/a/b")), Exec(("/nowhere",))])
    assert results[:2] == [Done(0), Exited(0, b"text")]
    assert isinstance(results[2], Errno)


def test_files_folders_and_links(borrowed):
    session.put(borrowed, [Folder("/mnt/f"), Put("/mnt/f/x", b"text", 0o755), Link("/mnt/l", "f/x")])
    assert borrowed.shell("cat /mnt/l; ls -l /mnt/f").output.startswith("text")
    with pytest.raises(UsageError, match="cannot create /proc/x in the guest: ENOENT"):
        session.put(borrowed, [Put("/proc/x", b"")])


def test_a_folder_is_shared_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_bytes(b"1234")
    (tmp_path / "b" / "file").chmod(0o640)
    (tmp_path / "a").symlink_to("b")
    commands = session.shared(tmp_path, 4)
    assert commands == [
        Folder("/mnt"),
        Link("/mnt/a", "b"),
        Folder("/mnt/b"),
        Put("/mnt/b/file", tmp_path / "b" / "file", 0o640),
    ]
    with pytest.raises(UsageError, match="it holds more than 0 MiB, which are copied"):
        session.shared(tmp_path, 3)
    (tmp_path / "b" / "file").unlink()
    with pytest.raises(UsageError, match="it is not a directory"):
        session.shared(tmp_path / "b" / "file", 3)


def test_the_status_is_the_programs(borrowed, console):
    ended = []
    status = session.run(borrowed, ["/bin/sh", "-c", "echo text; exit 5"], ended=lambda: ended.append(bytes(console)))
    assert (status, ended) == (5, [b"text\r\n"])
    assert b"reboot: Power down" in console


def test_a_program_that_is_not_there(borrowed, console):
    with pytest.raises(UsageError, match="cannot run /nowhere: ENOENT"):
        session.run(borrowed, ["/nowhere"])


def test_a_machine_that_goes_down_by_itself(borrowed, console):
    moment = borrowed.save()
    for command in ("poweroff", "echo b > /proc/sysrq-trigger"):
        assert session.run(borrowed, ["/bin/sh", "-c", command]) == 0
        borrowed.restore(moment)
    with pytest.raises(GuestPanic, match="sysrq triggered crash"):
        session.run(borrowed, ["/bin/sh", "-c", "echo c > /proc/sysrq-trigger"])


def test_nothing_will_ever_happen_again(borrowed, console, monkeypatch):
    monkeypatch.setattr(session, "PATIENCE", 10 * SECOND)
    moment = borrowed.save()
    run = session.run
    assert run(borrowed, ["/bin/cat", "/dev/tty1"], sign=lambda: len(console)) is None
    borrowed.restore(moment)
    assert run(borrowed, ["/bin/sh", "-c", "sleep 8; echo alive; sleep 8"], sign=lambda: len(console)) == 0


def test_lines_are_given_when_they_are_asked_for(borrowed, console):
    keys = bytes(byte for byte in range(1, 256) if byte not in b"\n")
    source = feed(borrowed, b"cat\n", keys + b"\n", b"no newline")
    assert session.run(borrowed, ["/bin/sh", "/proc/self/fd/0"]) == 0
    assert bytes(console).startswith(keys.replace(b"\r", b"\r") + b"\r\nno newline")
    assert source.lines == []


def test_nobody_asks_nobody_is_asked(borrowed, console):
    source = feed(borrowed, b"text\n")
    assert session.run(borrowed, ["/bin/sleep", "100"]) == 0
    assert source.asked == 0


def test_the_terminal_has_a_size(borrowed, console):
    tty = Tty(borrowed)
    device = borrowed.kernel.object(tty.places.tty, "struct tty_struct")
    assert device.name.str_() == "ttyS0"
    tty.resize(30, 100)
    assert (device.winsize.ws_row, device.winsize.ws_col) == (30, 100)
    session.run(borrowed, ["/bin/true"], size=(25, 80))
    assert (device.winsize.ws_row, device.winsize.ws_col) == (25, 80)


def test_a_kernel_without_a_serial_console(borrowed, monkeypatch):
    monkeypatch.setattr(borrowed.facts, "tty", None)
    with pytest.raises(UsageError, match="has no serial line as its console"):
        Tty(borrowed)
