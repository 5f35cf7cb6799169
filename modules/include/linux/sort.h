/* Sorting of arrays; swap may be NULL. */
#ifndef _LINUX_SORT_H
#define _LINUX_SORT_H

#include <linux/types.h>

void sort(void *base, size_t count, size_t size, int (*compare)(const void *a, const void *b),
	  void (*swap)(void *a, void *b, int size));

#endif
