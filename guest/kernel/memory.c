/* The memory half of <linux/string.h>: leaf functions that modules call too often to leave the guest.
 *
 * Words are loaded and stored wherever they lie: both architectures of this machine allow it, and it is several times
 * faster than bytes in an emulator. Compile with -fno-builtin, or these loops become calls of themselves.
 */
#include <stddef.h>
#include <stdint.h>

#include <emukern/export.h>

typedef uint64_t __attribute__((may_alias, aligned(8))) word;

#define WORD sizeof(word)

void *memcpy(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
		*(word *)d = *(const word *)s;
	while (n--)
		*d++ = *s++;
	return to;
}
EXPORT_SYMBOL(memcpy);

/* stock x86 modules are patched to call this one */
void *__memcpy(void *to, const void *from, size_t n)
{
	return memcpy(to, from, n);
}
EXPORT_SYMBOL(__memcpy);

void *memmove(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	if (d - s >= 0 && (size_t)(d - s) < n) {
		for (; n >= WORD; n -= WORD)
			*(word *)(d + n - WORD) = *(const word *)(s + n - WORD);
		while (n--)
			d[n] = s[n];
		return to;
	}
	return memcpy(to, from, n);
}
EXPORT_SYMBOL(memmove);

void *__memmove(void *to, const void *from, size_t n)
{
	return memmove(to, from, n);
}
EXPORT_SYMBOL(__memmove);

static void *fill(void *to, word pattern, size_t n)
{
	char *d = to;

	for (; n >= WORD; n -= WORD, d += WORD)
		*(word *)d = pattern;
	for (; n--; pattern >>= 8)
		*d++ = (char)pattern;
	return to;
}

void *memset(void *to, int c, size_t n)
{
	return fill(to, (unsigned char)c * 0x0101010101010101ull, n);
}
EXPORT_SYMBOL(memset);

void *__memset(void *to, int c, size_t n)
{
	return memset(to, c, n);
}
EXPORT_SYMBOL(__memset);

void *memset16(uint16_t *to, uint16_t value, size_t count)
{
	return fill(to, value * 0x0001000100010001ull, count * 2);
}
EXPORT_SYMBOL(memset16);

void *memset32(uint32_t *to, uint32_t value, size_t count)
{
	return fill(to, value * 0x0000000100000001ull, count * 4);
}
EXPORT_SYMBOL(memset32);

void *memset64(uint64_t *to, uint64_t value, size_t count)
{
	return fill(to, value, count * 8);
}
EXPORT_SYMBOL(memset64);

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n >= WORD && *(const word *)p == *(const word *)q; n -= WORD)
		p += WORD, q += WORD;
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}
EXPORT_SYMBOL(memcmp);

int bcmp(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n);
}
EXPORT_SYMBOL(bcmp);

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n; n--, p++)
		if (*p == (unsigned char)c)
			return (void *)p;
	return NULL;
}
EXPORT_SYMBOL(memchr);

/* like memchr, but the end of the area instead of NULL */
void *memscan(void *s, int c, size_t n)
{
	unsigned char *p = s;

	while (n && *p != (unsigned char)c)
		n--, p++;
	return p;
}
EXPORT_SYMBOL(memscan);

/* the first byte that is not c, or NULL */
void *memchr_inv(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n; n--, p++)
		if (*p != (unsigned char)c)
			return (void *)p;
	return NULL;
}
EXPORT_SYMBOL(memchr_inv);

void memcpy_and_pad(void *to, size_t room, const void *from, size_t n, int pad)
{
	if (n > room)
		n = room;
	memcpy(to, from, n);
	memset((char *)to + n, pad, room - n);
}
EXPORT_SYMBOL(memcpy_and_pad);
