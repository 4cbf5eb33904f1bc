#ifndef TOKENFUSE_HANDLERS_H
#define TOKENFUSE_HANDLERS_H

// tokenfuse_register tells a plugin of the operations, by the first of its PJRT extensions; 0 where that
// is not possible, or the processor has no vectors that are worth it.
int tokenfuse_register(void *extensions);

// tokenfuse_use has the operations use vectors of a kind from now on; 0 where the processor does not have them. By
// itself it is the longest that there are.
enum { BASE, AVX2, AVX512, BFLOAT16 };
int tokenfuse_use(int kind);

// tokenfuse_bfloat16 reports whether linear layers multiply bfloat16.
int tokenfuse_bfloat16(void);

#endif

