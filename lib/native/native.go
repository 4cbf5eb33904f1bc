// Package native has operations of Vision Transformers and of token fusion in C, for inference on XLA's CPU: what a
// program of XLA does there slowly, or takes long to compile.
//
// Each has a definition of graph operations as well, which is what [Call] builds where the backend does not have
// the operations: in Go, on a GPU, with a plugin that has no such interface. Where it has them (see [Register])
// Call puts a function of that name into the program, and [Rewrite] has the function call the C before the
// program is compiled. What is different then is the last bits, and the time.
//
//	operation                               in C          what it is
//	linear, linear_add                      linear.h      a linear layer alone, and with the residual connection
//	norm_linear, norm_linear_gelu           linear.h      one of a layer norm in one or several results, alone and with GELU
//	attention, attention_map, received      attention.h   softmax(q kᵀ) v, its map, and what each key receives
//	ahead                                   attention.h   attention one step ahead (MCTF, arXiv 2403.10030, section 3.3)
//	layer_norm                              norm.h
//	gelu                                    gelu.h        bias and exact GELU
//	cosines, scores                         pairs.h       of the tokens at even positions with those at odd ones
//	match, share, pool, spread              matching.c    who fuses with whom, and what becomes of the tokens
//
// handlers.c says what each takes. All is float32 but the factors of linear layers, which can be rounded to bfloat16
// where the processor multiplies that ([BFloat16]). The loops are compiled for several kinds of vectors
// (vector_*.c), of which a process uses the longest that its processor has; one without AVX2 (on x86-64, so far) leaves
// all to XLA. They run on XLA's own threads (parallel.c), and give the same bits whatever their number, and whatever
// other images are in the batch.
//
// No gradient flows through them: training computes the definitions.
//
// # Why
//
// A product of matrices of XLA's CPU is near what the processor can, the rest is not: each kernel reads and writes
// all tokens, sums of columns run on one core, and each takes some 25 ms to compile, of which no two layers under a
// fusion method share one, for their tokens differ in number. Here a block is 5 operations, 12 where MCTF fuses,
// and none is compiled. The products had to come along: that bias, GELU and residual connection cost no pass of
// their own is worth as much as that the rows of a chunk stay in the cache for all columns.
package native

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Env switches the operations off where it is "off": everything is then compiled by XLA.
const Env = "TOKENFUSE_NATIVE"

// prefix of the names of the functions, and of what they call.
const prefix = "tokenfuse_"

// plugins are the names of those that know the operations.
var plugins sync.Map

// ServedBy says that the programs of a plugin, by the name that its backends give it, are rewritten from now on.
func ServedBy(plugin string) { plugins.Store(plugin, true) }

// Serves reports whether a backend runs the operations in C.
func Serves(backend compute.Backend) bool {
	b, ok := backend.(interface{ PluginName() string })
	if !ok || os.Getenv(Env) == "off" {
		return false
	}
	_, ok = plugins.Load(b.PluginName())
	return ok
}

// Takes reports whether nodes may be operands: numbers of float32, or settings of int32, on a backend that the
// operations serve.
func Takes(nodes ...*Node) bool {
	for _, n := range nodes {
		if d := n.DType(); d != dtypes.Float32 && d != dtypes.Int32 {
			return false
		}
	}
	return Serves(nodes[0].Graph().Backend())
}

// Call is what an operation makes of its operands: results of the shapes given, or what its definition builds where
// the operation does not take them.
func Call(operation string, definition func() []*Node, results []shapes.Shape, operands ...*Node) []*Node {
	g := operands[0].Graph()
	if !Takes(operands...) {
		return definition()
	}
	// A graph's functions have names of their own; the next node's number is not used yet.
	name := fmt.Sprintf("%s%s_%d", prefix, operation, len(g.Nodes()))
	return NewFunction(g, name, func(g *Graph) (placeholders []*Node) {
		for i, x := range operands {
			Parameter(g, fmt.Sprintf("%s_%d", name, i), x.Shape())
		}
		for _, shape := range results {
			placeholders = append(placeholders, BroadcastToShape(Const(g, float32(math.NaN())), shape))
		}
		return placeholders
	}).Call(operands...)
}

// One is Call of an operation that has one result.
func One(operation string, definition func() *Node, result shapes.Shape, operands ...*Node) *Node {
	return Call(operation, func() []*Node { return []*Node{definition()} }, []shapes.Shape{result}, operands...)[0]
}

var (
	header   = regexp.MustCompile(`^  func\.func @` + prefix + `([a-z_]+)_\d+\((.*)\) -> (.*) \{$`)
	argument = regexp.MustCompile(`^(%\w+): (tensor<[\w]+>)$`)
	result   = regexp.MustCompile(`^tensor<[\w]+>$`)
)

// Rewrite returns a StableHLO program in which the functions that [Call] made call the C, and how many there are.
// Without it such a program is not what it should be: an error is one that it does not understand.
func Rewrite(program string) (rewritten string, calls int, err error) {
	if !strings.Contains(program, "func.func @"+prefix) {
		return program, 0, nil
	}
	var out strings.Builder
	inside := false // of a body that is replaced
	for line := range strings.Lines(program) {
		text := strings.TrimRight(line, "\n")
		if inside && text != "  }" {
			continue
		}
		inside = false
		out.WriteString(line)
		if strings.Contains(text, "func.func @"+prefix) {
			body, ok := calling(text)
			if !ok {
				return "", 0, fmt.Errorf("native: a function of an operation is written in a way that is not known: %s", text)
			}
			out.WriteString(body)
			inside = true
			calls++
		}
	}
	if inside {
		return "", 0, errors.New("native: the program ends within a function")
	}
	return out.String(), calls, nil
}

// calling is the body of a function that calls an operation with its own arguments.
func calling(text string) (body string, ok bool) {
	m := header.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	operation, results := m[1], strings.Split(strings.Trim(m[3], "()"), ", ")
	var names, types, values []string
	for _, a := range strings.Split(m[2], ", ") {
		m := argument.FindStringSubmatch(a)
		if m == nil {
			return "", false
		}
		names, types = append(names, m[1]), append(types, m[2])
	}
	for i, r := range results {
		if !result.MatchString(r) {
			return "", false
		}
		values = append(values, fmt.Sprintf("%%made#%d", i))
	}
	made := strings.Join(results, ", ")
	return fmt.Sprintf("    %%made:%d = \"stablehlo.custom_call\"(%s) {call_target_name = \"%s%s\", api_version = 4 : i32} : (%s) -> (%s)\n"+
		"    func.return %s : %s\n", len(results), strings.Join(names, ", "), prefix, operation, strings.Join(types, ", "), made,
		strings.Join(values, ", "), made), true
}
