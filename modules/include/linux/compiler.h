/* What kernel code says to the compiler. */
#ifndef _LINUX_COMPILER_H
#define _LINUX_COMPILER_H

#define __section(name) __attribute__((section(name)))
#define __used __attribute__((used))
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#define __aligned(n) __attribute__((aligned(n)))
#define __packed __attribute__((packed))
#define __printf(string, first) __attribute__((format(printf, string, first)))
#define __must_check __attribute__((warn_unused_result))
#define __noreturn __attribute__((noreturn))
#define __weak __attribute__((weak))
#define __cold __attribute__((cold))
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))
#define fallthrough __attribute__((fallthrough))

/* Notes for static checkers: an address of user space is never dereferenced. */
#define __user
#define __kernel
#define __iomem
#define __force
#define __rcu

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define unreachable() __builtin_unreachable()
#define barrier() __asm__ __volatile__("" : : : "memory")
#define smp_mb() __sync_synchronize()
#define smp_rmb() smp_mb()
#define smp_wmb() smp_mb()

/* One access, not merged, split or repeated by the compiler. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#define EMUKERN_JOIN(a, b) a##b
#define EMUKERN_PASTE(a, b) EMUKERN_JOIN(a, b)
#define __UNIQUE_ID(prefix) EMUKERN_PASTE(__UNIQUE_ID_##prefix, __COUNTER__)
#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)

#endif
