package fusion

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/attention"
)

// Single is one fusion step on given tensors, outside any model: STEP.json.
type Single struct {
	Method    Method
	Protected int // leading tokens that must stay
}

// ParseSingle reads STEP.json: FUSION.json without `layers`, and `protected` (1 where left out).
func ParseSingle(data []byte) (Single, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
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
	if string(bytes.TrimSpace(fields["method"])) == `"evit"` {
		fields["layers"] = json.RawMessage(`[0]`)
	}
	method, err := ParseJSON(mustJSON(fields))
	if err != nil {
		return Single{}, err
	}
	if m, ok := method.(MCTF); ok {
		if len(m.RPerLayer) > 0 {
			return Single{}, fmt.Errorf("fusion: a single step takes one r, not %d", len(m.RPerLayer))
		}
		m.Layers = []int{0}
		method = m
	}
	s.Method = method
	return s, nil
}

// Tensors are what a single step reads and what it writes.
type Tensors struct {
	X      *tensors.Tensor // [batch, tokens, dim]
	Attn   *tensors.Tensor // [batch, heads, tokens, tokens]; nil where the method does not use it
	Metric *tensors.Tensor // [batch, tokens, dim'], what ToMe compares
	Size   *tensors.Tensor // [batch, tokens, 1]; nil before the first fusion
	Source *tensors.Tensor // 0/1, [batch, fused tokens, tokens]; written only
}

// Run fuses once. It returns tokens, sizes and source map, and the fused attention map where the
// method is one step ahead; where nothing is to be fused, its inputs and the identity.
func (s Single) Run(backend compute.Backend, in Tensors) (*Tensors, error) {
	step, ahead, err := s.plan(in)
	if err != nil {
		return nil, err
	}
	inputs := []any{in.X}
	for _, t := range []*tensors.Tensor{in.Attn, in.Metric, in.Size} {
		if t != nil {
			inputs = append(inputs, t)
		}
	}
	exec, err := NewExec(backend, func(nodes []*Node) []*Node {
		e := Evidence{X: nodes[0]}
		nodes = nodes[1:]
		next := func(t *tensors.Tensor) (n *Node) {
			if t != nil {
				n, nodes = nodes[0], nodes[1:]
			}
			return n
		}
		e.Attention, e.Keys, e.Size = next(in.Attn), next(in.Metric), next(in.Size)
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
		a := step.Assign(e)
		out := []*Node{a.Tokens(e.X), a.Sum(size), a.Member()}
		if ahead {
			out = append(out, a.Map(e.Attention))
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
	heads := 1
	if in.Attn != nil {
		if in.Attn.Rank() != 4 || in.Attn.Shape().Dimensions[1] < 1 {
			return nil, false, fmt.Errorf("fusion: attn is %v, want [batch, heads, tokens, tokens]", in.Attn.Shape().Dimensions)
		}
		heads = in.Attn.Shape().Dimensions[1]
	}
	for _, f := range []struct {
		name string
		t    *tensors.Tensor
		want []int
	}{
		{"x", in.X, d}, {"attn", in.Attn, []int{batch, heads, tokens, tokens}},
		{"metric", in.Metric, []int{batch, tokens, -1}}, {"size", in.Size, []int{batch, tokens, 1}},
	} {
		if f.t == nil {
			continue
		}
		if err := fits(f.name, f.t.Shape(), f.want); err != nil {
			return nil, false, err
		}
	}
	layer := Layer{Depth: 1, Tokens: tokens, Protected: s.Protected, Dim: d[2], Heads: 1}
	switch m := s.Method.(type) {
	case ToMe:
		if in.Metric == nil {
			return nil, false, fmt.Errorf("fusion: tome compares tensor metric [batch, tokens, dim], which is missing")
		}
	case MCTF:
		if in.Attn == nil {
			return nil, false, fmt.Errorf("fusion: mctf reads tensor attn [batch, heads, tokens, tokens], which is missing")
		}
		ahead = m.OneStepAhead != AfterBlock
	case EViT:
		if in.Attn == nil {
			return nil, false, fmt.Errorf("fusion: evit reads tensor attn [batch, heads, tokens, tokens], which is missing")
		}
	}
	step, err = s.Method.Step(layer)
	return step, ahead, err
}

func fits(name string, shape shapes.Shape, want []int) error {
	ok := shape.DType == dtypes.Float32 && shape.Rank() == len(want)
	for i := range want {
		ok = ok && (want[i] < 0 || shape.Dimensions[i] == want[i])
	}
	if !ok {
		return fmt.Errorf("fusion: %s is %s, x asks for float32 %v", name, shape, want)
	}
	return nil
}

// Check reports tensors that the step cannot fuse.
func (s Single) Check(in Tensors) error {
	_, _, err := s.plan(in)
	return err
}
