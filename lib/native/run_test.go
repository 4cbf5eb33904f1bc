//go:build cgo && (linux || darwin)

package native_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/native"
)

// kinds of vectors, from those that every processor has to the longest.
const kinds = 4

// serving is the backend with the operations in C. Without XLA for CPUs there is nothing to test; with it, they
// must be there. When the test ends, the longest vectors of this processor are used again.
func serving(t *testing.T) compute.Backend {
	t.Helper()
	t.Setenv(native.Env, "")
	if !strings.Contains(accel.Choice(), "pjrt_cpu") {
		t.Skipf("%s is not XLA's CPU", accel.Choice())
	}
	backend, err := accel.Backend()
	if err != nil {
		t.Fatal(err)
	}
	if !native.Use(1) {
		t.Skip("this processor has no AVX2, so XLA computes")
	}
	longest()
	if !native.Serves(backend) {
		t.Fatalf("XLA's CPU does not have the operations")
	}
	t.Cleanup(longest)
	return backend
}

func longest() {
	for kind := kinds - 1; !native.Use(kind); kind-- {
	}
}

// array is an operand; references read it in float64.
type array struct {
	data []float32
	dims []int
}

func offset(dims, index []int) int {
	at := 0
	for axis, i := range index {
		at = at*dims[axis] + i
	}
	return at
}

func (a array) at(index ...int) float64 { return float64(a.data[offset(a.dims, index)]) }

// over is at, of a matrix each axis of which may be 1 instead.
func (a array) over(i, j int) float64 { return a.at(min(i, a.dims[0]-1), min(j, a.dims[1]-1)) }

// with is a with other numbers at some places.
func (a array) with(numbers map[int]float64) array {
	b := array{append([]float32{}, a.data...), a.dims}
	for i, x := range numbers {
		b.data[i] = float32(x)
	}
	return b
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// made is an array of the numbers that f gives.
func made(f func() float64, dims ...int) array {
	a := array{make([]float32, size(dims)), dims}
	for i := range a.data {
		a.data[i] = float32(f())
	}
	return a
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

// result is what an operation should give, and how far from it a number may be.
type result struct {
	values []float64
	dims   []int
	off    float64
}

func zeros(dims ...int) result { return result{values: make([]float64, size(dims)), dims: dims} }

func (r result) add(x float64, index ...int) { r.values[offset(r.dims, index)] += x }

func (r result) within(off float64) result {
	r.off = off
	return r
}

// relative allows so much of the largest magnitude.
func (r result) relative(off float64) result {
	largest := 0.0
	for _, x := range r.values {
		if x = math.Abs(x); x > largest && x < math.Inf(1) {
			largest = x
		}
	}
	return r.within(off * largest)
}

// differs says where numbers are not these, "" where they are. NaN is NaN only.
func (r result) differs(got []float32) string {
	if len(got) != len(r.values) {
		return fmt.Sprintf("%d numbers, want %d", len(got), len(r.values))
	}
	for i, want := range r.values {
		x := float64(got[i])
		if x != want && !(math.Abs(x-want) <= r.off && !math.IsInf(want, 0)) && !(math.IsNaN(x) && math.IsNaN(want)) {
			return fmt.Sprintf("at %d of %v: %v, want %v to %.1e", i, r.dims, got[i], want, r.off)
		}
	}
	return ""
}

// unwanted is a definition that must not be built, since the C runs: a graph that does is an error of its Exec.
func unwanted() []*Node { panic(errors.New("the definition is built")) }

// compiled is an operation that runs in C, or not at all.
type compiled struct {
	name string
	exec *Exec
}

func compile(t *testing.T, backend compute.Backend, name string, results ...[]int) compiled {
	t.Helper()
	exec, err := NewExec(backend, func(in []*Node) []*Node {
		if !native.Takes(in...) {
			panic(errors.New("operands that the operations do not take"))
		}
		var made []shapes.Shape
		for _, dims := range results {
			made = append(made, shapes.Make(dtypes.Float32, dims...))
		}
		return native.Call(name, unwanted, made, in...)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(exec.Finalize)
	return compiled{name, exec}
}

// run gives the results for operands: arrays, []int32, or an int32.
func (c compiled) run(operands ...any) ([][]float32, error) {
	var in []any
	for _, x := range operands {
		switch x := x.(type) {
		case array:
			in = append(in, tensors.FromFlatDataAndDimensions(x.data, x.dims...))
		default:
			in = append(in, x)
		}
	}
	out, err := c.exec.Call(in...)
	if err != nil {
		return nil, err
	}
	var results [][]float32
	for _, x := range out {
		results = append(results, tensors.MustCopyFlatData[float32](x))
	}
	return results, nil
}

// check runs it with each kind of vectors that the processor has.
func (c compiled) check(t *testing.T, want []result, operands ...any) {
	t.Helper()
	for kind := range kinds {
		if !native.Use(kind) {
			continue
		}
		got, err := c.run(operands...)
		if err != nil {
			t.Fatalf("%s of %s: %v", c.name, described(operands), err)
		}
		for i := range want {
			if differs := want[i].differs(got[i]); differs != "" {
				t.Errorf("%s of %s, vectors %d, result %d: %s", c.name, described(operands), kind, i, differs)
			}
		}
	}
}

// check compiles an operation and runs it.
func check(t *testing.T, backend compute.Backend, name string, want []result, operands ...any) {
	t.Helper()
	var dims [][]int
	for _, r := range want {
		dims = append(dims, r.dims)
	}
	compile(t, backend, name, dims...).check(t, want, operands...)
}

// described is the shapes of operands, and the settings.
func described(operands []any) string {
	var all []string
	for _, x := range operands {
		if a, ok := x.(array); ok {
			x = a.dims
		}
		all = append(all, fmt.Sprint(x))
	}
	return strings.Join(all, ", ")
}
