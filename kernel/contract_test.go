package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// backendsOfTests are tried by the command: pure Go, and whatever is chosen without GOMLX_BACKEND.
var backendsOfTests = map[string][]string{"go": {"GOMLX_BACKEND=go"}, "chosen": nil}

// TestPredictGolden runs the command on whole models of the official codes: weights and input in one
// file, logits within 1e-4 of the largest, the same source map and sizes.
func TestPredictGolden(t *testing.T) {
	const config = `{"image_size":64,"patch_size":8,"channels":3,"dim":48,"depth":4,"heads":3,"mlp_ratio":4,"classes":10,"distilled":false}`
	for backend, env := range backendsOfTests {
		for file, fusion := range map[string]string{
			"vit-tiny-none.safetensors":       `none`,
			"vit-tiny-r4.safetensors":         `mctf:r=4,layers=1-3`,
			"vit-tiny-r4-precise.safetensors": `{"method":"mctf","r":4,"layers":[1,2,3],"one_step_ahead":"precise"}`,
			"tome-vit-r4.safetensors":         `tome:r=4`,
		} {
			t.Run(backend+"/"+file, func(t *testing.T) {
				dir := t.TempDir()
				model, out := filepath.Join(dir, "model.json"), filepath.Join(dir, "out.safetensors")
				must(t, os.WriteFile(model, []byte(config), 0o600))
				golden := filepath.Join("..", "lib", "vit", "testdata", file)
				got := kernel(t, env, "predict", "--model", model, "--weights", golden, "--fusion", fusion,
					"--input", golden, "--output", out, "--trace")
				if got.code != 0 {
					t.Fatalf("exit %d: %s", got.code, got.stderr)
				}
				want, result := read(t, golden), read(t, out)
				if d := relative(result["logits"], want["logits"]); d > 1e-4 {
					t.Errorf("logits differ by %g of the largest", d)
				}
				if tokens := result["tokens"]; tokens.Shape().Dimensions[0] != 4 || tokens.DType().String() != "Int32" {
					t.Errorf("tokens are %s, want int32 [4]", tokens.Shape())
				}
				if source, ok := want["source_final"]; ok {
					if !result["source"].Equal(source) {
						t.Errorf("the source map is not the official one")
					}
					if got := result["size"].Shape().Dimensions; !slices.Equal(got, source.Shape().Dimensions[:2]) {
						t.Errorf("size is %v, want [batch, last tokens] %v", got, source.Shape().Dimensions[:2])
					}
					if !slices.Equal(flat(result["size"]), flat(want["size_final"])) {
						t.Errorf("sizes are not the official ones")
					}
				}
			})
		}
	}
}

// TestFuseGolden runs the command on single steps of the official codes.
func TestFuseGolden(t *testing.T) {
	published := func(r any) string {
		return fmt.Sprintf(`{"method":"mctf","r":%v,"protected":1,"protected_rule":"rows"}`, r)
	}
	for backend, env := range backendsOfTests {
		for file, step := range map[string]string{
			"match-bi-attnpool-odd.safetensors":      published(6),
			"match-ratio.safetensors":                published(0.35),
			"match-noop-n10.safetensors":             published(4),
			"match-size-none.safetensors":            published(6),
			"match-uni-sizepool-noahead.safetensors": `{"method":"mctf","r":4,"bidirectional":false,"pooling":"size","one_step_ahead":"off"}`,
			"match-protect2.safetensors":             `{"method":"mctf","r":7,"protected":2,"protected_rule":"rows"}`,
			"tome-step-distill.safetensors":          `{"method":"tome","r":20,"protected":2}`,
			"tome-step-nocls.safetensors":            `{"method":"tome","r":5,"protected":0}`,
		} {
			t.Run(backend+"/"+file, func(t *testing.T) {
				dir := t.TempDir()
				config, out := filepath.Join(dir, "step.json"), filepath.Join(dir, "out.safetensors")
				must(t, os.WriteFile(config, []byte(step), 0o600))
				golden := filepath.Join("..", "lib", "fusion", "testdata", file)
				got := kernel(t, env, "fuse", "--config", config, "--input", golden, "--output", out)
				if got.code != 0 {
					t.Fatalf("exit %d: %s", got.code, got.stderr)
				}
				want, result := read(t, golden), read(t, out)
				for _, name := range []string{"x", "size", "source", "attn"} {
					official, ok := want["out_"+name]
					if !ok {
						continue
					}
					if d := relative(result[name], official); d > 1e-4 {
						t.Errorf("%s differs by %g of the largest", name, d)
					}
				}
				source := result["source"].Shape().Dimensions
				if !slices.Equal(source, []int{2, want["out_x"].Shape().Dimensions[1], want["x"].Shape().Dimensions[1]}) {
					t.Errorf("source is %v", source)
				}
				_, ahead := result["attn"]
				if off := strings.Contains(step, `"off"`) || strings.Contains(step, "tome"); ahead == off {
					t.Errorf("attn is there: %t, want %t", ahead, !off)
				}
			})
		}
	}
}

// TestRefusals: bad usage and bad input exit with 2 and one line that names what is wrong.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	golden := filepath.Join("..", "lib", "vit", "testdata", "vit-tiny-none.safetensors")
	model := file("model.json", `{"image_size":64,"patch_size":8,"channels":3,"dim":48,"depth":4,"heads":3,"classes":10}`)
	other := file("other.json", `{"image_size":64,"patch_size":8,"channels":3,"dim":48,"depth":4,"heads":3,"classes":7}`)
	out := filepath.Join(dir, "out.safetensors")
	changed := func(name, tensor string, change func(*tensors.Tensor) *tensors.Tensor) string {
		all := read(t, golden)
		all[tensor] = change(all[tensor])
		path := filepath.Join(dir, name)
		must(t, weights.Write(path, &weights.File{Tensors: all}))
		return path
	}
	integers := changed("int.safetensors", "head.bias", func(*tensors.Tensor) *tensors.Tensor { return tensors.FromValue(make([]int32, 10)) })
	notANumber := changed("nan.safetensors", "norm.bias", func(t *tensors.Tensor) *tensors.Tensor {
		return tensors.FromScalarAndDimensions(float32(math.NaN()), t.Shape().Dimensions...)
	})
	stepInput := func(name string, batch, tokens int) string {
		path := filepath.Join(dir, name)
		must(t, weights.Write(path, &weights.File{Tensors: map[string]*tensors.Tensor{
			"x":    tensors.FromScalarAndDimensions(float32(1), batch, tokens, 4),
			"attn": tensors.FromScalarAndDimensions(float32(1), batch, 1, tokens, tokens)}}))
		return path
	}
	step := file("step.json", `{"method":"mctf","r":2}`)
	noImages := filepath.Join(dir, "no-images.safetensors")
	must(t, weights.Write(noImages, &weights.File{Tensors: map[string]*tensors.Tensor{"input": tensors.FromScalarAndDimensions(float32(0), 0, 3, 64, 64)}}))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown verb":        {[]string{"predcit"}, `unknown command "predcit"`},
		"unknown flag":        {[]string{"flops", "--modle", "x"}, "unknown flag: --modle"},
		"no model":            {[]string{"flops"}, `required flag(s) "model" not set`},
		"unknown model":       {[]string{"flops", "--model", "deit_huge"}, `unknown model "deit_huge": known are vit_fmnist_patch4_28`},
		"bad fusion":          {[]string{"flops", "--model", model, "--fusion", "mctf:rr=1"}, `unknown field "rr": known are`},
		"target of nothing":   {[]string{"flops", "--model", model, "--fusion", "mctf", "--target", ""}, `target is ""`},
		"target of atm":       {[]string{"flops", "--model", model, "--fusion", "atm:layers=1,size_layers=2", "--target", "50%"}, "depends on the images"},
		"layer too high":      {[]string{"flops", "--model", model, "--fusion", "mctf:layers=4"}, "layer 4 of a model with 4 layers"},
		"bad config":          {[]string{"flops", "--model", file("bad.json", `{"image_size":60,"patch_size":8,"dim":48,"depth":4,"heads":3,"classes":10}`)}, "images of 60x60 do not divide into patches of 8"},
		"unknown field":       {[]string{"flops", "--model", file("field.json", `{"image_sise":60}`)}, `unknown field "image_sise"`},
		"config not JSON":     {[]string{"flops", "--model", file("no.json", `hello`)}, "no.json"},
		"no input":            {[]string{"predict", "--model", model, "--weights", golden}, "give either --input FILE.safetensors or images"},
		"no weights":          {[]string{"predict", "--model", model, "--input", golden}, "comes without weights"},
		"weights missing":     {[]string{"predict", "--model", model, "--weights", filepath.Join(dir, "gone"), "--input", golden}, "gone"},
		"weights elsewhere":   {[]string{"predict", "--model", other, "--weights", golden, "--input", golden}, "head.weight is [10 48], want [7 48]"},
		"not safetensors":     {[]string{"predict", "--model", model, "--weights", file("w.safetensors", "xxxxxxxxxxxxxxxx"), "--input", golden}, "w.safetensors: not a safetensors file"},
		"weights of integers": {[]string{"predict", "--model", model, "--weights", integers, "--input", golden}, "head.bias is int32, want float32"},
		"not finite":          {[]string{"predict", "--model", model, "--weights", notANumber, "--input", golden}, "the logits of input 0 are not finite"},
		"strict":              {[]string{"predict", "--strict", "--model", model, "--weights", golden, "--input", golden}, "does not know: logits"},
		"no image":            {[]string{"predict", "--model", model, "--weights", golden, file("x.png", "no picture")}, "x.png"},
		"output unwritable":   {[]string{"predict", "--model", model, "--weights", golden, "--input", golden, "--output", filepath.Join(dir, "gone", "out")}, "cannot be written"},
		"trace to nowhere":    {[]string{"predict", "--trace", "--model", model, "--weights", golden, "--input", golden}, "--output"},
		"fuse without x":      {[]string{"fuse", "--config", file("s.json", `{"method":"mctf","r":4}`), "--input", golden, "--output", out}, "tensor x is missing"},
		"no tokens":           {[]string{"fuse", "--config", step, "--input", stepInput("none.safetensors", 1, 0), "--output", out}, "nothing to fuse"},
		"an empty batch":      {[]string{"fuse", "--config", step, "--input", stepInput("batch.safetensors", 0, 12), "--output", out}, "nothing to fuse"},
		"half a token":        {[]string{"fuse", "--config", file("half.json", `{"method":"mctf","r":1.5}`), "--input", golden, "--output", out}, "no whole number of tokens"},
		"a negative tau":      {[]string{"flops", "--model", model, "--fusion", "mctf:tau.size=-1"}, "want 0 (off) or above"},
		"tau is no number":    {[]string{"flops", "--model", model, "--fusion", "mctf:tau.size=NaN"}, "want a number"},
		"images, empty batch": {[]string{"predict", "--model", model, "--weights", golden, "--input", noImages}, "images are (Float32)[0, 3, 64, 64]"},
		"an odd size":         {[]string{"flops", "--model", model, "--image-size", "65"}, "images of 65x65 do not divide into patches of 8"},
		"a huge model":        {[]string{"flops", "--model", file("huge.json", `{"image_size":1048576,"patch_size":1,"dim":48,"depth":4,"heads":3,"classes":10}`)}, "want at most 1048576"},
		"step with layers":    {[]string{"fuse", "--config", file("l.json", `{"method":"mctf","layers":[1]}`), "--input", golden, "--output", out}, "a single step has no layers"},
		"step, unknown rule":  {[]string{"fuse", "--config", file("r.json", `{"method":"mctf","protected_rule":"cls"}`), "--input", golden, "--output", out}, `unknown protected_rule "cls"`},
	} {
		t.Run(name, func(t *testing.T) {
			got := kernel(t, nil, c.args...)
			want := 2
			if name == "not finite" { // the input was as it should be
				want = 1
			}
			if got.code != want {
				t.Errorf("exit %d, want %d: %s", got.code, want, got.stderr)
			}
			var lines []string
			for line := range strings.Lines(got.stderr) {
				if !strings.HasPrefix(line, "kernel: warning: ") {
					lines = append(lines, line)
				}
			}
			if len(lines) != 1 || !strings.Contains(lines[0], c.want) {
				t.Errorf("%q does not say %q in one line", got.stderr, c.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Errorf("an output was written")
			}
		})
	}
}

// TestPredictImage: a picture goes through the evaluation transform, on the model that comes with
// Tokenfuse.
func TestPredictImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grey.png")
	f, err := os.Create(path)
	must(t, err)
	must(t, png.Encode(f, image.NewGray(image.Rect(0, 0, 28, 28))))
	must(t, f.Close())
	got := kernel(t, nil, "predict", "--model", "vit_fmnist_patch4_28", "--fusion", "mctf:r=4", path)
	if got.code != 0 || !strings.Contains(got.stdout, "%") || strings.Count(got.stdout, ",") != 4 {
		t.Errorf("exit %d, %q, %q: want five classes", got.code, got.stdout, got.stderr)
	}
}

func TestListsAsJSON(t *testing.T) {
	for _, args := range [][]string{{"models", "--json"}, {"methods", "--json"}, {"flops", "--model", "deit_tiny_patch16_224", "--fusion", "mctf", "--json"}} {
		got := kernel(t, nil, args...)
		if got.code != 0 || !json.Valid([]byte(got.stdout)) {
			t.Errorf("%v: exit %d, %s", args, got.code, got.stdout)
		}
	}
}

// TestFlopsBound: of a method whose number of tokens depends on the image the counts are called a bound.
func TestFlopsBound(t *testing.T) {
	for spec, bound := range map[string]bool{"atm": true, "ats": true, "mctf": false} {
		got := kernel(t, nil, "flops", "--model", "deit_tiny_patch16_224", "--fusion", spec)
		if said := strings.Contains(got.stdout, "This is a bound"); got.code != 0 || said != bound {
			t.Errorf("%s: exit %d, said to be a bound: %v\n%s", spec, got.code, said, got.stdout)
		}
	}
}

// TestHelp: every verb shows what it does, and examples.
func TestHelp(t *testing.T) {
	for _, verb := range verbs() {
		got := kernel(t, nil, verb.Name(), "--help")
		if got.code != 0 || !strings.Contains(got.stdout, "Examples:") || !strings.Contains(got.stdout, "go run ./kernel "+verb.Name()) {
			t.Errorf("%s --help: exit %d\n%s", verb.Name(), got.code, got.stdout)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) map[string]*tensors.Tensor {
	t.Helper()
	file, err := weights.Read(path)
	must(t, err)
	return file.Tensors
}

func flat(t *tensors.Tensor) []float32 { return tensors.MustCopyFlatData[float32](t) }

// relative is the largest absolute difference over the largest absolute value.
func relative(got, want *tensors.Tensor) float64 {
	if got == nil || !got.Shape().Equal(want.Shape()) {
		return math.Inf(1)
	}
	a, b := flat(got), flat(want)
	var difference, largest float64
	for i := range b {
		difference = max(difference, math.Abs(float64(a[i]-b[i])))
		largest = max(largest, math.Abs(float64(b[i])))
	}
	return difference / max(largest, 1e-30)
}
