//go:build cgo && (linux || darwin)

// For AVX-512, on x86-64.

#if defined(__x86_64__) && !defined(__clang__) // clang wants it told otherwise from one version to the next
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma")

#include "operations.h"

#define LANES 16
#define HEIGHT 6
#define TILE 4

#include "vector.h"
#include "bfloat16.h"
#include "tile.h"
#include "attention.h"
#include "norm.h"
#include "gelu.h"
#include "linear.h"
#include "pairs.h"

const operations operations_avx512 = {attend, attend_ahead, normalise, activate, multiply_part, compare, WIDTH, HEIGHT, BLOCK, PAIRS};
#endif
