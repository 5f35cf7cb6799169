"""What becomes of one module, by a guest that does as it is told here."""

import pytest

from emukern.errors import GuestFault, GuestOops, ModuleError
from emukern.kernel.log import Record
from emukern.linux.outcome import QUIET, ROUNDS, Outcome, errno_word, hearing, insert, remove, settle


class Clock:
    now = 0


class Machine:
    clock = Clock


class Handle:
    name = "made_up"


class Guest:
    """`later` are texts that the kernel says one a time step, `answer` is raised by insmod and rmmod."""

    machine = Machine

    def __init__(self, later=(), answer=None):
        self.records, self.later, self.answer = [], list(later), answer
        self.slept = []
        self.say("before")

    def say(self, text):
        self.records.append(Record(len(self.records), 6, 0, text))

    def insmod(self, module, params=""):
        self.say(f"insmod {module!r} {params}")
        Machine.clock.now += 70
        if self.answer is not None:
            raise self.answer
        return Handle

    def rmmod(self, name):
        self.say(f"rmmod {name}")
        if self.answer is not None:
            raise self.answer

    def dmesg(self):
        return self.records

    def advance(self, seconds):
        self.slept.append(seconds)
        if self.later:
            self.say(self.later.pop(0))


def texts(messages):
    return [message["text"] for message in messages]


def test_a_module_is_heard_until_it_is_quiet():
    guest, outcome = Guest(later=["one", "two"]), Outcome("file_name")
    insert(guest, b"ko", outcome, params="a=1")
    assert texts(outcome.insmod_kmsg) == ["insmod b'ko' a=1", "one", "two"]
    assert guest.slept == [QUIET] * 3
    assert (outcome.name, outcome.insmod_errno, outcome.insmod_ns, outcome.reason) == ("made_up", 0, 70, None)
    remove(guest, outcome)
    assert texts(outcome.rmmod_kmsg) == ["rmmod made_up"]
    assert outcome.rmmod_errno == 0


def test_one_that_is_never_quiet_is_not_waited_for_forever():
    guest = Guest(later=map(str, range(1000)))
    settle(guest)
    assert len(guest.slept) == ROUNDS


def test_a_time_that_was_asked_for():
    guest = Guest(later="abc")
    settle(guest, 7.5)
    assert guest.slept == [7.5]


def test_a_refusal_is_told_at_once_and_noted():
    told, guest, outcome = [], Guest(later=["sulks"], answer=ModuleError(19, "no such thing")), Outcome("x")
    insert(guest, b"", outcome, refused=lambda number: told.append((number, len(guest.slept))))
    assert told == [(19, 0)]
    assert (outcome.insmod_errno, outcome.reason, outcome.name) == (19, "no such thing", "x")
    assert texts(outcome.insmod_kmsg)[-1] == "sulks"
    guest.answer = ModuleError(11)
    remove(guest, outcome, refused=lambda number: told.append(number))
    assert (told[-1], outcome.rmmod_errno) == (11, 11)
    assert outcome.record()["rmmod_errname"] == "EAGAIN"


def test_last_words_are_heard():
    outcome = Outcome("x")
    with pytest.raises(GuestOops):
        insert(Guest(answer=GuestOops("it died")), b"", outcome)
    assert texts(outcome.insmod_kmsg) == ["insmod b'' "]
    assert outcome.insmod_errno is None


def test_a_guest_without_a_log_does_not_hide_what_happened_to_it():
    guest = Guest()

    def die():
        guest.dmesg = None
        guest.dmesg = lambda: (_ for _ in ()).throw(GuestFault(0x10))
        raise GuestOops("it died")

    with pytest.raises(GuestOops, match="it died"), hearing(guest, []):
        die()


def test_words_for_errnos():
    assert [errno_word(number) for number in (None, 0, 2, 524)] == [None, "OK", "ENOENT", "ENOTSUPP"]
