package fusion_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/google/go-cmp/cmp"

	"tokenfuse/lib/fusion"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"mctf alone takes the published values": {"mctf",
			`{"method":"mctf","r":16,"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}`},
		"range of layers": {"mctf:r=8,layers=1-3",
			`{"method":"mctf","r":8,"layers":[1,2,3],"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}`},
		"list of layers, ratio": {"mctf:r=0.35,layers=3,6,9",
			`{"method":"mctf","r":0.35,"layers":[3,6,9],"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}`},
		"one layer": {"mctf:r=4,layers=2,bidirectional=false,pooling=max,one_step_ahead=off,proportional_attention=false",
			`{"method":"mctf","r":4,"layers":[2],"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":false,"pooling":"max","one_step_ahead":"off","proportional_attention":false}`},
		"r per layer": {"mctf:r=4,8,layers=1,2",
			`{"method":"mctf","r":[4,8],"layers":[1,2],"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}`},
		"tau by name": {"mctf:tau.size=0,tau.similarity=2",
			`{"method":"mctf","r":16,"tau":{"informativeness":20,"similarity":2,"size":0},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}`},
		"tome":            {"tome:r=8", `{"method":"tome","r":8,"proportional_attention":true}`},
		"tome falling":    {`{"method":"tome","r":{"r":6,"inflection":-1}}`, `{"method":"tome","r":{"r":6,"inflection":-1},"proportional_attention":true}`},
		"tome inflection": {"tome:r.r=6,r.inflection=-1", `{"method":"tome","r":{"r":6,"inflection":-1},"proportional_attention":true}`},
		"tome list":       {`{"method":"tome","r":[4,0,4]}`, `{"method":"tome","r":[4,0,4],"proportional_attention":true}`},
		"evit":            {"evit", `{"method":"evit","keep_rate":0.7,"fuse_inattentive":true}`},
		"evit rates":      {"evit:keep_rate=0.9,0.5,layers=1,2", `{"method":"evit","keep_rate":[0.9,0.5],"layers":[1,2],"fuse_inattentive":true}`},
		"dynamicvit":      {"dynamicvit", `{"method":"dynamicvit","keep_rate":0.7}`},
		"sit":             {"sit:layers=9,12,14", `{"method":"sit","keep_rate":0.5,"layers":[9,12,14]}`},
		"patchmerger":     {"patchmerger:keep_rate=0.9,0.5,layers=1,2", `{"method":"patchmerger","keep_rate":[0.9,0.5],"layers":[1,2]}`},
		"sinkhorn":        {"sinkhorn", `{"method":"sinkhorn","keep_rate":0.7,"eps":1,"iterations":3}`},
		"sinkhorn sharp":  {"sinkhorn:eps=0.05,iterations=10,layers=2", `{"method":"sinkhorn","keep_rate":0.7,"layers":[2],"eps":0.05,"iterations":10}`},
		"none":            {"none", `{"method":"none"}`},
		"pitome": {"pitome",
			`{"method":"pitome","keep_rate":0.9125,"margin":0.75,"proportional_attention":false}`},
		"pitome per layer": {"pitome:keep_rate=0.9,0.8,layers=1,2,margin=0.9,bipartite_layers=1,proportional_attention=true",
			`{"method":"pitome","keep_rate":[0.9,0.8],"layers":[1,2],"margin":0.9,"bipartite_layers":[1],"proportional_attention":true}`},
		"pitome, the paper's": {`{"method":"pitome","bipartite_layers":[]}`,
			`{"method":"pitome","keep_rate":0.9125,"margin":0.75,"bipartite_layers":[],"proportional_attention":false}`},
		"tofu": {"tofu", `{"method":"tofu","r":8,"proportional_attention":false}`},
		"tofu list": {"tofu:r=4,2,prune_layers=0-1,proportional_attention=true",
			`{"method":"tofu","r":[4,2],"prune_layers":[0,1],"proportional_attention":true}`},
		"tofu without pruning": {`{"method":"tofu","prune_layers":[]}`, `{"method":"tofu","r":8,"prune_layers":[],"proportional_attention":false}`},
		"atm":                  {"atm", `{"method":"atm","alpha":0.95,"beta":0.02,"theta_min":0.7,"proportional_attention":true}`},
		"atm, all fields": {"atm:alpha=0.9,beta=0,theta_min=0.5,layers=1,2,size_layers=2,proportional_attention=false",
			`{"method":"atm","alpha":0.9,"beta":0,"theta_min":0.5,"layers":[1,2],"size_layers":[2],"proportional_attention":false}`},
		"random fusion":      {"random-fusion:r=4,seed=7", `{"method":"random-fusion","r":4,"seed":7,"proportional_attention":true}`},
		"random fusion list": {"random-fusion:r=4,0,2", `{"method":"random-fusion","r":[4,0,2],"seed":0,"proportional_attention":true}`},
		"topk":               {"topk", `{"method":"topk","keep_rate":0.7}`},
		"topk rates":         {"topk:keep_rate=0.9,0.5,layers=1,2", `{"method":"topk","keep_rate":[0.9,0.5],"layers":[1,2]}`},
		"ats":                {"ats", `{"method":"ats","keep_rate":1,"order":"significance"}`},
		"ats, one layer":     {"ats:keep_rate=0.5,layers=2,order=position", `{"method":"ats","keep_rate":0.5,"layers":[2],"order":"position"}`},
		"ats rates":          {"ats:keep_rate=0.5,0.9", `{"method":"ats","keep_rate":[0.5,0.9],"order":"significance"}`},
		"radial":             {"radial", `{"method":"radial","norm":"l1","keep_rate":0.7}`},
		"radial squares":     {"radial:norm=linf,keep_rate=0.25", `{"method":"radial","norm":"linf","keep_rate":0.25}`},
		"random drop":        {"random-drop:seed=7", `{"method":"random-drop","keep_rate":0.7,"seed":7}`},
		"atc":                {"atc", `{"method":"atc","keep_rate":0.7,"linkage":"average","pooling":"size","proportional_attention":true}`},
		"atc rates": {"atc:keep_rate=0.9,0.5,layers=1,2,linkage=complete,pooling=mean,proportional_attention=false",
			`{"method":"atc","keep_rate":[0.9,0.5],"layers":[1,2],"linkage":"complete","pooling":"mean","proportional_attention":false}`},
		"atc by count":    {"atc:r=13,linkage=single", `{"method":"atc","r":13,"linkage":"single","pooling":"size","proportional_attention":true}`},
		"atc counts":      {"atc:r=13,0,2", `{"method":"atc","r":[13,0,2],"linkage":"average","pooling":"size","proportional_attention":true}`},
		"kmedoids":        {"kmedoids", `{"method":"kmedoids","keep_rate":0.7,"iterations":3,"equal_weight":false,"medoid_rule":"image"}`},
		"kmedoids fields": {"kmedoids:keep_rate=0.5,0.25,layers=1,2,iterations=5,equal_weight=true,medoid_rule=cluster", `{"method":"kmedoids","keep_rate":[0.5,0.25],"layers":[1,2],"iterations":5,"equal_weight":true,"medoid_rule":"cluster"}`},
		"dpcknn":          {"dpcknn", `{"method":"dpcknn","keep_rate":0.7,"k_neighbors":5,"equal_weight":false}`},
		"dpcknn fields":   {"dpcknn:keep_rate=0.5,layers=1,k_neighbors=3,equal_weight=true", `{"method":"dpcknn","keep_rate":0.5,"layers":[1],"k_neighbors":3,"equal_weight":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(method)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Error(d)
			}
			again, err := fusion.ParseJSON(got)
			if err != nil {
				t.Fatalf("its own JSON is refused: %v", err)
			}
			if twice, _ := json.Marshal(again); string(twice) != string(got) {
				t.Errorf("read again it becomes %s", twice)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown method":     {"mcft:r=4", `unknown method "mcft": known are none, mctf, tome, pitome, tofu, `},
		"unknown field":      {"mctf:ratio=4", `unknown field "ratio": known are method, r, layers, tau`},
		"unknown pooling":    {"mctf:pooling=sum", `unknown pooling "sum": known are attention, size, mean, max`},
		"unknown mode":       {"mctf:one_step_ahead=2", `one_step_ahead is a number, want a string`},
		"unknown criterion":  {"mctf:tau.edge=3", `unknown criterion in tau "edge": known are similarity, informativeness, size`},
		"negative tau":       {"mctf:tau.size=-1", `tau of criterion "size" is -1, want 0 (off) or above`},
		"negative r":         {"mctf:r=-3,layers=1", "r is -3, want 0"},
		"r does not match":   {"mctf:r=1,2,3,layers=1,2", "r has 3 values for 2 layers"},
		"layer twice":        {"mctf:layers=1,1", "layer 1 is named twice"},
		"negative layer":     {`{"method":"mctf","layers":[-1]}`, "layer -1: layers count from 0"},
		"not JSON":           {"{", "not a JSON object"},
		"a comma missing":    {"{\n\"method\": \"mctf\"\n\"r\": 4}", "line 3, column 1: invalid character"},
		"a word in line 3":   {"{\n\"method\": \"mctf\",\n\"bidirectional\": 1}", "line 3, column 18: bidirectional is a number, want true or false"},
		"no method":          {`{"r":4}`, `"method" is missing`},
		"field without name": {"mctf:4", `"4" in "mctf:4"`},
		"set twice":          {"mctf:r=4,r=5", "sets r twice"},
		"tome ratio":         {"tome:r=0.5", "r is 0.5, want a count"},
		"values and layers":  {"evit:keep_rate=0.7,0.6", "or one per layer (in a SPEC: keep_rate=0.7,0.6; in FUSION.json: [0.7,0.6])"},
		"brackets":           {"evit:keep_rate=[0.7,0.6]", "a SPEC has lists without brackets"},
		"backwards":          {"mctf:layers=3-1", "the range 3-1 in \"mctf:layers=3-1\" runs backwards: write 1-3"},
		"half a token":       {"mctf:r=1.5,layers=1", "r is 1.5, which is no whole number of tokens"},
		"half, in all":       {"mctf:r=1.5", "r is 1.5, which is no whole number of tokens"},
		"negative, in all":   {"mctf:r=-1", "r is -1, want 0"},
		"too many layers":    {"mctf:layers=0-1024", "more than 1024 values"},
		"range upon range":   {"mctf:layers=" + strings.Repeat("0-1000,", 100), "more than 1024 values"},
		"a range too long":   {"mctf:layers=0-9999", "layers is a string"},
		"too many tokens":    {"mctf:r=3e9,layers=1", "want 0 to 2147483647"},
		"a word for r":       {"mctf:r=x", "in a SPEC 0.7,0.6"},
		"a number for tau":   {"mctf:tau=3", "tau.size=40"},
		"keep rate":          {"evit:keep_rate=2", "keep_rate is 2, want 0 to 1"},
		"pitome keep rate":   {"pitome:keep_rate=1.5", "keep_rate is 1.5, want 0 to 1"},
		"pitome rates":       {"pitome:keep_rate=0.9,0.8,layers=1", "keep_rate has 2 values for 1 layers"},
		"pitome margin":      {"pitome:margin=0", "margin is 0, want above 0 up to 1"},
		"pitome layer twice": {"pitome:bipartite_layers=1,1", "layer 1 is named twice"},
		"tofu ratio":         {"tofu:r=0.5", "r is 0.5, want a count, or a list"},
		"tofu negative":      {"tofu:r=-1", "r is -1, want 0 or above"},
		"tofu layer":         {`{"method":"tofu","prune_layers":[-1]}`, "layer -1: layers count from 0"},
		"atm alpha":          {"atm:alpha=0", "alpha is 0, want the first layer's threshold"},
		"atm beta":           {"atm:beta=-1", "beta is -1, want 0"},
		"atm theta":          {"atm:theta_min=2", "theta_min is 2, want -1 to 1"},
		"atm r":              {"atm:r=4", `unknown field "r": known are method, alpha, beta`},
		"random seed":        {"random-fusion:seed=0.5", "seed is a number 0.5, want a whole number"},
		"rates and layers":   {"topk:keep_rate=0.9,0.5", "keep_rate has 2 values for 3 layers"},
		"unknown norm":       {"radial:norm=l3", `unknown norm "l3": known are l1, l2, linf`},
		"unknown order":      {"ats:order=random", `unknown order "random": known are significance, position`},
		"seed of half":       {"random-drop:seed=0.5", "seed is a number 0.5, want a whole number"},
		"atc both":           {"atc:r=4,keep_rate=0.5", "takes keep_rate or r, not both"},
		"atc of nothing":     {"atc:keep_rate=0", "keep_rate is 0, want 0.001 to 1"},
		"atc half a token":   {"atc:r=0.5", "r is 0.5, want a count of tokens"},
		"atc negative":       {"atc:r=-1", "r is -1, want 0"},
		"atc counts":         {"atc:r=1,2,3,layers=1,2", "r has 3 values for 2 layers"},
		"linkage":            {"atc:linkage=ward", `unknown linkage "ward": known are single, complete, average`},
		"medoid rule":        {"kmedoids:medoid_rule=mean", `unknown medoid_rule "mean": known are image, cluster`},
		"iterations":         {"kmedoids:iterations=0", "iterations is 0, want 1 to 100"},
		"kmedoids keep rate": {"kmedoids:keep_rate=1.5", "keep_rate is 1.5, want 0 to 1"},
		"neighbours":         {"dpcknn:k_neighbors=0", "k_neighbors is 0, want 1 or above"},
		"dpcknn layers":      {"dpcknn:keep_rate=0.5,0.5,layers=1", "keep_rate has 2 values for 1 layers"},
		"a list for a word":  {"mctf:pooling=max,mean", "pooling is an array, want a string"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fusion.Parse(c.text)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q does not say %q in one line", err, c.want)
			}
		})
	}
}

// TestStep: how many tokens are left, at the borders.
func TestStep(t *testing.T) {
	for name, c := range map[string]struct {
		spec                    string
		layer, tokens, protects int
		want                    int // tokens left; equal to tokens: nothing happens
	}{
		"published":                     {"mctf:r=16", 1, 197, 1, 181},
		"not in the first layer":        {"mctf:r=16", 0, 197, 1, 197},
		"ten tokens stay":               {"mctf:r=16", 1, 20, 1, 11},
		"floor of ten":                  {"mctf:r=8", 1, 14, 1, 10},
		"ten are left alone":            {"mctf:r=4", 1, 10, 1, 10},
		"ten are left alone by a ratio": {"mctf:r=0.5", 1, 10, 1, 10},
		"below ten":                     {"mctf:r=4", 1, 9, 1, 9},
		"one token":                     {"mctf:r=4", 1, 1, 1, 1},
		"half at most":                  {"mctf:r=25", 1, 40, 1, 21},
		"a ratio may go below ten":      {"mctf:r=0.4", 1, 13, 1, 9},
		"ratio, truncated":              {"mctf:r=0.35", 1, 40, 1, 27},
		"zero":                          {"mctf:r=0", 1, 40, 1, 40},
		"all protected":                 {"mctf:r=4", 1, 40, 40, 40},
		"tome":                          {"tome:r=8", 0, 197, 1, 189},
		"tome, half at most":            {"tome:r=20", 0, 27, 2, 15},
		"tome has no floor":             {"tome:r=4", 3, 6, 1, 4},
		"tome takes what it can":        {fmt.Sprintf("tome:r=%d", math.MaxInt64), 0, 197, 1, 99},
		"tofu takes what it can":        {fmt.Sprintf("tofu:r=%d", math.MaxInt64), 0, 197, 1, 99},
		"tome falls":                    {"tome:r.r=6,r.inflection=-1", 0, 197, 1, 185},
		"tome falls to nothing":         {"tome:r.r=6,r.inflection=-1", 3, 197, 1, 197},
		"evit keeps, and one more":      {"evit:keep_rate=0.7,layers=1", 1, 65, 1, 47},
		"evit drops":                    {"evit:keep_rate=0.7,layers=1,fuse_inattentive=false", 1, 65, 1, 46},
		"pitome":                        {"pitome:keep_rate=0.9", 1, 197, 1, 178},
		"pitome, half at most":          {"pitome:keep_rate=0.1", 1, 40, 1, 21},
		"pitome keeps all":              {"pitome:keep_rate=1", 1, 40, 1, 40},
		"pitome, too few for its rate":  {"pitome:keep_rate=0.9", 1, 10, 1, 10},
		"pitome, one patch":             {"pitome:keep_rate=0", 1, 2, 1, 2},
		"pitome, only protected":        {"pitome:keep_rate=0", 1, 2, 2, 2},
		"pitome, not its layer":         {"pitome:keep_rate=0.5,layers=2", 1, 40, 1, 40},
		"pitome, rate of its layer":     {"pitome:keep_rate=0.5,0.75,layers=1,2", 2, 41, 1, 31},
		"tofu":                          {"tofu", 1, 197, 1, 189},
		"tofu, half at most":            {"tofu:r=20", 1, 27, 2, 15},
		"tofu, beyond the list":         {"tofu:r=4,2", 2, 27, 2, 27},
		"atm, at most all":              {"atm", 1, 197, 1, 197},
		"random fusion":                 {"random-fusion", 1, 197, 1, 189},
		"random fusion, half at most":   {"random-fusion:r=20", 1, 27, 2, 15},
		"evit keeps all":                {"evit:keep_rate=1,layers=1", 1, 65, 1, 65},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			step, err := method.Step(fusion.Layer{Index: c.layer, Depth: 4, Tokens: c.tokens, Protected: c.protects, Dim: 48, Heads: 3})
			if err != nil {
				t.Fatal(err)
			}
			left := c.tokens
			if step != nil {
				left = step.Remaining
			}
			if left != c.want {
				t.Errorf("%d tokens are left, want %d", left, c.want)
			}
		})
	}
}

func TestStepErrors(t *testing.T) {
	for name, c := range map[string]struct {
		method fusion.Method
		want   string
	}{
		"a layer the model lacks": {fusion.MCTF{R: 4, Layers: []int{4}}, "layer 4 of a model with 4 layers"},
		"r per missing layer":     {fusion.MCTF{RPerLayer: []float64{1, 2}}, "r has 2 values for 3 layers"},
		"too many r":              {fusion.ToMe{RPerLayer: []int{1, 2, 3, 4, 5}}, "r has 5 values for a model with 4 layers"},
		"rates per missing layer": {fusion.PiToMe{KeepRatePerLayer: []float64{0.9, 0.8}}, "keep_rate has 2 values for 4 layers"},
		"a layer pitome lacks":    {fusion.PiToMe{BipartiteLayers: []int{7}}, "layer 7 of a model with 4 layers"},
		"a layer tofu lacks":      {fusion.ToFu{PruneLayers: []int{4}}, "layer 4 of a model with 4 layers"},
		"a layer atm lacks":       {fusion.ATM{Alpha: 0.9, SizeLayers: []int{4}}, "layer 4 of a model with 4 layers"},
		"atm without a threshold": {fusion.ATM{}, "alpha is 0, want"},
		"too many r of random":    {fusion.RandomFusion{RPerLayer: []int{1, 2, 3, 4, 5}}, "r has 5 values for a model with 4 layers"},
		"no class token":          {fusion.EViT{KeepRate: 0.5, Layers: []int{0}}, "which this model does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.method.Step(fusion.Layer{Depth: 4, Tokens: 65, Dim: 48, Heads: 3})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, d := range fusion.Methods() {
		f.Add(d.Defaults)
	}
	for _, seed := range []string{"mctf:r=16,layers=1-11", "tome:r=8", "mctf:r=1,2,layers=1,2", "mctf:tau.size=0", `{"method":"tome","r":{"r":6,"inflection":-1}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		method, err := fusion.Parse(text)
		if err != nil {
			return
		}
		data, err := json.Marshal(method)
		if err != nil {
			t.Fatalf("%q was read but cannot be written: %v", text, err)
		}
		if _, err := fusion.ParseJSON(data); err != nil {
			t.Fatalf("%q was read, but not what it writes, %s: %v", text, data, err)
		}
		_, _ = method.Step(fusion.Layer{Index: 1, Depth: 4, Tokens: 50, Protected: 1, Dim: 48, Heads: 3})
	})
}

// FuzzParseSingle: whatever stands in STEP.json is a step or an error of one line, and a step says of tensors
// whether it can fuse them.
func FuzzParseSingle(f *testing.F) {
	for _, d := range fusion.Methods() {
		var fields map[string]any
		if err := json.Unmarshal([]byte(d.Defaults), &fields); err != nil {
			f.Fatal(err)
		}
		delete(fields, "layers")
		step, err := json.Marshal(fields)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(step, 12)
	}
	for _, step := range []string{`{"method":"mctf","r":2,"protected":2,"protected_rule":"rows"}`, `{"method":"tome","r":3,"protected":0}`,
		`{"method":"mctf","r":0.3,"protected":13}`, `{"method":"evit","keep_rate":[0.5],"protected":-1}`, `{"method":"mctf","layers":[1]}`, `{"protected":null}`, `null`} {
		f.Add([]byte(step), 11)
	}
	f.Fuzz(func(t *testing.T, data []byte, tokens int) {
		step, err := fusion.ParseSingle(data)
		if err == nil && (step.Method == nil || step.Protected < 0) {
			t.Fatalf("%q is neither a step nor an error: %+v", data, step)
		}
		if err == nil {
			tokens = 1 + int(uint(tokens)%64)
			x := tensors.FromScalarAndDimensions(float32(1), 1, tokens, 4)
			err = step.Check(fusion.Tensors{X: x, Metric: x, Attn: tensors.FromScalarAndDimensions(float32(1), 1, 1, tokens, tokens)})
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q gives more than one line: %v", data, err)
		}
	})
}

// TestOwnDefaults: defaults without a paper are said to be ours, and so are those of a paper whose values
// were not at hand.
func TestOwnDefaults(t *testing.T) {
	for _, d := range fusion.Methods() {
		want := d.Paper == "-" && d.Kind != fusion.Base || d.Name == "atm"
		if d.OwnDefaults != want {
			t.Errorf("%s: the defaults are said to be ours: %v, want %v", d.Name, d.OwnDefaults, want)
		}
	}
}
