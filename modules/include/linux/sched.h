/* Tasks: the running one, sleeping and waking. */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#include <linux/types.h>

/* The kernel keeps the running task's structure; its pid and comm may be read, its state is set with set_current_state. */
struct task_struct *get_current(void) __attribute__((const));
#define current get_current()

void schedule(void);
long schedule_timeout(long jiffies);
long schedule_timeout_interruptible(long jiffies);
long schedule_timeout_uninterruptible(long jiffies);
int wake_up_process(struct task_struct *task);
int __cond_resched(void);
#define cond_resched() __cond_resched()

#define __set_current_state(state) WRITE_ONCE(current->__state, state)
#define set_current_state(state) do { __set_current_state(state); smp_mb(); } while (0)

#endif
