package notebook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/janpfeifer/gonb/gonbui/protocol"

	"tokenfuse/lib/result"
)

func ExampleShow() {
	Show("three tokens", 3, []int{16, 8})
	// Output:
	// three tokens
	// 3
	// [16 8]
}

func ExampleTable() {
	Table([]string{"layer", "tokens"}, [][]string{{"patch embedding", "50"}, {"block 1", "46"}})
	// Output:
	// ┌─────────────────┬────────┐
	// │ layer           │ tokens │
	// ├─────────────────┼────────┤
	// │ patch embedding │     50 │
	// │ block 1         │     46 │
	// └─────────────────┴────────┘
}

func ExampleShow_rows() {
	row := func(method, fusion string, gmacs, accuracy float64) result.Row {
		return result.Row{
			Model: "vit_fmnist_patch4_28", Method: method, Fusion: json.RawMessage(fusion),
			Samples: 10000, GMACs: gmacs, AccuracyTop1: accuracy,
		}
	}
	Show([]result.Row{
		row("none", `{"method":"none"}`, 0.0612, 0.9214),
		row("mctf", `{"method":"mctf","r":4}`, 0.0361, 0.9142),
		row("evit", `{"method":"evit","keep_rate":0.7}`, 0.0392, 0.9064),
	})
	// Output:
	// ┌────────────┬───────────────┬────────┬─────────┬────────────────────┬────────────────┬──────────────────┐
	// │ method     │ setting       │  GMACs │ vs base │ top-1 accuracy (%) │   95% interval │ vs base (points) │
	// ├────────────┼───────────────┼────────┼─────────┼────────────────────┼────────────────┼──────────────────┤
	// │ base model │               │ 0.0612 │         │              92.14 │ 91.60 to 92.65 │                  │
	// │ mctf       │ r=4           │ 0.0361 │    -41% │              91.42 │ 90.86 to 91.95 │            -0.72 │
	// │ evit       │ keep_rate=0.7 │ 0.0392 │    -36% │              90.64 │ 90.05 to 91.20 │            -1.50 │
	// └────────────┴───────────────┴────────┴─────────┴────────────────────┴────────────────┴──────────────────┘
}

// What a method makes of the article of cluttered images, where it was measured: means and their
// standard errors.
func ExampleShow_foreground() {
	Show([]result.Row{
		{Model: "m", Method: "tome", Fusion: json.RawMessage(`{"r":8}`), GMACs: 0.31, AccuracyTop1: 0.5, Foreground: result.Foreground{
			ForegroundKept: 1, ForegroundPurity: 0.917, ForegroundPurityError: 0.0012, ForegroundSize: 2.5, ForegroundSizeError: 0.02}},
		{Model: "m", Method: "topk", Fusion: json.RawMessage(`{"keep_rate":0.7}`), GMACs: 0.32, AccuracyTop1: 0.5, Foreground: result.Foreground{
			ForegroundKept: 0.958, ForegroundKeptError: 0.0009, ForegroundPurity: 1, ForegroundSize: 1}},
	})
	// Output:
	// ┌────────┬───────────────┬───────┬────────────────────┬─────────────────────┬───────────────────────┬────────────────────────────┐
	// │ method │ setting       │ GMACs │ top-1 accuracy (%) │ foreground kept (%) │ foreground purity (%) │ foreground token (patches) │
	// ├────────┼───────────────┼───────┼────────────────────┼─────────────────────┼───────────────────────┼────────────────────────────┤
	// │ tome   │ r=8           │  0.31 │              50.00 │              100.00 │          91.70 ± 0.12 │                2.50 ± 0.02 │
	// │ topk   │ keep_rate=0.7 │  0.32 │              50.00 │        95.80 ± 0.09 │                100.00 │                       1.00 │
	// └────────┴───────────────┴───────┴────────────────────┴─────────────────────┴───────────────────────┴────────────────────────────┘
}

// TestRowTableColumns: columns that would stay empty are left out.
func TestRowTableColumns(t *testing.T) {
	for name, c := range map[string]struct {
		rows []result.Row
		want string
	}{
		"published": {[]result.Row{{Model: "m", Method: "tome", GMACs: 2.7}}, "method, GMACs, top-1 accuracy (%)"},
		"bench":     {[]result.Row{{Model: "m", Method: "tome", ImagesPerSecond: 3302.4}}, "method, GMACs, top-1 accuracy (%), images/s"},
		"no GMACs of the base": {[]result.Row{{Model: "m", Method: "none"}, {Model: "m", Method: "tome", GMACs: 1}},
			"method, GMACs, top-1 accuracy (%), vs base (points)"},
		"timed": {[]result.Row{{Model: "m", Method: "none", GMACs: 2, Timing: result.Timing{MillisecondsPerBatch: 4, Batch: 1}}, {Model: "m", Method: "tome", GMACs: 1, Timing: result.Timing{MillisecondsPerBatch: 3, Batch: 1, Speedup: 1.2, GainOfCutting: 0.9}}},
			"method, GMACs, vs base, batch, ms/batch, speed-up, gain of cutting"},
		"timed, of no known accuracy": {[]result.Row{{Model: "m", Method: "none", Timing: result.Timing{MillisecondsPerBatch: 3, Batch: 1}}},
			"method, GMACs, batch, ms/batch"},
		"no rows": {nil, ""},
	} {
		if got := strings.Join(rowTable(c.rows).header, ", "); got != c.want {
			t.Errorf("%s: columns %s, want %s", name, got, c.want)
		}
	}
}

// TestIntervalOverThings: of 100 images of 50 things, the interval is that of 50.
func TestIntervalOverThings(t *testing.T) {
	groups := make([]int, 100)
	for i := range groups {
		groups[i] = i / 2
	}
	pairs, err := result.EncodeGroups(groups)
	if err != nil {
		t.Fatal(err)
	}
	row := result.Row{Model: "m", Method: "tome", AccuracyTop1: 0.5, Samples: 100, Sweep: result.Sweep{Groups: pairs}}
	if text := rowTable([]result.Row{row}).render().text; !strings.Contains(text, "36.64 to 63.36") {
		t.Errorf("the interval is not that of 50 samples:\n%s", text)
	}
}

type picture struct{ err error }

func (p picture) PNG() ([]byte, error) { return []byte("png"), p.err }
func (p picture) String() string       { return "a curve" }

// animation is a picture too, as that of package plots.
type animation struct{ picture }

func (a animation) GIF() ([]byte, error) { return []byte("gif"), a.err }

// TestForms: what each kind of value is sent as, so that every front end finds one that it knows.
func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		value any
		want  []protocol.MIMEType
		text  string
	}{
		"picture":   {picture{}, []protocol.MIMEType{protocol.MIMEImagePNG}, "a curve"},
		"animation": {animation{}, []protocol.MIMEType{"image/gif"}, "a curve"},
		"image":     {image.NewGray(image.Rect(0, 0, 28, 28)), []protocol.MIMEType{protocol.MIMEImagePNG}, "an image of 28 x 28 pixels"},
		"rows":      {[]result.Row{{Method: "tome"}}, []protocol.MIMEType{protocol.MIMETextHTML, MIMERows}, "tome"},
		"row":       {result.Row{Method: "tome"}, []protocol.MIMEType{protocol.MIMETextHTML, MIMERows}, "tome"},
		"table":     {table{[]string{"<a>"}, [][]string{{"1"}}}, []protocol.MIMEType{protocol.MIMETextHTML}, "<a>"},
		"markdown":  {markdown("*r* of $x$"), []protocol.MIMEType{protocol.MIMETextMarkdown}, "*r* of $x$"},
		"string":    {"text\n", nil, "text"},
		"nil":       {nil, nil, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			shown, err := render(c.value)
			if err != nil {
				t.Fatal(err)
			}
			data := shown.data()
			if len(data) != len(c.want)+1 {
				t.Errorf("%d forms, want %d and text", len(data), len(c.want))
			}
			for _, form := range c.want {
				if data[form] == nil {
					t.Errorf("no %s", form)
				}
			}
			if text := data[protocol.MIMETextPlain].(string); !strings.Contains(text, c.text) {
				t.Errorf("text %q, want %q in it", text, c.text)
			}
			if alt := shown.metadata()["alt"]; (alt != nil) != (shown.png != nil || shown.gif != nil) {
				t.Errorf("alternative text %v", alt)
			}
		})
	}
	if _, err := render(picture{errors.New("no size")}); err == nil {
		t.Error("a picture that cannot be drawn is no error")
	}
}

func TestTableHTML(t *testing.T) {
	html := table{[]string{"a", "b"}, [][]string{{`<i align="left">`, "1"}}}.render().html
	for _, want := range []string{
		`<td style="text-align: left">&lt;i align=&#34;left&#34;&gt;</td>`, `<td style="text-align: right">1</td>`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
}

// tabular lays itself out.
type tabular struct{}

func (tabular) Table() ([]string, [][]string) {
	return []string{"part", "MMACs"}, [][]string{{"head", "0.01"}}
}

func ExampleShow_tabular() {
	Show(tabular{})
	// Output:
	// ┌──────┬───────┐
	// │ part │ MMACs │
	// ├──────┼───────┤
	// │ head │  0.01 │
	// └──────┴───────┘
}

// TestLongTableScrolls: 20 rows are shown as a whole, 21 in a region of their own that keyboards reach.
func TestLongTableScrolls(t *testing.T) {
	for rows, scrolls := range map[int]bool{0: false, shortRows: false, shortRows + 1: true, 5000: true} {
		laid := table{header: []string{"layer", "tokens"}}
		for i := range rows {
			laid.rows = append(laid.rows, []string{fmt.Sprint(i), "50"})
		}
		shown := laid.render()
		for _, part := range []string{"<div", "max-height", "overflow: auto", `tabindex="0"`, fmt.Sprintf(`aria-label="table of %d rows"`, rows), "position: sticky", "</div>"} {
			if strings.Contains(shown.html, part) != scrolls {
				t.Errorf("%d rows: %s is there: %v", rows, part, !scrolls)
			}
		}
		if got := strings.Count(shown.html, "<tr>"); got != rows+1 {
			t.Errorf("%d rows and a header are %d", rows, got)
		}
	}
}

func TestIsNumeric(t *testing.T) {
	for name, c := range map[string]struct {
		cells []string
		want  bool
	}{
		"numbers":  {[]string{"1", "-2.5", "+3%", ""}, true},
		"a range":  {[]string{"91.60 to 92.65"}, true},
		"a word":   {[]string{"1", "r=4"}, false},
		"empty":    {[]string{"", ""}, false},
		"a sign":   {[]string{"-"}, false},
		"no cells": {nil, false},
	} {
		tab := table{header: []string{"a"}}
		for _, cell := range c.cells {
			tab.rows = append(tab.rows, []string{cell})
		}
		tab.rows = append(tab.rows, nil) // a row may be shorter
		if got := tab.isNumeric(0); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestEnlarge(t *testing.T) {
	small := image.NewGray(image.Rect(5, 5, 33, 33))
	small.SetGray(6, 5, color.Gray{200})
	large := enlarge(small)
	if large.Bounds() != image.Rect(0, 0, 224, 224) {
		t.Errorf("28 x 28 became %v", large.Bounds())
	}
	for x, want := range map[int]uint32{7: 0, 8: 200, 15: 200, 16: 0} {
		if got, _, _, _ := large.At(x, 7).RGBA(); got>>8 != want {
			t.Errorf("pixel %d is %d, want %d", x, got>>8, want)
		}
	}
	for _, img := range []image.Image{image.NewGray(image.Rect(0, 0, 224, 10)), image.NewGray(image.Rectangle{})} {
		if enlarge(img) != img {
			t.Errorf("%v was enlarged", img.Bounds())
		}
	}
	shown, err := render(small)
	if err != nil {
		t.Fatal(err)
	}
	if config, err := png.DecodeConfig(bytes.NewReader(shown.png)); err != nil || config.Width != 224 {
		t.Errorf("picture of %d pixels, error %v", config.Width, err)
	}
}

func TestAbout(t *testing.T) {
	info := func() (*debug.BuildInfo, bool) {
		return &debug.BuildInfo{Deps: []*debug.Module{{Path: "github.com/gomlx/gomlx", Version: "v0.28.8"}}}, true
	}
	got := about(info, []any{"backend", "xla:cpu", "seed", 42, "key"}).rows
	if got[0][0] != "Go" || got[2][0] != "platform" {
		t.Errorf("begins %v", got[:3])
	}
	want := [][]string{{"backend", "xla:cpu"}, {"seed", "42"}, {"key", "(no value)"}}
	if diff := cmp.Diff(want, got[3:]); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GoMLX", "v0.28.8"}, got[1]); diff != "" {
		t.Errorf("GoMLX (-want +got):\n%s", diff)
	}
}

func TestProgressData(t *testing.T) {
	for name, c := range map[string]struct {
		done       int
		text, html string
	}{
		"half": {5, "r < 4: 5 of 10", `<progress value="5" max="10"></progress> r &lt; 4: 5 of 10`},
		"end":  {10, "r < 4: 10 of 10", "r &lt; 4: 10 of 10"},
	} {
		data := progressData("r < 4", c.done, 10)
		if data[protocol.MIMETextPlain] != c.text || data[protocol.MIMETextHTML] != c.html {
			t.Errorf("%s: %v", name, data)
		}
	}
}

// TestThrottle: however fast the calls, the first and the last are shown.
func TestThrottle(t *testing.T) {
	var shown []int
	report := throttle(func(done, _ int) { shown = append(shown, done) })
	report(1, 1001)
	var calls sync.WaitGroup
	for i := range 999 {
		calls.Go(func() { report(i+2, 1001) })
	}
	calls.Wait()
	report(1001, 1001)
	if shown[0] != 1 || shown[len(shown)-1] != 1001 {
		t.Errorf("shown %v", shown)
	}
}

func TestTerminalProgress(t *testing.T) {
	var out bytes.Buffer
	report := terminalProgress(&out, "evaluate")
	report(1, 3)
	report(3, 3)
	if got := out.String(); !strings.Contains(got, "evaluate") || !strings.Contains(got, "3/3") || !strings.HasSuffix(got, "\n") {
		t.Errorf("printed %q", got)
	}
	Progress("not on a terminal")(1, 1)
}

// TestMain is the program that TestMust looks at, when asked to be.
func TestMain(m *testing.M) {
	switch os.Getenv("NOTEBOOK_TEST_PROGRAM") {
	case "":
		os.Exit(m.Run())
	case "fails":
		fmt.Println("before")
		Must(3, errors.Join(errors.New("fusion: unknown method \"tme\""), errors.New("did you mean \"tome\"?")))
		fmt.Println("after")
	case "keeps":
		keeps()
	case "works":
		fmt.Println(Must(3, nil))
		Check(nil)
	case "cannot draw":
		Show(picture{errors.New("plots: the figure has no size")})
	}
}

func TestMust(t *testing.T) {
	for name, c := range map[string]struct {
		stdout, stderr string
		code           int
	}{
		"fails":       {"before\n", "fusion: unknown method \"tme\"; did you mean \"tome\"?\n", 1},
		"works":       {"3\n", "", 0},
		"cannot draw": {"", "plots: the figure has no size\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			program := exec.CommandContext(t.Context(), os.Args[0])
			program.Env = append(os.Environ(), "NOTEBOOK_TEST_PROGRAM="+name)
			var stdout, stderr strings.Builder
			program.Stdout, program.Stderr = &stdout, &stderr
			program.Run()
			if stdout.String() != c.stdout || stderr.String() != c.stderr || program.ProcessState.ExitCode() != c.code {
				t.Errorf("exit %d, printed %q and %q", program.ProcessState.ExitCode(), &stdout, &stderr)
			}
		})
	}
}

func TestWriteTemp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path, err := writeTemp([]byte("png"), "tokenfuse-*.png")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != "png" || filepath.Ext(path) != ".png" {
		t.Errorf("%s holds %q, error %v", path, got, err)
	}
}
