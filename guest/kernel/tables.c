/* Tables that modules read: <linux/ctype.h>'s classes of the Latin-1 characters, <linux/bitrev.h>'s mirrored bytes. */
#include <stdint.h>

#include <emukern/export.h>

#define U  0x01 /* upper */
#define L  0x02 /* lower */
#define D  0x04 /* digit */
#define C  0x08 /* control */
#define P  0x10 /* punctuation */
#define S  0x20 /* white space */
#define X  0x40 /* hexadecimal digit */
#define SP 0x80 /* the space itself */

const uint8_t _ctype[256] = {
	[0 ... 8] = C,
	[9 ... 13] = C | S,
	[14 ... 31] = C,
	[' '] = S | SP,
	['!'... '/'] = P,
	['0'... '9'] = D,
	[':'... '@'] = P,
	['A'... 'F'] = U | X,
	['G'... 'Z'] = U,
	['['... '`'] = P,
	['a'... 'f'] = L | X,
	['g'... 'z'] = L,
	['{'... '~'] = P,
	[127] = C,
	[160] = S | SP,
	[161 ... 191] = P,
	[192 ... 214] = U,
	[215] = P,
	[216 ... 222] = U,
	[223 ... 246] = L,
	[247] = P,
	[248 ... 255] = L,
};
EXPORT_SYMBOL(_ctype);

#define REV2(n) n, n + 2 * 64, n + 1 * 64, n + 3 * 64
#define REV4(n) REV2(n), REV2(n + 2 * 16), REV2(n + 1 * 16), REV2(n + 3 * 16)
#define REV6(n) REV4(n), REV4(n + 2 * 4), REV4(n + 1 * 4), REV4(n + 3 * 4)

const uint8_t byte_rev_table[256] = { REV6(0), REV6(2), REV6(1), REV6(3) };
EXPORT_SYMBOL(byte_rev_table);
