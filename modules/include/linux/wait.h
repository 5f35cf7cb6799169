/* Wait queues: sleep until a condition holds. */
#ifndef _LINUX_WAIT_H
#define _LINUX_WAIT_H

#include <linux/errno.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

void __init_waitqueue_head(struct wait_queue_head *head, const char *name, struct lock_class_key *key);
void init_wait_entry(struct wait_queue_entry *entry, int flags);
void add_wait_queue(struct wait_queue_head *head, struct wait_queue_entry *entry);
void remove_wait_queue(struct wait_queue_head *head, struct wait_queue_entry *entry);
void prepare_to_wait(struct wait_queue_head *head, struct wait_queue_entry *entry, int state);
long prepare_to_wait_event(struct wait_queue_head *head, struct wait_queue_entry *entry, int state);
void finish_wait(struct wait_queue_head *head, struct wait_queue_entry *entry);
int autoremove_wake_function(struct wait_queue_entry *entry, unsigned int mode, int sync, void *key);
int default_wake_function(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key);
int __wake_up(struct wait_queue_head *head, unsigned int mode, int count, void *key);

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) { .lock = { { 0 } }, .head = LIST_HEAD_INIT((name).head) }
#define DECLARE_WAIT_QUEUE_HEAD(name) struct wait_queue_head name = __WAIT_QUEUE_HEAD_INITIALIZER(name)
#define init_waitqueue_head(queue)                              \
	do {                                                    \
		static struct lock_class_key __key;             \
		__init_waitqueue_head(queue, #queue, &__key);   \
	} while (0)
#define DEFINE_WAIT(name)                                                                               \
	struct wait_queue_entry name = { .private = current, .func = autoremove_wake_function,          \
		.entry = LIST_HEAD_INIT((name).entry) }

static inline bool waitqueue_active(struct wait_queue_head *head)
{
	return !list_empty(&head->head);
}

#define wake_up(head) __wake_up(head, TASK_NORMAL, 1, NULL)
#define wake_up_nr(head, n) __wake_up(head, TASK_NORMAL, n, NULL)
#define wake_up_all(head) __wake_up(head, TASK_NORMAL, 0, NULL)
#define wake_up_interruptible(head) __wake_up(head, TASK_INTERRUPTIBLE, 1, NULL)
#define wake_up_interruptible_all(head) __wake_up(head, TASK_INTERRUPTIBLE, 0, NULL)

/*
 * The condition is tested between announcing the sleep and sleeping, so that no wake-up is lost. `sleep` is what to do
 * while it does not hold; `stop` says that enough has been slept. The value: 0, or -ERESTARTSYS for a signal.
 */
#define EMUKERN_WAIT(queue, condition, state, exclusive, stop, sleep)                        \
	({                                                                                   \
		struct wait_queue_entry __entry;                                             \
		long __error;                                                                \
		init_wait_entry(&__entry, (exclusive) ? WQ_FLAG_EXCLUSIVE : 0);              \
		for (;;) {                                                                   \
			__error = prepare_to_wait_event(&(queue), &__entry, state);          \
			if (condition) {                                                     \
				__error = 0;                                                 \
				break;                                                       \
			}                                                                    \
			if (__error || (stop))                                               \
				break;                                                       \
			sleep;                                                               \
		}                                                                            \
		finish_wait(&(queue), &__entry);                                             \
		__error;                                                                     \
	})

#define wait_event(queue, condition)                                                         \
	do {                                                                                 \
		if (!(condition))                                                            \
			(void)EMUKERN_WAIT(queue, condition, TASK_UNINTERRUPTIBLE, 0, 0, schedule()); \
	} while (0)
#define wait_event_interruptible(queue, condition) \
	((condition) ? 0 : (int)EMUKERN_WAIT(queue, condition, TASK_INTERRUPTIBLE, 0, 0, schedule()))
#define wait_event_interruptible_exclusive(queue, condition) \
	((condition) ? 0 : (int)EMUKERN_WAIT(queue, condition, TASK_INTERRUPTIBLE, 1, 0, schedule()))
#define wait_event_killable(queue, condition) \
	((condition) ? 0 : (int)EMUKERN_WAIT(queue, condition, TASK_KILLABLE, 0, 0, schedule()))

/* The value: 0 when the time ran out first, else the jiffies that were left, at least 1. */
#define EMUKERN_WAIT_TIMEOUT(queue, condition, timeout, state)                               \
	({                                                                                   \
		long __left = (timeout);                                                     \
		bool __held = false;                                                         \
		long __failed = EMUKERN_WAIT(queue, (__held = !!(condition)), state, 0, !__left, \
					     __left = schedule_timeout(__left));             \
		__failed ? __failed : __held && !__left ? 1 : __left;                        \
	})
#define wait_event_timeout(queue, condition, timeout) \
	EMUKERN_WAIT_TIMEOUT(queue, condition, timeout, TASK_UNINTERRUPTIBLE)
#define wait_event_interruptible_timeout(queue, condition, timeout) \
	EMUKERN_WAIT_TIMEOUT(queue, condition, timeout, TASK_INTERRUPTIBLE)

#endif
