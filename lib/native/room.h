#ifndef TOKENFUSE_ROOM_H
#define TOKENFUSE_ROOM_H

#include <stdint.h>
#include <stdlib.h>

// room is memory for n numbers, aligned for vectors; NULL where there is none.
static inline float *room(int64_t n) { return aligned_alloc(64, (size_t)(n * 4 + 63) / 64 * 64); }

// need is room, or the end of the process, as in XLA, where there is none.
static inline float *need(int64_t n) {
	float *x = room(n);
	if (x == NULL) {
		abort();
	}
	return x;
}

#endif
