package fusion_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// evidence is what a step that chooses tokens is shown; nil fields are not.
type evidence struct {
	x       [][]float32   // [batch][anything], of which the image's key is made
	attn    [][][]float32 // [batch][heads][tokens], what the class token pays
	norms   [][][]float32 // [batch][heads][tokens], of the values
	present [][]float32   // [batch][tokens]
	source  [][][]float32 // [batch][tokens][first tokens]
}

// kept runs a step and returns the token in each place, -1 where it is empty, image by image. It fails
// where a token is in two places, a place holds two, or a share is not 1.
func kept(t *testing.T, backend compute.Backend, step *fusion.Step, tokens int, in evidence) [][]int {
	t.Helper()
	out, err := ExecOnceN(backend, func(g *Graph) []*Node {
		x := Const(g, in.x)
		e := fusion.Evidence{X: BroadcastToDims(InsertAxes(x, -1), len(in.x), len(in.x[0]), 2), Key: fusion.ImageKey(x)}
		if in.attn != nil {
			row := InsertAxes(Const(g, in.attn), 2)
			e.Attention = BroadcastToDims(row, len(in.attn), len(in.attn[0]), tokens, tokens)
			e.FromClass = attention.FromClass(e.Attention)
		}
		if in.norms != nil { // values (3, 4, 0) times a fifth of the norm
			values := InsertAxes(MulScalar(Const(g, in.norms), 0.2), -1)
			e.Values = Concatenate([]*Node{MulScalar(values, 3), MulScalar(values, -4), ZerosLike(values)}, -1)
		}
		if in.present != nil {
			e.Present = Const(g, in.present)
		}
		if in.source != nil {
			e.Source = Const(g, in.source)
		}
		a := step.Assign(e)
		same := BroadcastToDims(InsertAxes(Iota(g, a.Slot().Shape(), 1), -1), len(in.x), tokens, 1)
		return []*Node{a.Member(), a.Tokens(same)}
	})
	if err != nil {
		t.Fatal(err)
	}
	return places(t, out[0], out[1])
}

// places reads a source map [batch, places, tokens] of steps that choose, and the indices of the tokens
// pooled by it [batch, places, 1].
func places(t *testing.T, member, pooled *tensors.Tensor) [][]int {
	t.Helper()
	d := member.Shape().Dimensions
	flat, index := tensors.MustCopyFlatData[float32](member), tensors.MustCopyFlatData[float32](pooled)
	all := make([][]int, d[0])
	for b := range all {
		for f := range d[1] {
			row := flat[(b*d[1]+f)*d[2] : (b*d[1]+f+1)*d[2]]
			token := slices.Index(row, 1)
			switch {
			case token >= 0 && slices.Contains(all[b], token):
				t.Fatalf("image %d: token %d is in two places", b, token)
			case token >= 0 && slices.Contains(row[token+1:], 1):
				t.Fatalf("image %d: place %d holds two tokens", b, f)
			case float32(max(token, 0)) != index[b*d[1]+f]:
				t.Fatalf("image %d: place %d holds token %d with a share that is not 1", b, f, token)
			}
			all[b] = append(all[b], token)
		}
	}
	return all
}

// TestChooseGolden compares ATS with its official code and with that of "Which Tokens to Use?".
func TestChooseGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/choose.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Cases []struct {
			Name   string
			Fusion json.RawMessage
			Layer  fusion.Layer
		}
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	for name, backend := range backends(t) {
		file, err := weights.Read("testdata/choose.safetensors") // a tensor belongs to one backend
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range manifest.Cases {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				method, err := fusion.ParseJSON(c.Fusion)
				if err != nil {
					t.Fatal(err)
				}
				c.Layer.Depth = 1
				step, err := method.Step(c.Layer)
				if err != nil {
					t.Fatal(err)
				}
				inputs := []any{file.Tensors[c.Name+".attn"], file.Tensors[c.Name+".values"]}
				if present, ok := file.Tensors[c.Name+".present"]; ok {
					inputs = append(inputs, present)
				}
				out, err := ExecOnceN(backend, func(in []*Node) []*Node {
					e := fusion.Evidence{X: in[0], Attention: in[0], FromClass: attention.FromClass(in[0]), Values: in[1]}
					if len(in) > 2 {
						e.Present = in[2]
					}
					a := step.Assign(e)
					return []*Node{a.Member(), a.Tokens(InsertAxes(Iota(in[0].Graph(), a.Slot().Shape(), 1), -1))}
				}, inputs...)
				if err != nil {
					t.Fatal(err)
				}
				got := places(t, out[0], out[1])
				want := tensors.MustCopyFlatData[int32](file.Tensors[c.Name+".kept"])
				for b := range got {
					for f, token := range got[b] {
						if token != int(want[b*len(got[b])+f]) {
							t.Fatalf("image %d keeps %v, want %v", b, got[b], want[b*len(got[b]):(b+1)*len(got[b])])
						}
					}
				}
			})
		}
	}
}

// TestChooseByHand: values worked out from the definitions. In pure Go, to be quick; the other tests
// hold XLA against the same.
func TestChooseByHand(t *testing.T) {
	backend := backends(t)["go"]
	flat := func(n int) []float32 { return slices.Repeat([]float32{1}, n) }
	one := func(row ...float32) [][][]float32 { return [][][]float32{{row}} }
	for name, c := range map[string]struct {
		spec                          string
		tokens, protected, rows, cols int
		in                            evidence
		want                          []int
	}{
		"topk, ties to the lower position": {"topk:keep_rate=0.6,layers=0", 6, 1, 0, 0,
			evidence{attn: one(.9, .1, .3, .2, .3, .05)}, []int{0, 2, 4, 3}},
		"topk, two protected": {"topk:keep_rate=0.5,layers=0", 6, 2, 0, 0,
			evidence{attn: one(.1, .0, .1, .2, .3, .05)}, []int{0, 1, 4, 3}},
		"topk, mean over heads": {"topk:keep_rate=0.5,layers=0", 3, 1, 0, 0,
			evidence{attn: [][][]float32{{{0, .6, .4}, {0, .1, .5}}}}, []int{0, 2}},
		// Significance .1 .2 .3 .4, added up .1 .3 .6 1, stretched 0 .222 .556 1; points .222 .481 .741 1
		// are nearest to the second, the third, the third, the fourth.
		"ats": {"ats:layers=0", 5, 1, 0, 0,
			evidence{attn: one(.5, .1, .2, .3, .4), norms: one(flat(5)...)}, []int{0, 2, 3, 4, -1}},
		"ats, in ascending order": {"ats:layers=0", 5, 1, 0, 0,
			evidence{attn: one(.5, .4, .1, .3, .2), norms: one(flat(5)...)}, []int{0, 4, 3, 1, -1}},
		"ats, attention times norm": {"ats:layers=0", 5, 1, 0, 0,
			evidence{attn: one(.5, .1, .1, .1, .1), norms: one(9, 1, 2, 3, 4)}, []int{0, 2, 3, 4, -1}},
		"ats, two protected": {"ats:layers=0", 6, 2, 0, 0,
			evidence{attn: one(.5, .9, .1, .2, .3, .4), norms: one(flat(6)...)}, []int{0, 1, 3, 4, 5, -1}},
		"ats, one point is the most significant": {"ats:layers=0,keep_rate=0.25", 5, 1, 0, 0,
			evidence{attn: one(.5, .1, .2, .4, .3), norms: one(flat(5)...)}, []int{0, 3}},
		// Significance .03 .03 .04 .9, stretched 0 .031 .072 1: points .031 .354 .677 1 take the second,
		// the third (.354 is .282 from it), the fourth twice.
		"ats, one patch matters": {"ats:layers=0", 5, 1, 0, 0,
			evidence{attn: one(.0, .9, .03, .031, .04), norms: one(flat(5)...)}, []int{0, 3, 4, 1, -1}},
		// Two patches left of five places: 0 and 1, every point is 1.
		"ats, absent tokens": {"ats:layers=0", 6, 1, 0, 0,
			evidence{attn: one(.5, .0, .3, .0, .2, .0), norms: one(flat(6)...), present: [][]float32{{1, 0, 1, 0, 1, 0}}}, []int{0, 2, -1, -1, -1, -1}},
		"ats, one patch left": {"ats:layers=0", 4, 1, 0, 0,
			evidence{attn: one(.5, .5, 0, 0), norms: one(flat(4)...), present: [][]float32{{1, 1, 0, 0}}}, []int{0, 1, -1, -1}},
		"ats, no patch left": {"ats:layers=0", 4, 1, 0, 0,
			evidence{attn: one(1, 0, 0, 0), norms: one(flat(4)...), present: [][]float32{{1, 0, 0, 0}}}, []int{0, -1, -1, -1}},
		// More points than patches: K is that of the image, 9, the points .222 .319 .417 .514 .611 .708
		// .806 .903 1 on 0 .222 .556 1.
		"ats, fewer tokens than points": {"ats:layers=0", 5, 1, 3, 3,
			evidence{attn: one(.5, .1, .2, .3, .4), norms: one(flat(5)...)}, []int{0, 2, 3, 4, -1}},
		// Added up .1 .3 .6 1; points .1 .3 .5 .7 take the first, the second, the third twice.
		"ats by position": {"ats:layers=0,order=position", 5, 1, 0, 0,
			evidence{attn: one(.5, .1, .2, .3, .4), norms: one(flat(5)...)}, []int{0, 1, 2, 3, -1}},
		// Heads .1*1+.1*3, .1*1+.3*1: equal. Added up .5 1; points 1/6 3/6: the first twice.
		"ats by position, norms of each head": {"ats:layers=0,order=position", 3, 1, 0, 0,
			evidence{attn: [][][]float32{{{.8, .1, .1}, {.6, .1, .3}}}, norms: [][][]float32{{{1, 1, 1}, {1, 3, 1}}}}, []int{0, 1, -1}},
		"radial, the inner four": {"radial:layers=0,keep_rate=0.25", 17, 1, 4, 4, evidence{}, []int{0, 6, 7, 10, 11}},
		"radial, two protected":  {"radial:layers=0,keep_rate=0.25", 18, 2, 4, 4, evidence{}, []int{0, 1, 7, 8, 11, 12}},
		"radial, no class token": {"radial:layers=0,keep_rate=0.25", 16, 0, 4, 4, evidence{}, []int{5, 6, 9, 10}},
		"radial, an absent token": {"radial:layers=0,keep_rate=0.25", 17, 1, 4, 4,
			evidence{present: [][]float32{{1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}}, []int{0, 7, 10, 11, 2}},
		"radial, a cross": {"radial:layers=0,keep_rate=0.5", 10, 1, 3, 3, evidence{}, []int{0, 5, 2, 4, 6, 8}},
		// Squares leave 1 or 9 of 3 by 3; 5 is as near to one as to the other.
		"radial, the smaller of two as near": {"radial:layers=0,keep_rate=0.6,norm=linf", 10, 1, 3, 3, evidence{}, []int{0, 5}},
		"radial, the square is guessed":      {"radial:layers=0,keep_rate=0.25,norm=l2", 17, 1, 0, 0, evidence{}, []int{0, 6, 7, 10, 11}},
		"radial, a strip":                    {"radial:layers=0,keep_rate=0.4", 6, 1, 1, 5, evidence{}, []int{0, 3}},
		// Of 3 by 3, l1: the corners 0, 2, 6, 8 at 3, patches 1, 3 and 5 fused into one at 1.5 in the
		// mean, the centre; patch 7 is gone.
		"radial, after another method": {"radial:layers=0,keep_rate=0.5", 7, 1, 3, 3, evidence{source: [][][]float32{{
			{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 1, 0, 0, 0, 0, 0, 0},
			{0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 1, 0, 1, 0, 1, 0, 0, 0},
			{0, 0, 0, 0, 0, 1, 0, 0, 0, 0}}}}, []int{0, 6, 5, 1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			step, err := method.Step(fusion.Layer{Depth: 1, Tokens: c.tokens, Protected: c.protected, Rows: c.rows, Cols: c.cols})
			if err != nil {
				t.Fatal(err)
			}
			c.in.x = [][]float32{make([]float32, c.tokens)}
			if got := kept(t, backend, step, c.tokens, c.in)[0]; !slices.Equal(got, c.want) {
				t.Errorf("kept %v, want %v", got, c.want)
			}
		})
	}
}
