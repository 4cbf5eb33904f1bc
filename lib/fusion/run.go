package fusion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/attention"
	"tokenfuse/lib/internal/strictjson"
)

// Single is one fusion step on given tensors, outside any model: STEP.json.
type Single struct {
	Method    Method // of which one layer is run
	Protected int    // leading tokens that must stay
	// Index and Depth say which layer it is run as, of how many; the zero values are layer 0 of 1.
	Index, Depth int
}

// ParseSingle reads STEP.json: FUSION.json without `layers`, and `protected` (1 where left out).
func ParseSingle(data []byte) (Single, error) {
	var fields map[string]json.RawMessage
	if err := strictjson.Peek(data, &fields); err != nil {
		return Single{}, fmt.Errorf("fusion: not a JSON object: %w", err)
	}
	s := Single{Protected: 1}
	if raw, ok := fields["protected"]; ok {
		if err := json.Unmarshal(raw, &s.Protected); err != nil || s.Protected < 0 {
			return Single{}, fmt.Errorf("fusion: protected is %s, want a count of tokens", bytes.TrimSpace(raw))
		}
		delete(fields, "protected")
	}
	if _, ok := fields["layers"]; ok {
		return Single{}, fmt.Errorf("fusion: a single step has no layers: leave the field out")
	}
	if takesLayers(fields["method"]) {
		fields["layers"] = json.RawMessage(`[0]`)
	}
	var err error
	s.Method, err = ParseJSON(mustJSON(fields))
	return s, err
}

// takesLayers reports whether a method's FUSION.json has the field `layers`.
func takesLayers(name json.RawMessage) bool {
	for _, d := range Methods() {
		if string(bytes.TrimSpace(name)) == strconv.Quote(d.Name) {
			return strings.Contains(d.Defaults, `"layers"`)
		}
	}
	return false
}

// Tensors are what a single step reads and what it writes.
type Tensors struct {
	X      *tensors.Tensor // [batch, tokens, dim]
	Attn   *tensors.Tensor // [batch, heads, tokens, tokens]; nil where the method does not use it
	Metric *tensors.Tensor // [batch, tokens, dim'], what ToMe compares
	Values *tensors.Tensor // [batch, heads, tokens, dim']
	Size   *tensors.Tensor // [batch, tokens, 1]; nil before the first fusion
	Source *tensors.Tensor // 0/1, [batch, fused tokens, tokens]; written only
	// Scores and Partner say how it came about where pairs of tokens were matched; see Pairs. Written only.
	Scores  *tensors.Tensor // of token 2a with token 2b+1, [batch, A, B]
	Partner *tensors.Tensor // the token that each gives itself to, -1 where it stays, [batch, tokens]
	// Learned holds the weights of methods that have some, by name.
	Learned map[string]*tensors.Tensor
}

// Run fuses once. It returns tokens, sizes and source map, and the fused attention map where the
// method is one step ahead; where nothing is to be fused, its inputs and the identity.
func (s Single) Run(backend compute.Backend, in Tensors) (*Tensors, error) {
	step, ahead, err := s.plan(in)
	if err != nil {
		return nil, err
	}
	// What is not given stays nil in the evidence, so the nodes come in the order of those that are.
	inputs := []any{in.X}
	var learned []string
	for _, t := range []*tensors.Tensor{in.Attn, in.Metric, in.Values, in.Size} {
		if t != nil {
			inputs = append(inputs, t)
		}
	}
	if step != nil {
		for _, p := range step.Learned {
			learned = append(learned, p.Name)
			inputs = append(inputs, in.Learned[p.Name])
		}
	}
	matched := false // known once the graph is built
	exec, err := NewExec(backend, func(nodes []*Node) []*Node {
		e := Evidence{X: nodes[0], Key: ImageKey(nodes[0]), Inference: true}
		nodes = nodes[1:]
		next := func(t *tensors.Tensor) (n *Node) {
			if t != nil {
				n, nodes = nodes[0], nodes[1:]
			}
			return n
		}
		e.Attention, e.Keys, e.Values, e.Size = next(in.Attn), next(in.Metric), next(in.Values), next(in.Size)
		e.Learned = func(name string, _ ...int) *Node { return nodes[slices.Index(learned, name)] }
		if e.Attention != nil {
			e.Received, e.FromClass = attention.Received(e.Attention), attention.FromClass(e.Attention)
		}
		size := e.sizes()
		if step == nil {
			d, g := e.X.Shape().Dimensions, e.X.Graph()
			out := []*Node{Identity(e.X), size, BroadcastPrefix(ConvertDType(Diagonal(g, d[1]), dtypes.Float32), d[0])}
			if ahead {
				out = append(out, Identity(e.Attention))
			}
			return out
		}
		a := step.Assign(e).ForInference()
		out := []*Node{a.Tokens(e.X), a.Sum(size), a.Member()}
		if ahead {
			out = append(out, a.Map(e.Attention))
		}
		if matched = a.matching != nil; matched {
			out = append(out, a.matching.scores, a.matching.partners())
		}
		return out
	})
	if err != nil {
		return nil, fmt.Errorf("fusion: %w", err)
	}
	defer exec.Finalize()
	results, err := exec.Call(inputs...)
	if err != nil {
		return nil, fmt.Errorf("fusion: %s", accel.FirstLine(err))
	}
	out := &Tensors{X: results[0], Size: results[1], Source: results[2]}
	if ahead {
		out.Attn = results[3]
	}
	if matched {
		out.Scores, out.Partner = results[len(results)-2], results[len(results)-1]
	}
	return out, nil
}

// plan checks the shapes and returns the step, nil where nothing is to be fused, and whether the
// attention map is fused too.
func (s Single) plan(in Tensors) (step *Step, ahead bool, err error) {
	if in.X == nil || in.X.Rank() != 3 {
		return nil, false, fmt.Errorf("fusion: tensor x is missing or not [batch, tokens, dim]")
	}
	d := in.X.Shape().Dimensions
	batch, tokens := d[0], d[1]
	if batch < 1 || tokens < 1 || d[2] < 1 {
		return nil, false, fmt.Errorf("fusion: x is %v: nothing to fuse", d)
	}
	if in.Attn != nil {
		if in.Attn.Rank() != 4 || in.Attn.Shape().Dimensions[1] < 1 {
			return nil, false, fmt.Errorf("fusion: attn is %v, want [batch, heads, tokens, tokens]", in.Attn.Shape().Dimensions)
		}
	}
	for _, f := range []struct {
		name string
		t    *tensors.Tensor
		want []int
	}{
		{"x", in.X, d}, {"attn", in.Attn, []int{batch, -1, tokens, tokens}},
		{"metric", in.Metric, []int{batch, tokens, -1}}, {"values", in.Values, []int{batch, -1, tokens, -1}}, {"size", in.Size, []int{batch, tokens, 1}},
	} {
		if f.t == nil {
			continue
		}
		if err := fits(f.name, f.t.Shape(), f.want); err != nil {
			return nil, false, err
		}
	}
	// A metric is compared as a whole, like the keys of one head.
	step, err = s.Method.Step(Layer{Index: s.Index, Depth: max(1, s.Depth), Tokens: tokens, Protected: s.Protected, Dim: d[2], Heads: 1})
	if err != nil {
		return nil, false, err
	}
	if m, ok := s.Method.(MCTF); ok {
		ahead = m.OneStepAhead != AfterBlock && in.Attn != nil
	}
	if step == nil {
		return nil, ahead, nil
	}
	return step, ahead, s.needs(step, in)
}

// needs reports what the step reads and was not given.
func (s Single) needs(step *Step, in Tensors) error {
	for _, need := range step.Needs {
		given, shape := in.Attn, "[batch, heads, tokens, tokens]"
		switch need {
		case InputMetric:
			given, shape = in.Metric, "[batch, tokens, dim]"
		case InputValues:
			given, shape = in.Values, "[batch, heads, tokens, dim]"
		}
		if given == nil {
			return fmt.Errorf("fusion: %s reads tensor %s %s, which is missing", s.Method.Name(), need, shape)
		}
	}
	for _, p := range step.Learned {
		given, ok := in.Learned[p.Name]
		if !ok {
			return fmt.Errorf("fusion: %s reads the learned weight %s %v, which is missing", s.Method.Name(), p.Name, p.Dims)
		}
		if err := fits(p.Name, given.Shape(), p.Dims); err != nil {
			return err
		}
	}
	return nil
}

func fits(name string, shape shapes.Shape, want []int) error {
	ok := shape.DType == dtypes.Float32 && shape.Rank() == len(want)
	for i := range want {
		ok = ok && (want[i] < 0 || shape.Dimensions[i] == want[i])
	}
	if !ok {
		return fmt.Errorf("fusion: %s is %s, x asks for float32 %s", name, shape, anyDims(want))
	}
	return nil
}

// anyDims prints dimensions; those below 0 may be any.
func anyDims(dims []int) string {
	all := make([]string, len(dims))
	for i, d := range dims {
		if all[i] = strconv.Itoa(d); d < 0 {
			all[i] = "any"
		}
	}
	return "[" + strings.Join(all, " ") + "]"
}

// Check reports tensors that the step cannot fuse.
func (s Single) Check(in Tensors) error {
	_, _, err := s.plan(in)
	return err
}
