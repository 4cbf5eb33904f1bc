package nbformat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// notebookOf makes a notebook of one cell tagged "parameters".
func notebookOf(source string) *Notebook {
	cell := &Cell{ID: "params", Kind: Code, Source: source, Metadata: Object{"tags": []byte(`["parameters"]`)}}
	return &Notebook{Cells: []*Cell{cell, {ID: "use", Kind: Code, Source: "%%\nfmt.Println(r)"}}, Metadata: Object{}, Minor: 5}
}

func TestParameters(t *testing.T) {
	for _, test := range []struct{ name, source, want string }{
		{"literals", "var r = 8\nvar tau = 1.5\nvar model = \"deit\"\nvar fast = true",
			`r int (default 8), tau float64 (default 1.5), model string (default "deit"), fast bool (default true)`},
		{"group", "var (\n\tr = 8 // tokens removed\n\tn int = 100\n)", "r int (default 8), n int (default 100)"},
		{"lists", "var rs = []int{1, 2}\nvar taus = []float64{1, 0.5}\nvar names = []string{\"a\"}",
			`rs []int (default []int{1, 2}), taus []float64 (default []float64{1, 0.5}), names []string (default []string{"a"})`},
		{"declared types", "var a float64 = 1\nvar b float32\nvar c string\nvar d []int\nvar e bool",
			`a float64 (default 1), b float32 (default 0), c string (default ""), d []int (default nil), e bool (default false)`},
		{"several names", "var a, b = 1, \"x\"", `a int (default 1), b string (default "x")`},
		{"constant expressions", "var n = 2 * 3\nvar m = -1.0\nconst k = 1 << 4", "n int (default 2 * 3), m float64 (default -1.0), k int (default 1 << 4)"},
		{"what is not a parameter", "import \"time\"\nvar wait = time.Second\nvar _ = 3\nvar f, err = g()\nfunc h() int { return 1 }\nvar r = 1", "r int (default 1)"},
		{"magic lines", "!echo var x = 1 \\\n  more\n%args -x\nvar r = 1\n%%\nfmt.Println(y)\nvar z = 2", "r int (default 1)"},
		{"empty", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			parameters, err := Parameters(notebookOf(test.source))
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, len(parameters))
			for i, p := range parameters {
				got[i] = p.String()
			}
			if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParametersNotGo(t *testing.T) {
	_, err := Parameters(notebookOf("var r = 8\nvar = 3"))
	if err == nil || !strings.Contains(err.Error(), "line 2:") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q should be one line and name line 2", err)
	}
}

const every = `var (
	r     = 8
	tau   = 1.5
	model = "deit"
	fast  bool
	rs    = []int{1}
	names []string
)
const k = 3
const b byte = 1`

func TestInject(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
		want     string
	}{
		{"int", []string{"r=16"}, "var r int = 16"},
		{"float from an int", []string{"tau=20"}, "var tau float64 = 20"},
		{"string is quoted", []string{"model=a \"b\"\n=c"}, `var model string = "a \"b\"\n=c"`},
		{"bool", []string{"fast=true"}, "var fast bool = true"},
		{"list", []string{"rs=1, 2,3"}, "var rs []int = []int{1, 2, 3}"},
		{"empty list", []string{"rs="}, "var rs []int = []int{}"},
		{"list of strings", []string{"names=a,b c"}, `var names []string = []string{"a", "b c"}`},
		{"constants", []string{"k=4", "b=255"}, "const k = 4\nconst b byte = 255"},
		{"in the order of declaration, last value wins", []string{"tau=2", "r=1", "r=2"}, "var r int = 2\nvar tau float64 = 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			notebook := notebookOf(every)
			for range 2 { // a second time changes nothing
				if err := Inject(notebook, test.settings); err != nil {
					t.Fatal(err)
				}
			}
			if len(notebook.Cells) != 3 || !notebook.Cells[1].HasTag("injected-parameters") {
				t.Fatalf("%d cells, want the injected one second of 3", len(notebook.Cells))
			}
			if diff := cmp.Diff(test.want, notebook.Cells[1].Source); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestInjectRefuses(t *testing.T) {
	list := `; the parameters are: r int (default 8), tau float64 (default 1.5), model string (default "deit"), ` +
		`fast bool (default false), rs []int (default []int{1}), names []string (default nil), k int (default 3), b byte (default 1)`
	for _, test := range []struct{ name, setting, want string }{
		{"unknown name", "R=8", `unknown parameter "R"` + list},
		{"no value", "r", `parameter "r" has no value: write name=value` + list},
		{"text for int", "r=x", `parameter r wants an int, not "x"` + list},
		{"float for int", "r=1.5", `parameter r wants an int, not "1.5"` + list},
		{"empty int", "r=", `parameter r wants an int, not ""` + list},
		{"text for float", "tau=much", `parameter tau wants a float64, not "much"` + list},
		{"infinity", "tau=inf", `parameter tau wants a float64, not "inf"` + list},
		{"bool", "fast=maybe", `parameter fast wants a bool, not "maybe"` + list},
		{"list element", "rs=1,b", `parameter rs wants a []int, not "1,b"` + list},
		{"too large", "b=256", `parameter b wants a byte, not "256"` + list},
	} {
		t.Run(test.name, func(t *testing.T) {
			notebook := notebookOf(every)
			err := Inject(notebook, []string{test.setting})
			if err == nil || err.Error() != test.want {
				t.Errorf("error\n%v\nwant\n%s", err, test.want)
			}
			if len(notebook.Cells) != 2 {
				t.Error("the notebook changed")
			}
		})
	}
	if err := Inject(&Notebook{}, []string{"r=8"}); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Errorf("without parameters: %v", err)
	}
}
