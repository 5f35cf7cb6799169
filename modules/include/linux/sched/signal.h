/* Signals, as far as modules look at them. */
#ifndef _LINUX_SCHED_SIGNAL_H
#define _LINUX_SCHED_SIGNAL_H

#include <linux/sched.h>

int send_sig(int signal, struct task_struct *task, int privileged);

#endif
