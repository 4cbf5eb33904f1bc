#ifndef TOKENFUSE_PARALLEL_H
#define TOKENFUSE_PARALLEL_H

#include "ffi.h"

// threads is how many can work at once for the program that calls.
int64_t threads(const XLA_FFI_CallFrame *frame);

// parallel runs the parts 0 to parts-1 of some work, on the threads of the program that calls, and comes
// back when all are done.
void parallel(const XLA_FFI_CallFrame *frame, int64_t parts, void (*run)(void *with, int64_t part), void *with);

#endif
