// A library without init and exit, whose functions tests call from Python
#include <linux/module.h>

int add(int a, int b);
long add_all(const long *numbers, unsigned int count);
int add_and_tell(int a, int b);

int add(int a, int b)
{
	return a + b;
}

long add_all(const long *numbers, unsigned int count)
{
	long sum = 0;

	while (count--)
		sum += *numbers++;
	return sum;
}

int add_and_tell(int a, int b)
{
	pr_info("adder: %d + %d = %d\n", a, b, a + b);
	return a + b;
}

MODULE_DESCRIPTION("A library without init and exit, whose functions tests call from Python");
MODULE_LICENSE("GPL");
