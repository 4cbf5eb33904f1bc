// What several parts need is done by whoever needs it first, and the others wait for it.
#ifndef TOKENFUSE_ONCE_H
#define TOKENFUSE_ONCE_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

typedef atomic_int done; // 0 where nobody has begun

// begin does it where nobody has begun.
static inline void begin(done *d, void (*run)(void *with, int64_t part), void *with, int64_t part) {
	int nobody = 0;
	if (atomic_load(d) == 0 && atomic_compare_exchange_strong(d, &nobody, 1)) {
		run(with, part);
		atomic_store(d, 2);
	}
}

// once comes back when it is done.
static inline void once(done *d, void (*run)(void *with, int64_t part), void *with, int64_t part) {
	begin(d, run, with, part);
	while (atomic_load(d) != 2) {
		sched_yield(); // it is under way on another thread
	}
}

#endif
