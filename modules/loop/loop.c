// Never returns from init
#include <linux/module.h>

static noinline void spin(void)
{
	for (;;)
		barrier();
}

static int __init loop_init(void)
{
	pr_info("loop: round and round\n");
	spin();
	return 0;
}

static void __exit loop_exit(void)
{
}

module_init(loop_init);
module_exit(loop_exit);
MODULE_DESCRIPTION("Never returns from init");
MODULE_LICENSE("GPL");
