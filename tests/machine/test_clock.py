"""Virtual time."""

from hypothesis import given
from hypothesis import strategies as st

from emukern.machine.clock import EPOCH, HZ, INITIAL_JIFFIES, NS_PER_BLOCK, NS_PER_JIFFY, Clock


@given(st.lists(st.one_of(st.integers(0, 10**9), st.integers(-(10**9), 10**12).map(lambda n: ("jump", n)))))
def test_time_never_goes_back(steps):
    clock, last = Clock(), 0
    for step in steps:
        if isinstance(step, int):
            clock.blocks += step
        else:
            clock.jump_to(clock.now + step[1])
        assert clock.now >= last
        last = clock.now


@given(st.integers(0, 10**7), st.integers(0, 10**10), st.integers(0, 10**10))
def test_a_quota_reaches_its_deadline_and_not_much_more(blocks, jumped, deadline):
    clock = Clock()
    clock.blocks, clock.jumped = blocks, jumped
    wait = clock.blocks_until(deadline)
    assert wait >= 1
    clock.blocks += wait
    assert clock.now >= deadline
    assert wait == 1 or clock.now - NS_PER_BLOCK < deadline


def test_jiffies_start_before_they_wrap():
    clock = Clock()
    assert clock.jiffies == INITIAL_JIFFIES
    clock.advance(NS_PER_JIFFY - 1)
    assert clock.jiffies == INITIAL_JIFFIES
    clock.advance(1)
    assert clock.jiffies == INITIAL_JIFFIES + 1
    clock.jump_to(300 * 10**9)
    assert clock.jiffies == 1 << 32
    assert (NS_PER_JIFFY * HZ, clock.realtime - clock.now) == (10**9, EPOCH)
