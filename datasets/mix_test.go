package datasets

import (
	"slices"
	"testing"
)

func TestMixIsTimms(t *testing.T) {
	var golden struct {
		Shape   [3]int
		Classes int
		Labels  []int32
		Cases   []struct {
			Cut                    bool
			Lambda                 float64
			Y, X                   int
			Before, After, Targets []float32
		}
	}
	readJSON(t, "mix.json", &golden)
	about := About{Channels: golden.Shape[0], Height: golden.Shape[1], Width: golden.Shape[2]}
	if len(golden.Cases) == 0 {
		t.Fatal("no cases")
	}
	for i, test := range golden.Cases {
		batch := Batch{Images: test.Before, Labels: golden.Labels, N: len(golden.Labels)}
		lambda := test.Lambda
		if test.Cut {
			box := boxAround(test.Y, test.X, about.Height, about.Width, lambda)
			box.paste(batch, about)
			lambda = box.lambda(about.Height, about.Width)
		} else {
			mixup(batch, lambda)
		}
		for p, want := range test.After {
			// PyTorch may add without rounding the product first.
			if got := batch.Images[p]; abs(float64(got-want)) > 3e-7 {
				t.Fatalf("case %d: value %d is %v, want %v", i, p, got, want)
			}
		}
		for p, got := range targets(batch.Labels, golden.Classes, lambda) {
			if abs(float64(got-test.Targets[p])) > 1e-7 {
				t.Errorf("case %d: target %d is %v, want %v", i, p, got, test.Targets[p])
			}
		}
	}
}

func TestMixOfABatch(t *testing.T) {
	about := About{Channels: 1, Height: 4, Width: 4, Classes: []string{"a", "b", "c"}}
	ones := func() Batch { // image k is k+1 everywhere
		b := Batch{N: 3, Labels: []int32{0, 1, 2}}
		for k := range 3 {
			b.Images = append(b.Images, slices.Repeat([]float32{float32(k + 1)}, 16)...)
		}
		return b
	}
	cuts := 0
	for seed := range uint64(200) {
		m := Mix{Mixup: 0.8, CutMix: 1}.apply(ones(), about, newStream(seed))
		if !slices.Equal(m.Labels, []int32{0, 1, 2}) || m.N != 3 {
			t.Fatal("other labels")
		}
		lambda := m.targets[0]
		want := []float32{lambda, 0, 1 - lambda, 0, 1, 0, 1 - lambda, 0, lambda}
		for p, got := range m.targets {
			if abs(float64(got-want[p])) > 1e-6 {
				t.Fatalf("targets %v, want %v", m.targets, want)
			}
		}
		mean := 0.0
		whole := true
		for _, v := range m.Images[:16] {
			mean += float64(v) / 16
			whole = whole && (v == 1 || v == 3)
		}
		if abs(mean-float64(lambda+3*(1-lambda))) > 1e-5 {
			t.Fatalf("the first image has mean %v, its target %v", mean, lambda)
		}
		if whole {
			cuts++
		}
		for _, v := range m.Images[16:32] { // mixed with itself
			if abs(float64(v-2)) > 1e-6 {
				t.Fatalf("the one in the middle became %v", v)
			}
		}
	}
	if cuts < 70 || cuts > 140 {
		t.Errorf("%d of 200 batches are cut, want about half", cuts)
	}
}

func TestMixAlone(t *testing.T) {
	about := About{Channels: 1, Height: 8, Width: 8, Classes: []string{"a", "b"}}
	for seed := range uint64(50) {
		batch := Batch{N: 2, Labels: []int32{0, 1}, Images: append(make([]float32, 64), slices.Repeat([]float32{1}, 64)...)}
		for _, v := range (Mix{CutMix: 1}).apply(batch, about, newStream(seed)).Images {
			if v != 0 && v != 1 {
				t.Fatalf("CutMix alone mixes: %v", v)
			}
		}
	}
}
