/* Search in a sorted array. */
#ifndef _LINUX_BSEARCH_H
#define _LINUX_BSEARCH_H

#include <linux/types.h>

void *bsearch(const void *key, const void *base, size_t count, size_t size,
	      int (*compare)(const void *key, const void *element));

#endif
