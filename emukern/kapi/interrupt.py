"""include/linux/interrupt.h: tasklets, functions that run soon in interrupt context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.flow import Call, Wait, continuation
from emukern.kapi.export import export
from emukern.kernel.blocking import block, might_sleep
from emukern.machine.clock import NS_PER_JIFFY
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

SCHEDULED = 1  # TASKLET_STATE_SCHED: bit 0 of state
# Offsets in struct tasklet_struct, the same since 5.9 on all 64-bit architectures.
STATE, COUNT, USE_CALLBACK, FUNCTION, DATA = 8, 16, 20, 24, 32


def _init(k: Kernel, tasklet: Ptr, function: Ptr, data: int, use_callback: bool) -> None:
    at = tasklet.addr_
    k.mem.fill(at, 0, DATA + 8)
    k.mem.put_u8(at + USE_CALLBACK, use_callback)
    k.mem.put_u64(at + FUNCTION, function.addr_)
    k.mem.put_u64(at + DATA, data)


@export("void tasklet_setup(void *tasklet, void (*callback)(void *tasklet))")
def tasklet_setup(k: Kernel, tasklet: Ptr, callback: Ptr) -> None:
    _init(k, tasklet, callback, 0, True)


@export("void tasklet_init(void *tasklet, void (*function)(unsigned long data), unsigned long data)")
def tasklet_init(k: Kernel, tasklet: Ptr, function: Ptr, data: int) -> None:
    _init(k, tasklet, function, data, False)


@export("void __tasklet_schedule(void *tasklet)", aliases=("__tasklet_hi_schedule",))
def __tasklet_schedule(k: Kernel, tasklet: Ptr) -> None:
    """The inlined caller has set the state's bit."""
    k.timers.add(k.clock.now, run_tasklet, key=("tasklet", tasklet.addr_), tasklet=tasklet.addr_)


@continuation
def run_tasklet(k: Kernel, rv: int, tasklet: int) -> int | Call:
    """In interrupt context; a disabled tasklet stays scheduled and is looked at again at the next tick."""
    if k.mem.u32(tasklet + COUNT):
        k.timers.add(k.clock.now + NS_PER_JIFFY, run_tasklet, key=("tasklet", tasklet), tasklet=tasklet)
        return 0
    k.mem.put_u64(tasklet + STATE, k.mem.u64(tasklet + STATE) & ~SCHEDULED)
    k.sched.wake(("tasklet", tasklet))
    use_callback = k.mem.u8(tasklet + USE_CALLBACK)
    return Call(k.mem.u64(tasklet + FUNCTION), tasklet if use_callback else k.mem.u64(tasklet + DATA))


@export("void tasklet_kill(void *tasklet)")
def tasklet_kill(k: Kernel, tasklet: Ptr) -> Wait | None:
    """Sleep until it has run, if it is scheduled."""
    might_sleep(k, "tasklet_kill")
    if k.mem.u64(tasklet.addr_ + STATE) & SCHEDULED:
        return block(k, ("tasklet", tasklet.addr_))
    return None
