/* Functions called later, in interrupt context. */
#ifndef _LINUX_TIMER_H
#define _LINUX_TIMER_H

#include <linux/jiffies.h>
#include <linux/kernel.h>

void init_timer_key(struct timer_list *timer, void (*function)(struct timer_list *), unsigned int flags,
		    const char *name, struct lock_class_key *key);
void add_timer(struct timer_list *timer);
int mod_timer(struct timer_list *timer, unsigned long expires);
int mod_timer_pending(struct timer_list *timer, unsigned long expires);
int timer_delete(struct timer_list *timer);
int timer_delete_sync(struct timer_list *timer);

/* The names of 6.1's sources; its binaries ask for the new ones. */
#define del_timer(timer) timer_delete(timer)
#define del_timer_sync(timer) timer_delete_sync(timer)

#define DEFINE_TIMER(name, callback) struct timer_list name = { .function = (callback) }
#define timer_setup(timer, callback, flags) init_timer_key(timer, callback, flags, NULL, NULL)
#define from_timer(variable, timer, member) container_of(timer, __typeof__(*(variable)), member)

static inline bool timer_pending(const struct timer_list *timer)
{
	return timer->entry.pprev != NULL;
}

#endif
