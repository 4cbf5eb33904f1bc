//go:build cgo && (linux || darwin)

package native_test

import (
	"math"
	"testing"

	"tokenfuse/lib/native"
)

// TestNone: what is no number (NaN) makes none of all that depends on it, and of nothing else. So does infinity in
// what is subtracted from itself.
func TestNone(t *testing.T) {
	backend, rng := serving(t), seeded()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, tokens := range []int{1, 5, 7, 33} {
			q, k, v := made(rng.NormFloat64, 2, tokens, 2, 5), made(rng.NormFloat64, 2, tokens, 2, 5), made(rng.NormFloat64, 2, tokens, 2, 5)
			once := array{[]float32{1}, []int{1, 1}}
			for i, operands := range [][3]array{
				{q.with(map[int]float64{3: bad}), k, v}, {q, k.with(map[int]float64{len(k.data) - 1: bad}), v}, {q, k, v.with(map[int]float64{11 % len(v.data): bad})},
			} {
				q, k, v := operands[0], operands[1], operands[2]
				mixed, attn, received := attended(q, k, v, once, once)
				check(t, backend, "attention", []result{mixed, received}, q, k, once, once, v)
				if i < 2 {
					check(t, backend, "attention_map", []result{attn, received}, q, k, once, once)
					check(t, backend, "received", []result{received}, q, k, once, once)
				}
			}
		}
		for _, dim := range []int{1, 3, 16, 21} {
			x, gamma, beta := made(rng.NormFloat64, 35, dim), made(rng.NormFloat64, dim), made(rng.NormFloat64, dim)
			x = x.with(map[int]float64{0: bad, 33*dim - 1: bad})
			check(t, backend, "layer_norm", []result{normed(x, gamma, beta, 1e-6)}, x, gamma, beta, array{[]float32{1e-6}, []int{}})
		}
		for _, rows := range []int{1, 3, 4, 6, 7, 97} {
			x, weight, bias := made(rng.NormFloat64, rows, 17), made(rng.NormFloat64, 35, 17), made(rng.NormFloat64, 35)
			badX, badWeight := x.with(map[int]float64{len(x.data) - 1: bad}), weight.with(map[int]float64{17 * 33: bad})
			check(t, backend, "linear", []result{product(badX, weight, bias, 0, 35)}, badX, weight, bias, []int32{0, 0})
			check(t, backend, "linear", []result{product(x, badWeight, bias, 0, 35)}, x, badWeight, bias, []int32{0, 0})
		}
	}
}

// TestGELUOfAnyNumber: of plus infinity it is that, of minus infinity none, as the formula gives: 0 times infinity.
func TestGELUOfAnyNumber(t *testing.T) {
	backend := serving(t)
	numbers := []float64{0, math.Copysign(0, -1), 1e-30, -1e-30, 1e-6, -1e-6, 1, -1, 10, -10, 100, -100, 1e30, -1e30,
		math.Inf(1), math.Inf(-1), math.NaN()}
	next := 0
	x := made(func() float64 { next++; return numbers[next-1] }, 1, len(numbers))
	gelu, bias := compile(t, backend, "gelu", x.dims), made(func() float64 { return math.Copysign(0, -1) }, 1) // to which -0 is -0
	for kind := range kinds {
		if !native.Use(kind) {
			continue
		}
		got, err := gelu.run(x, bias)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range numbers {
			want := activated(x)
			// To 1.5e-7 of x: the error function is so exact.
			if y := float64(got[0][i]); !(math.Abs(y-want) <= 2e-7*math.Abs(x)) && y != want && !(math.IsNaN(y) && math.IsNaN(want)) {
				t.Errorf("vectors %d: gelu(%v) is %v, want %v", kind, x, y, want)
			}
		}
		if !math.Signbit(float64(got[0][1])) {
			t.Errorf("vectors %d: gelu(-0) is %v, want -0", kind, got[0][1])
		}
	}
}

// TestTimesZero: a key that counts 0 times gets nothing at all; where none counts there is no attention.
func TestTimesZero(t *testing.T) {
	backend, rng := serving(t), seeded()
	once := array{[]float32{1}, []int{1, 1}}
	for _, tokens := range []int{2, 5, 17, 98} {
		q, k := made(rng.NormFloat64, 3, tokens, 2, 3), made(rng.NormFloat64, 3, tokens, 2, 3)
		times := made(func() float64 { return float64(rng.IntN(2)) }, 3, tokens)
		times = times.with(map[int]float64{0: 1, tokens: 1})
		for j := 2 * tokens; j < 3*tokens; j++ { // nothing counts in the last image
			times.data[j] = 0
		}
		_, attn, received := attended(q, k, k, times, once)
		check(t, backend, "attention_map", []result{attn, received}, q, k, times, once)
		operation := compile(t, backend, "attention_map", attn.dims, received.dims)
		for kind := range kinds {
			if !native.Use(kind) {
				continue
			}
			got, err := operation.run(q, k, times, once)
			if err != nil {
				t.Fatal(err)
			}
			for i, y := range got[0] {
				if b, j := i/(2*tokens*tokens), i%tokens; b < 2 && (times.at(b, j) == 0) != (y == 0) {
					t.Fatalf("%d tokens, vectors %d: a key that counts %v times gets %v", tokens, kind, times.at(b, j), y)
				}
			}
		}
	}
}

// TestLargeLogits: exponentials neither overflow nor vanish where logits are far from 0, all or some.
func TestLargeLogits(t *testing.T) {
	backend := serving(t)
	once := array{[]float32{1}, []int{1, 1}}
	for name, numbers := range map[string][]float64{
		"high": {1e4, 1e4, 1e4 - 1}, "low": {-1e4, -1e4 - 1, -1e4}, "far": {-1e4, 1e4, 0, 1e4}, "at the end": {0, -86, -87, -88, -90, -104, -1000},
		"very far": {3e38, -3e38},
	} {
		next := 0
		k := made(func() float64 { next++; return numbers[next-1] }, 1, len(numbers), 1, 1)
		q := made(func() float64 { return 1 }, k.dims...)
		mixed, attn, received := attended(q, k, q, once, once)
		t.Run(name, func(t *testing.T) {
			check(t, backend, "attention", []result{mixed, received}, q, k, once, once, q)
			check(t, backend, "attention_map", []result{attn, received}, q, k, once, once)
		})
	}
}

// TestZeroTokens have a cosine of 0 with every other, exactly.
func TestZeroTokens(t *testing.T) {
	backend, rng := serving(t), seeded()
	for _, dim := range []int{1, 16, 19} {
		x := made(rng.NormFloat64, 2, 7, dim)
		clear(x.data[:2*dim]) // the first of A and of B
		want := cosined(x)
		check(t, backend, "cosines", []result{want}, x)
		check(t, backend, "scores", []result{scored(x, []float64{1}, nil)}, x, array{[]float32{1}, []int{1}})
		got, err := compile(t, backend, "cosines", want.dims).run(x)
		if err != nil {
			t.Fatal(err)
		}
		for i, y := range want.values {
			if (y == 0) != (got[0][i] == 0) {
				t.Errorf("dim %d, pair %d: %v, want %v", dim, i, got[0][i], y)
			}
		}
	}
}
