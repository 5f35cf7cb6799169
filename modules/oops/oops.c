// Writes through a NULL pointer three calls deep, so that the backtrace has names to show
#include <linux/module.h>

struct record {
	long unused[2];
	int value;
};

static struct record *nowhere;

static noinline void oops_c(struct record *record)
{
	WRITE_ONCE(record->value, 1);
}

static noinline void oops_b(struct record *record)
{
	oops_c(record);
	barrier();
}

static noinline void oops_a(struct record *record)
{
	oops_b(record);
	barrier();
}

static int __init oops_init(void)
{
	pr_info("oops: about to write to address 16\n");
	oops_a(READ_ONCE(nowhere));
	pr_info("oops: never printed\n");
	return 0;
}

static void __exit oops_leave(void)
{
}

module_init(oops_init);
module_exit(oops_leave);
MODULE_DESCRIPTION("Writes through a NULL pointer three calls deep, so that the backtrace has names to show");
MODULE_LICENSE("GPL");
