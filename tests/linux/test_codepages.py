"""A program in the place of another one is executed as what it is, whatever the engine translated there before."""

import pytest

from emukern.machine.codepages import CodePages
from emukern.machine.ram import PAGE

SHOUT = [f"{text} /proc/version" for text in ("cat", "lsmod", "wc", "uname", "grep Debian", "head", "wc")]


def test_a_file_that_becomes_one_program_after_the_other(borrowed):
    assert borrowed.shell("cp /bin/cp /tmp/program").status == 0  # it is executable
    for command in SHOUT:
        name, _, arguments = command.partition(" ")
        done = borrowed.shell(f"cat /bin/{name} > /tmp/program; /tmp/program {arguments}")
        assert done == borrowed.shell(f"/bin/{command}"), name


def test_a_page_is_watched_until_its_code_is_forgotten(borrowed):
    machine = borrowed.machine
    moment = borrowed.save()
    borrowed.shell("cp /bin/uname /tmp/program; /tmp/program")
    watched = watched_pages(machine)
    borrowed.restore(moment)
    gone = watched - watched_pages(machine)
    assert gone  # those of /tmp/program
    assert gone < watched  # but not those that nobody has written to


def watched_pages(machine):
    """Physical addresses of all pages that are watched now."""
    first, size = machine.ram.base, machine.ram.size
    return {page for page in range(first, first + size, PAGE) if page in machine.code_pages}


@pytest.mark.parametrize("kept", [0, 1])
def test_ranges_end_before_their_end(borrowed, kept):
    pages = borrowed.machine.code_pages
    assert isinstance(pages, CodePages)
    borrowed.shell("true")
    page = min(watched_pages(borrowed.machine))
    pages.forget([(page - 2 * PAGE, page + PAGE - kept * PAGE)])
    assert (page in pages) == bool(kept)
