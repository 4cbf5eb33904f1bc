//go:build cgo && linux

package accel

/*
#include <malloc.h>

// XLA's CPU client allocates the buffers of a graph anew at each execution. glibc gives such large
// blocks back to the system when they are freed, so that every execution takes its memory page by
// page again: 50,000 page faults in a training step of vit_fmnist_patch4_28 (batch 64), a quarter of
// its time. Kept by the process instead, the step went from 410 to 332 ms, with 140 faults.
__attribute__((constructor)) static void tokenfuse_keep_memory(void) {
#ifdef __GLIBC__
	// One arena: only the main one grows beyond 64 MiB.
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 256 << 20);
#endif
}
*/
import "C"
