/* Memory in whole pages. */
#ifndef _LINUX_GFP_H
#define _LINUX_GFP_H

#include <linux/types.h>

unsigned long __get_free_pages(gfp_t flags, unsigned int order);
unsigned long get_zeroed_page(gfp_t flags);
void free_pages(unsigned long address, unsigned int order);
#define __get_free_page(flags) __get_free_pages(flags, 0)
#define free_page(address) free_pages(address, 0)

#endif
