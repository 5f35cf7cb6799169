// Forgets to free memory when it is removed
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *kept;
static void *returned;

static int __init leak_init(void)
{
	kept = kmalloc(100, GFP_KERNEL);
	returned = kmalloc(200, GFP_KERNEL);
	if (!kept || !returned) {
		kfree(kept);
		kfree(returned);
		return -ENOMEM;
	}
	strscpy(kept, "nobody will free me", 100);
	return 0;
}

static void __exit leak_exit(void)
{
	kfree(returned);
	pr_info("leak: %s\n", kept);
}

module_init(leak_init);
module_exit(leak_exit);
MODULE_DESCRIPTION("Forgets to free memory when it is removed");
MODULE_LICENSE("GPL");
