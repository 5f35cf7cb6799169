"""include/linux/refcount.h: what the inlined counters call when they see a count that cannot be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.kernel import symbolise
from emukern.kernel.bugtable import CUT_HERE
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

SATURATED = -0x4000_0000
WARNING = 4
TEXTS = (  # enum refcount_saturation_type
    "refcount_t: saturated; leaking memory.",
    "refcount_t: saturated; leaking memory.",
    "refcount_t: addition on 0; use-after-free.",
    "refcount_t: underflow; use-after-free.",
    "refcount_t: decrement hit 0; leaking memory.",
)


@export("void refcount_warn_saturate(refcount_t *counter, int what)")
def refcount_warn_saturate(k: Kernel, counter: Ptr, what: int) -> None:
    """Keep the object for ever, and say why."""
    counter.refs.counter = SATURATED
    k.log.emit(WARNING, CUT_HERE)
    k.log.emit(WARNING, TEXTS[what] if 0 <= what < len(TEXTS) else "refcount_t: unknown saturation event!?.")
    for line in symbolise.report(k, f"WARNING: CPU: 0 PID: {k.current.pid} at {k.caller}"):
        k.log.emit(WARNING, line)
    k.log.emit(WARNING, "---[ end trace 0000000000000000 ]---")
    k.taints.add("W")


@export("bool refcount_dec_if_one(refcount_t *counter)")
def refcount_dec_if_one(k: Kernel, counter: Ptr) -> bool:
    if counter.refs.counter != 1:
        return False
    counter.refs.counter = 0
    return True


@export("bool refcount_dec_not_one(refcount_t *counter)")
def refcount_dec_not_one(k: Kernel, counter: Ptr) -> bool:
    """Count down unless that would make it 0."""
    value = counter.refs.counter
    if value == SATURATED:
        return True
    if value == 1:
        return False
    counter.refs.counter = value - 1
    return True
