"""include/linux/spinlock.h: what the locks of guest/kernel/spinlock.c report. The locks themselves never trap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.kernel.bug import KernelBug
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


@export("void __spin_lockup(void *lock)")
def __spin_lockup(k: Kernel, lock: Ptr) -> None:
    """The lock is held, so on this one CPU nobody will ever let it go."""
    where = k.symbols.where(lock.addr_)
    name = f" {where[0]}+{where[1]:#x}" if where else ""
    task = k.current
    raise KernelBug(
        f"BUG: spinlock recursion on CPU#0, {task.name}/{task.pid}\n lock:{name} at {lock.addr_:016x} is already held"
    )


@export("void __spin_not_held(void *lock)")
def __spin_not_held(k: Kernel, lock: Ptr) -> None:
    task = k.current
    raise KernelBug(f"BUG: spinlock already unlocked on CPU#0, {task.name}/{task.pid}\n lock: {lock.addr_:016x}")


@export("void __rwlock_init(rwlock_t *lock, const char *name, struct lock_class_key *key)")
def __rwlock_init(k: Kernel, lock: Ptr, name: Ptr, key: Ptr) -> None:
    lock.cnts = 0


@export("void __raw_spin_lock_init(raw_spinlock_t *lock, const char *name, struct lock_class_key *key, short inner)")
def __raw_spin_lock_init(k: Kernel, lock: Ptr, name: Ptr, key: Ptr, inner: int) -> None:
    lock.slock = 0
