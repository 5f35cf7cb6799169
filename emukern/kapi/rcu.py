"""include/linux/rcupdate.h: one CPU, not preempted in kernel mode, so every reader is done when a tick has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.flow import Call, Wait, continuation
from emukern.kapi.export import export
from emukern.kernel.blocking import block, might_sleep, until_tick
from emukern.machine.clock import NS_PER_JIFFY
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

LARGEST_OFFSET = 4096  # kfree_rcu passes the rcu_head's offset in place of a function


def _next_tick(k: Kernel) -> int:
    return (k.clock.now // NS_PER_JIFFY + 1) * NS_PER_JIFFY


@export("void __rcu_read_lock(void)", aliases=("__rcu_read_unlock", "rcu_read_unlock_strict"))
def __rcu_read_lock(k: Kernel) -> None:
    """Readers that sleep would be noticed by nobody here, nor are they in Linux without CONFIG_PROVE_RCU."""


@export("void synchronize_rcu(void)", aliases=("synchronize_rcu_expedited", "synchronize_net"))
def synchronize_rcu(k: Kernel) -> Wait | None:
    might_sleep(k, "synchronize_rcu")
    return None if k.current.woken is not None else block(k, None, timeout=until_tick(k, 1))


@export("void rcu_barrier(void)")
def rcu_barrier(k: Kernel) -> Wait | None:
    """Until every callback registered so far has run: they all run at the next tick."""
    might_sleep(k, "rcu_barrier")
    return None if k.current.woken is not None else block(k, None, timeout=until_tick(k, 2))


@export("void call_rcu(void *head, void (*function)(void *head))", aliases=("call_rcu_hurry",))
def call_rcu(k: Kernel, head: Ptr, function: Ptr) -> None:
    """`head`: struct rcu_head *"""
    k.timers.add(_next_tick(k), run_callback, head=head.addr_, callback=function.addr_)


@continuation
def run_callback(k: Kernel, rv: int, head: int, callback: int) -> Call:
    """In interrupt context."""
    return Call(callback, head)


@export("void kvfree_call_rcu(void *head, void *what)")
def kvfree_call_rcu(k: Kernel, head: Ptr, what: Ptr) -> None:
    """`what` is the offset of the head in the object (6.1) or the object itself (6.12)."""
    address = head.addr_ - what.addr_ if what.addr_ < LARGEST_OFFSET else what.addr_
    k.timers.add(_next_tick(k), free_object, address=address, by=k.caller)


@continuation
def free_object(k: Kernel, rv: int, address: int, by: str) -> int:
    """In interrupt context."""
    if k.heap.is_vmalloc(address):
        k.heap.vfree(address, by=by)
    else:
        k.heap.free(address, by=by)
    return 0
