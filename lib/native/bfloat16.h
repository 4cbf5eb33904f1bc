// Numbers rounded to bfloat16, two by two: a pair is as long as one of float32, and one instruction multiplies
// pairs and adds both products.

#if defined(__AVX512BF16__) && LANES == 16

#include <immintrin.h>

#define PAIRS 1

INLINE vec add_products(vec sum, vec a, vec b) {
	return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

// round_pairs makes pairs of n numbers; a last one alone has a zero beside it.
INLINE void round_pairs(const float *x, int64_t n, float *pairs) {
	for (int64_t i = 0; i < n; i += LANES) {
		__m256bh rounded = _mm512_cvtneps_pbh((__m512)load_some(x + i, n - i));
		memcpy(pairs + i / 2, &rounded, (size_t)((n - i < LANES ? n - i + 1 : LANES) / 2) * sizeof *pairs);
	}
}

#else

#define PAIRS 0

#endif
