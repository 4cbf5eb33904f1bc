package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func fusion(text string) json.RawMessage { return json.RawMessage(text) }

func ExampleWrite() {
	Write(os.Stdout, Row{
		Model: "vit_fmnist_patch4_28", Method: "tome", Fusion: json.RawMessage(`{"method": "tome", "r": 4}`),
		Dataset: "fashion-mnist", Split: "test", Samples: 10000, Backend: "xla:cpu",
		GMACs: 0.031, AccuracyTop1: 0.914, Tokens: []int{46, 42},
	})
	// Output:
	// {"model":"vit_fmnist_patch4_28","method":"tome","fusion":{"method":"tome","r":4},"dataset":"fashion-mnist","split":"test","samples":10000,"seed":0,"backend":"xla:cpu","gmacs":0.031,"accuracy_top1":0.914,"tokens":[46,42]}
}

func ExampleWilson() {
	low, high := Wilson(0.914, 10000)
	fmt.Printf("%.1f%% to %.1f%%\n", 100*low, 100*high)
	// Output: 90.8% to 91.9%
}

func TestSeries(t *testing.T) {
	rows := []Row{
		{Model: "m", Method: "none", Fusion: fusion(`{"method":"none"}`)},
		{Model: "m", Method: "mctf", Fusion: fusion(`{"method":"mctf","r":16,"layers":[1,2,3,5],"tau":{"size":40}}`)},
		{Model: "m", Method: "mctf", Fusion: fusion(`{"method":"mctf","r":8,"layers":[1,2,3,5],"tau":{"size":20}}`)},
		{Model: "m", Method: "mctf", Label: "mine", Fusion: fusion(`{"method":"mctf","r":8,"pooling":"max"}`)},
		{Model: "m", Method: "evit", Fusion: fusion(`{"method":"evit","keep_rate":0.70}`)},
		{Model: "m", Method: "tome", Fusion: fusion(`{"method":"tome","r":[4,4,2]}`)},
		{Model: "m", Method: "own"},
	}
	want := []string{"base model", "mctf tau.size=40", "mctf tau.size=20", "mine", "evit", "tome", "own"}
	if diff := cmp.Diff(want, Series(rows)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	rows[0].Model = "other"
	if got := Series(rows)[:2]; got[0] != "other base model" || got[1] != "m mctf tau.size=40" {
		t.Errorf("with two models: %q", got)
	}
	settings := []string{"", "r=16", "r=8", "r=8", "keep_rate=0.70", "r=[4 4 2]", ""}
	for i, r := range rows {
		if got := r.Setting(); got != settings[i] {
			t.Errorf("setting of row %d: %q, want %q", i, got, settings[i])
		}
	}
	if got := (Row{Fusion: fusion(`{"layers":[1,2,3,5,6]}`)}).Fields()["layers"]; got != "1-3,5,6" {
		t.Errorf("layers: %q", got)
	}
	if got := Series(nil); len(got) != 0 {
		t.Errorf("no rows: %q", got)
	}
}

func TestBase(t *testing.T) {
	rows := []Row{
		{Model: "m", Method: None, Seed: 1, GMACs: 1}, {Model: "m", Method: None, Seed: 2, GMACs: 2},
		{Model: "n", Method: None, GMACs: 3},
		{Model: "m", Method: None, GMACs: 4, Timing: Timing{Batch: 16, ImageSize: "8x8"}},
	}
	for name, c := range map[string]struct {
		row   Row
		gmacs float64
		ok    bool
	}{
		"same seed":   {Row{Model: "m", Method: "tome", Seed: 2}, 2, true},
		"other seed":  {Row{Model: "m", Method: "tome", Seed: 7}, 1, true},
		"batch":       {Row{Model: "m", Method: "tome", Timing: Timing{Batch: 16, ImageSize: "8x8"}}, 4, true},
		"other batch": {Row{Model: "m", Method: "tome", Timing: Timing{Batch: 1, ImageSize: "8x8"}}, 0, false},
		"other size":  {Row{Model: "m", Method: "tome", Timing: Timing{Batch: 16, ImageSize: "4x4"}}, 0, false},
		"no model":    {Row{Model: "x"}, 0, false},
	} {
		if base, ok := Base(rows, c.row); ok != c.ok || base.GMACs != c.gmacs {
			t.Errorf("%s: %v, %v", name, base, ok)
		}
	}
}

func TestReadErrors(t *testing.T) {
	good := `{"model":"m","method":"tome","gmacs":1,"accuracy_top1":0.5}`
	for name, c := range map[string]struct{ text, want string }{
		"cut off":       {good + "\n" + good[:20], `line 2: the row ends early: delete the line, or make it again`},
		"unknown key":   {`{"model":"m","method":"tome","flops":1}`, `line 1: not a result row: unknown field "flops"`},
		"two values":    {"\n" + good + good, `line 2: more than one value: write one row a line`},
		"accuracy in %": {`{"model":"m","method":"tome","accuracy_top1":79.8}`, `line 1: accuracy_top1 is "79.8": want a fraction in [0, 1]`},
		"fusion list":   {`{"model":"m","method":"tome","fusion":[]}`, `line 1: fusion is "[]": want an object such as {"method":"none"}`},
		"batch":         {`{"model":"m","method":"tome","batch":-16}`, `line 1: batch is "-16": want a count`},
		"time":          {`{"model":"m","method":"tome","milliseconds_per_batch":-1}`, `line 1: milliseconds_per_batch is "-1": want a number from 0 on`},
		"kept in %":     {`{"model":"m","method":"tome","foreground_kept":79.8}`, `line 1: foreground_kept is "79.8": want a fraction in [0, 1]`},
		"negative size": {`{"model":"m","method":"tome","foreground_size":-1}`, `line 1: foreground_size is "-1": want a number from 0 on`},
		"error below 0": {`{"model":"m","method":"tome","group_purity_standard_error":-1}`, `line 1: group_purity_standard_error is "-1": want a number from 0 on`},
		"tokens":        {`{"model":"m","method":"tome","background_tokens":[1,-1]}`, `line 1: background_tokens is "[1 -1]": want numbers from 0 on`},
		"several":       {`{"samples":-1}`, `line 1: model is "": want a name; method is "": want a name; samples is "-1": want a count`},
		"no object":     {`7`, `line 1: not a result row: cannot unmarshal number into Go value of type result.Row`},
		"long":          {strings.Repeat(" ", maxLine+1), `line 1: longer than 1048576 bytes: not a result row`},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			for _, err := range Read(strings.NewReader(c.text)) {
				if err != nil {
					got = err.Error()
				}
			}
			if got != c.want {
				t.Errorf("error %q\nwant  %q", got, c.want)
			}
		})
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	rows := []Row{
		{Model: "m", Method: "none", GMACs: 0.25, AccuracyTop1: 0.9, Samples: 10, Tokens: []int{50, 50}},
		{Model: "m", Method: "tome", Fusion: fusion(`{"method":"tome","r":4}`), Seed: -3, ImagesPerSecond: 12.5,
			Foreground: Foreground{ForegroundKept: 0.5, ForegroundKeptError: 0.01, ForegroundSize: 3, BackgroundTokens: []float64{1, 0, 2}},
			Timing:     Timing{Batch: 16, Repetitions: 9, GainOfCutting: -0.5}, Machine: Machine{CPU: "c", Cores: 2}},
	}
	if err := WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if diff := cmp.Diff(rows, got); diff != "" || err != nil {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}

	if err := WriteFile(path, []Row{{Model: "m", Method: "x", AccuracyTop1: math.NaN()}}); err == nil {
		t.Error("a NaN was written")
	}
	if again, err := ReadFile(path); err != nil || len(again) != 2 {
		t.Errorf("a failed write changed the file: %v, %v", again, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files left: %v", entries)
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none.jsonl")); err == nil || !strings.Contains(err.Error(), "none.jsonl") {
		t.Errorf("no file: %v", err)
	}
}

// TestWilson inverts the score test, which is what the interval is defined by: at its ends, the
// measured accuracy stands exactly at the 2.5% and 97.5% quantiles.
func TestWilson(t *testing.T) {
	z := distuv.UnitNormal.Quantile(0.975)
	for _, samples := range []int{1, 10, 1000, 50000} {
		for _, accuracy := range []float64{0, 0.1, 0.5, 0.922, 1} {
			low, high := Wilson(accuracy, samples)
			if low < 0 || high > 1 || low > accuracy+1e-12 || high < accuracy-1e-12 {
				t.Errorf("Wilson(%g, %d) = %g, %g", accuracy, samples, low, high)
			}
			for _, p := range []float64{low, high} {
				if p <= 0 || p >= 1 {
					continue
				}
				if got := math.Abs(accuracy-p) / math.Sqrt(p*(1-p)/float64(samples)); math.Abs(got-z) > 1e-6 {
					t.Errorf("Wilson(%g, %d): %g stands %g deviations off, want %g", accuracy, samples, p, got, z)
				}
			}
		}
	}
	if low, high := Wilson(0.5, 0); low != 0 || high != 1 {
		t.Errorf("no samples: %g, %g", low, high)
	}
}

func TestPareto(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few distinct values, so that ties are common.
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Row {
			return Row{
				GMACs:        float64(rapid.IntRange(0, 5).Draw(t, "gmacs")),
				AccuracyTop1: float64(rapid.IntRange(0, 5).Draw(t, "accuracy")) / 5,
			}
		}), 0, 12).Draw(t, "rows")
		beaten := func(r Row) bool {
			for _, o := range rows {
				if o.GMACs <= r.GMACs && o.AccuracyTop1 >= r.AccuracyTop1 &&
					(o.GMACs < r.GMACs || o.AccuracyTop1 > r.AccuracyTop1) {
					return true
				}
			}
			return false
		}
		want := 0
		for _, r := range rows {
			if !beaten(r) {
				want++
			}
		}
		front := Pareto(rows)
		if len(front) != want {
			t.Fatalf("front of %d rows, want %d: %v", len(front), want, front)
		}
		for i, r := range front {
			if beaten(r) || i > 0 && r.GMACs < front[i-1].GMACs {
				t.Fatalf("row %d of the front: %v", i, front)
			}
		}
	})
}

// decoded unpacks what a row keeps packed.
func decoded(r Row) [2]error {
	_, answers := r.Answers()
	_, groups := r.ImageGroups()
	return [2]error{answers, groups}
}

// TestImageGroupsClaims: a row that claims more samples than any row keeps is refused before memory is
// taken for them.
func TestImageGroupsClaims(t *testing.T) {
	for _, samples := range []int{MostAnswers + 1, 1 << 40, math.MaxInt} {
		row := Row{Model: "m", Method: None, Samples: samples, Sweep: Sweep{Groups: "YmBgAAAAAP//"}}
		if _, err := row.ImageGroups(); err == nil || !strings.Contains(err.Error(), "at most 2000000") {
			t.Errorf("%d samples: %v does not say the bound", samples, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, path := range []string{"../../notebooks/study/store.jsonl", "../../notebooks/study/speed.jsonl", "../bench/results/deit-tiny.jsonl"} {
		rows, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		first, _, _ := bytes.Cut(rows, []byte("\n"))
		f.Add(first)
	}
	f.Add([]byte(`{"model":"m","method":"mctf","fusion":{"r":[1,2],"tau":{"size":4e1}},"gmacs":1.5,"accuracy_top1":0.5,"tokens":[3]}`))
	f.Add([]byte("{\"model\":\"m\",\"method\":\"none\"}\n\n{\"model\":\"<\",\"method\":\"\\u2028\"}\n"))
	f.Add([]byte(`{"fusion":null}`))
	f.Add([]byte(`{"model":"m","method":"none","samples":9,"correct":"/wE=","groups":"YmBgAAAAAP//"}`))
	f.Add([]byte(`{"model":"m","method":"none","samples":4611686018427387904,"correct":"/wE=","groups":"YmBgAAAAAP//"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var written, again bytes.Buffer
		var rows []Row
		for row, err := range Read(bytes.NewReader(text)) {
			if err != nil {
				if strings.ContainsRune(err.Error(), '\n') {
					t.Errorf("an error of several lines: %v", err)
				}
				return
			}
			rows = append(rows, row)
			for _, err := range decoded(row) {
				if err != nil && strings.ContainsRune(err.Error(), '\n') {
					t.Errorf("an error of several lines: %v", err)
				}
			}
		}
		Series(rows)
		if err := Write(&written, rows...); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		for row, err := range Read(bytes.NewReader(written.Bytes())) {
			if err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if err := Write(&again, row); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(written.Bytes(), again.Bytes()) {
			t.Errorf("written %q, then %q", written.Bytes(), again.Bytes())
		}
	})
}
