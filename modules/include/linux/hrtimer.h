/* Timers with the clock's own resolution. */
#ifndef _LINUX_HRTIMER_H
#define _LINUX_HRTIMER_H

#include <linux/ktime.h>

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode);
void hrtimer_start_range_ns(struct hrtimer *timer, ktime_t time, u64 slack, const enum hrtimer_mode mode);
int hrtimer_cancel(struct hrtimer *timer);
int hrtimer_try_to_cancel(struct hrtimer *timer);
u64 hrtimer_forward(struct hrtimer *timer, ktime_t now, ktime_t interval);
bool hrtimer_active(const struct hrtimer *timer);
#define hrtimer_start(timer, time, mode) hrtimer_start_range_ns(timer, time, 0, mode)
#define hrtimer_forward_now(timer, interval) hrtimer_forward(timer, ktime_get(), interval)

#endif
