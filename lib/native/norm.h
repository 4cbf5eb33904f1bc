// Layer norm.

// norm_row is the layer norm of a row.
INLINE void norm_row(const float *x, int64_t dim, const float *gamma, const float *beta, float epsilon, float *y) {
	const int64_t whole = dim / LANES * LANES, rest = dim - whole;
	vec total = load_some(x + whole, rest);
	for (int64_t d = 0; d < whole; d += LANES) {
		total += load(x + d);
	}
	const float mean = sum_of(total) / (float)dim;
	vec squares = all(0);
	for (int64_t d = 0; d < whole; d += LANES) {
		vec off = load(x + d) - mean;
		squares += off * off;
	}
	float square = sum_of(squares);
	for (int64_t d = whole; d < dim; d++) {
		square += (x[d] - mean) * (x[d] - mean);
	}
	const float scale = 1 / sqrtf(square / (float)dim + epsilon);
	for (int64_t d = 0; d < whole; d += LANES) {
		store(y + d, (load(x + d) - mean) * scale * load(gamma + d) + load(beta + d));
	}
	for (int64_t d = whole; d < dim; d++) {
		y[d] = (x[d] - mean) * scale * gamma[d] + beta[d];
	}
}

// normalise does ROWS rows.
static void normalise(void *with, int64_t part) {
	const layer_norm *n = with;
	for (int64_t row = part * ROWS; row < (part + 1) * ROWS && row < n->rows; row++) {
		norm_row(n->x + row * n->dim, n->dim, n->gamma, n->beta, n->epsilon, n->y + row * n->dim);
	}
}
