package vit

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// tiny has 17 tokens (18 distilled): room for fusion above the floor of ten.
func tiny(distilled bool) Config {
	return Config{ImageSize: ImageSize{16, 16}, PatchSize: 4, Channels: 2, Dim: 12, Depth: 3, Heads: 3, MLPRatio: 2, Classes: 5, Distilled: distilled}
}

func randomImages(c Config, batch int) *tensors.Tensor {
	rng := rand.New(rand.NewPCG(7, 7))
	data := make([]float32, batch*c.Channels*c.ImageSize.Height*c.ImageSize.Width)
	for i := range data {
		data[i] = float32(rng.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(data, batch, c.Channels, c.ImageSize.Height, c.ImageSize.Width)
}

// TestNothingFused: with r = 0 every method is the base model, to the last bit.
func TestNothingFused(t *testing.T) {
	for name, backend := range backends(t) {
		m, err := New(tiny(false), 1)
		if err != nil {
			t.Fatal(err)
		}
		images := randomImages(m.Config, 2)
		logits := func(method fusion.Method) []float32 {
			classifier, err := m.WithBackend(backend, method)
			if err != nil {
				t.Fatal(err)
			}
			defer classifier.Close()
			out, err := classifier.Logits(images)
			if err != nil {
				t.Fatal(err)
			}
			return tensors.MustCopyFlatData[float32](out)
		}
		base := logits(fusion.None{})
		for _, method := range []fusion.Method{fusion.MCTF{}, fusion.ToMe{}, fusion.EViT{KeepRate: 1, Layers: []int{1}}} {
			t.Run(name+"/"+method.Name(), func(t *testing.T) {
				if d := relative(logits(method), base); d != 0 {
					t.Errorf("logits differ by %g", d)
				}
			})
		}
	}
}

// TestGradients: every weight that is trained gets a finite gradient through every method, placed
// everywhere, for models of each kind.
func TestGradients(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	for kind, c := range everyModel() {
		for _, spec := range []string{"none", "mctf:r=2", "mctf:r=2,one_step_ahead=precise", "mctf:r=2,one_step_ahead=off",
			"mctf:r=2,pooling=max", "mctf:r=0.3,bidirectional=false", "tome:r=2", "evit:keep_rate=0.7,layers=1",
			"evit:keep_rate=0.7,layers=1,fuse_inattentive=false"} {
			if kind == "no class token" && strings.HasPrefix(spec, "evit") {
				continue // TestNoClassToken
			}
			t.Run(spec+"/"+kind, func(t *testing.T) {
				method, err := fusion.Parse(spec)
				if err != nil {
					t.Fatal(err)
				}
				m, err := New(c, 3)
				if err != nil {
					t.Fatal(err)
				}
				exec, err := model.NewExec(backend, m.store, func(scope *model.Scope, images *Node) []*Node {
					m.store.SetTraining(images.Graph(), true)
					out := Forward(m.store, m.Config, method, images)
					var norms []*Node
					for _, g := range scope.BuildTrainableVariablesGradientsGraph(ReduceAllSum(Square(out.Logits))) {
						norms = append(norms, ReduceAllSum(Square(g)))
					}
					return norms
				})
				if err != nil {
					t.Fatal(err)
				}
				defer exec.Finalize()
				norms, err := exec.Call(randomImages(m.Config, 2))
				if err != nil {
					t.Fatal(err)
				}
				zero := 0
				for i, norm := range norms {
					v := float64(tensors.ToScalar[float32](norm))
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Errorf("gradient %d has norm %v", i, v)
					}
					if v == 0 {
						zero++
					}
				}
				if zero > 0 {
					t.Errorf("%d of %d gradients are 0", zero, len(norms))
				}
				count := 0
				for name := range m.Config.Parameters() {
					if !m.Config.fixed(name) {
						count++
					}
				}
				if len(norms) != count {
					t.Errorf("%d gradients for %d weights", len(norms), count)
				}
			})
		}
	}
}

// TestNoClassToken: a method that asks the class token is refused in one line where there is none.
func TestNoClassToken(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(everyModel()["no class token"], 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.WithBackend(backend, fusion.EViT{KeepRate: 0.5, Layers: []int{1}})
	if want := "class token, which this model does not have"; err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v does not say %q in one line", err, want)
	}
	average, err := New(everyModel()["average"], 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = average.WithBackend(backend, fusion.EViT{KeepRate: 0, Layers: []int{1}, Drop: true})
	if want := "evit leaves no patch"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

// TestSourceMaps: behind every block each first token lies in exactly one token, sizes sum to the
// tokens, and the protected ones are first and alone, for models of each kind.
func TestSourceMaps(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	for kind, c := range everyModel() {
		for _, method := range []fusion.Method{fusion.None{}, fusion.MCTF{R: 3}, fusion.MCTF{R: 3, OneStepAhead: fusion.AfterBlock}, fusion.ToMe{R: 3}} {
			t.Run(method.Name()+"/"+kind, func(t *testing.T) {
				m, err := New(c, 5)
				if err != nil {
					t.Fatal(err)
				}
				classifier, err := m.WithBackend(backend, method)
				if err != nil {
					t.Fatal(err)
				}
				p, err := classifier.Trace(randomImages(m.Config, 2))
				if err != nil {
					t.Fatal(err)
				}
				first := m.Config.Tokens()
				for layer, source := range p.Sources(1) {
					leaving := classifier.Tokens[layer]
					if len(source) != leaving*first {
						t.Fatalf("block %d: source map of %d, want %d x %d", layer, len(source), leaving, first)
					}
					for token := range first {
						sum := float32(0)
						for row := range leaving {
							sum += source[row*first+token]
						}
						if sum != 1 {
							t.Errorf("block %d: token %d lies in %v tokens", layer, token, sum)
						}
					}
					for token := range m.Config.Protected() {
						for other, v := range source[token*first : (token+1)*first] {
							if (v == 1) != (other == token) {
								t.Errorf("block %d: protected token %d was touched", layer, token)
							}
						}
					}
				}
				total := float32(0)
				for _, size := range tensors.MustCopyFlatData[float32](p.Size) {
					total += size
				}
				if int(total) != 2*first {
					t.Errorf("sizes sum to %v, want %d", total, 2*first)
				}
			})
		}
	}
}

func TestParseConfig(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"square":          {`{"image_size":64,"patch_size":8,"channels":3,"dim":48,"depth":4,"heads":3,"mlp_ratio":4,"classes":10,"distilled":false}`, ""},
		"height, width":   {`{"image_size":[32,64],"patch_size":8,"dim":48,"depth":4,"heads":3,"classes":10}`, ""},
		"indivisible":     {`{"image_size":[32,60],"patch_size":8,"dim":48,"depth":4,"heads":3,"classes":10}`, "images of 32x60 do not divide into patches of 8"},
		"heads":           {`{"image_size":64,"patch_size":8,"dim":48,"depth":4,"heads":5,"classes":10}`, "dim 48 does not divide into 5 heads"},
		"nothing":         {`{}`, "image_size is 0"},
		"unknown":         {`{"image":64}`, `unknown field "image": known are image_size`},
		"three sizes":     {`{"image_size":[1,2,3]}`, "want a number or [height, width]"},
		"two objects":     {`{"image_size":64,"patch_size":8,"dim":48,"depth":4,"heads":3,"classes":10} {}`, "something follows"},
		"a huge depth":    {`{"image_size":64,"patch_size":8,"dim":48,"depth":4000000000,"heads":3,"classes":10}`, "depth is 4000000000"},
		"negative ratio":  {`{"image_size":64,"patch_size":8,"dim":48,"depth":4,"heads":3,"classes":10,"mlp_ratio":-1}`, "mlp_ratio is -1"},
		"not JSON at all": {`hello`, "model configuration: line 1, column 1: invalid character"},
		"a word":          {"{\n\"image_size\": 64,\n\"patch_size\": \"8\"}", "line 3, column 17: patch_size is a string, want a whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.text))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, named := range Models() {
		data, err := json.Marshal(named.Config)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"image_size":[32,64],"patch_size":8,"channels":3,"dim":48,"depth":4,"heads":3,"mlp_ratio":4,"classes":10,"distilled":true}`))
	f.Add([]byte(`{"image_size":1048576,"patch_size":1,"dim":1048576,"depth":1048576,"heads":1,"classes":1048576,"mlp_ratio":1e9}`))
	f.Add([]byte(`{"image_size":64,"patch_size":16,"dim":48,"depth":4,"heads":3,"classes":10,"stem":"t2t_performer","stem_dim":1048576}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		if c.Tokens() < 1 || c.Dim%c.Heads != 0 {
			t.Errorf("%s was accepted: %+v", data, c)
		}
	})
}

// TestParameterCount: the published counts (DeiT, arXiv 2012.12877, table 1: 5M, 22M, 86M; exact
// ones are timm's).
func TestParameterCount(t *testing.T) {
	for name, want := range map[string]int{
		"deit_tiny_patch16_224": 5717416, "deit_small_patch16_224": 22050664, "deit_base_patch16_224": 86567656,
		"deit_tiny_distilled_patch16_224": 5910800, "deit_small_distilled_patch16_224": 22436432, "deit_base_distilled_patch16_224": 87338192,
	} {
		c, err := ConfigOf(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ParameterCount(); got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
	}
}

// TestRefusals: what does not fit is one clear line, never a stack trace.
func TestRefusals(t *testing.T) {
	m, err := New(tiny(false), 1)
	if err != nil {
		t.Fatal(err)
	}
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, fusion.MCTF{R: 2, Criteria: []fusion.Criterion{{Name: "mine", Tau: 1,
		Score: func(a, b fusion.Evidence) *Node { return a.X }}}})
	if err != nil {
		t.Fatal(err)
	}
	other := tiny(false)
	other.Channels = 3
	for name, c := range map[string]struct {
		images *tensors.Tensor
		want   string
	}{
		"images of another model":        {randomImages(other, 1), "images are (Float32)[1, 3, 16, 16], the model takes (Float32)[batch, 2, 16, 16]"},
		"a criterion of the wrong shape": {randomImages(m.Config, 1), `criterion "mine" scored (Float32)[1, 9, 12], want (Float32)[1, 9, 8]`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := classifier.Logits(c.images)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}

// TestPatchEmbedding compares the matrix product with a convolution whose stride is its kernel.
func TestPatchEmbedding(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	c := tiny(false)
	m, err := New(c, 2)
	if err != nil {
		t.Fatal(err)
	}
	images := randomImages(c, 1)
	exec, err := model.NewExec(backend, m.store, func(_ *model.Scope, images *Node) (*Node, *Node) {
		l := layers{store: m.store, graph: images.Graph()}
		return patchStem{c}.tokens(l, images), l.value("patch_embed.proj.weight", c.Dim, c.Channels, c.PatchSize, c.PatchSize)
	})
	if err != nil {
		t.Fatal(err)
	}
	out, kernel, err := exec.Call2(images)
	if err != nil {
		t.Fatal(err)
	}
	got, weight, pixels := tensors.MustCopyFlatData[float32](out), tensors.MustCopyFlatData[float32](kernel), tensors.MustCopyFlatData[float32](images)
	bias := tensors.MustCopyFlatData[float32](m.store.GetVariable("/patch_embed/proj/bias").MustValue())
	rows, cols := c.Grid()
	for row := range rows {
		for col := range cols {
			for d := range c.Dim {
				sum := bias[d]
				for channel := range c.Channels {
					for y := range c.PatchSize {
						for x := range c.PatchSize {
							pixel := pixels[(channel*c.ImageSize.Height+row*c.PatchSize+y)*c.ImageSize.Width+col*c.PatchSize+x]
							sum += pixel * weight[((d*c.Channels+channel)*c.PatchSize+y)*c.PatchSize+x]
						}
					}
				}
				if v := got[(row*cols+col)*c.Dim+d]; math.Abs(float64(v-sum)) > 1e-5 {
					t.Fatalf("patch %d,%d component %d is %v, a convolution gives %v", row, col, d, v, sum)
				}
			}
		}
	}
}

// TestOneBackend: a model that another backend has is refused in one line that says what to do.
func TestOneBackend(t *testing.T) {
	m, err := New(tiny(false), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		backend, err := accel.New("go")
		if err != nil {
			t.Fatal(err)
		}
		defer backend.Finalize()
		c, err := m.WithBackend(backend, fusion.None{})
		if i == 0 {
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			continue
		}
		if want := "vit: the weights of untrained are on another backend (Go): load the model once for each"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
