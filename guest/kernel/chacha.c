/* <crypto/chacha.h>: one block of the ChaCha stream cipher (RFC 8439 §2.3) and of HChaCha, which derives subkeys. */
#include <stdint.h>

#include <emukern/export.h>

#define WORDS 16

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

static void permute(uint32_t *x, int rounds)
{
	for (int round = 0; round < rounds; round += 2) {
		for (int i = 0; i < 4; i++) /* columns */
			quarter_round(x, i, 4 + i, 8 + i, 12 + i);
		for (int i = 0; i < 4; i++) /* diagonals */
			quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
	}
}

/* state: 16 words, whose block counter (word 12) moves on; stream: 64 bytes, little-endian */
void chacha_block_generic(uint32_t *state, uint8_t *stream, int rounds)
{
	uint32_t x[WORDS];

	for (int i = 0; i < WORDS; i++)
		x[i] = state[i];
	permute(x, rounds);
	for (int i = 0; i < WORDS; i++) {
		uint32_t word = x[i] + state[i];

		for (int byte = 0; byte < 4; byte++)
			*stream++ = word >> 8 * byte;
	}
	state[12]++;
}
EXPORT_SYMBOL(chacha_block_generic);

/* out: 8 words, the first and the last row of the permuted state */
void hchacha_block_generic(const uint32_t *state, uint32_t *out, int rounds)
{
	uint32_t x[WORDS];

	for (int i = 0; i < WORDS; i++)
		x[i] = state[i];
	permute(x, rounds);
	for (int i = 0; i < 4; i++) {
		out[i] = x[i];
		out[4 + i] = x[12 + i];
	}
}
EXPORT_SYMBOL(hchacha_block_generic);
