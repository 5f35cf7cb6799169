// Has a large .bss and COMMON variables, all of which must start as zeros
#include <linux/module.h>
#include <linux/types.h>

#define BYTES (256 * 1024)

static u8 large[BYTES];
static u64 after_large __aligned(64);

/* Tentative definitions that the linker is to merge: Linux refuses them, hobby kernels do not. */
int common_counter __attribute__((common));
u64 common_array[100] __attribute__((common)) __aligned(32);

static int __init bss_and_common_init(void)
{
	unsigned long i, dirty = 0;

	for (i = 0; i < sizeof(large); i++)
		dirty += large[i] != 0;
	for (i = 0; i < 100; i++)
		dirty += common_array[i] != 0;
	dirty += after_large != 0;
	dirty += common_counter != 0;
	pr_info("bss_and_common: %lu of %lu values are not zero\n", dirty, sizeof(large) + 102);
	pr_info("bss_and_common: common_array is %saligned\n", (unsigned long)common_array % 32 ? "not " : "");

	large[BYTES - 1] = 1;
	after_large = 2;
	common_array[99] = 3;
	common_counter = 4;
	pr_info("bss_and_common: sum %llu\n", large[BYTES - 1] + after_large + common_array[99] + common_counter);
	return 0;
}

static void __exit bss_and_common_exit(void)
{
}

module_init(bss_and_common_init);
module_exit(bss_and_common_exit);
MODULE_DESCRIPTION("Has a large .bss and COMMON variables, all of which must start as zeros");
MODULE_LICENSE("GPL");
