/* Waiting: the udelay family spins, the sleep family lets others run. */
#ifndef _LINUX_DELAY_H
#define _LINUX_DELAY_H

#include <linux/types.h>

void udelay(unsigned long us);
void ndelay(unsigned long ns);
void msleep(unsigned int ms);
unsigned long msleep_interruptible(unsigned int ms);
void usleep_range_state(unsigned long min, unsigned long max, unsigned int state);

static inline void mdelay(unsigned long ms)
{
	while (ms--)
		udelay(1000);
}

static inline void usleep_range(unsigned long min, unsigned long max)
{
	usleep_range_state(min, max, TASK_UNINTERRUPTIBLE);
}

static inline void ssleep(unsigned int seconds)
{
	msleep(seconds * 1000);
}

#endif
