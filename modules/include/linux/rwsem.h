/* Locks for many readers or one writer, whose waiters sleep. */
#ifndef _LINUX_RWSEM_H
#define _LINUX_RWSEM_H

#include <linux/list.h>

void __init_rwsem(struct rw_semaphore *sem, const char *name, struct lock_class_key *key);
void down_read(struct rw_semaphore *sem);
int down_read_trylock(struct rw_semaphore *sem);
void up_read(struct rw_semaphore *sem);
void down_write(struct rw_semaphore *sem);
int down_write_trylock(struct rw_semaphore *sem);
void up_write(struct rw_semaphore *sem);
void downgrade_write(struct rw_semaphore *sem);

#define DECLARE_RWSEM(name) struct rw_semaphore name = { .wait_list = LIST_HEAD_INIT((name).wait_list) }
#define init_rwsem(sem)                                 \
	do {                                            \
		static struct lock_class_key __key;     \
		__init_rwsem(sem, #sem, &__key);        \
	} while (0)

#endif
