/* BUG and WARN: a trapping instruction, and an entry of __bug_table that says where it stands. */
#ifndef _LINUX_BUG_H
#define _LINUX_BUG_H

#include <linux/compiler.h>
#include <linux/types.h>

#ifdef __x86_64__
#define EMUKERN_BUG_INSTRUCTION "ud2"
#else
#define EMUKERN_BUG_INSTRUCTION ".option push\n\t.option norvc\n\tebreak\n\t.option pop"
#endif

/* The entry is struct bug_entry of emukern/abi.h: two self-relative pointers, the line, the flags. */
#define EMUKERN_BUG(flags)                                               \
	__asm__ __volatile__("1:\t" EMUKERN_BUG_INSTRUCTION "\n"          \
			     "\t.pushsection __bug_table,\"aw\"\n"        \
			     "\t.balign 4\n"                              \
			     "2:\t.long 1b - .\n"                         \
			     "\t.long %c0 - .\n"                          \
			     "\t.short %c1\n"                             \
			     "\t.short %c2\n"                             \
			     "\t.org 2b + %c3\n"                          \
			     "\t.popsection"                              \
			     : : "i"(__FILE__), "i"(__LINE__), "i"(flags), "i"(sizeof(struct bug_entry)))

#define TAINT_WARN 9
#define EMUKERN_WARN(flags) EMUKERN_BUG(BUGFLAG_WARNING | (TAINT_WARN << 8) | (flags))

void __warn_printk(const char *fmt, ...) __printf(1, 2);

#define BUG()                      \
	do {                       \
		EMUKERN_BUG(0);    \
		unreachable();     \
	} while (0)
#define BUG_ON(condition) do { if (unlikely(condition)) BUG(); } while (0)
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), "BUILD_BUG_ON failed: " #condition)

#define WARN_ON(condition)                     \
	({                                     \
		bool __hit = !!(condition);    \
		if (unlikely(__hit))           \
			EMUKERN_WARN(0);       \
		unlikely(__hit);               \
	})
#define WARN(condition, fmt, ...)                              \
	({                                                     \
		bool __hit = !!(condition);                    \
		if (unlikely(__hit)) {                         \
			__warn_printk(fmt, ##__VA_ARGS__);     \
			EMUKERN_WARN(BUGFLAG_NO_CUT_HERE);     \
		}                                              \
		unlikely(__hit);                               \
	})
#define WARN_ON_ONCE(condition)                      \
	({                                           \
		bool __hit = !!(condition);          \
		if (unlikely(__hit))                 \
			EMUKERN_WARN(BUGFLAG_ONCE);  \
		unlikely(__hit);                     \
	})
#define WARN_ONCE(condition, fmt, ...)                               \
	({                                                           \
		static bool __warned __section(".data.once");         \
		bool __new = !!(condition) && !__warned;             \
		if (unlikely(__new)) {                               \
			__warned = true;                             \
			WARN(1, fmt, ##__VA_ARGS__);                 \
		}                                                    \
		unlikely(__new);                                     \
	})

#endif
