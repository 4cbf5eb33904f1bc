// A product of matrices by tiles that fit the registers: of float32, or of pairs of bfloat16 (see bfloat16.h), which
// are moved as numbers of float32 are.
//
// The right matrix [depth, columns] is packed: panels of TILE vectors of its columns, one after the
// other, each [depth, TILE*LANES], the last with as few vectors as it needs, filled up with zeros.

// The height of a tile, and its width in vectors: HEIGHT*TILE sums, TILE numbers of the right matrix and
// one of the left are in registers at a time.
#define WIDTH (TILE * LANES)

// padded is the number of columns with those that fill up the last vector.
INLINE int64_t padded(int64_t columns) { return (columns + LANES - 1) / LANES * LANES; }

// What comes near from memory while a tile is made: for each number of its depth `step` numbers that will be read, and as
// many that will be written. A step of 0 is nothing.
typedef struct {
	const float *read, *write;
	int64_t step;
} soon;

static const soon nothing = {NULL, NULL, 0};

// tile_of is a tile of the product: HEIGHT rows a, `stride` apart, with one panel of the right matrix.
INLINE void tile_of(const int vectors, const int pairs, const float *a, int64_t stride, const float *b, int64_t depth, vec sums[HEIGHT][TILE], soon next) {
	for (int i = 0; i < HEIGHT; i++) {
		for (int j = 0; j < vectors; j++) {
			sums[i][j] = all(0);
		}
	}
	for (int64_t k = 0; k < depth; k++, b += vectors * LANES) {
		vec right[TILE];
		for (int j = 0; j < vectors; j++) {
			right[j] = load(b + j * LANES);
		}
		if (next.step > 0) {
			__builtin_prefetch(next.read + k * next.step, 0, 2);
			__builtin_prefetch(next.write + k * next.step, 1, 2);
		}
		for (int i = 0; i < HEIGHT; i++) {
			vec left = all(a[i * stride + k]);
			for (int j = 0; j < vectors; j++) {
#if PAIRS
				if (pairs) {
					sums[i][j] = add_products(sums[i][j], left, right[j]);
					continue;
				}
#else
				(void)pairs;
#endif
				sums[i][j] += left * right[j];
			}
		}
	}
}

INLINE void tile_to(const int vectors, const int pairs, const float *a, int64_t stride, const float *b, int64_t depth, float *c, int64_t columns, soon next) {
	vec sums[HEIGHT][TILE];
	tile_of(vectors, pairs, a, stride, b, depth, sums, next);
	for (int i = 0; i < HEIGHT; i++) {
		for (int j = 0; j < vectors; j++) {
			store(c + i * columns + j * LANES, sums[i][j]);
		}
	}
}

// multiply is c [HEIGHT, columns] = a [HEIGHT, depth] b, for b packed and columns padded.
INLINE void multiply_as(const int pairs, const float *a, int64_t stride, const float *b, int64_t depth, float *c, int64_t columns, soon next) {
	int64_t from = 0;
	for (; from + WIDTH <= columns; from += WIDTH) {
		tile_to(TILE, pairs, a, stride, b + from * depth, depth, c + from, columns, next);
	}
	switch ((columns - from) / LANES) {
	case 1:
		tile_to(1, pairs, a, stride, b + from * depth, depth, c + from, columns, next);
		break;
#if TILE > 2
	case 2:
		tile_to(2, pairs, a, stride, b + from * depth, depth, c + from, columns, next);
		break;
#endif
#if TILE > 3
	case 3:
		tile_to(3, pairs, a, stride, b + from * depth, depth, c + from, columns, next);
		break;
#endif
	}
}

static void multiply(const float *a, int64_t stride, const float *b, int64_t depth, float *c, int64_t columns) {
	multiply_as(0, a, stride, b, depth, c, columns, nothing);
}

typedef float quad __attribute__((vector_size(16), aligned(4)));

#ifdef __clang__
#define MIX(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define MIX(a, b, i, j, k, l) __builtin_shuffle(a, b, (int32_t __attribute__((vector_size(16)))){i, j, k, l})
#endif

// transpose4 transposes 4 rows of 4 numbers.
INLINE void transpose4(const float *rows, int64_t stride, float *to, int64_t width) {
	quad a = *(const quad *)rows, b = *(const quad *)(rows + stride), c = *(const quad *)(rows + 2 * stride), d = *(const quad *)(rows + 3 * stride);
	quad ab = MIX(a, b, 0, 4, 1, 5), cd = MIX(c, d, 0, 4, 1, 5), ab2 = MIX(a, b, 2, 6, 3, 7), cd2 = MIX(c, d, 2, 6, 3, 7);
	*(quad *)to = MIX(ab, cd, 0, 1, 4, 5);
	*(quad *)(to + width) = MIX(ab, cd, 2, 3, 6, 7);
	*(quad *)(to + 2 * width) = MIX(ab2, cd2, 0, 1, 4, 5);
	*(quad *)(to + 3 * width) = MIX(ab2, cd2, 2, 3, 6, 7);
}

#if LANES == 16

// every4 is 4 numbers of each of 4 rows, 4 rows apart.
INLINE __m512 every4(const float *rows, int64_t stride) {
	__m512 x = _mm512_castps128_ps512(_mm_loadu_ps(rows));
	x = _mm512_insertf32x4(x, _mm_loadu_ps(rows + 4 * stride), 1);
	x = _mm512_insertf32x4(x, _mm_loadu_ps(rows + 8 * stride), 2);
	return _mm512_insertf32x4(x, _mm_loadu_ps(rows + 12 * stride), 3);
}

// transpose16 transposes 16 rows of 16 numbers.
INLINE void transpose16(const float *rows, int64_t stride, float *to, int64_t width) {
	for (int64_t k = 0; k < 16; k += 4, rows += 4, to += 4 * width) {
		__m512 a = every4(rows, stride), b = every4(rows + stride, stride);
		__m512 c = every4(rows + 2 * stride, stride), d = every4(rows + 3 * stride, stride);
		__m512 ab = _mm512_unpacklo_ps(a, b), cd = _mm512_unpacklo_ps(c, d);
		__m512 ab2 = _mm512_unpackhi_ps(a, b), cd2 = _mm512_unpackhi_ps(c, d);
		_mm512_storeu_ps(to, _mm512_shuffle_ps(ab, cd, 0x44));
		_mm512_storeu_ps(to + width, _mm512_shuffle_ps(ab, cd, 0xee));
		_mm512_storeu_ps(to + 2 * width, _mm512_shuffle_ps(ab2, cd2, 0x44));
		_mm512_storeu_ps(to + 3 * width, _mm512_shuffle_ps(ab2, cd2, 0xee));
	}
}

#endif

// pack_transposed makes panels of the transpose of rows [columns, depth], `stride` apart. It goes by
// stretches of a panel, which the nearest cache holds.
INLINE void pack_transposed(const float *rows, int64_t stride, int64_t columns, int64_t depth, float *packed) {
	enum { STRETCH = 64 };
	const int64_t all_columns = padded(columns);
	for (int64_t from = 0; from < all_columns; from += WIDTH) {
		const int64_t width = all_columns - from < WIDTH ? all_columns - from : WIDTH;
		const int64_t here = columns - from < width ? columns - from : width; // the rest are zeros
		for (int64_t start = 0; start < depth; start += STRETCH) {
			const int64_t end = start + STRETCH < depth ? start + STRETCH : depth, even = start + (end - start) / 4 * 4;
			float *to = packed + from * depth;
			int64_t j = 0;
#if LANES == 16
			for (; j + 16 <= here && (end - start) % 16 == 0; j += 16) {
				for (int64_t k = start; k < end; k += 16) {
					transpose16(rows + (from + j) * stride + k, stride, to + k * width + j, width);
				}
			}
#endif
			for (; j + 4 <= here; j += 4) {
				const float *row = rows + (from + j) * stride;
				for (int64_t i = 8; i < 12 && j + i < here; i++) {
					fetch(row + i * stride + start, end - start);
				}
				for (int64_t k = start; k < even; k += 4) {
					transpose4(row + k, stride, to + k * width + j, width);
				}
				for (int64_t k = even; k < end; k++) {
					for (int64_t i = 0; i < 4; i++) {
						to[k * width + j + i] = row[i * stride + k];
					}
				}
			}
			for (; j < width; j++) {
				for (int64_t k = start; k < end; k++) {
					to[k * width + j] = j < here ? rows[(from + j) * stride + k] : 0;
				}
			}
		}
	}
}
