"""A booted machine per architecture, put back before every test, and short words for calling what modules call."""

from __future__ import annotations

from functools import cache

import pytest

from emukern import arch as arches
from emukern.errors import GuestOops
from emukern.guest import boot, host_call

MASK = (1 << 64) - 1


class Machine:
    """A guest as a module sees it: functions by name, memory, threads."""

    def __init__(self, guest):
        self.guest, self.k = guest, guest.k

    def call(self, name, *args):
        """The function's result as a signed number; bytes are put into fresh kernel memory."""
        rv = self.guest.call(name, *[self.put(a) if isinstance(a, bytes) else a & MASK for a in args])
        return rv - (1 << 64) if rv >> 63 else rv

    def start(self, name, *args):
        """A thread that calls the function; it runs when time passes."""
        return self.k.spawn("t", host_call, address=self.guest.address(name), args=args)

    def put(self, data):
        return self.guest.alloc(data)

    def text(self, address):
        return self.k.mem.cstr(address & MASK)

    def oops(self, name, *args):
        """The report's first line of a call that must not survive."""
        with pytest.raises(GuestOops) as caught:
            self.call(name, *args)
        return caught.value.report

    def log(self):
        return [record.text for record in list(self.k.log.records)[self.seen :]]


@cache
def booted(arch):
    guest = boot(arch)
    return guest, guest.save()


@pytest.fixture(params=arches.NAMES)
def m(request):
    guest, fresh = booted(request.param)
    guest.restore(fresh)
    machine = Machine(guest)
    machine.seen = len(guest.k.log.records)
    return machine
