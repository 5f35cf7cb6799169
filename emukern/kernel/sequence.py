"""Doing one thing after another when guest code may lie between: `after` composes answers (DESIGN §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emukern.errors import Errno
from emukern.flow import CONTINUATIONS, Call, Continuation, Wait, continuation, name_of

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

Answer = int | Wait | Call
Step = tuple[str | None, tuple[tuple[str, Any], ...]]  # a continuation's name and data


def after(k: Kernel, answer: Answer, then: Continuation, **data: Any) -> Answer:
    """Go on with `then(k, rv, **data)` when `answer` is a number: now, or after the guest code it calls.

    A failure of that guest code arrives as a negative `rv`. A `Wait` is passed on: its trap starts again.
    """
    if isinstance(answer, Wait):
        return answer
    if isinstance(answer, Call):
        inner = (answer.then, tuple(answer.data.items()))
        outer = (name_of(then), tuple(data.items()))
        return Call(answer.address, *answer.args, then=resume, inner=inner, outer=outer)
    result: Answer = then(k, answer, **data)
    return result


@continuation
def resume(k: Kernel, rv: int, inner: Step, outer: Step) -> Answer:
    """The guest code that `after` waits for came back: finish it, then go on."""
    answer: Answer = rv - (1 << 64) if rv >> 63 else rv
    name, data = inner
    if name is not None:
        try:
            answer = CONTINUATIONS[name](k, rv, **dict(data))
        except Errno as failure:
            answer = -failure.number
    name, data = outer
    assert name is not None
    return after(k, answer, CONTINUATIONS[name], **dict(data))
