/* Locks that never sleep. */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

#include <linux/types.h>

void _raw_spin_lock(raw_spinlock_t *lock);
void _raw_spin_unlock(raw_spinlock_t *lock);
int _raw_spin_trylock(raw_spinlock_t *lock);
void _raw_spin_lock_irq(raw_spinlock_t *lock);
void _raw_spin_unlock_irq(raw_spinlock_t *lock);
void _raw_spin_lock_bh(raw_spinlock_t *lock);
void _raw_spin_unlock_bh(raw_spinlock_t *lock);
unsigned long _raw_spin_lock_irqsave(raw_spinlock_t *lock);
void _raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags);

#define __SPIN_LOCK_UNLOCKED(name) { .rlock = { 0 } }
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define spin_lock_init(lock) ((void)(*(lock) = (spinlock_t)__SPIN_LOCK_UNLOCKED(lock)))

#define spin_lock(lock) _raw_spin_lock(&(lock)->rlock)
#define spin_unlock(lock) _raw_spin_unlock(&(lock)->rlock)
#define spin_trylock(lock) _raw_spin_trylock(&(lock)->rlock)
#define spin_lock_irq(lock) _raw_spin_lock_irq(&(lock)->rlock)
#define spin_unlock_irq(lock) _raw_spin_unlock_irq(&(lock)->rlock)
#define spin_lock_bh(lock) _raw_spin_lock_bh(&(lock)->rlock)
#define spin_unlock_bh(lock) _raw_spin_unlock_bh(&(lock)->rlock)
#define spin_lock_irqsave(lock, flags) ((flags) = _raw_spin_lock_irqsave(&(lock)->rlock))
#define spin_unlock_irqrestore(lock, flags) _raw_spin_unlock_irqrestore(&(lock)->rlock, flags)
#define spin_is_locked(lock) (READ_ONCE((lock)->rlock.slock) != 0)

#endif
