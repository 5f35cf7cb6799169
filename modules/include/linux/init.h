/* Where init and exit code of a module goes: the former is freed once it has run. */
#ifndef _LINUX_INIT_H
#define _LINUX_INIT_H

#include <linux/compiler.h>

/* __used keeps the function's own name beside init_module, for backtraces. */
#define __init __section(".init.text") __used __cold
#define __initdata __section(".init.data")
#define __initconst __section(".init.rodata")
#define __exit __section(".exit.text") __used __cold
#define __exitdata __section(".exit.data")
#define __ro_after_init __section(".data..ro_after_init")

#endif
