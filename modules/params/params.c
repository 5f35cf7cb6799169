// Takes a parameter of every standard type and prints what it got
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

static unsigned char a_byte = 1;
static short a_short = -2;
static unsigned short a_ushort = 3;
static int an_int = -4;
static unsigned int a_uint = 5;
static long a_long = -6;
static unsigned long a_ulong = 7;
static unsigned long long a_ullong = 8;
static unsigned int a_hexint = 0x9;
static bool a_bool;
static bool an_invbool;
static char *a_charp = "ten";
static char a_string[8] = "eleven";
static int numbers[4] = { 1, 2, 3 };
static unsigned int numbers_given = 3;
static char *words[3] = { "one", "two" };
static int percent = 50;

module_param_named(byte, a_byte, byte, 0644);
module_param_named(short, a_short, short, 0644);
module_param_named(ushort, a_ushort, ushort, 0644);
module_param_named(int, an_int, int, 0644);
module_param_named(uint, a_uint, uint, 0644);
module_param_named(long, a_long, long, 0644);
module_param_named(ulong, a_ulong, ulong, 0644);
module_param_named(ullong, a_ullong, ullong, 0644);
module_param_named(hexint, a_hexint, hexint, 0644);
module_param_named(bool, a_bool, bool, 0644);
module_param_named(invbool, an_invbool, invbool, 0644);
module_param_named(charp, a_charp, charp, 0444);
module_param_string(string, a_string, sizeof(a_string), 0644);
module_param_array(numbers, int, &numbers_given, 0444);
module_param_array(words, charp, NULL, 0444);

/* A type of our own: a whole number from 0 to 100, with or without a percent sign. */
static int percent_set(const char *val, const struct kernel_param *kp)
{
	char digits[8];
	int value, error;

	if (strscpy(digits, val, sizeof(digits)) < 0)
		return -EINVAL;
	strim(digits);
	if (*digits && digits[strlen(digits) - 1] == '%')
		digits[strlen(digits) - 1] = '\0';
	error = kstrtoint(digits, 10, &value);
	if (error)
		return error;
	if (value < 0 || value > 100)
		return -ERANGE;
	*(int *)kp->arg = value;
	return 0;
}

static int percent_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%d%%\n", *(int *)kp->arg);
}

static const struct kernel_param_ops percent_ops = { .set = percent_set, .get = percent_get };
module_param_cb(percent, &percent_ops, &percent, 0644);
MODULE_PARM_DESC(percent, "0 to 100, a percent sign is allowed");
MODULE_PARM_DESC(numbers, "up to four integers");

static int __init params_init(void)
{
	unsigned int i;

	pr_info("params: byte=%hhu short=%hd ushort=%hu int=%d uint=%u\n", a_byte, a_short, a_ushort, an_int, a_uint);
	pr_info("params: long=%ld ulong=%lu ullong=%llu hexint=%#x\n", a_long, a_ulong, a_ullong, a_hexint);
	pr_info("params: bool=%d invbool=%d charp=%s string=%s\n", a_bool, an_invbool, a_charp, a_string);
	for (i = 0; i < numbers_given; i++)
		pr_info("params: numbers[%u]=%d\n", i, numbers[i]);
	for (i = 0; i < ARRAY_SIZE(words) && words[i]; i++)
		pr_info("params: words[%u]=%s\n", i, words[i]);
	pr_info("params: percent=%d%%\n", percent);
	return 0;
}

static void __exit params_exit(void)
{
}

module_init(params_init);
module_exit(params_exit);
MODULE_DESCRIPTION("Takes a parameter of every standard type and prints what it got");
MODULE_LICENSE("GPL");
