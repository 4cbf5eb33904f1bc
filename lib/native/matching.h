#ifndef TOKENFUSE_MATCHING_H
#define TOKENFUSE_MATCHING_H

#include <stdint.h>

// match is bipartite soft matching, as package fusion's matching says it.
typedef struct {
	int64_t batch, count_a, count_b;
	int64_t give_a, give_b;     // how many of A, of B fuse into the other
	int64_t pinned_a, pinned_b; // how many leading ones never do
	int ordered;                // A's left stay in the order of their positions, not by their scores
	int rank_b;                 // B's left are ordered by their scores, not by their positions
	const float *scores;        // [batch, A, B]
	float *slot;                // [batch, A+B]
} match;

// pool is who goes into whom and with which share.
typedef struct {
	int64_t batch, tokens, fused, dim;
	const float *x;     // [batch, tokens, dim], or [batch, fused, dim] where it is spread
	const float *slot;  // [batch, tokens], -1 for a token that goes into none
	const float *share; // [batch, tokens]; weights where shares are to be made of them
	const float *received; // attention, [batch, tokens], by which the weights are multiplied; NULL for none
	float *y;
} pool;

// slot_of is the fused token of a slot, -1 where there is none of so many.
static inline int64_t slot_of(float slot, int64_t fused) { return slot >= 0 && slot < (float)fused ? (int64_t)slot : -1; }

// Each is for one image.
void match_tokens(void *with, int64_t image);
void share_tokens(void *with, int64_t image);
void pool_tokens(void *with, int64_t image);
void spread_tokens(void *with, int64_t image);

#endif
