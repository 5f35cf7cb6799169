/* lib/find_bit.c and the population counts: bit n of a bitmap is bit n % 64 of its word n / 64. */
#include <stdint.h>

#include <emukern/export.h>

#define BITS 64

/* the words of `a`, and of `b` where given, combined and read from bit `start` on; `size` when there is no such bit */
#define FIND_NEXT(WORD, size, start)                                                      \
	do {                                                                              \
		unsigned long i, at, n = (size), from = (start);                          \
		uint64_t word;                                                            \
                                                                                          \
		if (from >= n)                                                            \
			return n;                                                         \
		i = from / BITS;                                                          \
		word = (WORD) & (~0ull << from % BITS);                                   \
		while (!word) {                                                           \
			if (++i * BITS >= n)                                              \
				return n;                                                 \
			word = (WORD);                                                    \
		}                                                                         \
		at = i * BITS + __builtin_ctzll(word);                                    \
		return at < n ? at : n;                                                   \
	} while (0)

unsigned long _find_next_bit(const uint64_t *a, unsigned long size, unsigned long start)
{
	FIND_NEXT(a[i], size, start);
}
EXPORT_SYMBOL(_find_next_bit);

unsigned long _find_next_zero_bit(const uint64_t *a, unsigned long size, unsigned long start)
{
	FIND_NEXT(~a[i], size, start);
}
EXPORT_SYMBOL(_find_next_zero_bit);

unsigned long _find_next_and_bit(const uint64_t *a, const uint64_t *b, unsigned long size, unsigned long start)
{
	FIND_NEXT(a[i] & b[i], size, start);
}
EXPORT_SYMBOL(_find_next_and_bit);

unsigned long _find_next_andnot_bit(const uint64_t *a, const uint64_t *b, unsigned long size, unsigned long start)
{
	FIND_NEXT(a[i] & ~b[i], size, start);
}
EXPORT_SYMBOL(_find_next_andnot_bit);

unsigned long _find_first_bit(const uint64_t *a, unsigned long size)
{
	return _find_next_bit(a, size, 0);
}
EXPORT_SYMBOL(_find_first_bit);

unsigned long _find_first_zero_bit(const uint64_t *a, unsigned long size)
{
	return _find_next_zero_bit(a, size, 0);
}
EXPORT_SYMBOL(_find_first_zero_bit);

unsigned long _find_first_and_bit(const uint64_t *a, const uint64_t *b, unsigned long size)
{
	return _find_next_and_bit(a, b, size, 0);
}
EXPORT_SYMBOL(_find_first_and_bit);

unsigned long _find_last_bit(const uint64_t *a, unsigned long size)
{
	for (unsigned long bit = size; bit-- > 0;)
		if (a[bit / BITS] >> bit % BITS & 1)
			return bit;
	return size;
}
EXPORT_SYMBOL(_find_last_bit);

/* Stock x86 modules call these from inline assembly that expects every register but rax to survive. */
#ifdef __x86_64__
#define KEEPS_REGISTERS __attribute__((no_caller_saved_registers))
#else
#define KEEPS_REGISTERS
#endif

KEEPS_REGISTERS unsigned long __sw_hweight64(uint64_t w)
{
	w -= w >> 1 & 0x5555555555555555;
	w = (w & 0x3333333333333333) + (w >> 2 & 0x3333333333333333);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return w * 0x0101010101010101 >> 56;
}
EXPORT_SYMBOL(__sw_hweight64);

KEEPS_REGISTERS unsigned int __sw_hweight32(uint32_t w)
{
	w -= w >> 1 & 0x55555555;
	w = (w & 0x33333333) + (w >> 2 & 0x33333333);
	w = (w + (w >> 4)) & 0x0f0f0f0f;
	return w * 0x01010101 >> 24;
}
EXPORT_SYMBOL(__sw_hweight32);

unsigned int __sw_hweight16(uint32_t w)
{
	return __sw_hweight32(w & 0xffff);
}
EXPORT_SYMBOL(__sw_hweight16);

unsigned int __sw_hweight8(uint32_t w)
{
	return __sw_hweight32(w & 0xff);
}
EXPORT_SYMBOL(__sw_hweight8);
