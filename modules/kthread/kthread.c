// A kernel thread that counts the seconds until the module is removed
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

static struct task_struct *thread;
static unsigned int seconds;
static DECLARE_COMPLETION(running);

static int count_seconds(void *data)
{
	pr_info("kthread: %s says %s\n", current->comm, (const char *)data);
	complete(&running);
	while (!kthread_should_stop()) {
		/* kthread_stop wakes us: a sleep of a second may be shorter. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop() && schedule_timeout(HZ) == 0)
			seconds++;
		__set_current_state(TASK_RUNNING);
	}
	return 7;
}

static int __init kthread_sample_init(void)
{
	thread = kthread_run(count_seconds, "good morning", "counter/%d", 0);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	wait_for_completion(&running);
	pr_info("kthread: started\n");
	return 0;
}

static void __exit kthread_sample_exit(void)
{
	int result = kthread_stop(thread);

	pr_info("kthread: stopped after %u seconds, it returned %d\n", seconds, result);
}

module_init(kthread_sample_init);
module_exit(kthread_sample_exit);
MODULE_DESCRIPTION("A kernel thread that counts the seconds until the module is removed");
MODULE_LICENSE("GPL");
