/* Arithmetic that no interrupt can tear apart. */
#ifndef _LINUX_ATOMIC_H
#define _LINUX_ATOMIC_H

#include <linux/types.h>

#define ATOMIC_INIT(value) { (value) }

/* The same operations for atomic_t, atomic64_t and atomic_long_t. */
#define EMUKERN_ATOMIC(name, type, value_type)                                                                       \
	static inline value_type name##_read(const type *v) { return READ_ONCE(v->counter); }                        \
	static inline void name##_set(type *v, value_type i) { WRITE_ONCE(v->counter, i); }                          \
	static inline void name##_add(value_type i, type *v) { __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST); } \
	static inline void name##_sub(value_type i, type *v) { __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST); } \
	static inline void name##_inc(type *v) { name##_add(1, v); }                                                 \
	static inline void name##_dec(type *v) { name##_sub(1, v); }                                                 \
	static inline value_type name##_add_return(value_type i, type *v)                                            \
	{                                                                                                            \
		return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                                         \
	}                                                                                                            \
	static inline value_type name##_inc_return(type *v) { return name##_add_return(1, v); }                      \
	static inline value_type name##_dec_return(type *v) { return name##_add_return(-1, v); }                     \
	static inline bool name##_dec_and_test(type *v) { return name##_dec_return(v) == 0; }                        \
	static inline value_type name##_xchg(type *v, value_type new)                                                \
	{                                                                                                            \
		return __atomic_exchange_n(&v->counter, new, __ATOMIC_SEQ_CST);                                      \
	}                                                                                                            \
	static inline value_type name##_cmpxchg(type *v, value_type old, value_type new)                             \
	{                                                                                                            \
		__typeof__(v->counter) was = old;                                                                    \
		__atomic_compare_exchange_n(&v->counter, &was, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
		return was;                                                                                          \
	}

EMUKERN_ATOMIC(atomic, atomic_t, int)
EMUKERN_ATOMIC(atomic64, atomic64_t, s64)
EMUKERN_ATOMIC(atomic_long, atomic_long_t, long)

#endif
