/* Waiting for something to be finished. */
#ifndef _LINUX_COMPLETION_H
#define _LINUX_COMPLETION_H

#include <linux/list.h>

void wait_for_completion(struct completion *x);
int __must_check wait_for_completion_interruptible(struct completion *x);
int __must_check wait_for_completion_killable(struct completion *x);
unsigned long wait_for_completion_timeout(struct completion *x, unsigned long timeout);
long __must_check wait_for_completion_interruptible_timeout(struct completion *x, unsigned long timeout);
bool try_wait_for_completion(struct completion *x);
bool completion_done(struct completion *x);
void complete(struct completion *x);
void complete_all(struct completion *x);

#define COMPLETION_INITIALIZER(x) { .wait = { .task_list = LIST_HEAD_INIT((x).wait.task_list) } }
#define DECLARE_COMPLETION(x) struct completion x = COMPLETION_INITIALIZER(x)
#define DECLARE_COMPLETION_ONSTACK(x) DECLARE_COMPLETION(x)

static inline void init_completion(struct completion *x)
{
	*x = (struct completion)COMPLETION_INITIALIZER(*x);
}

static inline void reinit_completion(struct completion *x)
{
	x->done = 0;
}

#endif
