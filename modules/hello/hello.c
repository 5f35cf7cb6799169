// Says hello when it is loaded and goodbye when it is removed
#include <linux/module.h>

static char *who = "world";
module_param(who, charp, 0444);
MODULE_PARM_DESC(who, "whom to greet");

static int __init hello_init(void)
{
	pr_info("hello: Hello, %s!\n", who);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("hello: Goodbye, %s!\n", who);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_DESCRIPTION("Says hello when it is loaded and goodbye when it is removed");
MODULE_AUTHOR("the emukern contributors");
MODULE_LICENSE("GPL");
