/* <linux/wait.h>: lists of those who wait, each with a function of its own to be called when somebody says "now".
 *
 * Nothing here needs the queue's lock, for there is one CPU; interrupts are off while a list is looked at, because a timer
 * may wake or queue too. Sleeping itself is Python's: schedule().
 */
#include <emukern/abi.h>
#include <emukern/export.h>

#include "irqflags.h"

#define ERESTARTSYS 512

KERNEL_IMPORT(struct task_struct *, get_current, void);
KERNEL_IMPORT(long, schedule_timeout, long);
KERNEL_IMPORT(int, wake_up_state, struct task_struct *, unsigned int);
KERNEL_IMPORT(int, signal_pending_state, unsigned int, struct task_struct *);

static void link_between(struct list_head *entry, struct list_head *prev, struct list_head *next)
{
	entry->next = next;
	entry->prev = prev;
	prev->next = entry;
	next->prev = entry;
}

static void unlink_entry(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	entry->next = entry->prev = entry;
}

static bool linked(struct list_head *entry)
{
	return entry->next != entry;
}

void __init_waitqueue_head(struct wait_queue_head *head, const char *name, struct lock_class_key *key)
{
	(void)name;
	(void)key;
	head->lock.rlock.slock = 0;
	head->head.next = head->head.prev = &head->head;
}
EXPORT_SYMBOL(__init_waitqueue_head);

/* the waiters that take part in every wake-up stand in front of those of whom one is enough */
static void enqueue(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	if (entry->flags & WQ_FLAG_EXCLUSIVE)
		link_between(&entry->entry, head->head.prev, &head->head);
	else
		link_between(&entry->entry, &head->head, head->head.next);
}

void add_wait_queue(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	unsigned long flags = irq_save();

	entry->flags &= ~WQ_FLAG_EXCLUSIVE;
	enqueue(head, entry);
	irq_restore(flags);
}
EXPORT_SYMBOL(add_wait_queue);

void add_wait_queue_exclusive(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	unsigned long flags = irq_save();

	entry->flags |= WQ_FLAG_EXCLUSIVE;
	enqueue(head, entry);
	irq_restore(flags);
}
EXPORT_SYMBOL(add_wait_queue_exclusive);

void remove_wait_queue(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	unsigned long flags = irq_save();

	(void)head;
	unlink_entry(&entry->entry);
	irq_restore(flags);
}
EXPORT_SYMBOL(remove_wait_queue);

/* `count` exclusive waiters are enough, 0 means all; answers how many of those were left over */
int __wake_up(struct wait_queue_head *head, unsigned int mode, int count, void *key)
{
	unsigned long flags = irq_save();
	struct list_head *at = head->head.next, *next;

	for (; at != &head->head; at = next) {
		struct wait_queue_entry *entry =
			(void *)((char *)at - __builtin_offsetof(struct wait_queue_entry, entry));
		unsigned int was = entry->flags;
		int woken;

		next = at->next;
		woken = entry->func(entry, mode, 0, key);
		if (woken < 0 || (woken && was & WQ_FLAG_EXCLUSIVE && !--count))
			break;
	}
	irq_restore(flags);
	return count;
}
EXPORT_SYMBOL(__wake_up);

void __wake_up_locked(struct wait_queue_head *head, unsigned int mode, int count)
{
	__wake_up(head, mode, count, (void *)0);
}
EXPORT_SYMBOL_GPL(__wake_up_locked);

void __wake_up_sync(struct wait_queue_head *head, unsigned int mode)
{
	__wake_up(head, mode, 1, (void *)0);
}
EXPORT_SYMBOL_GPL(__wake_up_sync);

void __wake_up_sync_key(struct wait_queue_head *head, unsigned int mode, void *key)
{
	__wake_up(head, mode, 1, key);
}
EXPORT_SYMBOL_GPL(__wake_up_sync_key);

int default_wake_function(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	(void)flags;
	(void)key;
	return KERNEL(wake_up_state)(entry->private, mode);
}
EXPORT_SYMBOL(default_wake_function);

int autoremove_wake_function(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	int woken = default_wake_function(entry, mode, flags, key);

	if (woken)
		unlink_entry(&entry->entry);
	return woken;
}
EXPORT_SYMBOL(autoremove_wake_function);

int woken_wake_function(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	entry->flags |= WQ_FLAG_WOKEN;
	return default_wake_function(entry, mode, flags, key);
}
EXPORT_SYMBOL(woken_wake_function);

/* sleep unless woken_wake_function has been called since the last time; the jiffies left */
long wait_woken(struct wait_queue_entry *entry, unsigned int mode, long timeout)
{
	volatile unsigned int *state = &KERNEL(get_current)()->__state;

	*state = mode;
	if (!(*(volatile unsigned int *)&entry->flags & WQ_FLAG_WOKEN))
		timeout = KERNEL(schedule_timeout)(timeout);
	*state = TASK_RUNNING;
	entry->flags &= ~WQ_FLAG_WOKEN;
	return timeout;
}
EXPORT_SYMBOL(wait_woken);

void init_wait_entry(struct wait_queue_entry *entry, int flags)
{
	entry->flags = flags;
	entry->private = KERNEL(get_current)();
	entry->func = autoremove_wake_function;
	entry->entry.next = entry->entry.prev = &entry->entry;
}
EXPORT_SYMBOL(init_wait_entry);

static void prepare(struct wait_queue_head *head, struct wait_queue_entry *entry, int state)
{
	if (!linked(&entry->entry))
		enqueue(head, entry);
	*(volatile unsigned int *)&KERNEL(get_current)()->__state = state;
}

void prepare_to_wait(struct wait_queue_head *head, struct wait_queue_entry *entry, int state)
{
	unsigned long flags = irq_save();

	entry->flags &= ~WQ_FLAG_EXCLUSIVE;
	prepare(head, entry, state);
	irq_restore(flags);
}
EXPORT_SYMBOL(prepare_to_wait);

/* whether the entry is the first of the queue */
bool prepare_to_wait_exclusive(struct wait_queue_head *head, struct wait_queue_entry *entry, int state)
{
	unsigned long flags = irq_save();
	bool first = head->head.next == &head->head;

	entry->flags |= WQ_FLAG_EXCLUSIVE;
	prepare(head, entry, state);
	irq_restore(flags);
	return first;
}
EXPORT_SYMBOL(prepare_to_wait_exclusive);

/* -ERESTARTSYS, and off the queue, when a signal ends the waiting */
long prepare_to_wait_event(struct wait_queue_head *head, struct wait_queue_entry *entry, int state)
{
	unsigned long flags = irq_save();
	long result = 0;

	if (KERNEL(signal_pending_state)(state, KERNEL(get_current)())) {
		if (linked(&entry->entry))
			unlink_entry(&entry->entry);
		result = -ERESTARTSYS;
	} else {
		prepare(head, entry, state);
	}
	irq_restore(flags);
	return result;
}
EXPORT_SYMBOL(prepare_to_wait_event);

void finish_wait(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	unsigned long flags = irq_save();

	(void)head;
	*(volatile unsigned int *)&KERNEL(get_current)()->__state = TASK_RUNNING;
	if (linked(&entry->entry))
		unlink_entry(&entry->entry);
	irq_restore(flags);
}
EXPORT_SYMBOL(finish_wait);
