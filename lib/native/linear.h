// A linear layer, x wT + bias, and what may follow it: GELU, and the residual connection.

// pack makes a panel of the transpose of the weight.
static void pack(void *with, int64_t part) {
	const linear *l = with;
	const int64_t from = part * WIDTH, width = l->out - from < WIDTH ? l->out - from : WIDTH;
	const float *rows = l->weight + from * l->in;
	float *pairs = NULL;
#if PAIRS
	if (l->pairs) {
		pairs = need(width * l->depth);
		for (int64_t j = 0; j < width; j++) {
			round_pairs(rows + j * l->in, l->in, pairs + j * l->depth);
		}
		rows = pairs;
	}
#endif
	pack_transposed(rows, l->depth, width, l->depth, l->packed + from * l->depth);
	free(pairs);
}

#if PAIRS
// round_rows makes pairs of ROWS rows.
static void round_rows(void *with, int64_t part) {
	const linear *l = with;
	for (int64_t row = part * ROWS; row < (part + 1) * ROWS && row < l->rows; row++) {
		round_pairs(l->x + row * l->in, l->in, l->rounded + row * l->depth);
	}
}
#else
#define round_rows NULL
#endif

// finish makes of a tile of the product what the layer gives: `rows` rows from `row` on, `width` columns from
// `from` on.
INLINE void finish(const linear *l, const float *tile, int64_t row, int64_t rows, int64_t from, int64_t width) {
	for (int64_t i = 0; i < rows; i++, tile += width) {
		const int64_t at = (row + i) * l->out + from;
		for (int64_t j = 0; j < width; j += LANES) {
			const int64_t rest = l->out - from - j; // less than a vector at the end
			vec y = load(tile + j) + (l->bias.inner == 0 ? all(l->bias.data[0]) : load_some(l->bias.data + from + j, rest));
			if (l->gelu) {
				y = gelu_of(y);
			}
			if (l->added != NULL) {
				y += load_some(l->added + at + j, rest);
			}
			store_some(l->y + at + j, y, rest);
		}
	}
}

// multiply_rows is a panel of CHUNK rows. All panels of a chunk come one after the other: so its rows are read
// from memory once, and those of the result written close together.
INLINE void multiply_rows(const linear *l, const int pairs, int64_t part) {
	const int64_t panels = (l->out + WIDTH - 1) / WIDTH, from = part % panels * WIDTH, depth = l->depth;
	const int64_t start = part / panels * CHUNK, end = start + CHUNK < l->rows ? start + CHUNK : l->rows;
	const int64_t width = padded(l->out - from < WIDTH ? l->out - from : WIDTH);
	const float *x = pairs ? l->rounded : l->x, *right = l->packed + from * depth;
	float tile[HEIGHT * WIDTH], *few = NULL;
	if (l->rows < HEIGHT) { // a tile reads as many
		few = need(HEIGHT * depth);
		memset(few, 0, (size_t)(HEIGHT * depth) * sizeof *few);
		memcpy(few, x, (size_t)(l->rows * depth) * sizeof *few);
		x = few;
	}
	for (int64_t row = start; row < end; row += HEIGHT) {
		// The last tile is as high as the others, and begins before the first row that is still to be made.
		const int64_t first = row + HEIGHT <= l->rows || few != NULL ? row : l->rows - HEIGHT;
		const int64_t rows = end - row < HEIGHT ? end - row : HEIGHT;
		for (int64_t i = row; i < row + rows; i++) {
			fetch_to_write(l->y + i * l->out + from, width);
			if (l->added != NULL) {
				fetch(l->added + i * l->out + from, width);
			}
		}
		multiply_as(pairs, x + first * depth, depth, right, depth, tile, width);
		finish(l, tile + (row - first) * width, row, rows, from, width);
	}
	free(few);
}

static void multiply_part(void *with, int64_t part) {
	const linear *l = with;
	if (PAIRS && l->pairs) {
		multiply_rows(l, 1, part);
	} else {
		multiply_rows(l, 0, part);
	}
}
