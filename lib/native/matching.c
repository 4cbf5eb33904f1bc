//go:build cgo && (linux || darwin)

#include "matching.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// number is a score, the lowest number for one that is none or minus infinity: those come last, but
// before what must not be chosen.
static float number(float score) { return score >= -FLT_MAX ? score : -FLT_MAX; }

// rank is how many scores are ahead of each: the higher ones, and of equal ones those before. The first
// `pinned` rank behind all others.
static void rank(const float *score, int64_t n, int64_t pinned, int64_t *ranks) {
	for (int64_t i = pinned; i < n; i++) {
		int64_t ahead = 0;
		for (int64_t j = pinned; j < i; j++) {
			ahead += score[j] >= score[i];
		}
		for (int64_t j = i + 1; j < n; j++) {
			ahead += score[j] > score[i];
		}
		ranks[i] = ahead;
	}
	for (int64_t i = 0; i < pinned; i++) {
		ranks[i] = n - pinned + i;
	}
}

void match_tokens(void *with, int64_t image) {
	const match *m = with;
	const int64_t a = m->count_a, b = m->count_b;
	const float *scores = m->scores + image * a * b;
	float *best = malloc((size_t)(a + b) * sizeof *best);
	int64_t *whole = malloc((size_t)(3 * (a + b)) * sizeof *whole);
	if (best == NULL || whole == NULL) {
		abort();
	}
	int64_t *partner_a = whole, *partner_b = partner_a + a, *rank_a = partner_b + b, *rank_b = rank_a + a;
	int64_t *slot_a = rank_b + b, *slot_b = slot_a + a;
	float *best_a = best, *best_b = best + a;

	for (int64_t i = 0; i < a; i++) {
		best_a[i] = -INFINITY;
		partner_a[i] = 0;
		for (int64_t j = m->pinned_b; j < b && i >= m->pinned_a; j++) {
			const float score = number(scores[i * b + j]);
			if (score > best_a[i]) {
				best_a[i] = score;
				partner_a[i] = j;
			}
		}
	}
	rank(best_a, a, m->pinned_a, rank_a);

	for (int64_t j = 0; j < b; j++) {
		best_b[j] = -INFINITY;
		partner_b[j] = 0;
	}
	for (int64_t i = m->pinned_a; i < a; i++) {
		if (rank_a[i] < m->give_a) {
			continue;
		}
		for (int64_t j = m->pinned_b; j < b; j++) {
			const float score = number(scores[i * b + j]);
			if (score > best_b[j]) {
				best_b[j] = score;
				partner_b[j] = i;
			}
		}
	}
	rank(best_b, b, m->pinned_b, rank_b);

	int64_t left = 0;
	for (int64_t i = 0; i < a; i++) {
		slot_a[i] = m->ordered ? left : rank_a[i] - m->give_a;
		left += rank_a[i] >= m->give_a;
	}
	for (int64_t j = 0; j < b; j++) {
		slot_b[j] = m->rank_b ? m->pinned_b + a - m->give_a + rank_b[j] - m->give_b : a - m->give_a + j;
	}
	if (m->pinned_b > 0) {
		for (int64_t i = 0; i < a; i++) {
			slot_a[i] = i < m->pinned_a ? 2 * i : slot_a[i] + m->pinned_b;
		}
		for (int64_t j = 0; j < m->pinned_b; j++) {
			slot_b[j] = 2 * j + 1;
		}
	}
	// A group can chain, a2 -> b1 -> a0: B's first.
	for (int64_t j = 0; j < b; j++) {
		if (rank_b[j] < m->give_b) {
			slot_b[j] = slot_a[partner_b[j]];
		}
	}
	for (int64_t i = 0; i < a; i++) {
		if (rank_a[i] < m->give_a) {
			slot_a[i] = slot_b[partner_a[i]];
		}
	}
	float *slot = m->slot + image * (a + b);
	for (int64_t i = 0; i < a; i++) {
		slot[2 * i] = (float)slot_a[i];
	}
	for (int64_t j = 0; j < b; j++) {
		slot[2 * j + 1] = (float)slot_b[j];
	}
	free(best);
	free(whole);
}

void share_tokens(void *with, int64_t image) {
	const pool *p = with;
	const float *slot = p->slot + image * p->tokens, *weight = p->share + image * p->tokens;
	float *y = p->y + image * p->tokens, *sums = calloc((size_t)p->tokens, sizeof *sums);
	if (sums == NULL) {
		abort();
	}
	for (int64_t t = 0; t < p->tokens; t++) {
		y[t] = weight[t];
		if (p->received != NULL) {
			const float received = p->received[image * p->tokens + t];
			y[t] *= received < 1e-30f ? 1e-30f : received;
		}
		const int64_t into = slot_of(slot[t], p->tokens);
		if (into >= 0) {
			sums[into] += y[t];
		}
	}
	for (int64_t t = 0; t < p->tokens; t++) {
		const int64_t into = slot_of(slot[t], p->tokens);
		y[t] /= into < 0 || sums[into] == 0 ? 1 : sums[into];
	}
	free(sums);
}

void pool_tokens(void *with, int64_t image) {
	const pool *p = with;
	float *y = p->y + image * p->fused * p->dim;
	memset(y, 0, (size_t)(p->fused * p->dim) * sizeof *y);
	for (int64_t t = 0; t < p->tokens; t++) {
		const int64_t slot = slot_of(p->slot[image * p->tokens + t], p->fused);
		if (slot < 0) {
			continue;
		}
		const float share = p->share[image * p->tokens + t];
		const float *x = p->x + (image * p->tokens + t) * p->dim;
		float *into = y + slot * p->dim;
		for (int64_t d = 0; d < p->dim; d++) {
			into[d] += x[d] * share;
		}
	}
}

void spread_tokens(void *with, int64_t image) {
	const pool *p = with;
	for (int64_t t = 0; t < p->tokens; t++) {
		const int64_t slot = slot_of(p->slot[image * p->tokens + t], p->fused);
		float *y = p->y + (image * p->tokens + t) * p->dim;
		if (slot < 0) {
			memset(y, 0, (size_t)p->dim * sizeof *y);
		} else {
			memcpy(y, p->x + (image * p->fused + slot) * p->dim, (size_t)p->dim * sizeof *y);
		}
	}
}
