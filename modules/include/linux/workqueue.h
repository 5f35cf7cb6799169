/* Functions called later, by a kernel thread, so that they may sleep. */
#ifndef _LINUX_WORKQUEUE_H
#define _LINUX_WORKQUEUE_H

#include <linux/list.h>
#include <linux/timer.h>

extern struct workqueue_struct *system_wq;
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...) __printf(1, 4);
void destroy_workqueue(struct workqueue_struct *wq);
bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work);
bool queue_delayed_work_on(int cpu, struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay);
bool mod_delayed_work_on(int cpu, struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay);
bool flush_work(struct work_struct *work);
bool flush_delayed_work(struct delayed_work *work);
bool cancel_work_sync(struct work_struct *work);
bool cancel_delayed_work(struct delayed_work *work);
bool cancel_delayed_work_sync(struct delayed_work *work);
void __flush_workqueue(struct workqueue_struct *wq);
void drain_workqueue(struct workqueue_struct *wq);
/* What the timer of a delayed work calls. */
void delayed_work_timer_fn(struct timer_list *timer);

#define __WORK_INITIALIZER(name, function) \
	{ .data = { WORK_STRUCT_NO_POOL }, .entry = LIST_HEAD_INIT((name).entry), .func = (function) }
#define DECLARE_WORK(name, function) struct work_struct name = __WORK_INITIALIZER(name, function)
#define DECLARE_DELAYED_WORK(name, callback)                                                     \
	struct delayed_work name = { .work = __WORK_INITIALIZER((name).work, callback),          \
		.timer = { .function = delayed_work_timer_fn, .flags = TIMER_IRQSAFE } }

static inline void INIT_WORK(struct work_struct *work, work_func_t function)
{
	*work = (struct work_struct)__WORK_INITIALIZER(*work, function);
}

static inline void INIT_DELAYED_WORK(struct delayed_work *work, work_func_t function)
{
	INIT_WORK(&work->work, function);
	timer_setup(&work->timer, delayed_work_timer_fn, TIMER_IRQSAFE);
}

#define to_delayed_work(item) container_of(item, struct delayed_work, work)
#define work_pending(item) ((item)->data.counter & WORK_STRUCT_PENDING)
#define create_workqueue(name) alloc_workqueue("%s", WQ_MEM_RECLAIM, 1, name)
#define create_singlethread_workqueue(name) alloc_workqueue("%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 1, name)
#define queue_work(wq, work) queue_work_on(WORK_CPU_UNBOUND, wq, work)
#define queue_delayed_work(wq, work, delay) queue_delayed_work_on(WORK_CPU_UNBOUND, wq, work, delay)
#define mod_delayed_work(wq, work, delay) mod_delayed_work_on(WORK_CPU_UNBOUND, wq, work, delay)
#define schedule_work(work) queue_work(system_wq, work)
#define schedule_delayed_work(work, delay) queue_delayed_work(system_wq, work, delay)
#define flush_workqueue(wq) __flush_workqueue(wq)
#define flush_scheduled_work() __flush_workqueue(system_wq)

#endif
