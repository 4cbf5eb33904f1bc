//go:build cgo && linux

package accel

/*
#include <malloc.h>
#include <unistd.h>

// XLA's CPU client allocates the buffers of a graph anew at each execution. glibc gives such large
// blocks back to the system when they are freed, so that every execution takes its memory page by
// page again: 50,000 page faults in a training step of vit_fmnist_patch4_28 (batch 64), a quarter of
// its time. Kept by the process instead, the step went from 410 to 332 ms, with 140 faults.
__attribute__((constructor)) static void tokenfuse_keep_memory(void) {
#ifdef __GLIBC__
	// Few arenas, for only the main one grows beyond 64 MiB. But as many as threads that compile, which are as
	// many as processors (8 at most): they take small blocks by the million, and in one arena wait for each other. DeiT-S
	// under MCTF (r=16, batch 16), new, took 20.4 s from start to logits with one arena, 13.5 with two, and a batch after
	// that, among what compiling had left of the memory, 1.09 and 0.77 s (2 cores of an AMD EPYC, medians of 5 in turn).
	// Loaded from the compile cache, batches of 16 are as fast either way; of 64, whose buffers are beyond 64 MiB, 2.97 s
	// for 2.88. More arenas would keep what executions allocate away from what compiling left, malloc's part of MCTF's
	// batches in a process that compiled them: 7% with two, 1% with eight. But then XLA's threads have none of them the
	// main one, and the large buffers of a training step come from the system again: 2.1 million page faults in 22 s of
	// training vit_fmnist_patch4_28 in place of 0.2.
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	mallopt(M_ARENA_MAX, processors < 2 ? 1 : processors > 8 ? 8 : processors);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 256 << 20);
#endif
}
*/
import "C"
