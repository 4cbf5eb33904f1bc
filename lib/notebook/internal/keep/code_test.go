package keep

import (
	"strings"
	"testing"
)

// cell is a program as GoNB makes it of cells; the function begins in the line that has the mark.
const cell = `package main

import (
	"fmt"
	"strings"

	"example.org/numbers"
)

var (
	rs    = []int{2, 4}
	other = 1
)

const (
	first = iota
	second
)

type method struct{ r int }

func (m method) cost() int { return m.r * second }

func helper(r int) int { return method{r}.cost() + numbers.Pi }

func unrelated() string { return strings.Repeat("x", other) }

func main() {
	scale := func(x int) int { return 2 * x }
	fmt.Println(unrelated())
	keep(func() (int, error) { // mark
		return scale(helper(rs[0])), nil
	})
}

func keep(func() (int, error)) {}
`

// marked returns the text of the function in the line of the mark.
func marked(t *testing.T, source string) string {
	t.Helper()
	before, _, ok := strings.Cut(source, "// mark")
	if !ok {
		t.Fatal("no mark")
	}
	text, err := Text([]byte(source), "main.main.func2", strings.Count(before, "\n")+1)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestText: what the function uses is in its text, and what it does not use is not.
func TestText(t *testing.T) {
	base := marked(t, cell)
	for name, c := range map[string]struct {
		old, new string
		counts   bool
	}{
		"the function":                {"rs[0])), nil", "rs[1])), nil", true},
		"a function that it calls":    {"method{r}.cost() +", "method{r}.cost() -", true},
		"a method of a type used":     {"m.r * second", "m.r + second", true},
		"a type":                      {"struct{ r int }", "struct{ r, s int }", true},
		"a variable":                  {"rs    = []int{2, 4}", "rs    = []int{3, 4}", true},
		"a variable set":              {"fmt.Println(unrelated())", "rs[0] = 7; fmt.Println(unrelated())", true},
		"a constant by its place":     {"first = iota\n", "zeroth = iota\n\tfirst\n", true},
		"a local function captured":   {"2 * x", "3 * x", true},
		"an import used":              {"example.org/numbers", "example.com/numbers", true},
		"an import renamed":           {`"example.org/numbers"`, `numbers "example.org/figures"`, true},
		"a function that begins":      {"func keep(", "func init() { rs = nil }\n\nfunc keep(", true},
		"another function":            {`"x", other`, `"y", other`, false},
		"another variable":            {"other = 1", "other = 2", false},
		"another import":              {"\t\"strings\"\n", "\t\"strings\"\n\t\"os\"\n", false},
		"another declaration":         {"func keep(", "func later() {}\n\nfunc keep(", false},
		"the cell around":             {"fmt.Println(unrelated())", "fmt.Println(other, 3)", false},
		"a comment":                   {"// mark", "// mark: of no matter", false},
		"the layout":                  {"func helper(r int) int { return ", "func helper(r int) int {\n\n\treturn ", false},
		"the order of declarations":   {"func keep(func() (int, error)) {}\n", "", false},
		"a name of the same spelling": {"func unrelated() string { return ", "func unrelated() string { rs := 3; _ = rs; return ", false},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(cell, c.old, c.new, 1)
			if changed == cell {
				t.Fatal("nothing changed")
			}
			if name == "the order of declarations" {
				changed = strings.Replace(changed, "type method", c.old+"\ntype method", 1)
			}
			if got := marked(t, changed) != base; got != c.counts {
				t.Errorf("the text differs: %v, want %v", got, c.counts)
			}
		})
	}
}

func TestTextOfDeclared(t *testing.T) {
	source := "package main\n\nfunc load[T any]() (T, error) { return zero[T](), nil }\n\nfunc zero[T any]() (z T) { return }\n"
	for name, c := range map[string]struct {
		source, function string
		line             int
		want             string // in the text, or in the error if it begins with "error"
	}{
		"by name":           {source, "main.load[...]", 3, "func zero"},
		"no such function":  {source, "main.save", 3, "error: the function's source is not there"},
		"no such literal":   {source, "main.load.func1", 3, "error: the function's source is not there"},
		"a method's value":  {source, "main.T.load-fm", 3, "error: the function's source is not there"},
		"C":                 {"package main\n\nimport \"C\"\n\nfunc load() {}\n", "main.load", 5, "error: the function's source is not there"},
		"not Go":            {"package", "main.load", 1, "error"},
		"two in one line":   {"package main\n\nvar a, b = func() int { return 1 }, func() int { return 2 }\n", "main.init.func1", 3, "return 2"},
		"two, the other":    {"package main\n\nvar a, b = func() int { return 1 }, func() int { return 2 }\n", "main.init.func1", 3, "return 1"},
		"the type's method": {"package main\n\ntype t int\n\nfunc (x *t) m() {}\n\nfunc load(x t) {}\n", "main.load", 7, "func (x *t) m()"},
	} {
		text, err := Text([]byte(c.source), c.function, c.line)
		if want, fails := strings.CutPrefix(c.want, "error"); fails {
			if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, ": ")) {
				t.Errorf("%s: %v, want an error%s", name, err, want)
			}
		} else if err != nil || !strings.Contains(text, c.want) {
			t.Errorf("%s: %q, %v, want %q in it", name, text, err, c.want)
		}
	}
}

// FuzzText: any source is text or an error, and the same text again.
func FuzzText(f *testing.F) {
	f.Add(cell, "main.main.func2", 33)
	f.Add("package main\nfunc (a.b[c, d]) m() {}\nfunc f() { x.m() }", "main.f", 3)
	f.Add("package main\nfunc () m() {}\nfunc f() { x.m(); a, b[0] = 1, 2; for i := range f {} }", "main.f", 3)
	f.Fuzz(func(t *testing.T, source, name string, line int) {
		text, err := Text([]byte(source), name, line)
		if again, errAgain := Text([]byte(source), name, line); again != text || (err == nil) != (errAgain == nil) {
			t.Errorf("%q, %v, then %q, %v", text, err, again, errAgain)
		}
	})
}
