package vit

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// choice is a whole model under a method that chooses tokens, from the official codes, on the weights and
// images of vit-tiny-none.safetensors.
type choice struct {
	Name   string
	Fusion json.RawMessage
	Tokens []int   // leaving each block
	Counts [][]int // [image][depth], tokens present; where the number depends on the image
}

// TestChooseGolden compares topk, radial and ats with the official codes: the same tokens kept, logits
// within 1e-4 of the largest.
func TestChooseGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/choose.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Cases []choice }
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	for name, backend := range backends(t) {
		for _, c := range manifest.Cases {
			t.Run(name+"/"+c.Name, func(t *testing.T) { checkChoice(t, backend, c) })
		}
	}
}

func checkChoice(t *testing.T, backend compute.Backend, c choice) {
	base, err := weights.Read("testdata/vit-tiny-none.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	file, err := weights.Read("testdata/choose.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := FromTensors("tiny", Config{ImageSize: ImageSize{64, 64}, PatchSize: 8, Channels: 3, Dim: 48, Depth: 4, Heads: 3, MLPRatio: 4, Classes: 10}, base.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	method, err := fusion.ParseJSON(c.Fusion)
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, method)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(classifier.Tokens, c.Tokens) {
		t.Errorf("%v tokens leave the blocks, want %v", classifier.Tokens, c.Tokens)
	}
	p, err := classifier.Trace(base.Tensors["input"])
	if err != nil {
		t.Fatal(err)
	}
	want := tensors.MustCopyFlatData[float32](file.Tensors[c.Name+".logits"])
	if d := relative(tensors.MustCopyFlatData[float32](p.Logits), want); d > 1e-4 {
		t.Errorf("logits differ by %g of the largest", d)
	}
	kept := tensors.MustCopyFlatData[int32](file.Tensors[c.Name+".kept"])
	source := tensors.MustCopyFlatData[float32](p.Source)
	d := p.Source.Shape().Dimensions
	for image := range d[0] {
		var got, want []int
		for place := range d[1] {
			row := source[(image*d[1]+place)*d[2]:][:d[2]]
			got = append(got, slices.Index(row, 1))
			want = append(want, int(kept[image*d[1]+place]))
		}
		if method.Name() == "radial" { // a mask in the official code, so in order of position
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("image %d keeps %v, want %v", image, got, want)
		}
	}
	counts := slices.Concat(c.Counts...)
	for i, n := range tensors.MustCopyFlatData[float32](p.Counts) {
		if counts != nil && int(n) != counts[i] {
			t.Errorf("%v tokens are present, want %v", n, counts[i])
		}
	}
}
