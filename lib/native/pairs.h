// The score of each token of A, those at even positions, with each of B, at odd ones, for one image.

// per_length is 1 over the length of a token; 1 of one of zeros, whose cosines are 0.
INLINE float per_length(const float *x, int64_t dim) {
	const int64_t whole = dim / LANES * LANES;
	vec last = load_some(x + whole, dim - whole), squares = last * last;
	for (int64_t d = 0; d < whole; d += LANES) {
		squares += load(x + d) * load(x + d);
	}
	const float square = sum_of(squares);
	return square == 0 ? 1 : 1 / sqrtf(square);
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

// power_of is s to a power, 1 to one of 0.
INLINE vec power_of(vec s, float power) {
	if (power != 1) {
		for (int j = 0; j < LANES; j++) {
			s[j] = powf(s[j], power);
		}
	}
	return s;
}

static void compare(void *with, int64_t part) {
	const pairs *c = with;
	const int64_t dim = c->dim, count_a = (c->tokens + 1) / 2, count_b = c->tokens / 2, width = padded(count_b);
	const int64_t image = part / c->chunks, each = (count_a + c->chunks - 1) / c->chunks, from = part % c->chunks * each;
	const int64_t to = from + each < count_a ? from + each : count_a;
	const float *x = c->x + image * c->tokens * dim;
	float *scratch = need(width * dim + 2 * width + HEIGHT * (dim + width) + c->tokens);
	float *packed = scratch, *per_b = packed + width * dim, *values_b = per_b + width, *few = values_b + width;
	float *p = few + HEIGHT * dim, *values = p + HEIGHT * width;
	if (!c->cosine) {
		values_of(c, image, values);
	}
	for (int64_t j = 0; j < width; j++) {
		per_b[j] = j < count_b ? per_length(x + (2 * j + 1) * dim, dim) : 0;
		values_b[j] = j < count_b && !c->cosine ? values[2 * j + 1] : 0;
	}
	pack_transposed(x + dim, 2 * dim, count_b, dim, packed);
	for (int64_t i = from; i < to; i += HEIGHT) {
		const int64_t rows = to - i < HEIGHT ? to - i : HEIGHT;
		const float *a = x + 2 * i * dim;
		if (i + HEIGHT > count_a) { // a tile reads as many
			memset(few, 0, (size_t)(HEIGHT * dim) * sizeof *few);
			for (int64_t r = 0; r < rows; r++) {
				memcpy(few + r * dim, a + 2 * r * dim, (size_t)dim * sizeof *few);
			}
			multiply(few, dim, packed, dim, p, width);
		} else {
			multiply(a, 2 * dim, packed, dim, p, width);
		}
		for (int64_t r = 0; r < rows; r++) {
			const float per_a = per_length(a + 2 * r * dim, dim);
			float *y = c->y + (image * count_a + i + r) * count_b;
			for (int64_t j = 0; j < width; j += LANES) {
				vec s = load(p + r * width + j) * load(per_b + j) * per_a;
				if (!c->cosine) {
					s = power_of((s + 1.0f) * 0.5f, c->similarity) * (load(values_b + j) * values[2 * (i + r)]);
				}
				store_some(y + j, s, count_b - j);
			}
		}
	}
	free(scratch);
}
