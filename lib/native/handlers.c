//go:build cgo && (linux || darwin)

// The operations as functions that an XLA program calls: what each takes and returns, checked.

#include "handlers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ffi.h"
#include "matching.h"
#include "operations.h"
#include "parallel.h"
#include "room.h"

// The operations for each kind of vectors, NULL where the processor has none of that kind.
static const operations *of_kind(int kind) {
	switch (kind) {
	case BASE:
		return &operations_base;
#ifdef __x86_64__
	case AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &operations_avx2 : NULL;
#ifndef __clang__
	case AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
				__builtin_cpu_supports("avx512vl")
			? &operations_avx512
			: NULL;
	case BFLOAT16:
		return of_kind(AVX512) != NULL && __builtin_cpu_supports("avx512bf16") ? &operations_bfloat16 : NULL;
#endif
#endif
	}
	return NULL;
}

static const operations *chosen;

int tokenfuse_use(int kind) {
	const operations *o = of_kind(kind);
	chosen = o == NULL ? chosen : o;
	return o != NULL;
}

int tokenfuse_bfloat16(void) { return chosen != NULL && chosen->bfloat16; }

static const operations *fastest(void) { return chosen; }

static const XLA_FFI_Buffer *in(const XLA_FFI_CallFrame *f, int i) { return f->args.buffers[i]; }
static const XLA_FFI_Buffer *out(const XLA_FFI_CallFrame *f, int i) { return f->rets.buffers[i]; }
static int64_t dim(const XLA_FFI_Buffer *b, int64_t axis) { return b->dims[axis < 0 ? b->rank + axis : axis]; }

static int64_t size_of(const XLA_FFI_Buffer *b) {
	int64_t size = 1;
	for (int64_t i = 0; i < b->rank; i++) {
		size *= b->dims[i];
	}
	return size;
}

// Why an operation refuses to work.
static const char operands[] = "these are not its operands", shapes[] = "operands of shapes that do not fit", memory[] = "no memory";

// asked reports whether a handler is only asked for which version it was written, and answers.
static int asked(const XLA_FFI_CallFrame *f) {
	const XLA_FFI_Extension_Base *extension = f->extension_start;
	if (extension == NULL || extension->type != XLA_FFI_Extension_Metadata) {
		return 0;
	}
	XLA_FFI_Metadata *metadata = ((const XLA_FFI_Metadata_Extension *)extension)->metadata;
	metadata->api_version.major_version = 0;
	metadata->api_version.minor_version = 1;
	metadata->traits = 0;
	return 1;
}

static int real(const XLA_FFI_Buffer *b) { return b->dtype == XLA_FFI_DataType_F32; }

// takes reports whether a call has so many tensors, all of float32.
static int takes(const XLA_FFI_CallFrame *f, int ins, int outs) {
	if (f->args.size != ins || f->rets.size != outs) {
		return 0;
	}
	for (int i = 0; i < ins; i++) {
		if (!real(in(f, i))) {
			return 0;
		}
	}
	for (int i = 0; i < outs; i++) {
		if (!real(out(f, i))) {
			return 0;
		}
	}
	return 1;
}

// along is a vector of n numbers, or one number for all.
static int along(const XLA_FFI_Buffer *b, int64_t n, spread *s) {
	*s = (spread){b->data, 0, size_of(b) == 1 ? 0 : 1};
	return size_of(b) == 1 || size_of(b) == n;
}

// over is a matrix [m, n], each axis of which may be 1 instead.
static int over(const XLA_FFI_Buffer *b, int64_t m, int64_t n, spread *s) {
	if (b->rank != 2 || (dim(b, 0) != 1 && dim(b, 0) != m) || (dim(b, 1) != 1 && dim(b, 1) != n)) {
		return 0;
	}
	*s = (spread){b->data, dim(b, 0) == 1 ? 0 : dim(b, 1), dim(b, 1) == 1 ? 0 : 1};
	return 1;
}

// received makes of the sums of the blocks what each key receives: the mean over heads and counted queries.
static void received(const attention *a, float *y) {
	for (int64_t image = 0; image < a->batch; image++) {
		double counted = 0;
		for (int64_t i = 0; i < a->queries; i++) {
			counted += a->count.data[image * a->count.outer + i * a->count.inner];
		}
		float *row = y + image * a->keys;
		memset(row, 0, (size_t)a->keys * sizeof *row);
		for (int64_t block = 0; block < a->heads * a->blocks; block++) {
			const float *sums = a->sums + (image * a->heads * a->blocks + block) * a->keys;
			for (int64_t j = 0; j < a->keys; j++) {
				row[j] += sums[j];
			}
		}
		for (int64_t j = 0; j < a->keys; j++) {
			row[j] = (float)(row[j] / (counted * (double)a->heads));
		}
	}
}

// chunks_of is into how many chunks to cut so many rows of each of some things that are computed apart: so many that
// each thread has several, none of which is small.
static int64_t chunks_of(const XLA_FFI_CallFrame *f, int64_t rows, int64_t things) {
	const int64_t several = 4 * threads(f);
	int64_t chunks = 1;
	while (things * chunks < several && rows / chunks > 64) {
		chunks++;
	}
	return chunks;
}

static const char *attend(const XLA_FFI_CallFrame *f, attention *a, float *y) {
	a->blocks = (a->queries + fastest()->block - 1) / fastest()->block;
	a->chunks = chunks_of(f, a->queries, a->batch * a->heads);
	a->sums = room(a->batch * a->heads * a->blocks * a->keys);
	if (a->sums == NULL) {
		return memory;
	}
	parallel(f, a->batch * a->heads * a->chunks, fastest()->attention, a);
	received(a, y);
	free(a->sums);
	return NULL;
}

// attention_of takes queries, keys, how often each key counts, and how often each query in the statistics.
static int attention_of(const XLA_FFI_CallFrame *f, attention *a) {
	const XLA_FFI_Buffer *q = in(f, 0), *k = in(f, 1);
	if (q->rank != 4 || k->rank != 4) {
		return 0;
	}
	*a = (attention){.batch = dim(q, 0), .queries = dim(q, 1), .heads = dim(q, 2), .dim = dim(q, 3), .keys = dim(k, 1),
		.q = q->data, .k = k->data};
	return size_of(k) == a->batch * a->keys * a->heads * a->dim && over(in(f, 2), a->batch, a->keys, &a->times) &&
		over(in(f, 3), a->batch, a->queries, &a->count);
}

static const char *run_attention(const XLA_FFI_CallFrame *f) {
	attention a;
	if (!takes(f, 5, 2)) {
		return operands;
	}
	if (!attention_of(f, &a) || size_of(in(f, 4)) != size_of(in(f, 1)) || size_of(out(f, 0)) != size_of(in(f, 0)) ||
	    size_of(out(f, 1)) != a.batch * a.keys) {
		return shapes;
	}
	a.v = in(f, 4)->data;
	a.mixed = out(f, 0)->data;
	return attend(f, &a, out(f, 1)->data);
}

static const char *run_attention_map(const XLA_FFI_CallFrame *f) {
	attention a;
	if (!takes(f, 4, 2)) {
		return operands;
	}
	if (!attention_of(f, &a) || size_of(out(f, 0)) != a.batch * a.heads * a.queries * a.keys || size_of(out(f, 1)) != a.batch * a.keys) {
		return shapes;
	}
	a.map = out(f, 0)->data;
	return attend(f, &a, out(f, 1)->data);
}

static const char *run_received(const XLA_FFI_CallFrame *f) {
	attention a;
	if (!takes(f, 4, 1)) {
		return operands;
	}
	if (!attention_of(f, &a) || size_of(out(f, 0)) != a.batch * a.keys) {
		return shapes;
	}
	return attend(f, &a, out(f, 0)->data);
}

static const char *run_ahead(const XLA_FFI_CallFrame *f) {
	if (!takes(f, 4, 1) || in(f, 0)->rank != 4 || in(f, 1)->rank != 4) {
		return operands;
	}
	const XLA_FFI_Buffer *map = in(f, 0), *v = in(f, 1);
	ahead a = {.batch = dim(map, 0), .heads = dim(map, 1), .tokens = dim(map, 2), .fused = dim(v, 1), .dim = dim(v, 3),
		.map = map->data, .v = v->data, .slot = in(f, 2)->data, .share = in(f, 3)->data, .mixed = out(f, 0)->data};
	if (dim(map, 3) != a.tokens || dim(v, 0) != a.batch || dim(v, 2) != a.heads || size_of(in(f, 2)) != a.batch * a.tokens ||
	    size_of(in(f, 3)) != a.batch * a.tokens || size_of(out(f, 0)) != size_of(v)) {
		return shapes;
	}
	a.chunks = chunks_of(f, a.fused, a.batch * a.heads);
	parallel(f, a.batch * a.heads * a.chunks, fastest()->ahead, &a);
	return NULL;
}

// norm_of takes the gamma, beta and epsilon of a layer norm of so many numbers.
static int norm_of(const XLA_FFI_CallFrame *f, int from, int64_t dim, const float **gamma, const float **beta, float *epsilon) {
	if (size_of(in(f, from)) != dim || size_of(in(f, from + 1)) != dim || size_of(in(f, from + 2)) != 1) {
		return 0;
	}
	*gamma = in(f, from)->data;
	*beta = in(f, from + 1)->data;
	*epsilon = *(const float *)in(f, from + 2)->data;
	return 1;
}

static const char *run_layer_norm(const XLA_FFI_CallFrame *f) {
	if (!takes(f, 4, 1) || in(f, 0)->rank < 1) {
		return operands;
	}
	const XLA_FFI_Buffer *x = in(f, 0);
	layer_norm n = {.dim = dim(x, -1), .x = x->data, .y = out(f, 0)->data};
	if (n.dim < 1 || size_of(out(f, 0)) != size_of(x) || !norm_of(f, 1, n.dim, &n.gamma, &n.beta, &n.epsilon)) {
		return shapes;
	}
	n.rows = size_of(x) / n.dim;
	parallel(f, (n.rows + ROWS - 1) / ROWS, fastest()->layer_norm, &n);
	return NULL;
}

// What goes before a linear layer and what after.
enum { NORM = 1, GELU = 2, ADD = 4 };

// linear_layer takes x, weight, bias, two settings, from which row of the weight it goes and whether the factors are
// rounded to bfloat16, and then the layer norm of x, or what is added to the result, where there are such. It may
// have several results of one shape, each of as many rows of the weight.
static const char *linear_layer(const XLA_FFI_CallFrame *f, int with) {
	const int count = 4 + (with & NORM ? 3 : 0) + (with & ADD ? 1 : 0);
	if (f->args.size != count || f->rets.size < 1 || f->rets.size > (with & ADD ? 1 : RESULTS) || in(f, 0)->rank < 1 ||
	    in(f, 1)->rank != 2 || in(f, 3)->dtype != XLA_FFI_DataType_S32 || size_of(in(f, 3)) != 2) {
		return operands;
	}
	for (int i = 0; i < count; i++) {
		if (i != 3 && !real(in(f, i))) {
			return operands;
		}
	}
	const XLA_FFI_Buffer *x = in(f, 0), *w = in(f, 1);
	const int32_t *set = in(f, 3)->data;
	const int64_t from = set[0];
	linear l = {.in = dim(w, 1), .results = f->rets.size, .x = x->data, .gelu = (with & GELU) != 0, .pairs = set[1]};
	if (l.in < 1 || dim(x, -1) != l.in || out(f, 0)->rank < 1) {
		return shapes;
	}
	l.rows = size_of(x) / l.in;
	l.out = dim(out(f, 0), -1);
	for (int i = 0; i < l.results; i++) {
		if (!real(out(f, i))) {
			return operands;
		}
		if (size_of(out(f, i)) != l.rows * l.out) {
			return shapes;
		}
		l.y[i] = out(f, i)->data;
	}
	if (l.out < 1 || from < 0 || from + l.results * l.out > dim(w, 0) || !along(in(f, 2), dim(w, 0), &l.bias) ||
	    (with & NORM && !norm_of(f, 4, l.in, &l.gamma, &l.beta, &l.epsilon)) || (with & ADD && size_of(in(f, 4)) != l.rows * l.out)) {
		return shapes;
	}
	l.weight = (const float *)w->data + from * l.in;
	l.bias.data += from * l.bias.inner;
	l.added = with & ADD ? in(f, 4)->data : NULL;
	if (l.rows == 0) {
		return NULL;
	}
	const operations *o = fastest();
	if (l.pairs && !o->bfloat16) {
		return "this processor has no instructions for bfloat16";
	}
	l.depth = l.pairs ? (l.in + 1) / 2 : l.in;
	l.panels = (l.out + o->panel - 1) / o->panel;
	const int64_t panels = l.results * l.panels;
	const int few = l.rows <= FEW && panels >= 2 * threads(f);
	l.chunks = few ? 1 : (l.rows + CHUNK - 1) / CHUNK;
	const int64_t packed = few ? 0 : panels * o->panel * l.depth;
	const int prepared = l.gamma != NULL || l.pairs || l.rows < o->height;
	float *space = room(packed + (prepared ? (l.rows + CHUNK) * l.depth : 0) + 1); // room for none may be NULL
	l.panel_done = calloc((size_t)(panels + l.chunks), sizeof *l.panel_done);
	const int enough = space != NULL && l.panel_done != NULL;
	if (enough) {
		l.packed = few ? NULL : space;
		l.prepared = prepared ? space + packed : NULL;
		l.rows_done = l.panel_done + panels;
		parallel(f, l.chunks * panels, o->linear, &l);
	}
	free(space);
	free(l.panel_done);
	return enough ? NULL : memory;
}

static const char *run_linear(const XLA_FFI_CallFrame *f) { return linear_layer(f, 0); }
static const char *run_linear_add(const XLA_FFI_CallFrame *f) { return linear_layer(f, ADD); }
static const char *run_norm_linear(const XLA_FFI_CallFrame *f) { return linear_layer(f, NORM); }
static const char *run_norm_linear_gelu(const XLA_FFI_CallFrame *f) { return linear_layer(f, NORM | GELU); }

static const char *run_gelu(const XLA_FFI_CallFrame *f) {
	if (!takes(f, 2, 1) || in(f, 0)->rank < 1 || dim(in(f, 0), -1) < 1) {
		return operands;
	}
	const XLA_FFI_Buffer *x = in(f, 0);
	gelu g = {.dim = dim(x, -1), .x = x->data, .y = out(f, 0)->data};
	if (!along(in(f, 1), g.dim, &g.bias) || size_of(out(f, 0)) != size_of(x)) {
		return shapes;
	}
	g.rows = size_of(x) / g.dim;
	parallel(f, (g.rows + ROWS - 1) / ROWS, fastest()->gelu, &g);
	return NULL;
}

// pairs_of takes tokens, and has a score for each pair.
static int pairs_of(const XLA_FFI_CallFrame *f, pairs *p) {
	const XLA_FFI_Buffer *x = in(f, 0);
	if (x->rank != 3 || dim(x, 1) < 2) {
		return 0;
	}
	*p = (pairs){.batch = dim(x, 0), .tokens = dim(x, 1), .dim = dim(x, 2), .x = x->data, .y = out(f, 0)->data};
	p->chunks = chunks_of(f, p->tokens / 2, p->batch);
	return size_of(out(f, 0)) == p->batch * ((p->tokens + 1) / 2) * (p->tokens / 2);
}

static const char *run_cosines(const XLA_FFI_CallFrame *f) {
	pairs p;
	if (!takes(f, 1, 1)) {
		return operands;
	}
	if (!pairs_of(f, &p)) {
		return shapes;
	}
	p.cosine = 1;
	parallel(f, p.batch * p.chunks, fastest()->pairs, &p);
	return NULL;
}

// scores takes tokens, the powers of similarity and of each criterion of single tokens, and those.
static const char *run_scores(const XLA_FFI_CallFrame *f) {
	pairs p;
	const int64_t count = f->args.size - 2;
	if (count < 0 || count > CRITERIA || !takes(f, (int)count + 2, 1)) {
		return operands;
	}
	if (!pairs_of(f, &p) || size_of(in(f, 1)) != count + 1) {
		return shapes;
	}
	const float *powers = in(f, 1)->data;
	p.similarity = powers[0];
	p.count = count;
	for (int i = 0; i < count; i++) {
		if (size_of(in(f, i + 2)) != p.batch * p.tokens) {
			return shapes;
		}
		p.criterion[i] = in(f, i + 2)->data;
		p.power[i] = powers[i + 1];
	}
	parallel(f, p.batch * p.chunks, fastest()->pairs, &p);
	return NULL;
}

static const char *run_match(const XLA_FFI_CallFrame *f) {
	if (f->args.size != 2 || f->rets.size != 1 || in(f, 0)->rank != 3 || in(f, 0)->dtype != XLA_FFI_DataType_F32 ||
	    in(f, 1)->dtype != XLA_FFI_DataType_S32 || size_of(in(f, 1)) != 6 || out(f, 0)->dtype != XLA_FFI_DataType_F32) {
		return operands;
	}
	const XLA_FFI_Buffer *s = in(f, 0);
	const int32_t *set = in(f, 1)->data;
	match m = {.batch = dim(s, 0), .count_a = dim(s, 1), .count_b = dim(s, 2), .give_a = set[0], .give_b = set[1],
		.pinned_a = set[2], .pinned_b = set[3], .ordered = set[4], .rank_b = set[5], .scores = s->data, .slot = out(f, 0)->data};
	const int64_t more = m.count_a - m.count_b; // A and B alternate
	if ((more != 0 && more != 1) || size_of(out(f, 0)) != m.batch * (m.count_a + m.count_b) || m.pinned_a < 0 || m.pinned_a > m.count_a || m.pinned_b < 0 ||
	    m.pinned_b > m.count_b) {
		return shapes;
	}
	parallel(f, m.batch, match_tokens, &m);
	return NULL;
}

// share takes slots, weights and, where those are to be multiplied by attention received, that.
static const char *run_share(const XLA_FFI_CallFrame *f) {
	const int by_attention = f->args.size == 3;
	if (!takes(f, 2 + by_attention, 1) || in(f, 0)->rank != 2) {
		return operands;
	}
	const XLA_FFI_Buffer *slot = in(f, 0);
	pool p = {.batch = dim(slot, 0), .tokens = dim(slot, 1), .slot = slot->data, .share = in(f, 1)->data,
		.received = by_attention ? in(f, 2)->data : NULL, .y = out(f, 0)->data};
	if (size_of(in(f, 1)) != size_of(slot) || size_of(out(f, 0)) != size_of(slot) || (by_attention && size_of(in(f, 2)) != size_of(slot))) {
		return shapes;
	}
	parallel(f, p.batch, share_tokens, &p);
	return NULL;
}

static const char *run_pool(const XLA_FFI_CallFrame *f) {
	if (!takes(f, 3, 1) || in(f, 0)->rank != 3 || out(f, 0)->rank != 3) {
		return operands;
	}
	const XLA_FFI_Buffer *x = in(f, 0), *y = out(f, 0);
	pool p = {.batch = dim(x, 0), .tokens = dim(x, 1), .dim = dim(x, 2), .fused = dim(y, 1), .x = x->data, .slot = in(f, 1)->data,
		.share = in(f, 2)->data, .y = y->data};
	if (size_of(in(f, 1)) != p.batch * p.tokens || size_of(in(f, 2)) != p.batch * p.tokens || dim(y, 0) != p.batch || dim(y, 2) != p.dim) {
		return shapes;
	}
	parallel(f, p.batch, pool_tokens, &p);
	return NULL;
}

static const char *run_spread(const XLA_FFI_CallFrame *f) {
	if (!takes(f, 2, 1) || in(f, 0)->rank != 3 || out(f, 0)->rank != 3) {
		return operands;
	}
	const XLA_FFI_Buffer *x = in(f, 0), *y = out(f, 0);
	pool p = {.batch = dim(x, 0), .fused = dim(x, 1), .dim = dim(x, 2), .tokens = dim(y, 1), .x = x->data, .slot = in(f, 1)->data,
		.y = y->data};
	if (size_of(in(f, 1)) != p.batch * p.tokens || dim(y, 0) != p.batch || dim(y, 2) != p.dim) {
		return shapes;
	}
	parallel(f, p.batch, spread_tokens, &p);
	return NULL;
}

// answer calls an operation, and makes an error of why it refuses.
static XLA_FFI_Error *answer(const XLA_FFI_CallFrame *f, const char *name, const char *(*run)(const XLA_FFI_CallFrame *)) {
	if (asked(f)) {
		return NULL;
	}
	const char *why = run(f);
	if (why == NULL) {
		return NULL;
	}
	char message[256];
	snprintf(message, sizeof message, "tokenfuse: %s: %s", name, why);
	XLA_FFI_Error_Create_Args args = {sizeof args, NULL, message, XLA_FFI_Error_Code_INVALID_ARGUMENT};
	return f->api->Error_Create(&args);
}

#define OPERATIONS(EACH) \
	EACH(attention) EACH(attention_map) EACH(received) EACH(ahead) EACH(layer_norm) EACH(gelu) EACH(linear) EACH(linear_add) EACH(norm_linear) EACH(norm_linear_gelu) EACH(cosines) EACH(scores) EACH(match) EACH(share) EACH(pool) EACH(spread)

#define HANDLER(name) \
	static XLA_FFI_Error *name##_handler(XLA_FFI_CallFrame *f) { return answer(f, #name, run_##name); }
OPERATIONS(HANDLER)

#define ENTRY(name) {"tokenfuse_" #name, name##_handler},
static const struct {
	const char *name;
	XLA_FFI_Error *(*handler)(XLA_FFI_CallFrame *);
} handlers[] = {OPERATIONS(ENTRY)};

// PJRT's extension for this interface (xla/pjrt/c/pjrt_c_api_ffi_extension.h).
typedef struct Extension {
	size_t struct_size;
	int type;
	struct Extension *next;
} Extension;

typedef struct {
	Extension base;
	void *type_register, *user_data_add;
	void *(*register_handler)(void *args);
} FFI;

enum { PJRT_Extension_Type_FFI = 5 };

typedef struct {
	size_t struct_size;
	const char *target_name;
	size_t target_name_size;
	void *handler;
	const char *platform_name;
	size_t platform_name_size;
	int traits;
} Register_Args;

int tokenfuse_register(void *extensions) {
	for (int kind = BFLOAT16; chosen == NULL; kind--) {
		chosen = of_kind(kind);
	}
	if (chosen == &operations_base) {
		return 0; // with short vectors XLA's own products were not seen to be slower
	}
	for (Extension *e = extensions; e != NULL; e = e->next) {
		if (e->type != PJRT_Extension_Type_FFI || e->struct_size < sizeof(FFI)) {
			continue;
		}
		for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
			Register_Args args = {offsetof(Register_Args, traits) + sizeof args.traits, handlers[i].name, strlen(handlers[i].name),
				(void *)handlers[i].handler, "Host", 4, 0};
			if (((FFI *)e)->register_handler(&args) != NULL) {
				return 0; // the error is lost; so is what it would say, once in a process
			}
		}
		return 1;
	}
	return 0;
}
