/* The tick counter, HZ a second. */
#ifndef _LINUX_JIFFIES_H
#define _LINUX_JIFFIES_H

#include <linux/types.h>

extern unsigned long volatile jiffies;
#define get_jiffies_64() ((u64)jiffies)
unsigned long __msecs_to_jiffies(unsigned int ms);
unsigned long __usecs_to_jiffies(unsigned int us);
unsigned int jiffies_to_msecs(unsigned long ticks);
unsigned int jiffies_to_usecs(unsigned long ticks);
unsigned long nsecs_to_jiffies(u64 ns);
#define msecs_to_jiffies(ms) __msecs_to_jiffies(ms)
#define usecs_to_jiffies(us) __usecs_to_jiffies(us)

/* Right also when the counter wraps around between the two. */
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before(a, b) time_after(b, a)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b) time_after_eq(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a) time_before(jiffies, a)

#endif
