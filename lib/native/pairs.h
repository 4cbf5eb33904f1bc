// The score of each token of A, those at even positions, with each of B, at odd ones, for one image.

// direction_of is a token divided by its length; one of zeros stays so.
INLINE void direction_of(const float *x, int64_t dim, float *y) {
	const int64_t whole = dim / LANES * LANES;
	vec last = load_some(x + whole, dim - whole), squares = last * last;
	for (int64_t d = 0; d < whole; d += LANES) {
		squares += load(x + d) * load(x + d);
	}
	const float square = sum_of(squares), length = square == 0 ? 1 : sqrtf(square);
	for (int64_t d = 0; d < whole; d += LANES) {
		store(y + d, load(x + d) / length);
	}
	store_some(y + whole, last / length, dim - whole);
}

// values_of makes the product of the criteria of single tokens.
INLINE void values_of(const pairs *c, int64_t image, float *values) {
	for (int64_t t = 0; t < c->tokens; t++) {
		values[t] = 1;
	}
	for (int64_t i = 0; i < c->count; i++) {
		const float *q = c->criterion[i] + image * c->tokens;
		float least = q[0];
		for (int64_t t = 1; t < c->tokens; t++) {
			least = q[t] >= least ? least : q[t]; // one that is no number spoils all
			if (q[t] != q[t]) {
				break;
			}
		}
		const float most = 1 / (least < 1e-30f ? 1e-30f : least);
		for (int64_t t = 0; t < c->tokens; t++) {
			values[t] *= powf(1 / (q[t] < 1e-30f ? 1e-30f : q[t]) / most, c->power[i]);
		}
	}
}

static void compare(void *with, int64_t part) {
	const pairs *c = with;
	const int64_t dim = c->dim, count_a = (c->tokens + 1) / 2, count_b = c->tokens / 2, width = padded(count_b);
	const int64_t image = part / c->chunks, each = (count_a + c->chunks - 1) / c->chunks, from = part % c->chunks * each;
	const int64_t to = from + each < count_a ? from + each : count_a;
	const float *x = c->x + image * c->tokens * dim;
	float *scratch = need(width * dim + count_b * dim + HEIGHT * (dim + width) + c->tokens);
	float *packed = scratch, *b = packed + width * dim, *a = b + count_b * dim, *p = a + HEIGHT * dim, *values = p + HEIGHT * width;
	if (!c->cosine) {
		values_of(c, image, values);
	}
	for (int64_t j = 0; j < count_b; j++) {
		direction_of(x + (2 * j + 1) * dim, dim, b + j * dim);
	}
	pack_transposed(b, dim, count_b, dim, packed);
	for (int64_t i = from; i < to; i += HEIGHT) {
		const int64_t rows = to - i < HEIGHT ? to - i : HEIGHT;
		for (int64_t r = 0; r < HEIGHT; r++) {
			if (r < rows) {
				direction_of(x + 2 * (i + r) * dim, dim, a + r * dim);
			} else {
				memset(a + r * dim, 0, (size_t)dim * sizeof *a);
			}
		}
		multiply(a, dim, packed, dim, p, width);
		for (int64_t r = 0; r < rows; r++) {
			float *y = c->y + (image * count_a + i + r) * count_b, *cosine = p + r * width;
			if (c->cosine) {
				memcpy(y, cosine, (size_t)count_b * sizeof *y);
				continue;
			}
			for (int64_t j = 0; j < count_b; j++) {
				float s = (cosine[j] + 1) * 0.5f;
				if (c->similarity != 1) {
					s = powf(s, c->similarity); // 1 for a power of 0
				}
				y[j] = s * (values[2 * (i + r)] * values[2 * j + 1]);
			}
		}
	}
	free(scratch);
}
