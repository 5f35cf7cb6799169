/* Locks whose waiters sleep. */
#ifndef _LINUX_MUTEX_H
#define _LINUX_MUTEX_H

#include <linux/list.h>

void __mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key);
void mutex_lock(struct mutex *lock);
int __must_check mutex_lock_interruptible(struct mutex *lock);
int __must_check mutex_lock_killable(struct mutex *lock);
int mutex_trylock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
bool mutex_is_locked(struct mutex *lock);

#define __MUTEX_INITIALIZER(name) { .wait_list = LIST_HEAD_INIT((name).wait_list) }
#define DEFINE_MUTEX(name) struct mutex name = __MUTEX_INITIALIZER(name)
#define mutex_init(lock)                                \
	do {                                            \
		static struct lock_class_key __key;     \
		__mutex_init(lock, #lock, &__key);      \
	} while (0)
#define mutex_destroy(lock) ((void)(lock))

#endif
