// Refuses to be loaded: its init gives memory back and fails
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/slab.h>

static int error = EINVAL;
module_param(error, int, 0444);
MODULE_PARM_DESC(error, "the error number to fail with");

static int __init initfail_init(void)
{
	void *memory = kmalloc(64, GFP_KERNEL);

	pr_info("initfail: failing with %d\n", -error);
	kfree(memory);
	return -error;
}

static void __exit initfail_exit(void)
{
	pr_info("initfail: exit must not run\n");
}

module_init(initfail_init);
module_exit(initfail_exit);
MODULE_DESCRIPTION("Refuses to be loaded: its init gives memory back and fails");
MODULE_LICENSE("GPL");
