//go:build cgo && (linux || darwin)

// For vectors that every processor has: SSE on x86-64, NEON on ARM.

#include "operations.h"

#define LANES 4
#define HEIGHT 4
#define TILE 2

#include "vector.h"
#include "bfloat16.h"
#include "tile.h"
#include "attention.h"
#include "norm.h"
#include "gelu.h"
#include "linear.h"
#include "pairs.h"

const operations operations_base = {attend, attend_ahead, normalise, activate, multiply_part, compare, WIDTH, HEIGHT, BLOCK, PAIRS};
