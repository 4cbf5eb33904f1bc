package ablation_test

import (
	"math"
	"strings"
	"testing"

	"tokenfuse/lib/ablation"
	"tokenfuse/lib/result"
	"tokenfuse/lib/statistics"
)

// rowOf is a row of a method whose answers are written as "1101...".
func rowOf(t *testing.T, method, target string, seed int64, gmacs float64, answers string, groups []int) result.Row {
	t.Helper()
	var right []bool
	for _, c := range answers {
		right = append(right, c == '1')
	}
	text, err := result.EncodeAnswers(right)
	if err != nil {
		t.Fatal(err)
	}
	row := result.Row{Model: "m", Method: method, Dataset: "d", Split: "test", Seed: seed, GMACs: gmacs, Samples: len(right),
		AccuracyTop1: float64(strings.Count(answers, "1")) / float64(len(right)), Fusion: []byte(`{"method":"` + method + `","seed":` + string(rune('0'+seed)) + `}`)}
	if method != "none" {
		row.Label = method
	}
	row.Key, row.Target, row.Correct = method+target+string(rune('0'+seed)), target, text
	if groups != nil {
		if row.Groups, err = result.EncodeGroups(groups); err != nil {
			t.Fatal(err)
		}
	}
	return row
}

func close(got, want, tolerance float64) bool { return got == want || math.Abs(got-want) <= tolerance }

func summarise(t *testing.T, baseline string, rows ...result.Row) ablation.Summary {
	t.Helper()
	s, err := ablation.Summarise(rows, baseline)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSummaryOneSeed, by hand: of 8 images the base model has 6 right and a method 3; 4 images only the
// base has right, 1 only the method. The difference is -3/8; McNemar's p is 2 (1 + 5) / 2^5 = 0.375; in
// the bootstrap each image drawn is -1 with probability 1/2, +1 with 1/8, 0 with 3/8, and of the sum of
// 8 such, P(>= 1) = 4.3% and P(>= 2) = 1.4%: the upper bound is 1/8.
func TestSummaryOneSeed(t *testing.T) {
	s := summarise(t, "",
		rowOf(t, "none", "", 0, 2, "11111100", nil),
		rowOf(t, "cut", "", 0, 1, "11000010", nil))
	base, cut := s.Lines[0], s.Lines[1]
	if base.Difference != nil || base.Name != "base model" || cut.Name != "cut" {
		t.Errorf("%+v", s)
	}
	d := cut.Difference
	if !close(d.Mean, -3.0/8, 1e-12) || !close(d.P, 0.375, 1e-9) || !close(d.Images.High, 1.0/8, 1e-12) || d.Real() || !math.IsInf(d.Seeds.Low, -1) {
		t.Errorf("%+v", d)
	}
	low, high := result.Wilson(3.0/8, 8)
	if want := (statistics.Interval{Low: low, High: high}); cut.Images != want {
		t.Errorf("%+v, want Wilson's %+v", cut.Images, want)
	}
	if !base.Front || !cut.Front {
		t.Error("one is better, the other cheaper: both are on the front")
	}
	markdown := s.Markdown()
	for _, want := range []string{"-37.50", "0.375", "| none |", "vs base model"} {
		if !strings.Contains(markdown, want) {
			t.Errorf("no %q in\n%s", want, markdown)
		}
	}
	if strings.Contains(markdown, "seeds") {
		t.Errorf("columns of seeds for one seed:\n%s", markdown)
	}
}

// TestSummarySeeds, by hand: three seeds of a method with 5, 6 and 7 of 8 right, of the base 8 of 8 (one
// row, which seeds do not change). Mean 0.75, deviation 0.125, half 4.30265 * 0.125 / sqrt(3) = 0.31052;
// the differences are -3/8, -2/8, -1/8, their interval -0.25 +- 0.31052, which holds 0.
func TestSummarySeeds(t *testing.T) {
	rows := []result.Row{
		rowOf(t, "none", "", 0, 2, "11111111", nil),
		rowOf(t, "random", "", 0, 1, "11111000", nil),
		rowOf(t, "random", "", 1, 1, "11111100", nil),
		rowOf(t, "random", "", 2, 1, "11111110", nil),
	}
	line := summarise(t, "", rows...).Lines[1]
	if line.Seeds() != 3 || !close(line.Accuracy.Mean, 0.75, 1e-12) || !close(line.Accuracy.Deviation, 0.125, 1e-12) ||
		!close(line.Accuracy.Interval.Low, 0.75-0.31052, 1e-5) || !close(line.Accuracy.Interval.High, 0.75+0.31052, 1e-5) {
		t.Errorf("%+v", line)
	}
	d := line.Difference
	if !close(d.Mean, -0.25, 1e-12) || !close(d.Seeds.Low, -0.56052, 1e-5) || !close(d.Seeds.High, 0.06052, 1e-5) || !math.IsNaN(d.P) {
		t.Errorf("%+v", d)
	}
	if !d.Images.Excludes(0) || d.Real() {
		t.Errorf("over images it is real, over seeds not, so it is not: %+v", d)
	}
	// The same as a baseline, from the other side.
	other := summarise(t, "random", rows...).Lines[0].Difference
	if other == nil || !close(other.Mean, 0.25, 1e-12) || !close(other.Seeds.High, 0.56052, 1e-5) {
		t.Errorf("%+v", other)
	}
}

// TestSummaryGroups, by hand: 8 images of two things. The method is right on all of one, wrong on all of
// the other, the base model wrong on all. The difference is 1/2 for 4 independent pairs of images; of two
// things it is 0, 1/2, 1 with probability 1/4, 1/2, 1/4: from 0 to 1, which is none.
func TestSummaryGroups(t *testing.T) {
	groups := []int{0, 0, 0, 0, 1, 1, 1, 1}
	line := summarise(t, "", rowOf(t, "none", "", 0, 2, "00000000", groups), rowOf(t, "m", "", 0, 1, "11110000", groups)).Lines[1]
	want := statistics.Interval{Low: 0, High: 1}
	if d := line.Difference; d.Images != want || line.Images != want || d.Real() || !math.IsNaN(d.P) {
		t.Errorf("%+v, difference %+v", line.Images, d)
	}
	line = summarise(t, "", rowOf(t, "none", "", 0, 2, "00000000", nil), rowOf(t, "m", "", 0, 1, "11110000", nil)).Lines[1]
	if d := line.Difference; !d.Real() || !close(d.P, 0.125, 1e-9) || d.Images.Low != 1.0/8 || d.Images.High != 7.0/8 {
		t.Errorf("as independent images: %+v", d) // binomial (8, 1/2): see package statistics
	}
}

// TestSummaryTargets: a baseline that has targets is compared at the same one; the front is per model.
func TestSummaryTargets(t *testing.T) {
	s := summarise(t, "tome",
		rowOf(t, "none", "", 0, 4, "1111", nil),
		rowOf(t, "tome", "50%", 0, 2, "1100", nil), rowOf(t, "tome", "25%", 0, 1, "1000", nil),
		rowOf(t, "mctf", "50%", 0, 2, "1110", nil), rowOf(t, "mctf", "25%", 0, 1, "1110", nil))
	var got []float64
	var front []bool
	for _, l := range s.Lines {
		mean := math.NaN()
		if l.Difference != nil {
			mean = l.Difference.Mean
		}
		got, front = append(got, mean), append(front, l.Front)
	}
	if !math.IsNaN(got[0]) || !math.IsNaN(got[1]) || !math.IsNaN(got[2]) || got[3] != 0.25 || got[4] != 0.5 {
		t.Errorf("differences %v, want those of mctf, 1/4 and 2/4", got)
	}
	if want := []bool{true, false, false, false, true}; len(front) != 5 || front[0] != want[0] || front[1] != want[1] || front[3] != want[3] || front[4] != want[4] {
		t.Errorf("front %v, want %v", front, want)
	}
	if _, err := ablation.Summarise([]result.Row{rowOf(t, "none", "", 0, 4, "1111", nil)}, "evit"); err == nil || !strings.Contains(err.Error(), `"evit": there are base model`) {
		t.Errorf("%v", err)
	}
	if _, err := ablation.Summarise([]result.Row{rowOf(t, "none", "", 0, 4, "1111", nil), rowOf(t, "m", "", 0, 4, "111", nil)}, ""); err == nil {
		t.Error("rows of 4 and of 3 images were paired")
	}
}

// TestSummaryModels: one model's rows are compared with those of a baseline on the same model, or on the
// one that is named.
func TestSummaryModels(t *testing.T) {
	on := func(model string, row result.Row) result.Row {
		row.Model = model
		return row
	}
	rows := []result.Row{
		on("plain", rowOf(t, "none", "", 0, 2, "11110000", nil)), on("plain", rowOf(t, "mctf", "", 0, 1, "11000000", nil)),
		on("tuned", rowOf(t, "none", "", 0, 2, "11111100", nil)), on("tuned", rowOf(t, "mctf", "", 0, 1, "11110000", nil)),
	}
	none := math.NaN()
	for baseline, want := range map[string][4]float64{
		"":                 {none, -2. / 8, none, -2. / 8},
		"mctf":             {2. / 8, none, 2. / 8, none},
		"plain base model": {none, -2. / 8, 2. / 8, 0},
		"tuned mctf":       {0, -2. / 8, 2. / 8, none},
	} {
		for i, l := range summarise(t, baseline, rows...).Lines {
			got := none
			if l.Difference != nil {
				got = l.Difference.Mean
			}
			if got != want[i] && !(math.IsNaN(got) && math.IsNaN(want[i])) {
				t.Errorf("baseline %q: %s is %v from it, want %v", baseline, l.Name, got, want[i])
			}
		}
	}
	if table := summarise(t, "", rows...).Markdown(); !strings.Contains(table, "| tuned | mctf | 1.00 |") {
		t.Errorf("the model's name is to stand in a column of its own:\n%s", table)
	}
}

// TestSummaryOfForeground: by hand, of two seeds and of one; what was not measured has no column.
func TestSummaryOfForeground(t *testing.T) {
	measured := func(row result.Row, kept, purity, size float64) result.Row {
		row.ForegroundKept, row.GroupPurity, row.ForegroundSize = kept, purity, size
		return row
	}
	s := summarise(t, "",
		measured(rowOf(t, "none", "", 0, 2, "1111", nil), 1, 1, 1),
		measured(rowOf(t, "topk", "50%", 0, 1, "1100", nil), 0.75, 1, 1), measured(rowOf(t, "topk", "50%", 1, 1, "1110", nil), 0.25, 1, 1),
		measured(rowOf(t, "mctf", "50%", 0, 1, "1100", nil), 1, 0.5, 2.25))
	const want = `| method | target | GMACs | seeds | top-1 (%) | foreground kept (%) | group purity (%) | patches in a foreground token |
| --- | --- | ---:| ---:| ---:| ---:| ---:| ---:|
| base model |  | 2.00 | 1 | 100.00 | 100.0 | 100.0 | 1.00 |
| topk | 50% | 1.00 | 2 | 62.50 | 50.0 ± 35.4 | 100.0 ± 0.0 | 1.00 ± 0.00 |
| mctf | 50% | 1.00 | 1 | 50.00 | 100.0 | 50.0 | 2.25 |
`
	if got := s.OfForeground().Markdown(); got != want {
		t.Errorf("Markdown:\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(s.Markdown(), "kept") {
		t.Errorf("the table of accuracies has columns of the foreground:\n%s", s.Markdown())
	}
}

// TestSummarySpeed: images per second stand in the table where all rows of a line have them, without powers of ten.
func TestSummarySpeed(t *testing.T) {
	timed := func(row result.Row, speed float64) result.Row {
		row.ImagesPerSecond = speed
		return row
	}
	table := summarise(t, "", timed(rowOf(t, "none", "", 0, 2, "1111", nil), 12.345), timed(rowOf(t, "tome", "", 0, 1, "1100", nil), 1249.6),
		rowOf(t, "mctf", "", 0, 1, "1100", nil)).Markdown()
	for _, want := range []string{"| base model | 2.00 | 12.3 |", "| tome | 1.00 | 1250 |", "| mctf | 1.00 |  |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

// TestSummaryTables: to the letter.
func TestSummaryTables(t *testing.T) {
	s := summarise(t, "", rowOf(t, "none", "", 0, 2, "1111", nil), rowOf(t, "my_method", "50%", 0, 1, "1100", nil))
	const markdown = `| method | target | GMACs | top-1 (%) | 95% over images | vs base model | of it 95% over images | McNemar p | difference | Pareto |
| --- | --- | ---:| ---:| ---:| ---:| ---:| ---:| ---:| ---:|
| base model |  | 2.00 | 100.00 | 51.01 to 100.00 |  |  |  |  | \* |
| my_method | 50% | 1.00 | 50.00 | 15.00 to 85.00 | -50.00 | -100.00 to +0.00 | 0.500 | none | \* |
`
	if got := s.Markdown(); got != markdown {
		t.Errorf("Markdown:\n%s\nwant\n%s", got, markdown)
	}
	const latex = `\begin{tabular}{llrrrrrrrr}
\toprule
method & target & GMACs & top-1 (\%) & 95\% over images & vs base model & of it 95\% over images & McNemar p & difference & Pareto \\
\midrule
base model &  & 2.00 & 100.00 & 51.01 to 100.00 &  &  &  &  & * \\
my\_method & 50\% & 1.00 & 50.00 & 15.00 to 85.00 & $-$50.00 & $-$100.00 to $+$0.00 & 0.500 & none & * \\
\bottomrule
\end{tabular}
`
	if got := s.LaTeX(); got != latex {
		t.Errorf("LaTeX:\n%s\nwant\n%s", got, latex)
	}
}
