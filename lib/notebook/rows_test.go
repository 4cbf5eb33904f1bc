package notebook

import (
	"math"
	"strings"
	"testing"

	"tokenfuse/lib/result"
)

type sourced struct {
	picture
	data any
}

func (s sourced) Data() any { return s.data }

func TestRowsBehindWhatIsShown(t *testing.T) {
	row := result.Row{Model: "m", Method: "tome", GMACs: 2, Sweep: result.Sweep{Seconds: 3, Correct: "AA==", Groups: "AA=="}}
	const line = `{"model":"m","method":"tome","dataset":"","split":"","samples":0,"seed":0,"backend":"","gmacs":2,"accuracy_top1":0}` + "\n"
	type step struct {
		Step int     `json:"step"`
		Loss float64 `json:"loss"`
	}
	for name, c := range map[string]struct {
		value any
		want  string
		fails bool
	}{
		"rows, without answers and seconds": {value: []result.Row{row, row}, want: line + line},
		"a row":                             {value: row, want: line},
		"a figure that knows its rows":      {value: sourced{data: []result.Row{row}}, want: line},
		"a figure of a training's log, without seconds": {
			value: sourced{data: []result.TrainingRow{{Step: 1, Loss: 2.5, Seconds: 3}}},
			want:  `{"step":1,"epoch":0,"loss":2.5,"parts":null,"learning_rate":0,"seconds":0}` + "\n"},
		"a figure of other values":   {value: sourced{data: []step{{1, 2.5}, {2, 2}}}, want: "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":2}\n"},
		"a figure that does not say": {value: picture{}},
		"too many":                   {value: sourced{data: []string{strings.Repeat("x", mostRows)}}},
		"no list":                    {value: sourced{data: 1}, fails: true},
		"no JSON":                    {value: sourced{data: []float64{math.NaN()}}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			shown, err := render(c.value)
			if (err != nil) != c.fails || shown.rows != c.want {
				t.Errorf("rows %q, error %v, want %q", shown.rows, err, c.want)
			}
		})
	}
}
