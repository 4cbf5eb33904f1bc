// Layer norm of ROWS rows.

static void normalise(void *with, int64_t part) {
	const layer_norm *n = with;
	const int64_t dim = n->dim, whole = dim / LANES * LANES, rest = dim - whole;
	const int64_t to = (part + 1) * ROWS < n->rows ? (part + 1) * ROWS : n->rows;
	for (int64_t row = part * ROWS; row < to; row++) {
		const float *x = n->x + row * dim;
		float *y = n->y + row * dim;
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
		const float scale = 1 / sqrtf(square / (float)dim + n->epsilon);
		for (int64_t d = 0; d < whole; d += LANES) {
			store(y + d, (load(x + d) - mean) * scale * load(n->gamma + d) + load(n->beta + d));
		}
		for (int64_t d = whole; d < dim; d++) {
			y[d] = (x[d] - mean) * scale * n->gamma[d] + n->beta[d];
		}
	}
}
