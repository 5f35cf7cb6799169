// A timer that fires five times, each time queueing work that may sleep
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#define TICKS 5

static int period_ms = 100;
module_param(period_ms, int, 0444);
MODULE_PARM_DESC(period_ms, "milliseconds between two ticks");

static int ticks;
static int worked;
static unsigned long started;
static DECLARE_COMPLETION(finished);

static void do_work(struct work_struct *work)
{
	msleep(1);
	pr_info("timer_and_work: work %d\n", ++worked);
	if (worked == TICKS)
		complete(&finished);
}
static DECLARE_WORK(work, do_work);

static void do_later(struct work_struct *work)
{
	pr_info("timer_and_work: delayed work after %u ms\n", jiffies_to_msecs(jiffies - started));
}
static DECLARE_DELAYED_WORK(later, do_later);

static void do_tick(struct timer_list *timer)
{
	pr_info("timer_and_work: tick %d after %u ms\n", ++ticks, jiffies_to_msecs(jiffies - started));
	schedule_work(&work);
	if (ticks < TICKS)
		mod_timer(timer, jiffies + msecs_to_jiffies(period_ms));
}
static struct timer_list timer;

static int __init timer_and_work_init(void)
{
	started = jiffies;
	timer_setup(&timer, do_tick, 0);
	mod_timer(&timer, jiffies + msecs_to_jiffies(period_ms));
	schedule_delayed_work(&later, msecs_to_jiffies(period_ms / 2));
	return 0;
}

static void __exit timer_and_work_exit(void)
{
	unsigned long left = wait_for_completion_timeout(&finished, 10 * HZ);

	del_timer_sync(&timer);
	cancel_work_sync(&work);
	cancel_delayed_work_sync(&later);
	pr_info("timer_and_work: %s with %d ticks and %d works\n", left ? "finished" : "stopped", ticks, worked);
}

module_init(timer_and_work_init);
module_exit(timer_and_work_exit);
MODULE_DESCRIPTION("A timer that fires five times, each time queueing work that may sleep");
MODULE_LICENSE("GPL");
