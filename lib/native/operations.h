// The operations of this package that compute with vectors, compiled once for each kind of vectors that
// a processor may have: see vector_*.c. All numbers are float32, in the order of their last axis.
#ifndef TOKENFUSE_OPERATIONS_H
#define TOKENFUSE_OPERATIONS_H

#include <stdint.h>

#include "once.h"

enum { RESULTS = 3, CRITERIA = 8 };

// A tensor that may have the length 1 where the operation has more: then its stride is 0.
typedef struct {
	const float *data;
	int64_t outer, inner; // strides
} spread;

typedef struct {
	int64_t batch, heads, queries, keys, dim;
	const float *q, *k, *v; // [batch, queries or keys, heads, dim]; v is NULL where nothing is mixed
	spread times;           // how often each key counts, [batch, keys]
	spread count;           // of each query in the sums, [batch, queries]
	float *mixed;           // [batch, queries, heads, dim]; unless v is NULL
	float *map;             // [batch, heads, queries, keys]; NULL where it is not asked for
	float *sums;            // [batch*heads*blocks, keys], of the columns, each over a block of queries
	int64_t chunks, blocks; // of queries; those of sums do not depend on who computes them
} attention;

typedef struct {
	int64_t batch, heads, tokens, fused, dim;
	const float *map;          // [batch, heads, tokens, tokens]
	const float *v;            // [batch, fused, heads, dim]
	const float *slot, *share; // [batch, tokens], as fusion.Assignment has them
	float *mixed;              // [batch, fused, heads, dim]
	int64_t chunks;            // of fused tokens
} ahead;

typedef struct {
	int64_t rows, dim;
	const float *x, *gamma, *beta;
	float epsilon;
	float *y;
} layer_norm;

typedef struct {
	int64_t rows, in, out;        // out is that of each result
	int64_t results;              // at most RESULTS
	const float *x;               // [rows, in]
	const float *gamma, *beta;    // of the layer norm before it, [in]; NULL is none
	float epsilon;                // of that
	const float *weight;          // [results*out, in]
	spread bias;                  // [results*out]
	int gelu;                     // whether GELU follows
	const float *added;           // what is added then, [rows, out]; NULL is nothing
	int pairs;                    // whether x and weight are rounded to bfloat16
	int64_t depth;                // in, or pairs of it
	int64_t chunks;               // of rows
	int64_t panels;               // of the columns of each result
	float *prepared;              // room for x after norm and rounding, [rows + CHUNK, depth]; NULL where it is taken as it is
	float *packed;                // room for all panels, see tile.h; NULL where each is for one part
	done *rows_done, *panel_done; // of each chunk, and of each panel of all results
	float *y[RESULTS];            // [rows, out]
} linear;

typedef struct {
	int64_t rows, dim;
	const float *x;
	spread bias; // [dim]
	float *y;
} gelu;

typedef struct {
	int64_t batch, tokens, dim;
	const float *x; // [batch, tokens, dim]
	float *y;       // of pairs, [batch, ceil(tokens/2), floor(tokens/2)]
	// Whether y is the cosine, or ((cosine + 1) / 2)^similarity times the values of both tokens: the product
	// of (1 / criterion), over the largest in the image, to a power.
	int cosine;
	float similarity; // 0 leaves it out
	int64_t count;
	const float *criterion[CRITERIA]; // [batch, tokens], at least 1e-30
	float power[CRITERIA];
	int64_t chunks; // of A
} pairs;

// Each does part `part` of what it is asked for; the parts may go on at once.
typedef struct {
	void (*attention)(void *with, int64_t part);  // batch*heads*chunks parts
	void (*ahead)(void *with, int64_t part);      // batch*heads*chunks parts
	void (*layer_norm)(void *with, int64_t part); // parts of ROWS rows
	void (*gelu)(void *with, int64_t part);       // parts of ROWS rows
	void (*linear)(void *with, int64_t part);     // a part each chunk and panel
	void (*pairs)(void *with, int64_t part);      // batch*chunks parts
	int64_t panel;  // columns of a panel
	int64_t height; // rows of a tile
	int64_t block;  // queries of a block
	int bfloat16;   // whether there are instructions for it
} operations;

// Rows of a part: few enough that no thread waits long for another's last, many enough that asking for
// the next costs nothing. CHUNK is a multiple of every height of tiles. FEW are so many that a cache holds them all.
enum { ROWS = 32, CHUNK = 96, FEW = 512 };

extern const operations operations_base, operations_avx2, operations_avx512, operations_bfloat16;

#endif
