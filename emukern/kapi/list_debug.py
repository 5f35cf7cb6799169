"""include/linux/list.h under CONFIG_DEBUG_LIST: what guest/kernel/list.c found, in the words of lib/list_debug.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.kapi.export import export
from emukern.kernel.bug import KernelBug
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


def _x(pointer: Ptr) -> str:
    return f"{pointer.addr_:016x}"


@export("void __list_add_corruption(struct list_head *entry, struct list_head *prev, struct list_head *next)")
def __list_add_corruption(k: Kernel, entry: Ptr, prev: Ptr, next_: Ptr) -> None:
    if not prev or not next_:
        text = f"list_add corruption. {'next' if prev else 'prev'} is NULL."
    elif next_.prev != prev:
        text = (
            f"list_add corruption. next->prev should be prev ({_x(prev)}), but was {_x(next_.prev)}."
            f" (next={_x(next_)})."
        )
    elif prev.next != next_:
        text = (
            f"list_add corruption. prev->next should be next ({_x(next_)}), but was {_x(prev.next)}. (prev={_x(prev)})."
        )
    else:
        text = f"list_add double add: new={_x(entry)}, prev={_x(prev)}, next={_x(next_)}."
    raise KernelBug(text)


@export("void __list_del_corruption(struct list_head *entry)")
def __list_del_corruption(k: Kernel, entry: Ptr) -> None:
    own, prev, next_ = _x(entry), entry.prev, entry.next
    if not next_ or not prev:
        text = f"list_del corruption, {own}->{'prev' if next_ else 'next'} is NULL"
    elif next_ == abi().constant("LIST_POISON1"):
        text = f"list_del corruption, {own}->next is LIST_POISON1 ({_x(next_)})"
    elif prev == abi().constant("LIST_POISON2"):
        text = f"list_del corruption, {own}->prev is LIST_POISON2 ({_x(prev)})"
    elif prev.next != entry:
        text = f"list_del corruption. prev->next should be {own}, but was {_x(prev.next)}. (prev={_x(prev)})"
    else:
        text = f"list_del corruption. next->prev should be {own}, but was {_x(next_.prev)}. (next={_x(next_)})"
    raise KernelBug(text)
