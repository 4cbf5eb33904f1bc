package ablation_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokenfuse/lib/ablation"
	"tokenfuse/lib/fusion"
)

// config is the model of study.
const config = `{"image_size":16,"patch_size":4,"channels":3,"dim":12,"depth":3,"heads":3,"mlp_ratio":2,"classes":4}`

// writeModel writes config as small.json and returns its path.
func writeModel(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.json")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func cells(t *testing.T, grid string) []ablation.Cell {
	t.Helper()
	g, err := ablation.ParseGrid([]byte(grid))
	if err != nil {
		t.Fatal(err)
	}
	all, err := g.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// labels names cells as rows do.
func labels(all []ablation.Cell) (names []string) {
	for _, c := range all {
		names = append(names, strings.TrimSpace(strings.Join([]string{c.Method.Name(), c.Label, c.Target}, " ")))
	}
	return names
}

const shapes = `{"dataset":"shapes","images":12,"size":16,"seed":1}`

// TestCells: what a grid is made of, in order.
func TestCells(t *testing.T) {
	model := writeModel(t)
	for name, c := range map[string]struct {
		grid string
		want []string
	}{
		"methods by name, as they are": {`"methods":["none","tome:r=2"]`, []string{"none", "tome tome"}},
		"r is a place on a line":       {`"methods":[{"fusion":"tome","vary":{"r":[1,2]}}]`, []string{"tome tome", "tome tome"}},
		"so is alpha":                  {`"methods":[{"fusion":"atm","vary":{"alpha":[0.8,0.9]}}]`, []string{"atm atm", "atm atm"}},
		"what is varied is told": {`"methods":[{"fusion":{"method":"mctf","r":2},"vary":{"pooling":["size","max"],"tau.size":[0]}}]`,
			[]string{"mctf mctf pooling=size tau.size=0", "mctf mctf pooling=max tau.size=0"}},
		"a label, and FUSION.json itself": {`"methods":[{"fusion":"tome:r=2","label":"mine"},{"method":"tome","r":3}]`, []string{"tome mine", "tome tome"}},
		"targets, the base model once":    {`"methods":["none","tome"],"targets":["80%","60%"]`, []string{"none", "tome tome 80%", "tome tome 60%"}},
		"targets of one's own":            {`"methods":[{"fusion":"tome","targets":[]},{"fusion":"mctf","targets":["90%"]}],"targets":["80%"]`, []string{"tome tome", "mctf mctf 90%"}},
		"seeds of what is random": {`"methods":["none","tome:r=2","random-fusion:r=2","random-fusion:r=2,seed=7"],"seeds":[1,2]`,
			[]string{"none", "tome tome", "random-fusion random-fusion", "random-fusion random-fusion", "random-fusion random-fusion"}},
		"twice the same is one": {`"methods":["tome:r=2",{"method":"tome","proportional_attention":true,"r":2}]`, []string{"tome tome"}},
	} {
		grid := `{"models":[{"model":"` + model + `","weights":"` + writeWeights(t, model) + `"}],` + c.grid + `,"data":[` + shapes + `]}`
		if got := labels(cells(t, grid)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestMethodsOfModels: a model with methods of its own is evaluated under those, at the grid's targets.
func TestMethodsOfModels(t *testing.T) {
	model := writeModel(t)
	for name, c := range map[string]struct {
		methods string
		want    []string
	}{
		"in place of the grid's": {`"methods":["tome:r=2"],`, []string{"a tome tome", "b mctf mctf 80%"}},
		"a model without any":    {``, nil},
	} {
		grid := `{"models":[{"model":"` + model + `","weights":"untrained","label":"a"},
			{"model":"` + model + `","weights":"untrained","label":"b","methods":[{"fusion":"mctf","targets":["80%"]}]}],` + c.methods + `"data":[` + shapes + `]}`
		if c.want == nil {
			if _, err := ablation.ParseGrid([]byte(grid)); err == nil || !strings.Contains(err.Error(), `no methods: give "methods"`) {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		var got []string
		for i, label := range labels(cells(t, grid)) {
			got = append(got, cells(t, grid)[i].Model+" "+label)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// writeWeights writes untrained weights beside the model.
func writeWeights(t *testing.T, model string) string {
	t.Helper()
	m, _ := study(t)
	path := filepath.Join(filepath.Dir(model), "weights.safetensors")
	if err := m.Save(path, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSeedsOfCells: seeds choose weights, and what is drawn at random; where they change nothing there is one
// cell, of the first.
func TestSeedsOfCells(t *testing.T) {
	all := cells(t, `{"models":[{"model":"`+writeModel(t)+`","weights":"untrained"}],"methods":["none","random-drop"],"data":[`+shapes+`],"seeds":[3,4]}`)
	var seeds []int64
	for _, c := range all {
		seeds = append(seeds, c.Seed)
	}
	if !slices.Equal(seeds, []int64{3, 3, 4, 4}) {
		t.Errorf("seeds %v, want [3 3 4 4]", seeds)
	}
	if !strings.Contains(string(all[3].Fusion), `"seed":4`) {
		t.Errorf("%s does not draw by the cell's seed", all[3].Fusion)
	}
}

// TestKeys: a key does not depend on how the grid is written, and does on what is computed.
func TestKeys(t *testing.T) {
	model := writeModel(t)
	weights := writeWeights(t, model)
	key := func(models, methods, data, more string) string {
		return cells(t, `{"models":[`+models+`],"methods":[`+methods+`],"data":[`+data+`]`+more+`}`)[0].Key
	}
	own := `{"model":"` + model + `","weights":"` + weights + `"}`
	want := key(own, `"mctf:r=2"`, shapes, "")
	copied := filepath.Join(t.TempDir(), "other.safetensors")
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"order of fields":         key(`{"weights":"`+weights+`","model":"`+model+`"}`, `{"r":2,"method":"mctf"}`, `{"seed":1,"size":16,"images":12,"dataset":"shapes"}`, ""),
		"defaults spelt out":      key(own, `{"method":"mctf","r":2,"bidirectional":true,"tau":{"similarity":1.0,"informativeness":20,"size":40}}`, shapes, ""),
		"a label":                 key(`{"model":"`+model+`","weights":"`+weights+`","label":"mine"}`, `{"fusion":"mctf:r=2","label":"mine"}`, shapes, ""),
		"weights of another name": key(`{"model":"`+model+`","weights":"`+copied+`"}`, `"mctf:r=2"`, shapes, ""),
		"a seed 0":                key(own, `"mctf:r=2"`, shapes, `,"seeds":[0]`),
	} {
		if got != want {
			t.Errorf("%s changes the key", name)
		}
	}
	for name, got := range map[string]string{
		"setting": key(own, `"mctf:r=3"`, shapes, ""),
		"method":  key(own, `"tome:r=2"`, shapes, ""),
		"weights": key(`{"model":"`+model+`","weights":"untrained"}`, `"mctf:r=2"`, shapes, ""),
		"data":    key(own, `"mctf:r=2"`, strings.Replace(shapes, "12", "13", 1), ""),
		"first":   key(own, `"mctf:r=2"`, strings.Replace(shapes, `"size"`, `"first":3,"size"`, 1), ""),
		"target":  key(own, `"mctf"`, shapes, `,"targets":["80%"]`),
	} {
		if got == want {
			t.Errorf("another %s has the same key", name)
		}
	}
	// Written down once: rows of a store must be found by later versions.
	const untrained = "6f5ae325"
	if got := key(`{"model":"`+model+`","weights":"untrained"}`, `"tome:r=2"`, shapes, ""); got[:8] != untrained {
		t.Errorf("the key of a fixed cell is %s, was %s: stores made before would be done again", got[:8], untrained)
	}
}

// TestYAML: the same grid in YAML has the same cells.
func TestYAML(t *testing.T) {
	model := writeModel(t)
	path := filepath.Join(t.TempDir(), "grid.yaml")
	text := "models:\n- {model: " + model + ", weights: untrained}\nmethods:\n- none\n- {fusion: 'tome', vary: {r: [1, 2]}}\ndata:\n- {dataset: shapes, images: 12, size: 16, seed: 1}\nseeds: [0, 1]\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	g, err := ablation.ReadGrid(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Cells()
	if err != nil {
		t.Fatal(err)
	}
	want := cells(t, `{"models":[{"model":"`+model+`","weights":"untrained"}],"methods":["none",{"fusion":"tome","vary":{"r":[1,2]}}],"data":[`+shapes+`],"seeds":[0,1]}`)
	if len(got) != 6 || len(want) != 6 {
		t.Fatalf("%d cells in YAML, %d in JSON, want 6", len(got), len(want))
	}
	for i := range want {
		if got[i].Key != want[i].Key {
			t.Errorf("cell %d is %s in YAML, %s in JSON", i, got[i], want[i])
		}
	}
}

// TestGridOfValues: a grid of a notebook's values, with a target that a method cannot meet.
func TestGridOfValues(t *testing.T) {
	m, images := study(t)
	g := ablation.Grid{Models: []ablation.GridModel{{Value: m}}, Methods: ablation.Methods(fusion.None{}, fusion.ToMe{}),
		Targets: []string{"80%", "1%"}, Data: ablation.On(images)}
	all, err := g.Cells()
	if err != nil {
		t.Fatal(err)
	}
	if got := labels(all); !slices.Equal(got, []string{"none", "tome tome 80%", "tome tome 1%"}) {
		t.Errorf("%q", got)
	}
	if all[1].Misfit != nil || all[2].Misfit == nil {
		t.Errorf("misfits %v, %v: 1%% of the cost cannot be met", all[1].Misfit, all[2].Misfit)
	}
	other := images.First(19)
	g.Data = ablation.On(other)
	less, err := g.Cells()
	if err != nil || less[0].Key == all[0].Key {
		t.Errorf("fewer images have the same key, %v", err)
	}
}

// TestGridWithoutStore: rows in the order of the cells, and nothing left of them.
func TestGridWithoutStore(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	m, images := study(t)
	g := ablation.Grid{Models: []ablation.GridModel{{Value: m}}, Methods: ablation.Methods(fusion.None{}, fusion.ToMe{R: 2}), Data: ablation.On(images)}
	rows, err := g.Run(t.Context(), ablation.Options{Backend: plain(t)})
	if err != nil || len(rows) != 2 || rows[0].Method != "none" || rows[1].Method != "tome" || rows[1].Correct == "" {
		t.Errorf("rows %v, %v", rows, err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestGridRefuses: what a user must mend is named.
func TestGridRefuses(t *testing.T) {
	model := writeModel(t)
	for name, c := range map[string]struct{ grid, want string }{
		"not JSON":          {`hello`, "not a grid"},
		"a comma too many":  {"{\"models\": [],\n\"seeds\": [0,]}", "line 2, column 13: invalid character"},
		"something after":   {`{} {}`, "something follows"},
		"no models":         {`{}`, "no models"},
		"unknown field":     {`{"model":[]}`, `unknown field "model": known are models, methods, targets, data, seeds`},
		"unknown in method": {`{"methods":[{"fusion":"tome","varry":{}}]}`, `unknown field "varry": known are fusion, label, vary, targets`},
		"no fusion":         {`{"methods":[{"label":"x"}]}`, `give "fusion"`},
		"unknown dataset":   {`{"models":["m"],"methods":["none"],"data":["mnist"]}`, `unknown dataset "mnist": known are cifar10`},
		"bad clutter":       {`{"models":["m"],"methods":["none"],"data":["cluttered-fashion-mnist:mess=1"]}`, "mess"},
		"shapes of none":    {`{"models":["m"],"methods":["none"],"data":["shapes"]}`, `give "images" and "size"`},
		"shapes in splits":  {`{"models":["m"],"methods":["none"],"data":[{"dataset":"shapes","split":"test"}]}`, "shapes has no split"},
		"bad target":        {`{"models":["m"],"methods":["none"],"targets":["much"],"data":[` + shapes + `]}`, `target is "much"`},
		"vary over none":    {`{"models":["m"],"methods":[{"fusion":"tome","vary":{"r":[]}}],"data":[` + shapes + `]}`, "r varies over no values"},
		"a seed twice":      {`{"models":["m"],"methods":["none"],"data":[` + shapes + `],"seeds":[1,1]}`, "seed 1 is there twice"},
		"bad place":         {`{"models":[{"model":"m","weights":"w-{sede}"}],"methods":["none"],"data":[` + shapes + `]}`, "the seed is written {seed}"},
		"unknown model":     {`{"models":["m"],"methods":["none"],"data":[` + shapes + `]}`, `unknown model "m"`},
		"no weights":        {`{"models":["` + model + `"],"methods":["none"],"data":[` + shapes + `]}`, "comes without weights"},
		"weights not there": {`{"models":[{"model":"` + model + `","weights":"gone"}],"methods":["none"],"data":[` + shapes + `]}`, "gone"},
		"weights no file":   {`{"models":[{"model":"` + model + `","weights":"` + os.DevNull + `"}],"methods":["none"],"data":[` + shapes + `]}`, "is not a file"},
		"unknown method":    {`{"models":[{"model":"` + model + `","weights":"untrained"}],"methods":["tomme"],"data":[` + shapes + `]}`, `unknown method "tomme"`},
		"unknown setting":   {`{"models":[{"model":"` + model + `","weights":"untrained"}],"methods":[{"fusion":"tome","vary":{"q":[1]}}],"data":[` + shapes + `]}`, `unknown field "q"`},
	} {
		g, err := ablation.ParseGrid([]byte(c.grid))
		if err == nil {
			_, err = g.Cells()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q in one line", name, err, c.want)
		}
	}
}
