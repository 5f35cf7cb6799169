/* <linux/nls.h>: one character between UTF-8 and its code point. */
#include <stdint.h>

#include <emukern/export.h>

#define UNICODE_MAX 0x10ffff
#define IS_SURROGATE(c) (((c) & ~0x7ffu) == 0xd800)

/* the bytes that the first byte of a character announces; 0 for one that cannot be first */
static int announced(uint8_t first)
{
	return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

static int needed(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* the length of the character at s, of which n bytes are there, or -1 */
int utf8_to_utf32(const uint8_t *s, int n, uint32_t *character)
{
	int length = n > 0 ? announced(*s) : 0;
	uint32_t c;

	if (!length || length > n)
		return -1;
	c = length == 1 ? *s : *s & (0x7f >> length);
	for (int i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c > UNICODE_MAX || IS_SURROGATE(c) || needed(c) != length)
		return -1;
	*character = c;
	return length;
}
EXPORT_SYMBOL(utf8_to_utf32);

/* the bytes written to s, which has room for n, or -1; 0 without an s */
int utf32_to_utf8(uint32_t c, uint8_t *s, int n)
{
	int length = needed(c);

	if (!s)
		return 0;
	if (c > UNICODE_MAX || IS_SURROGATE(c) || length > n)
		return -1;
	for (int i = length - 1; i > 0; i--, c >>= 6)
		s[i] = 0x80 | (c & 0x3f);
	s[0] = length == 1 ? c : (0xf00 >> length) | c;
	return length;
}
EXPORT_SYMBOL(utf32_to_utf8);
