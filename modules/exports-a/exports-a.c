// Offers functions and a counter to other modules, one of them to GPL modules only
#include <linux/module.h>

/* How often anyone called. */
int exports_a_calls;
EXPORT_SYMBOL(exports_a_calls);

int exports_a_double(int n)
{
	exports_a_calls++;
	return 2 * n;
}
EXPORT_SYMBOL(exports_a_double);

int exports_a_secret(void)
{
	exports_a_calls++;
	return 42;
}
EXPORT_SYMBOL_GPL(exports_a_secret);

static int __init exports_a_init(void)
{
	pr_info("exports_a: ready\n");
	return 0;
}

static void __exit exports_a_exit(void)
{
	pr_info("exports_a: called %d times\n", exports_a_calls);
}

module_init(exports_a_init);
module_exit(exports_a_exit);
MODULE_DESCRIPTION("Offers functions and a counter to other modules, one of them to GPL modules only");
MODULE_LICENSE("GPL");
