// Warns with WARN_ON and its kin and goes on; with bug=1 it ends in BUG
#include <linux/bug.h>
#include <linux/module.h>

static bool bug;
module_param(bug, bool, 0444);
MODULE_PARM_DESC(bug, "end init with BUG()");

static noinline void warn(int round)
{
	WARN_ON(round == 1);
	WARN(round == 2, "bug_and_warn: this is round %d\n", round);
	WARN_ON_ONCE(round >= 3);
}

static noinline void die(void)
{
	BUG();
}

static int __init bug_and_warn_init(void)
{
	int round;

	for (round = 1; round <= 4; round++)
		warn(round);
	pr_info("bug_and_warn: still alive after three warnings\n");
	if (bug)
		die();
	return 0;
}

static void __exit bug_and_warn_exit(void)
{
}

module_init(bug_and_warn_init);
module_exit(bug_and_warn_exit);
MODULE_DESCRIPTION("Warns with WARN_ON and its kin and goes on; with bug=1 it ends in BUG");
MODULE_LICENSE("GPL");
