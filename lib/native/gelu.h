// Exact GELU, x/2 (1 + erf(x/sqrt(2))).

// gelu_of is x times the normal distribution function, which is 1/2 + x p(x²)/q(x²) within 1e-8 up to 5.5 (least squares,
// with weights that level the error), and beyond that 0 or 1 for float.
INLINE vec gelu_of(vec x) {
	vec u = x * x;
	vec p = all(2.2749337e-08f), q = all(1.1975042e-06f);
	p = p * u + 6.3521315e-06f;
	q = q * u + 7.3647956e-05f;
	p = p * u + 0.00016882701f;
	q = q * u + 0.0018844524f;
	p = p * u + 0.0046772687f;
	q = q * u + 0.028645946f;
	p = p * u + 0.033852775f;
	q = q * u + 0.25152224f;
	p = p * u + 0.39894223f;
	q = q * u + 1.0f;
	return x * choose(u > all(5.5f * 5.5f), choose(x > all(0), all(1), all(0)), x * (p / q) + 0.5f);
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
