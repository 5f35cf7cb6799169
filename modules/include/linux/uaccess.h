/* Memory of the user program: reached through these only; each answers with the bytes it could not copy. */
#ifndef _LINUX_UACCESS_H
#define _LINUX_UACCESS_H

#include <linux/errno.h>
#include <linux/types.h>

unsigned long __must_check _copy_to_user(void __user *to, const void *from, unsigned long n);
unsigned long __must_check _copy_from_user(void *to, const void __user *from, unsigned long n);
long __must_check strncpy_from_user(char *to, const char __user *from, long count);
long __must_check strnlen_user(const char __user *s, long n);

#define copy_to_user(to, from, n) _copy_to_user(to, from, n)
#define copy_from_user(to, from, n) _copy_from_user(to, from, n)

/* Zeroes to the user; the bytes that could not be written. */
static inline unsigned long __must_check clear_user(void __user *to, unsigned long n)
{
	static const char zeroes[256];
	unsigned long part, done = 0;

	while (done < n) {
		part = n - done < sizeof(zeroes) ? n - done : sizeof(zeroes);
		if (_copy_to_user((char __user *)to + done, zeroes, part))
			break;
		done += part;
	}
	return n - done;
}

/* One value of the pointer's own type; 0 or -EFAULT. */
#define put_user(value, to)                                                     \
	({                                                                      \
		__typeof__(*(to)) __value = (value);                            \
		_copy_to_user((to), &__value, sizeof(__value)) ? -EFAULT : 0;   \
	})
#define get_user(variable, from)                                                \
	({                                                                      \
		__typeof__(*(from)) __value;                                    \
		int __failed = _copy_from_user(&__value, (from), sizeof(__value)) ? -EFAULT : 0; \
		(variable) = __failed ? 0 : __value;                            \
		__failed;                                                       \
	})

#endif
