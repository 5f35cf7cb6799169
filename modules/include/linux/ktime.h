/* Time in nanoseconds. */
#ifndef _LINUX_KTIME_H
#define _LINUX_KTIME_H

#include <linux/types.h>

ktime_t ktime_get(void);
ktime_t ktime_get_with_offset(int clock);
void ktime_get_ts64(struct timespec64 *ts);
void ktime_get_real_ts64(struct timespec64 *ts);
time64_t ktime_get_seconds(void);
time64_t ktime_get_real_seconds(void);

enum tk_offsets { TK_OFFS_REAL, TK_OFFS_BOOT, TK_OFFS_TAI };
#define ktime_get_real() ktime_get_with_offset(TK_OFFS_REAL)
#define ktime_get_boottime() ktime_get_with_offset(TK_OFFS_BOOT)
#define ktime_get_ns() ((u64)ktime_get())
#define ktime_to_ns(time) (time)
#define ktime_to_us(time) ((time) / NSEC_PER_USEC)
#define ktime_to_ms(time) ((time) / NSEC_PER_MSEC)
#define ktime_set(seconds, ns) ((ktime_t)(seconds) * NSEC_PER_SEC + (ns))
#define ns_to_ktime(ns) ((ktime_t)(ns))
#define ms_to_ktime(ms) ((ktime_t)(ms) * NSEC_PER_MSEC)
#define ktime_add(a, b) ((a) + (b))
#define ktime_sub(a, b) ((a) - (b))
#define ktime_add_ns(a, ns) ((a) + (ns))
#define ktime_us_delta(later, earlier) ktime_to_us(ktime_sub(later, earlier))

#endif
