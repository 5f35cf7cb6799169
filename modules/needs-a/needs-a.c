// Uses what exports-a offers, so that one cannot be removed before this one
#include <linux/module.h>

extern int exports_a_calls;
int exports_a_double(int n);
int exports_a_secret(void);

static int __init needs_a_init(void)
{
	int twice = exports_a_double(21), secret = exports_a_secret();

	pr_info("needs_a: double(21) = %d, secret = %d, calls = %d\n", twice, secret, exports_a_calls);
	return 0;
}

static void __exit needs_a_exit(void)
{
	pr_info("needs_a: gone\n");
}

module_init(needs_a_init);
module_exit(needs_a_exit);
MODULE_DESCRIPTION("Uses what exports-a offers, so that one cannot be removed before this one");
MODULE_LICENSE("GPL");
