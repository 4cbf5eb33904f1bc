// A linear layer, x wT + bias: of the layer norm of x, if so asked, in one or several results of as many columns
// each, and with what may follow, GELU and the residual connection.

// A chunk is some rows. All panels of it come one after the other: so its rows are read from memory once, and
// those of the results written close together.
INLINE int64_t chunk_of(const linear *l) {
	const int64_t rows = (l->rows + l->chunks - 1) / l->chunks;
	return (rows + HEIGHT - 1) / HEIGHT * HEIGHT;
}

// prepare makes the rows of a chunk what is multiplied.
static void prepare(void *with, int64_t chunk) {
	const linear *l = with;
	const int64_t each = chunk_of(l), from = chunk * each, to = from + each < l->rows ? from + each : l->rows;
	float *to_round = l->pairs && l->gamma != NULL ? need(l->in) : NULL;
	for (int64_t row = from; row < to; row++) {
		const float *x = l->x + row * l->in;
		float *y = l->prepared + row * l->depth;
		if (l->gamma != NULL) {
			float *normed = l->pairs ? to_round : y;
			norm_row(x, l->in, l->gamma, l->beta, l->epsilon, normed);
			x = normed;
		}
#if PAIRS
		if (l->pairs) {
			round_pairs(x, l->in, y);
			continue;
		}
#endif
		if (l->gamma == NULL) {
			memcpy(y, x, (size_t)l->in * sizeof *y);
		}
	}
	free(to_round);
	memset(l->prepared + to * l->depth, 0, (size_t)((from + each - to) * l->depth) * sizeof(float)); // a tile has HEIGHT
}

// rows_of are those of the weight that make a panel, and how many.
INLINE const float *rows_of(const linear *l, int64_t panel, int64_t *width) {
	const int64_t from = panel % l->panels * WIDTH;
	*width = l->out - from < WIDTH ? l->out - from : WIDTH;
	return l->weight + (panel / l->panels * l->out + from) * l->in;
}

// pack_panel makes a panel of the transpose of the weight.
static void pack_panel(const linear *l, int64_t panel, float *packed) {
	int64_t width;
	const float *rows = rows_of(l, panel, &width);
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
	pack_transposed(rows, l->depth, width, l->depth, packed);
	free(pairs);
}

static void pack(void *with, int64_t panel) {
	const linear *l = with;
	pack_panel(l, panel, l->packed + panel * WIDTH * l->depth);
}

// finish makes of a tile of the product what the layer gives: `rows` rows from `row` on, `width` columns of a
// result from `from` on.
INLINE void finish(const linear *l, const float *tile, int64_t row, int64_t rows, int64_t result, int64_t from, int64_t width) {
	const float *bias = l->bias.data + (result * l->out + from) * l->bias.inner;
	for (int64_t i = 0; i < rows; i++, tile += width) {
		const int64_t at = (row + i) * l->out + from;
		for (int64_t j = 0; j < width; j += LANES) {
			const int64_t rest = l->out - from - j; // less than a vector at the end
			vec y = load(tile + j) + (l->bias.inner == 0 ? all(*bias) : load_some(bias + j, rest));
			if (l->gelu) {
				y = gelu_of(y);
			}
			if (l->added != NULL) {
				y += load_some(l->added + at + j, rest);
			}
			store_some(l->y[result] + at + j, y, rest);
		}
	}
}

// multiply_rows is a panel of a chunk.
INLINE void multiply_rows(const linear *l, const int pairs, int64_t chunk, int64_t panel, const float *right) {
	const int64_t panels = l->results * l->panels, after = (panel + 1) % panels, depth = l->depth;
	const int64_t each = chunk_of(l), start = chunk * each, end = start + each < l->rows ? start + each : l->rows;
	const int64_t result = panel / l->panels, from = panel % l->panels * WIDTH;
	const int64_t width = padded(l->out - from < WIDTH ? l->out - from : WIDTH);
	const float *x = l->prepared != NULL ? l->prepared : l->x;
	float tile[HEIGHT * WIDTH];
	soon next = nothing; // what the next panel is packed of, and where to
	if (atomic_load(&l->panel_done[after]) == 0) {
		int64_t columns;
		next.read = rows_of(l, after, &columns);
		next.write = l->packed == NULL ? right : l->packed + after * WIDTH * depth;
		next.step = columns * l->in * HEIGHT / (depth * (end - start)) + 1;
	}
	for (int64_t row = start; row < end; row += HEIGHT) {
		// The last tile is as high as the others, and begins before the first row that is still to be made.
		const int64_t first = row + HEIGHT <= l->rows || l->prepared != NULL ? row : l->rows - HEIGHT;
		const int64_t rows = end - row < HEIGHT ? end - row : HEIGHT;
		for (int64_t i = row; i < row + rows; i++) {
			fetch_to_write(l->y[result] + i * l->out + from, width);
			if (l->added != NULL) {
				fetch(l->added + i * l->out + from, width);
			}
		}
		if (next.step > 0) {
			multiply_as(pairs, x + first * depth, depth, right, depth, tile, width, next);
			next.read += depth * next.step;
			next.write += depth * next.step;
		} else {
			multiply_as(pairs, x + first * depth, depth, right, depth, tile, width, nothing);
		}
		finish(l, tile + (row - first) * width, row, rows, result, from, width);
	}
}

static void multiply_part(void *with, int64_t part) {
	const linear *l = with;
	// Each chunk begins with another panel, so that threads which begin with chunks of their own pack different ones:
	// otherwise all wait for whoever is packing.
	const int64_t panels = l->results * l->panels, chunk = part / panels;
	const int64_t panel = (part + chunk * panels / l->chunks) % panels;
	if (l->prepared != NULL) {
		if (chunk + 1 < l->chunks) { // before anybody waits for it
			begin(&l->rows_done[chunk + 1], prepare, with, chunk + 1);
		}
		once(&l->rows_done[chunk], prepare, with, chunk);
	}
	float *own = NULL;
	const float *right;
	if (l->packed == NULL) { // nobody else multiplies by it
		own = need(WIDTH * l->depth);
		pack_panel(l, panel, own);
		right = own;
	} else {
		once(&l->panel_done[panel], pack, with, panel);
		right = l->packed + panel * WIDTH * l->depth;
	}
	if (PAIRS && l->pairs) {
		multiply_rows(l, 1, chunk, panel, right);
	} else {
		multiply_rows(l, 0, chunk, panel, right);
	}
	free(own);
}
