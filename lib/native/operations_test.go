//go:build cgo && (linux || darwin)

package native_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"tokenfuse/lib/native"
)

// Lengths of which some are those of vectors and tiles, some one more or less.
var (
	lengths = []int{1, 3, 5, 15, 16, 17, 63, 64, 65, 192}
	counts  = []int{1, 2, 3, 5, 6, 7, 31, 95, 96, 97, 98, 197} // of tokens
)

// attended is softmax(q kᵀ/sqrt(d) + log times) v, its map, and the mean that each key receives.
func attended(q, k, v, times, count array) (mixed, attn, received result) {
	batch, queries, heads, dim, keys := q.dims[0], q.dims[1], q.dims[2], q.dims[3], k.dims[1]
	mixed, attn, received = zeros(q.dims...), zeros(batch, heads, queries, keys), zeros(batch, keys)
	for b := range batch {
		counted := 0.0
		for i := range queries {
			counted += count.over(b, i)
		}
		for h := range heads {
			for i := range queries {
				row, top, total := make([]float64, keys), math.Inf(-1), 0.0
				for j := range keys {
					for d := range dim {
						row[j] += q.at(b, i, h, d) * k.at(b, j, h, d)
					}
					row[j] = row[j]/math.Sqrt(float64(dim)) + math.Log(times.over(b, j))
					top = max(top, row[j])
				}
				for j := range keys {
					row[j] = math.Exp(row[j] - top)
					total += row[j]
				}
				for j := range keys {
					share := row[j] / total
					attn.add(share, b, h, i, j)
					received.add(share*count.over(b, i)/counted/float64(heads), b, j)
					for d := range dim {
						mixed.add(share*v.at(b, j, h, d), b, i, h, d)
					}
				}
			}
		}
	}
	return mixed.relative(1e-5), attn.within(2e-6), received.within(2e-6)
}

func TestAttention(t *testing.T) {
	backend, rng := serving(t), seeded()
	type shape struct{ batch, queries, keys, heads, dim int }
	cases := []shape{{1, 197, 5, 1, 64}, {2, 1, 197, 2, 16}, {1, 400, 3, 1, 3}, {1, 65, 66, 1, 8}, {1, 130, 130, 3, 4}}
	for i, tokens := range counts {
		cases = append(cases, shape{1 + i%3, tokens, tokens, 1 + (i+1)%3, lengths[i%len(lengths)]})
	}
	for i, dim := range lengths {
		cases = append(cases, shape{1 + (i+1)%3, 7, 7, 1 + i%3, dim}, shape{1, 98, 98, 1, dim})
	}
	often := func() float64 { return math.Floor(rng.Float64()*4) + 0.5*math.Floor(2*rng.Float64()) }
	for i, c := range cases {
		q, k := made(rng.NormFloat64, c.batch, c.queries, c.heads, c.dim), made(rng.NormFloat64, c.batch, c.keys, c.heads, c.dim)
		v := made(rng.NormFloat64, k.dims...)
		times, count := made(often, []int{1, c.batch}[i%2], []int{1, c.keys}[i/2%2]), made(often, []int{1, c.batch}[i/4%2], []int{1, c.queries}[i/8%2])
		for _, a := range []array{times, count} {
			for b := range a.dims[0] { // something counts in each image
				a.data[b*a.dims[1]] = 1
			}
		}
		mixed, attn, received := attended(q, k, v, times, count)
		check(t, backend, "attention", []result{mixed, received}, q, k, times, count, v)
		check(t, backend, "attention_map", []result{attn, received}, q, k, times, count)
		check(t, backend, "received", []result{received}, q, k, times, count)
	}
}

// TestAhead: all tokens have the value of the fused token they go into, and are pooled.
func TestAhead(t *testing.T) {
	backend, rng := serving(t), seeded()
	for i, tokens := range counts {
		batch, heads, dim := 1+i%3, 1+(i+1)%3, lengths[(3*i)%len(lengths)]
		for _, fused := range []int{1, (tokens + 1) / 2, tokens} {
			attn, v := made(rng.Float64, batch, heads, tokens, tokens), made(rng.NormFloat64, batch, fused, heads, dim)
			slot, share := made(func() float64 { return float64(rng.IntN(fused+1) - 1) }, batch, tokens), made(rng.Float64, batch, tokens)
			want := zeros(v.dims...)
			for b := range batch {
				for row := range tokens {
					for column := range tokens {
						into, from := int(slot.at(b, row)), int(slot.at(b, column))
						if into < 0 || from < 0 {
							continue
						}
						for h := range heads {
							for d := range dim {
								want.add(share.at(b, row)*attn.at(b, h, row, column)*v.at(b, from, h, d), b, into, h, d)
							}
						}
					}
				}
			}
			check(t, backend, "ahead", []result{want.relative(1e-5)}, attn, v, slot, share)
		}
	}
}

// normed is layer norm over the last axis of a matrix.
func normed(x, gamma, beta array, epsilon float64) result {
	y, n := zeros(x.dims...), float64(x.dims[1])
	for i := range x.dims[0] {
		mean, square := 0.0, 0.0
		for d := range x.dims[1] {
			mean += x.at(i, d) / n
		}
		for d := range x.dims[1] {
			square += (x.at(i, d) - mean) * (x.at(i, d) - mean) / n
		}
		for d := range x.dims[1] {
			y.add((x.at(i, d)-mean)/math.Sqrt(square+epsilon)*gamma.at(d)+beta.at(d), i, d)
		}
	}
	return y.relative(1e-5)
}

func TestLayerNorm(t *testing.T) {
	backend, rng := serving(t), seeded()
	epsilon := array{[]float32{1e-6}, []int{}}
	for i, dim := range lengths {
		for _, rows := range []int{1, 31, 32, 33, counts[i]} {
			x := made(func() float64 { return 3 + 2*rng.NormFloat64() }, rows, dim)
			gamma, beta := made(rng.NormFloat64, dim), made(rng.NormFloat64, dim)
			check(t, backend, "layer_norm", []result{normed(x, gamma, beta, 1e-6)}, x, gamma, beta, epsilon)
		}
	}
	// The axes before the last are all one.
	x, gamma, beta := made(rng.NormFloat64, 6, 17), made(rng.NormFloat64, 17), made(rng.NormFloat64, 17)
	want := normed(x, gamma, beta, 1e-6)
	want.dims = []int{3, 2, 17}
	check(t, backend, "layer_norm", []result{want}, array{x.data, want.dims}, gamma, beta, epsilon)
}

// activated is exact GELU; of minus infinity it is none, which the definition says as well.
func activated(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }

func TestGELU(t *testing.T) {
	backend, rng := serving(t), seeded()
	for i, dim := range lengths {
		for _, rows := range []int{1, 32, 33, counts[i]} {
			for _, biases := range []int{1, dim} {
				x, bias := made(func() float64 { return 3 * rng.NormFloat64() }, rows, dim), made(rng.NormFloat64, biases)
				want := zeros(rows, dim)
				for i := range rows {
					for d := range dim {
						want.add(activated(x.at(i, d)+bias.at(min(d, biases-1))), i, d)
					}
				}
				check(t, backend, "gelu", []result{want.within(2e-6)}, x, bias)
			}
		}
	}
}

// product is x [rows, in] times the transpose of the rows `from` to from+out-1 of weight, plus bias.
func product(x, weight, bias array, from, out int) result {
	y := zeros(x.dims[0], out)
	for i := range x.dims[0] {
		for o := range out {
			y.add(bias.at(min(from+o, bias.dims[0]-1)), i, o)
			for d := range x.dims[1] {
				y.add(x.at(i, d)*weight.at(from+o, d), i, o)
			}
		}
	}
	return y.relative(1e-5)
}

// widths are numbers of columns around those of vectors, tiles and panels.
var widths = []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 129, 193}

func TestLinear(t *testing.T) {
	backend, rng := serving(t), seeded()
	type shape struct{ rows, in, out, from, more int }
	var cases []shape
	for rows := 1; rows <= 13; rows++ {
		cases = append(cases, shape{rows, lengths[rows%len(lengths)], 1 + 7*rows, rows % 3, rows % 2})
	}
	for i, rows := range counts {
		cases = append(cases, shape{rows, lengths[i%len(lengths)], lengths[(i+3)%len(lengths)], 0, 0})
	}
	for i, out := range widths {
		cases = append(cases, shape{96*2 + 1, lengths[i%len(lengths)], out, i % 5, i % 4})
	}
	for i, c := range cases {
		x, weight := made(rng.NormFloat64, c.rows, c.in), made(rng.NormFloat64, c.from+c.out+c.more, c.in)
		bias := made(rng.NormFloat64, []int{1, weight.dims[0]}[i%2])
		plain := product(x, weight, bias, c.from, c.out)
		added, onto := zeros(plain.dims...), made(rng.NormFloat64, plain.dims...)
		for j, y := range plain.values {
			added.values[j] = y + float64(onto.data[j])
		}
		from := []int32{int32(c.from), 0}
		check(t, backend, "linear", []result{plain}, x, weight, bias, from)
		check(t, backend, "linear_add", []result{added.relative(1e-5)}, x, weight, bias, from, onto)
	}
	// The axes before the last are all one.
	x, weight, bias := made(rng.NormFloat64, 6, 17), made(rng.NormFloat64, 5, 17), made(rng.NormFloat64, 5)
	want := product(x, weight, bias, 1, 3)
	want.dims = []int{2, 3, 3}
	check(t, backend, "linear", []result{want}, array{x.data, []int{2, 3, 17}}, weight, bias, []int32{1, 0})
}

// resultOf is a result as an operand.
func resultOf(y result) array {
	a := array{make([]float32, len(y.values)), y.dims}
	for i, v := range y.values {
		a.data[i] = float32(v)
	}
	return a
}

// TestNormLinear: a linear layer of a layer norm, in several results; with few rows, each of which is multiplied by
// panels of the weight that nobody else sees, and with so many that all share them.
func TestNormLinear(t *testing.T) {
	backend, rng := serving(t), seeded()
	epsilon := array{[]float32{1e-6}, []int{}}
	type shape struct{ rows, in, out, results int }
	cases := []shape{{511, 5, 129, 3}, {512, 33, 200, 2}, {513, 64, 130, 3}, {700, 16, 65, 2}, {1000, 3, 7, 1}}
	for rows := 1; rows <= 13; rows++ {
		cases = append(cases, shape{rows, lengths[rows%len(lengths)], 1 + 17*rows, 1 + rows%3})
	}
	for i, out := range widths {
		cases = append(cases, shape{96*2 + 1, lengths[i%len(lengths)], out, 1 + i%3})
	}
	for i, c := range cases {
		x := made(func() float64 { return 3 + 2*rng.NormFloat64() }, c.rows, c.in)
		if c.in < 3 { // the norm of so few is steep
			x = made(func() float64 { return float64(rng.IntN(5)) }, c.rows, c.in)
		}
		gamma, beta := made(rng.NormFloat64, c.in), made(rng.NormFloat64, c.in)
		from := i % 3
		weight := made(rng.NormFloat64, from+c.results*c.out+i%2, c.in)
		bias := made(rng.NormFloat64, []int{1, weight.dims[0]}[i%2])
		norm := resultOf(normed(x, gamma, beta, 1e-6))
		var plain, active []result
		for r := range c.results {
			y := product(norm, weight, bias, from+r*c.out, c.out).relative(2e-5)
			gelu := zeros(y.dims...)
			for j, v := range y.values {
				gelu.values[j] = activated(v)
			}
			plain, active = append(plain, y), append(active, gelu.relative(2e-5))
		}
		operands := []any{x, weight, bias, []int32{int32(from), 0}, gamma, beta, epsilon}
		check(t, backend, "norm_linear", plain, operands...)
		check(t, backend, "norm_linear_gelu", active, operands...)
		check(t, backend, "linear", plain, append([]any{norm}, operands[1:4]...)...)
	}
}

// TestBFloat16: the factors of a linear layer are rounded, the products added up in float32.
func TestBFloat16(t *testing.T) {
	backend, rng := serving(t), seeded()
	if !native.Use(kinds - 1) {
		t.Skip("this processor has no instructions for bfloat16")
	}
	if !native.BFloat16() {
		t.Fatal("the longest vectors do not multiply bfloat16, though this processor does")
	}
	rounded := func(a array) array {
		b := a.with(nil)
		for i, x := range b.data {
			b.data[i] = bfloat16.FromFloat32(x).Float32()
		}
		return b
	}
	for i, rows := range []int{1, 5, 6, 7, 96, 97, 200} {
		for _, in := range []int{1, 2, 15, 16, 17, 33, 64, 384} {
			out := lengths[(i+in)%len(lengths)]
			x, weight, bias := made(rng.NormFloat64, rows, in), made(rng.NormFloat64, out+2, in), made(rng.NormFloat64, out+2)
			want := product(rounded(x), rounded(weight), bias, 1, out)
			c := compile(t, backend, "linear", want.dims)
			got, err := c.run(x, weight, bias, []int32{1, 1})
			if err != nil {
				t.Fatal(err)
			}
			if differs := want.differs(got[0]); differs != "" {
				t.Errorf("%d rows of %d to %d: %s", rows, in, out, differs)
			}
			// A norm is rounded after it was made, to another neighbour where it differs in its last bit.
			gamma, beta := made(rng.NormFloat64, in), made(rng.NormFloat64, in)
			norm := rounded(resultOf(normed(x, gamma, beta, 1e-3)))
			want = product(norm, rounded(weight), bias, 1, out).relative(5e-3)
			got, err = compile(t, backend, "norm_linear", want.dims).run(x, weight, bias, []int32{1, 1}, gamma, beta, array{[]float32{1e-3}, []int{}})
			if err != nil {
				t.Fatal(err)
			}
			if differs := want.differs(got[0]); differs != "" {
				t.Errorf("the norm of %d rows of %d to %d: %s", rows, in, out, differs)
			}
		}
	}
	native.Use(0)
	x := made(rng.NormFloat64, 1, 2)
	if _, err := compile(t, backend, "linear", []int{1, 1}).run(x, x, made(rng.NormFloat64, 1), []int32{0, 1}); err == nil {
		t.Error("vectors without bfloat16 multiply it")
	}
}

// cosined is the cosine of each token at an even position with each at an odd one; 0 where one is of zeros.
func cosined(x array) result {
	tokens, dim := x.dims[1], x.dims[2]
	y := zeros(x.dims[0], (tokens+1)/2, tokens/2)
	for b := range x.dims[0] {
		for i := 0; i < tokens; i += 2 {
			for j := 1; j < tokens; j += 2 {
				dot, own, other := 0.0, 0.0, 0.0
				for d := range dim {
					p, q := x.at(b, i, d), x.at(b, j, d)
					dot, own, other = dot+p*q, own+p*p, other+q*q
				}
				if dot != 0 {
					y.add(dot/math.Sqrt(own*other), b, i/2, j/2)
				}
			}
		}
	}
	return y.within(2e-6)
}

// scored is the product of ((cosine+1)/2)^similarity and of (1/criterion)^power of both, each over the largest.
func scored(x array, powers []float64, criteria []array) result {
	y := cosined(x)
	for b := range y.dims[0] {
		for i := range y.dims[1] {
			for j := range y.dims[2] {
				at := offset(y.dims, []int{b, i, j})
				s := math.Pow((y.values[at]+1)/2, powers[0])
				for c, criterion := range criteria {
					least := math.Inf(1)
					for t := range x.dims[1] {
						least = min(least, max(criterion.at(b, t), 1e-30))
					}
					for _, t := range []int{2 * i, 2*j + 1} {
						s *= math.Pow(least/max(criterion.at(b, t), 1e-30), powers[c+1])
					}
				}
				y.values[at] = s
			}
		}
	}
	return y.within(1e-5)
}

func TestPairs(t *testing.T) {
	backend, rng := serving(t), seeded()
	positive := func() float64 { return 0.1 + rng.Float64() }
	for i, tokens := range counts[1:] {
		for _, dim := range []int{lengths[i%len(lengths)], lengths[(i+5)%len(lengths)]} {
			x := made(rng.NormFloat64, 1+i%3, tokens, dim)
			check(t, backend, "cosines", []result{cosined(x)}, x)
			if dim < 5 { // so few numbers may be opposite, where a root is steep
				x = made(positive, x.dims...)
			}
			for _, powers := range [][]float64{{1}, {0}, {2}, {0, 1}, {1, 0.05, 0.025}, {0.5, 1, 2, 0.5, 0, 1, 1, 0.5, 1}} {
				settings := array{dims: []int{len(powers)}}
				for _, p := range powers {
					settings.data = append(settings.data, float32(p))
				}
				operands, criteria := []any{x, settings}, []array{}
				for range powers[1:] {
					c := made(positive, x.dims[:2]...)
					c.data[rng.IntN(len(c.data))] = 1 << 20
					operands, criteria = append(operands, c), append(criteria, c)
				}
				check(t, backend, "scores", []result{scored(x, powers, criteria)}, operands...)
			}
		}
	}
}
