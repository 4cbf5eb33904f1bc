//go:build cgo && (linux || darwin)

// For AVX2, on x86-64.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma")

#include "operations.h"

#define LANES 8
#define HEIGHT 6
#define TILE 2

#include "vector.h"
#include "bfloat16.h"
#include "tile.h"
#include "attention.h"
#include "norm.h"
#include "gelu.h"
#include "linear.h"
#include "pairs.h"

const operations operations_avx2 = {attend, attend_ahead, normalise, activate, round_rows, pack, multiply_part, compare, WIDTH, BLOCK, PAIRS};
#endif
