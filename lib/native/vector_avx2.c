//go:build cgo && (linux || darwin)

// For AVX2, on x86-64.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

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

const operations operations_avx2 = {attend, attend_ahead, normalise, activate, multiply_part, compare, WIDTH, HEIGHT, BLOCK, PAIRS};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
