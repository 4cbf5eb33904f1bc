// Attention without its map: softmax(q kT / sqrt(dim) + bias) v, and what each key receives, HEIGHT
// queries at a time.

#include <math.h>

#include "matching.h"
#include "room.h"

// pack_rows makes panels of rows [depth, columns], `stride` apart, or of those of them that `from` names, a zero row
// for -1.
INLINE void pack_rows(const float *rows, int64_t stride, const int64_t *from, int64_t depth, int64_t columns, float *packed) {
	const int64_t all_columns = padded(columns);
	for (int64_t panel = 0; panel < all_columns; panel += WIDTH) {
		const int64_t end = panel + WIDTH < all_columns ? panel + WIDTH : all_columns;
		for (int64_t k = 0; k < depth; k++) {
			const int64_t at = from == NULL ? k : from[k], soon = k + 8 < depth ? (from == NULL ? k + 8 : from[k + 8]) : -1;
			if (soon >= 0) {
				fetch(rows + soon * stride + panel, end - panel);
			}
			for (int64_t j = panel; j < end; j += LANES, packed += LANES) {
				store(packed, at < 0 ? all(0) : load_some(rows + at * stride + j, columns - j));
			}
		}
	}
}

// A block is so many queries whose columns are added up together: the same ones, however the work is divided.
#define BLOCK (16 * HEIGHT)

static void attend(void *with, int64_t part) {
	const attention *a = with;
	const int64_t dim = a->dim, keys = a->keys, width = padded(keys), depth = padded(dim), step = a->heads * dim;
	const int64_t chunk = part % a->chunks, head = part / a->chunks % a->heads, image = part / a->chunks / a->heads;
	const int64_t each = (a->blocks + a->chunks - 1) / a->chunks * BLOCK;
	const int64_t from = chunk * each, to = from + each < a->queries ? from + each : a->queries;
	if (from >= to) {
		return;
	}

	const int64_t numbers = width * dim + keys * depth + HEIGHT * (dim + width + depth) + 2 * width;
	float *scratch = need(numbers);
	float *packed_k = scratch, *packed_v = packed_k + width * dim, *q = packed_v + keys * depth;
	float *p = q + HEIGHT * dim, *mixed = p + HEIGHT * width, *bias = mixed + HEIGHT * depth, *column = bias + width;

	pack_transposed(a->k + image * keys * step + head * dim, step, keys, dim, packed_k);
	for (int64_t j = 0; j < width; j++) { // what fills up gets no attention
		bias[j] = j < keys ? logf(a->times.data[image * a->times.outer + j * a->times.inner]) : -INFINITY;
	}
	if (a->v != NULL) {
		pack_rows(a->v + image * keys * step + head * dim, step, NULL, keys, dim, packed_v);
	}

	const float scale = 1 / sqrtf((float)dim);
	for (int64_t i = from; i < to; i += HEIGHT) {
		const int64_t rows = to - i < HEIGHT ? to - i : HEIGHT;
		if (i % BLOCK == 0) {
			memset(column, 0, (size_t)width * sizeof *column);
		}
		for (int64_t r = 0; r < HEIGHT; r++) {
			const float *x = a->q + (image * a->queries + i + r) * step + head * dim;
			for (int64_t d = 0; d < dim; d++) {
				q[r * dim + d] = r < rows ? x[d] * scale : 0;
			}
		}
		float *map = a->map == NULL ? NULL : a->map + ((image * a->heads + head) * a->queries + i) * keys;
		for (int64_t r = 0; r < HEIGHT && i + r < to; r++) { // what comes next, and where this goes
			const int64_t at = (image * a->queries + i + r) * step + head * dim;
			if (i + r + HEIGHT < to) {
				fetch(a->q + at + HEIGHT * step, dim);
			}
			if (a->v != NULL) {
				fetch_to_write(a->mixed + at, dim);
			}
		}
		multiply(q, dim, packed_k, dim, p, width);
		float shares[HEIGHT];
		for (int64_t r = 0; r < rows; r++) {
			float *row = p + r * width;
			vec most = all(-INFINITY), total = all(0);
			for (int64_t j = 0; j < width; j += LANES) {
				vec x = load(row + j) + load(bias + j);
				store(row + j, x);
				most = larger(x, most);
			}
			const float top = largest_of(most);
			for (int64_t j = 0; j < width; j += LANES) {
				vec y = exponential(load(row + j) - top);
				store(row + j, y);
				total += y;
			}
			shares[r] = 1 / sum_of(total);
			const float count = a->count.data[image * a->count.outer + (i + r) * a->count.inner];
			for (int64_t j = 0; j < width; j += LANES) {
				vec y = load(row + j) * shares[r];
				store(column + j, load(column + j) + y * count);
				if (map != NULL) {
					store_some(map + r * keys + j, y, keys - j);
				}
			}
		}
		if (i + HEIGHT >= to || (i + HEIGHT) % BLOCK == 0) {
			memcpy(a->sums + ((image * a->heads + head) * a->blocks + i / BLOCK) * keys, column, (size_t)keys * sizeof *column);
		}
		if (a->v == NULL) {
			continue;
		}
		multiply(p, width, packed_v, keys, mixed, depth);
		for (int64_t r = 0; r < rows; r++) {
			float *y = a->mixed + (image * a->queries + i + r) * step + head * dim;
			for (int64_t d = 0; d < dim; d++) {
				y[d] = mixed[r * depth + d] * shares[r];
			}
		}
	}
	free(scratch);
}

// Attention one step ahead: each token gets the value of the token that it goes into, the map mixes them,
// and the rows of what comes out are pooled as the tokens are. They are pooled before, which is the same.
static void attend_ahead(void *with, int64_t part) {
	const ahead *a = with;
	const int64_t dim = a->dim, tokens = a->tokens, depth = padded(dim), step = a->heads * dim;
	const int64_t chunk = part % a->chunks, head = part / a->chunks % a->heads, image = part / a->chunks / a->heads;
	const int64_t each = (a->fused + a->chunks - 1) / a->chunks, from = chunk * each;
	const int64_t to = from + each < a->fused ? from + each : a->fused;
	const float *map = a->map + (image * a->heads + head) * tokens * tokens, *slot = a->slot + image * tokens, *share = a->share + image * tokens;

	const int64_t width = padded(tokens);
	float *scratch = need(tokens * depth + HEIGHT * (width + depth));
	int64_t *first = (int64_t *)need(2 * (a->fused + 2 * tokens)), *next = first + a->fused, *into = next + tokens;
	float *packed = scratch, *rows = packed + tokens * depth, *mixed = rows + HEIGHT * width;
	for (int64_t i = 0; i < a->fused; i++) {
		first[i] = -1;
	}
	for (int64_t t = tokens - 1; t >= 0; t--) { // the members of each, in order
		into[t] = slot_of(slot[t], a->fused);
		if (into[t] >= 0) {
			next[t] = first[into[t]];
			first[into[t]] = t;
		}
	}
	pack_rows(a->v + image * a->fused * step + head * dim, step, into, tokens, dim, packed);
	for (int64_t i = from; i < to; i += HEIGHT) {
		const int64_t end = to - i < HEIGHT ? to - i : HEIGHT;
		for (int64_t r = 0; r < HEIGHT; r++) {
			float *row = rows + r * width;
			int64_t t = r < end ? first[i + r] : -1;
			if (t < 0) {
				memset(row, 0, (size_t)width * sizeof *row);
				continue;
			}
			for (int64_t j = 0; j < tokens; j += LANES) {
				store(row + j, load_some(map + t * tokens + j, tokens - j) * share[t]);
			}
			while ((t = next[t]) >= 0) {
				for (int64_t j = 0; j < tokens; j += LANES) {
					store(row + j, load(row + j) + load_some(map + t * tokens + j, tokens - j) * share[t]);
				}
			}
		}
		for (int64_t r = 0; r < HEIGHT && i + HEIGHT + r < to; r++) { // what comes next
			for (int64_t t = first[i + HEIGHT + r]; t >= 0; t = next[t]) {
				fetch(map + t * tokens, tokens + 15); // into the last line
			}
		}
		multiply(rows, width, packed, tokens, mixed, depth);
		for (int64_t r = 0; r < end; r++) {
			memcpy(a->mixed + (image * a->fused + i + r) * step + head * dim, mixed + r * depth, (size_t)dim * sizeof *mixed);
		}
	}
	free(scratch);
	free(first);
}
