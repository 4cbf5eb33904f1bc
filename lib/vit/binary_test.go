package vit

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokenfuse/lib/weights"
)

// TestModelBinary: a model comes back with its name, configuration, weights, and what its file held beside
// them; the same model gives the same bytes.
func TestModelBinary(t *testing.T) {
	model, err := New(Config{ImageSize: ImageSize{8, 8}, PatchSize: 4, Channels: 1, Dim: 6, Depth: 2, Heads: 2, MLPRatio: 2, Classes: 3}, 7)
	if err != nil {
		t.Fatal(err)
	}
	all, err := model.Weights()
	if err != nil {
		t.Fatal(err)
	}
	model.Name = "small"
	model.unknown["learned"] = all["cls_token"]
	data, err := model.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var read Model
	if err := read.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	again, err := read.MarshalBinary()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("written again: %d bytes of %d, %v", len(again), len(data), err)
	}
	if read.Name != "small" || !cmp.Equal(read.Config, model.Config) || read.unknown["learned"] == nil {
		t.Errorf("%q, %+v, beside the weights %v", read.Name, read.Config, read.unknown)
	}
	readAll, err := read.Weights()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		if got := readAll[name]; got == nil || !got.Equal(want) {
			t.Errorf("weight %s differs", name)
		}
	}
	noConfig, err := (&weights.File{Tensors: all}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"nothing": nil, "cut off": data[:len(data)/2], "no configuration": noConfig} {
		if err := new(Model).UnmarshalBinary(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
