//go:build cgo && (linux || darwin)

#define _GNU_SOURCE // sched_getaffinity

#include "parallel.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

// work is what is to be done. Whoever is last to let go of it frees it: a thread may come to help when
// all is done.
typedef struct {
	void (*run)(void *with, int64_t part);
	void *with;
	int64_t parts;
	atomic_llong taken, done;
	atomic_int holders;
} work;

static void leave(work *w) {
	if (atomic_fetch_sub(&w->holders, 1) == 1) {
		free(w);
	}
}

static void take(work *w) {
	int64_t part, count = 0;
	while ((part = atomic_fetch_add(&w->taken, 1)) < w->parts) {
		w->run(w->with, part);
		count++;
	}
	atomic_fetch_add(&w->done, count);
}

static void help(void *data) {
	take(data);
	leave(data);
}

// available is how many processors this process may use.
static int64_t available(void) {
#ifdef __linux__
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0) {
		return CPU_COUNT(&set);
	}
#endif
	return sysconf(_SC_NPROCESSORS_ONLN);
}

static int failed(const XLA_FFI_Api *api, XLA_FFI_Error *error) {
	if (error == NULL) {
		return 0;
	}
	XLA_FFI_Error_Destroy_Args args = {sizeof args, NULL, error};
	api->Error_Destroy(&args);
	return 1;
}

// threads is how many can help: a pool may have more than there are processors.
static int64_t threads(const XLA_FFI_CallFrame *frame) {
	int64_t n = 1;
	XLA_FFI_ThreadPool_NumThreads_Args args = {sizeof args, NULL, frame->ctx, &n};
	if (failed(frame->api, frame->api->ThreadPool_NumThreads(&args))) {
		return 1; // no pool
	}
	const int64_t processors = available();
	return n < processors ? n : processors;
}

void parallel(const XLA_FFI_CallFrame *frame, int64_t parts, void (*run)(void *with, int64_t part), void *with) {
	const XLA_FFI_Api *api = frame->api;
	const int64_t hands = threads(frame) < parts ? threads(frame) : parts;
	work *w = hands < 2 ? NULL : malloc(sizeof *w);
	if (w == NULL) {
		for (int64_t part = 0; part < parts; part++) {
			run(with, part);
		}
		return;
	}
	*w = (work){.run = run, .with = with, .parts = parts, .holders = 1};
	for (int64_t i = 1; i < hands; i++) {
		atomic_fetch_add(&w->holders, 1);
		XLA_FFI_ThreadPool_Schedule_Args args = {sizeof args, NULL, frame->ctx, help, w};
		if (failed(api, api->ThreadPool_Schedule(&args))) {
			leave(w);
			break;
		}
	}
	take(w);
	while (atomic_load(&w->done) < parts) {
		sched_yield(); // the last parts are under way, none waits for a thread
	}
	leave(w);
}
