/* Threads of the kernel. */
#ifndef _LINUX_KTHREAD_H
#define _LINUX_KTHREAD_H

#include <linux/err.h>
#include <linux/sched.h>

struct task_struct *kthread_create_on_node(int (*function)(void *data), void *data, int node, const char *name, ...)
	__printf(4, 5);
int kthread_stop(struct task_struct *task);
bool kthread_should_stop(void);

#define kthread_create(function, data, name, ...) kthread_create_on_node(function, data, -1, name, ##__VA_ARGS__)
#define kthread_run(function, data, name, ...)                                               \
	({                                                                                   \
		struct task_struct *__task = kthread_create(function, data, name, ##__VA_ARGS__); \
		if (!IS_ERR(__task))                                                         \
			wake_up_process(__task);                                             \
		__task;                                                                      \
	})

#endif
