/* sort(), sort_r() and bsearch(): they call the module's functions back many times, so they are guest code.
 *
 * A heapsort, as in Linux: in place, no recursion, O(n log n) in the worst case, and not stable.
 */
#include <stdbool.h>
#include <stddef.h>

#include <emukern/export.h>

typedef int (*cmp_func_t)(const void *, const void *);
typedef int (*cmp_r_func_t)(const void *, const void *, const void *);
typedef void (*swap_func_t)(void *, void *, int);
typedef void (*swap_r_func_t)(void *, void *, int, const void *);

struct order {
	char *base;
	size_t size;
	cmp_r_func_t cmp;
	swap_r_func_t swap;
	const void *priv;
};

static void exchange(const struct order *o, size_t i, size_t j)
{
	char *a = o->base + i * o->size, *b = o->base + j * o->size;

	if (o->swap) {
		o->swap(a, b, (int)o->size, o->priv);
		return;
	}
	for (size_t n = o->size; n--; a++, b++) {
		char t = *a;

		*a = *b;
		*b = t;
	}
}

/* lets the element at `root` sink until no child among the first n is greater */
static void sift_down(const struct order *o, size_t root, size_t n)
{
	for (;;) {
		size_t child = 2 * root + 1;

		if (child >= n)
			return;
		if (child + 1 < n &&
		    o->cmp(o->base + child * o->size, o->base + (child + 1) * o->size, o->priv) < 0)
			child++;
		if (o->cmp(o->base + root * o->size, o->base + child * o->size, o->priv) >= 0)
			return;
		exchange(o, root, child);
		root = child;
	}
}

void sort_r(void *base, size_t n, size_t size, cmp_r_func_t cmp, swap_r_func_t swap, const void *priv)
{
	struct order o = { base, size, cmp, swap, priv };

	for (size_t root = n / 2; root--;)
		sift_down(&o, root, n);
	while (n > 1) {
		exchange(&o, 0, --n);
		sift_down(&o, 0, n);
	}
}
EXPORT_SYMBOL(sort_r);

struct plain {
	cmp_func_t cmp;
	swap_func_t swap;
};

static int plain_cmp(const void *a, const void *b, const void *priv)
{
	return ((const struct plain *)priv)->cmp(a, b);
}

static void plain_swap(void *a, void *b, int size, const void *priv)
{
	((const struct plain *)priv)->swap(a, b, size);
}

void sort(void *base, size_t n, size_t size, cmp_func_t cmp, swap_func_t swap)
{
	struct plain functions = { cmp, swap };

	sort_r(base, n, size, plain_cmp, swap ? plain_swap : NULL, &functions);
}
EXPORT_SYMBOL(sort);

void *bsearch(const void *key, const void *base, size_t n, size_t size, cmp_func_t cmp)
{
	const char *low = base;

	while (n) {
		const char *middle = low + n / 2 * size;
		int order = cmp(key, middle);

		if (!order)
			return (void *)middle;
		if (order > 0) {
			low = middle + size;
			n--;
		}
		n /= 2;
	}
	return NULL;
}
EXPORT_SYMBOL(bsearch);
