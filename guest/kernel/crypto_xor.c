/* <crypto/algapi.h>, <crypto/utils.h>: what ciphers do to byte strings, and the FIPS switch, which is off. */
#include <stddef.h>
#include <stdint.h>

#include <emukern/export.h>

int fips_enabled;
EXPORT_SYMBOL_GPL(fips_enabled);

void __crypto_xor(uint8_t *to, const uint8_t *a, const uint8_t *b, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		to[i] = a[i] ^ b[i];
}
EXPORT_SYMBOL_GPL(__crypto_xor);

/* 0 when equal; looks at every byte whatever the answer, so that its time tells nothing about secrets */
unsigned long __crypto_memneq(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *p = a, *q = b;
	unsigned long differing = 0;

	for (size_t i = 0; i < n; i++)
		differing |= p[i] ^ q[i];
	return differing;
}
EXPORT_SYMBOL(__crypto_memneq);
