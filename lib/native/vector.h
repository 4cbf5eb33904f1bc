// Vectors of LANES numbers, in the vector extension that gcc and clang share. Whoever includes this
// says what LANES is.
#include <stdint.h>
#include <string.h>

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const loose *)p; }
INLINE void store(float *p, vec x) { *(loose *)p = x; }
INLINE vec all(float x) { return x - (vec){0}; } // and not +, which is no identity for -0

INLINE vec choose(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }

#if LANES == 16

#include <immintrin.h>

// The first n lanes, and zeros; all where n is beyond them.
INLINE __mmask16 first_of(int64_t n) { return (__mmask16)(n >= LANES ? -1 : (1 << n) - 1); }
INLINE vec load_some(const float *p, int64_t n) { return (vec)_mm512_maskz_loadu_ps(first_of(n), p); }
INLINE void store_some(float *p, vec x, int64_t n) { _mm512_mask_storeu_ps(p, first_of(n), (__m512)x); }

INLINE vec larger(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); } // b where one is no number
INLINE float sum_of(vec x) { return _mm512_reduce_add_ps((__m512)x); }
INLINE float largest_of(vec x) { return _mm512_reduce_max_ps((__m512)x); }

#else

// The first n lanes, and zeros; all where n is beyond them.
INLINE vec load_some(const float *p, int64_t n) {
	if (n >= LANES) {
		return load(p);
	}
	vec x = {0};
	memcpy(&x, p, (size_t)n * sizeof *p);
	return x;
}
INLINE void store_some(float *p, vec x, int64_t n) {
	if (n >= LANES) {
		store(p, x);
	} else {
		memcpy(p, &x, (size_t)n * sizeof *p);
	}
}
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

INLINE float sum_of(vec x) {
	float y = 0;
	for (int i = 0; i < LANES; i++) {
		y += x[i];
	}
	return y;
}
INLINE float largest_of(vec x) {
	float y = x[0];
	for (int i = 1; i < LANES; i++) {
		y = x[i] > y ? x[i] : y;
	}
	return y;
}

#endif

// fetch brings n numbers near that will be read soon, fetch_to_write such as will be written: rows lie apart, which no
// processor foresees.
INLINE void fetch(const float *p, int64_t n) {
	for (int64_t i = 0; i < n; i += 16) {
		__builtin_prefetch(p + i);
	}
}
INLINE void fetch_to_write(const float *p, int64_t n) {
	for (int64_t i = 0; i < n; i += 16) {
		__builtin_prefetch(p + i, 1);
	}
}

// exponential is e^x, to 1e-7 of it, for x up to 88; 0 where float has no normal number left, below -87, or a little later.
INLINE vec exponential(vec x) {
#if LANES == 16
	x = larger(all(-104), x);
	vec k = (vec)_mm512_roundscale_ps((__m512)(x * 1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
	const float shift = 0x1.8p23f; // adding it rounds to a whole number
	vec k = x * 1.44269504f + shift;
	ivec exponent = (ivec)k - (ivec)all(shift);
	k -= shift;
#endif
	vec r = (x - k * 0x1.62e4p-1f) - k * 0x1.7f7d1cp-20f; // ln 2 in two parts
	// (e^r - 1 - r) / r^2 for |r| < ln(2)/2: least squares with weights that level the relative error, at 3e-9.
	vec p = all(0.0013814467f);
	p = p * r + 0.008368781f;
	p = p * r + 0.041668393f;
	p = p * r + 0.1666652f;
	p = p * r + 0.49999994f;
	vec y = p * (r * r) + r + 1.0f;
#if LANES == 16
	return (vec)_mm512_scalef_ps((__m512)y, (__m512)k);
#else
	return choose(x < all(-87), all(0), y * (vec)((exponent + 127) << 23));
#endif
}
