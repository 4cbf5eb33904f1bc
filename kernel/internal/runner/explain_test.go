package runner

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
)

func TestExplain(t *testing.T) {
	stderr := func(text string) *nbformat.Output {
		return &nbformat.Output{Kind: nbformat.Stream, Name: "stderr", Text: text}
	}
	page, err := json.Marshal(`<style>.gonb-err-location {}</style>
<div class="jp-RenderedText"><div style="white-space: pre-wrap;"> # gonb_1</div>
<div><span class="gonb-err-hover-area"><span class="gonb-cell-line-info">Cell[2]: Line 3</span> <span class="gonb-err-location">./main.go:12:5: </span></span>undefined: x &lt; y<div class="gonb-err-context">fmt.Println(x)<div class="gonb-err-line">x</div></div></div></div>`)
	if err != nil {
		t.Fatal(err)
	}
	compiler := &nbformat.Output{Kind: nbformat.DisplayData, Data: nbformat.Bundle{"text/html": page}}
	for _, test := range []struct {
		name    string
		outputs []*nbformat.Output
		reply   jupyter.Reply
		want    string
	}{
		{"nothing known", nil, jupyter.Reply{}, "failed"},
		{"the kernel's words alone", nil, jupyter.Reply{ErrorValue: "parsing the cell\nmore"}, "parsing the cell"},
		{
			"panic, through a cell above", []*nbformat.Output{stderr("panic: boom\n\ngoroutine 1 [running]:\nmain.f()\n\t \x1b[7m[[ Cell [1] Line 4 ]]\x1b[0m /t/main.go:9 +0x1\nexit status 2\n")},
			jupyter.Reply{ErrorValue: "exit status 2"}, "(cell 1, line 4): panic: boom",
		},
		{
			"panic, a place missed in the stream", []*nbformat.Output{
				stderr("panic: boom\n\ngoroutine 1 [running]:\nmain.f()\n\t/t/main.go:9 +0x1\nmain.main()\n\t \x1b[7m[[ Cell [2] Line 2 ]]\x1b[0m /t/main.go:15\nexit status 2\n"),
				{Kind: nbformat.DisplayData, Data: nbformat.Bundle{"text/html": []byte(`"<div class=\"gonb-err-location\">Cell[1]: Line 4 /t/main.go:9</div>"`)}},
			},
			jupyter.Reply{ErrorValue: "exit status 2"}, "(cell 1, line 4): panic: boom",
		},
		{"exit", []*nbformat.Output{stderr("loading\nno weights\nexit status 1\n")}, jupyter.Reply{ErrorValue: "exit status 1", Traceback: []string{"exit status 1"}}, "no weights"},
		{"exit without a word", []*nbformat.Output{stderr("exit status 1\n")}, jupyter.Reply{ErrorValue: "exit status 1"}, "exit status 1"},
		{"compiler, as HTML", []*nbformat.Output{compiler}, jupyter.Reply{ErrorValue: `failed to run "go build"`}, "(line 3): undefined: x < y"},
		{
			"compiler, as text", nil,
			jupyter.Reply{Traceback: []string{"# gonb_1", "Cell[2]: Line 3\nfmt.Println(x)\n\x1b[31mundefined: x\x1b[0m"}}, "(line 3): undefined: x",
		},
		{
			"go get", nil,
			jupyter.Reply{Traceback: []string{"failed to run \"go get\"\n\ngo: module a.b/c: no such module\n\tserver response: gone"}}, "go: module a.b/c: no such module",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := explain(&nbformat.Cell{Outputs: test.outputs}, 2, test.reply); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFirstCode(t *testing.T) {
	for _, test := range []struct{ name, source, want string }{
		{"empty", "", ""},
		{"behind marks and comments", "\n%%\n// Why.\nfmt.Println(1)\nx()", "fmt.Println(1)"},
		{"comments alone", "// One.\n// Two.", "// One."},
		{"magic", "!ls", "!ls"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := firstCode(test.source); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestProgressLines(t *testing.T) {
	var lines []string
	p := NewProgress(writerFunc(func(text string) { lines = append(lines, text) }))
	p.start("a.ipynb", 1)
	p.cell(1, "x := 1")(nil)
	p.cell(1, "x := 1")(os.ErrInvalid)
	for i, want := range []string{`^a\.ipynb: 1 cell\n$`, `^  \[1/1\] +\d+\.\ds ✓ x := 1\n$`, `^  \[1/1\] +\d+\.\ds ✗ x := 1\n$`} {
		if i >= len(lines) || !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("line %d of %q does not match %s", i, lines, want)
		}
	}
}
