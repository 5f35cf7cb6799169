/* <linux/rational.h>: the best fraction near a ratio when numerator and denominator have limits. */
#include <stdbool.h>

#include <emukern/export.h>

struct fraction {
	unsigned long n, d;
};

static unsigned long smaller(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

/*
 * The convergents of the continued fraction are the best approximations for their size. Where the next one breaks a
 * limit, the largest multiple `t` of the current one that still fits may be better: by theory when t is more than half
 * the partial quotient, or exactly half and the remainders say so.
 */
void rational_best_approximation(unsigned long num, unsigned long den, unsigned long max_n, unsigned long max_d,
				 unsigned long *best_n, unsigned long *best_d)
{
	struct fraction previous = { 0, 1 }, current = { 1, 0 };

	while (den) {
		unsigned long quotient = num / den, rest = num % den;
		struct fraction next = { previous.n + quotient * current.n, previous.d + quotient * current.d };

		if (next.n > max_n || next.d > max_d) {
			unsigned long t = ~0UL;

			if (current.d)
				t = (max_d - previous.d) / current.d;
			if (current.n)
				t = smaller(t, (max_n - previous.n) / current.n);
			/* no convergent fits yet, or the fraction between is nearer than the last that did */
			if (!current.d || 2 * t > quotient ||
			    (2 * t == quotient && previous.d * den > current.d * rest)) {
				current.n = previous.n + t * current.n;
				current.d = previous.d + t * current.d;
			}
			break;
		}
		previous = current;
		current = next;
		num = den;
		den = rest;
	}
	*best_n = current.n;
	*best_d = current.d;
}
EXPORT_SYMBOL(rational_best_approximation);
