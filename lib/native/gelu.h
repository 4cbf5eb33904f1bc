// GELU with the error function: x/2 (1 + erf(x/sqrt(2))).

// The error function within 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
INLINE vec gelu_of(vec x) {
	const float root = 0.70710678f;
	vec z = choose(x < all(0), -x, x) * root;
	vec t = 1.0f / (z * 0.3275911f + 1.0f);
	vec p = all(1.061405429f);
	p = p * t - 1.453152027f;
	p = p * t + 1.421413741f;
	p = p * t - 0.284496736f;
	p = p * t + 0.254829592f;
	vec tail = p * t * exponential(-z * z); // 1 - erf(z)
	// Of a negative x only the tail remains.
	return x * 0.5f * choose(x < all(0), tail, 2.0f - tail);
}

static void activate(void *with, int64_t part) {
	const gelu *g = with;
	const int64_t dim = g->dim, whole = dim / LANES * LANES, rest = dim - whole;
	const int64_t to = (part + 1) * ROWS < g->rows ? (part + 1) * ROWS : g->rows;
	for (int64_t row = part * ROWS; row < to; row++) {
		const float *x = g->x + row * dim;
		float *y = g->y + row * dim;
		if (g->bias.inner == 0) {
			for (int64_t d = 0; d < whole; d += LANES) {
				store(y + d, gelu_of(load(x + d) + g->bias.data[0]));
			}
			store_some(y + whole, gelu_of(load_some(x + whole, rest) + g->bias.data[0]), rest);
			continue;
		}
		for (int64_t d = 0; d < whole; d += LANES) {
			store(y + d, gelu_of(load(x + d) + load(g->bias.data + d)));
		}
		store_some(y + whole, gelu_of(load_some(x + whole, rest) + load_some(g->bias.data + whole, rest)), rest);
	}
}
