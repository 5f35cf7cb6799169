/* <linux/spinlock.h> and <linux/rwlock.h> for one CPU that is not preempted in kernel mode.
 *
 * So a lock that is taken already can never be let go by anybody else: waiting for it is the deadlock that real machines
 * fall into, and is reported at once. What counts is what Python looks at before a task sleeps: __preempt_count.
 */
#include <stdbool.h>
#include <stdint.h>

#include <emukern/export.h>

#include "irqflags.h"

typedef struct { uint32_t slock; } raw_spinlock_t;
typedef struct { uint32_t cnts, wait_lock; } rwlock_t;

KERNEL_IMPORT(void, __spin_lockup, void *);
KERNEL_IMPORT(void, __spin_not_held, void *);

#define SOFTIRQ 0x200   /* local_bh_disable() adds this to the count */
#define WRITER  0xff    /* rwlock_t.cnts: the writer's byte, above it the readers */
#define READER  0x200

#ifdef __x86_64__
/* a per-CPU variable (percpu.S), because stock modules have it inlined so */
static void count(int change)
{
	asm volatile("addl %0, %%gs:__preempt_count" : : "er"(change) : "memory");
}

#else
int __preempt_count;
EXPORT_SYMBOL(__preempt_count);

static void count(int change)
{
	*(volatile int *)&__preempt_count += change;
}
#endif

static void take(raw_spinlock_t *lock)
{
	volatile uint32_t *held = &lock->slock;

	if (*held)
		KERNEL(__spin_lockup)(lock);
	*held = 1;
}

static void leave(raw_spinlock_t *lock)
{
	volatile uint32_t *held = &lock->slock;

	if (!*held)
		KERNEL(__spin_not_held)(lock);
	*held = 0;
}

void _raw_spin_lock(raw_spinlock_t *lock)
{
	count(1);
	take(lock);
}
EXPORT_SYMBOL(_raw_spin_lock);

void _raw_spin_unlock(raw_spinlock_t *lock)
{
	leave(lock);
	count(-1);
}
EXPORT_SYMBOL(_raw_spin_unlock);

int _raw_spin_trylock(raw_spinlock_t *lock)
{
	if (*(volatile uint32_t *)&lock->slock)
		return 0;
	_raw_spin_lock(lock);
	return 1;
}
EXPORT_SYMBOL(_raw_spin_trylock);

void _raw_spin_lock_bh(raw_spinlock_t *lock)
{
	count(SOFTIRQ + 1);
	take(lock);
}
EXPORT_SYMBOL(_raw_spin_lock_bh);

void _raw_spin_unlock_bh(raw_spinlock_t *lock)
{
	leave(lock);
	count(-SOFTIRQ - 1);
}
EXPORT_SYMBOL(_raw_spin_unlock_bh);

int _raw_spin_trylock_bh(raw_spinlock_t *lock)
{
	if (!_raw_spin_trylock(lock))
		return 0;
	count(SOFTIRQ);
	return 1;
}
EXPORT_SYMBOL(_raw_spin_trylock_bh);

unsigned long _raw_spin_lock_irqsave(raw_spinlock_t *lock)
{
	unsigned long flags = irq_save();

	_raw_spin_lock(lock);
	return flags;
}
EXPORT_SYMBOL(_raw_spin_lock_irqsave);

void _raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags)
{
	_raw_spin_unlock(lock);
	irq_restore(flags);
}
EXPORT_SYMBOL(_raw_spin_unlock_irqrestore);

void _raw_spin_lock_irq(raw_spinlock_t *lock)
{
	irq_save();
	_raw_spin_lock(lock);
}
EXPORT_SYMBOL(_raw_spin_lock_irq);

void _raw_spin_unlock_irq(raw_spinlock_t *lock)
{
	_raw_spin_unlock(lock);
	irq_restore(IRQS_ON);
}
EXPORT_SYMBOL(_raw_spin_unlock_irq);

/* Read-write locks: any number of readers, or one writer. */

static void lock_for(rwlock_t *lock, bool write)
{
	volatile uint32_t *held = &lock->cnts;

	count(1);
	if (write ? *held : *held & WRITER)
		KERNEL(__spin_lockup)(lock);
	*held += write ? WRITER : READER;
}

static void unlock_for(rwlock_t *lock, bool write)
{
	volatile uint32_t *held = &lock->cnts;

	if (write ? *held != WRITER : *held < READER)
		KERNEL(__spin_not_held)(lock);
	*held -= write ? WRITER : READER;
	count(-1);
}

#define RWLOCK(what, write)                                                               \
	void _raw_##what##_lock(rwlock_t *lock) { lock_for(lock, write); }                \
	EXPORT_SYMBOL(_raw_##what##_lock);                                                \
	void _raw_##what##_unlock(rwlock_t *lock) { unlock_for(lock, write); }            \
	EXPORT_SYMBOL(_raw_##what##_unlock);                                              \
	int _raw_##what##_trylock(rwlock_t *lock)                                         \
	{                                                                                 \
		uint32_t held = *(volatile uint32_t *)&lock->cnts;                        \
                                                                                          \
		if (write ? held : held & WRITER)                                         \
			return 0;                                                         \
		lock_for(lock, write);                                                    \
		return 1;                                                                 \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_trylock);                                             \
	void _raw_##what##_lock_bh(rwlock_t *lock)                                        \
	{                                                                                 \
		count(SOFTIRQ);                                                           \
		lock_for(lock, write);                                                    \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_lock_bh);                                             \
	void _raw_##what##_unlock_bh(rwlock_t *lock)                                      \
	{                                                                                 \
		unlock_for(lock, write);                                                  \
		count(-SOFTIRQ);                                                          \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_unlock_bh);                                           \
	void _raw_##what##_lock_irq(rwlock_t *lock)                                       \
	{                                                                                 \
		irq_save();                                                               \
		lock_for(lock, write);                                                    \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_lock_irq);                                            \
	void _raw_##what##_unlock_irq(rwlock_t *lock)                                     \
	{                                                                                 \
		unlock_for(lock, write);                                                  \
		irq_restore(IRQS_ON);                                                     \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_unlock_irq);                                          \
	unsigned long _raw_##what##_lock_irqsave(rwlock_t *lock)                          \
	{                                                                                 \
		unsigned long flags = irq_save();                                         \
                                                                                          \
		lock_for(lock, write);                                                    \
		return flags;                                                             \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_lock_irqsave);                                        \
	void _raw_##what##_unlock_irqrestore(rwlock_t *lock, unsigned long flags)         \
	{                                                                                 \
		unlock_for(lock, write);                                                  \
		irq_restore(flags);                                                       \
	}                                                                                 \
	EXPORT_SYMBOL(_raw_##what##_unlock_irqrestore)

RWLOCK(read, false);
RWLOCK(write, true);

/* <linux/bottom_half.h>: 6.1's inline functions call these with the address they were called from */
void __local_bh_enable_ip(unsigned long ip, unsigned int amount)
{
	(void)ip;
	count(-(int)amount);
}
EXPORT_SYMBOL(__local_bh_enable_ip);

void __local_bh_disable_ip(unsigned long ip, unsigned int amount)
{
	(void)ip;
	count((int)amount);
}
EXPORT_SYMBOL(__local_bh_disable_ip);
