package ablation_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/lib/ablation"
)

// FuzzGrid: whatever stands in a grid's file, JSON or YAML, is a grid or an error of one line that names
// the file; and a grid that is none to work with is refused when it is read.
func FuzzGrid(f *testing.F) {
	for _, grid := range []string{
		`{"models":["vit_fmnist_patch4_28",{"model":"small.json","weights":"out/small-{seed}.safetensors"}],"methods":["none","tome",{"fusion":"mctf","vary":{"pooling":["size","mean"],"tau.size":[0,40]}}],"targets":["80%","2.6"],"data":[{"dataset":"fashion-mnist","first":2000}],"seeds":[0,1,2]}`,
		`{"models":["m"],"methods":[{"fusion":{"method":"tome","r":[1,2]},"targets":[]}],"data":[{"dataset":"shapes","images":12,"size":16,"seed":1}]}`,
		`{"models":["m"],"methods":[{"fusion":"tome","vary":{"a":[1,2,3,4,5,6,7,8,9,0],"b":[1,2,3,4,5,6,7,8,9,0],"c":[1,2,3,4,5,6,7,8,9,0],"d":[1,2,3,4,5,6,7,8,9,0],"e":[1,2,3,4,5,6,7,8,9,0],"f":[1,2,3,4,5,6,7,8,9,0],"g":[1,2,3,4,5,6,7,8,9,0]}}],"data":["cifar10"]}`,
	} {
		f.Add([]byte(grid), false)
		f.Add([]byte(grid), true)
	}
	paths, err := filepath.Glob("../../notebooks/study/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatal("no grids to begin with", err)
	}
	for _, path := range paths {
		grid, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(grid, false)
	}
	f.Add([]byte("models: [vit_fmnist_patch4_28]\nmethods:\n- none\n- fusion: mctf\n  vary: {r: [1, 2], tau.size: [.inf]}\ndata: [cluttered-fashion-mnist:canvas=60]\nseeds: [0, 0x1]\n"), true)
	f.Add([]byte("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"), true)
	f.Add([]byte("? [1]\n: 2\n"), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, yaml bool) {
		path := filepath.Join(dir, "grid.json")
		if yaml {
			path = filepath.Join(dir, "grid.yaml")
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		grid, err := ablation.ReadGrid(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not name the file in one line", err)
			}
			return
		}
		if err := grid.Validate(); err != nil {
			t.Errorf("%s was read, but is no grid: %v", text, err)
		}
		for _, data := range grid.Data {
			_ = data.String()
		}
	})
}
