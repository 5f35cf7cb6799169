"""The firmware: each answer as the SBI specification has it."""

import pickle
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices import sbi
from tests.devices.board import Memory, Screen, Switch, Time

NEVER = (1 << 64) - 1
BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN = (
    0x10,
    *(int.from_bytes(name, "big") for name in (b"TIME", b"sPI", b"RFNC", b"HSM", b"SRST", b"DBCN")),
)
NOT_SUPPORTED, INVALID_PARAM, ALREADY_AVAILABLE, FAILED = -2, -3, -6, -1


@pytest.fixture
def board():
    parts = SimpleNamespace(time=Time(), screen=Screen(), power=Switch(), memory=Memory())
    parts.sbi = sbi.Sbi(parts.time, parts.screen, parts.power)

    def call(extension, function, *args):
        return tuple(parts.sbi.call(extension, function, (*args, *[0] * (6 - len(args))), parts.memory))

    parts.call = call
    return parts


def test_it_says_what_it_is(board):
    assert board.call(BASE, 0) == (0, 0x0200_0000, "")
    assert board.call(BASE, 1)[1] not in range(12), "these implementations are others"
    for function in (4, 5, 6):
        assert board.call(BASE, function) == (0, 0, "")
    assert board.call(BASE, 7)[0] == NOT_SUPPORTED


@pytest.mark.parametrize("extension", [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, 1, 2])
def test_extensions_that_are_there(board, extension):
    assert board.call(BASE, 3, extension) == (0, 1, "")


@pytest.mark.parametrize("extension", [0, 3, 8, 0x504D55, 0x535441, 0x43505043, 0x0900_0000])
def test_extensions_that_are_not(board, extension):
    assert board.call(BASE, 3, extension) == (0, 0, "")
    assert board.call(extension, 0)[0] == NOT_SUPPORTED


@pytest.mark.parametrize("extension", [TIME, IPI, SRST, DBCN, RFENCE, HSM])
def test_functions_that_are_not(board, extension):
    assert board.call(extension, 9)[0] == NOT_SUPPORTED


def test_the_timer_fires_once_at_its_time(board):
    assert board.call(TIME, 0, 30) == (0, 0, "")
    assert (board.sbi.deadline, board.sbi.timer) == (3000, False)
    board.sbi.expire(2999)
    assert not board.sbi.timer
    board.sbi.expire(3000)
    assert (board.sbi.deadline, board.sbi.timer) == (None, True)


def test_a_timer_in_the_past_fires_at_once(board):
    board.time.now = 5000
    board.call(TIME, 0, 30)
    assert board.sbi.timer


def test_setting_the_timer_takes_the_interrupt_back(board):
    board.call(TIME, 0, 0)
    board.call(TIME, 0, NEVER)
    assert (board.sbi.deadline, board.sbi.timer) == (None, False)


@pytest.mark.parametrize(
    ("mask", "first", "answer"),
    [(1, 0, (0, 0, "x")), (0, NEVER, (0, 0, "x")), (0, 0, (0, 0, "")), (2, 0, (INVALID_PARAM, 0, ""))],
)
def test_harts_are_chosen_by_mask(board, mask, first, answer):
    error, value, effect = answer
    assert board.call(IPI, 0, mask, first) == (error, value, "ipi" if effect else "")
    for function in (0, 1, 2):
        assert board.call(RFENCE, function, mask, first) == (error, value, "fence" if effect else "")


def test_there_is_one_hart_and_it_runs(board):
    assert board.call(HSM, 2, 0) == (0, 0, "")
    assert board.call(HSM, 2, 1)[0] == INVALID_PARAM
    assert board.call(HSM, 0, 0, 0x8000_0000)[0] == ALREADY_AVAILABLE
    assert board.call(HSM, 0, 1, 0x8000_0000)[0] == INVALID_PARAM
    assert board.call(HSM, 1)[0] == FAILED
    assert board.call(HSM, 3, 0)[0] == NOT_SUPPORTED


@pytest.mark.parametrize(("kind", "state"), [(0, "poweroff"), (1, "reset"), (2, "reset")])
def test_power(board, kind, state):
    board.call(SRST, 0, kind, 0)
    assert board.power.state == state


def test_an_unknown_reset_is_refused(board):
    assert board.call(SRST, 0, 3, 0)[0] == INVALID_PARAM
    assert board.power.state == "on"


def test_the_console_prints_from_physical_memory(board):
    board.memory.bytes[16:21] = b"hello"
    assert board.call(DBCN, 0, 5, 0x1010, 0) == (0, 5, "")
    assert board.call(DBCN, 2, 0x121) == (0, 0, "")
    assert board.call(1, 0, ord("?")) == (0, None, "")
    assert board.screen.text == b"hello!?"


@pytest.mark.parametrize("where", [(5, 0xFFF, 0), (2, 0x10FF, 0), (1, 0x1000, 1), (NEVER, 0x1000, 0)])
def test_no_memory_no_text(board, where):
    assert board.call(DBCN, 0, *where)[0] == INVALID_PARAM
    board.sbi.receive(b"key")
    assert board.call(DBCN, 1, *where)[0] in (INVALID_PARAM, 0)
    assert board.screen.text == b""


def test_keys_are_read_in_order_and_once(board):
    board.sbi.receive(b"abc")
    board.sbi.receive(b"def")
    assert board.call(2, 0) == (ord("a"), None, "")
    assert board.call(DBCN, 1, 3, 0x1020, 0) == (0, 3, "")
    assert board.memory.bytes[0x20:0x24] == b"bcd\x23"
    assert board.call(DBCN, 1, 100, 0x1020, 0) == (0, 2, "")
    assert board.call(DBCN, 1, 100, 0x1020, 0) == (0, 0, "")
    assert board.call(2, 0) == (-1, None, "")


def test_keys_that_do_not_fit_into_memory_stay(board):
    board.sbi.receive(b"abc")
    assert board.call(DBCN, 1, 3, 0x10FE, 0)[0] == INVALID_PARAM
    assert board.call(DBCN, 1, 2, 0x10FE, 0) == (0, 2, "")


words = st.one_of(st.integers(0, 5), st.integers(0, NEVER), st.sampled_from([0x1000, 0x10FF, NEVER]))


@given(
    extension=st.one_of(words, st.sampled_from([1, 2, BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN])),
    function=words,
    args=st.lists(words, min_size=6, max_size=6),
)
def test_whatever_the_kernel_asks_it_gets_an_answer(extension, function, args):
    firmware = sbi.Sbi(Time(), Screen(), Switch())
    answer = firmware.call(extension, function, args, Memory())
    assert answer.error in range(-9, 256)
    assert answer.effect in ("", "ipi", "fence")
    assert vars(pickle.loads(pickle.dumps(firmware)))["deadline"] == firmware.deadline
