package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// TauHeatMap draws accuracy over the two temperatures in which the rows of MCTF differ, each field one
// pair of values, the best with a frame; seeds are averaged, fields without a row are left blank. A
// temperature of 0 switches its criterion off. It is an error if rows differ in another number of
// temperatures, or in anything else that changes what is fused. Base models and failed rows are left out.
func TauHeatMap(rows []result.Row) (*Figure, error) {
	rows, err := evaluated(rows)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r result.Row) bool { return r.Method == result.None })
	values, said := map[string]map[string]bool{}, map[string]int{} // of each setting, and how many rows say it
	for _, r := range rows {
		fields := r.Fields()
		fields["model"] = r.Model
		for key, value := range fields {
			if values[key] == nil {
				values[key] = map[string]bool{}
			}
			values[key][value] = true
			said[key]++
		}
	}
	delete(values, "seed")
	var taus, others []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch {
		case len(values[key]) < 2 && said[key] == len(rows):
		case strings.HasPrefix(key, "tau.") && said[key] == len(rows):
			taus = append(taus, key)
		default:
			others = append(others, key)
		}
	}
	if len(taus) != 2 {
		return nil, fmt.Errorf("plots: rows differ in %d temperatures (%s), want 2: pass rows with the others fixed", len(taus), strings.Join(taus, ", "))
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("plots: rows differ in %s beside two temperatures: pass those of one value", strings.Join(others, ", "))
	}
	m := &heatMap{x: newTemperatures(taus[0], values[taus[0]]), y: newTemperatures(taus[1], values[taus[1]])}
	m.fill(rows)
	return m.figure().from(rows), nil
}

// temperatures are the values of one, rising.
type temperatures struct {
	key    string
	values []string
}

func newTemperatures(key string, values map[string]bool) temperatures {
	return temperatures{key, slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y)
	})}
}

func (t temperatures) label() string { return "τ of " + strings.TrimPrefix(t.key, "tau.") }

func (t temperatures) ticks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for i, value := range t.values {
		if value == "0" {
			value = "off"
		}
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: value})
	}
	return ticks
}

// heatMap is a field for each pair of temperatures.
type heatMap struct {
	x, y temperatures
	// of holds the accuracy in percent of each field, row by row; NaN where there is none.
	of        []float64
	low, high float64
}

func (m *heatMap) fill(rows []result.Row) {
	fields := make([]setting, len(m.x.values)*len(m.y.values))
	for _, r := range rows {
		of := r.Fields()
		at := slices.Index(m.y.values, of[m.y.key])*len(m.x.values) + slices.Index(m.x.values, of[m.x.key])
		fields[at] = append(fields[at], r)
	}
	m.low, m.high = math.Inf(1), math.Inf(-1)
	m.of = make([]float64, len(fields))
	for i, s := range fields {
		m.of[i] = math.NaN()
		if s != nil {
			m.of[i] = s.mean(func(r result.Row) float64 { return 100 * r.AccuracyTop1 })
			m.low, m.high = min(m.low, m.of[i]), max(m.high, m.of[i])
		}
	}
}

func (m *heatMap) figure() *Figure {
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = m.x.label(), m.y.label()
	p.Add(m)
	p.X.Min, p.X.Max = -0.5, float64(len(m.x.values))-0.5
	p.Y.Min, p.Y.Max = -0.5, float64(len(m.y.values))-0.5
	p.X.Tick.Marker, p.Y.Tick.Marker = m.x.ticks(), m.y.ticks()
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Tick.LineStyle.Color, axis.LineStyle.Color = color.Transparent, color.Transparent // their room stays
	}
	figure := &Figure{Plot: p, Width: TextWidth, Alt: m.describe(), layout: stays}
	figure.legend = []legendEntry{{fmt.Sprintf("top-1 accuracy, %.2f%% to %.2f%%", m.low, m.high), []plot.Thumbnailer{ramp{}}}}
	figure.Height = 26*vg.Length(len(m.y.values)) + 46 + legendHeight(figure.legend, figure.Width-2*margin)
	return figure
}

func (m *heatMap) describe() string {
	best := slices.Index(m.of, m.high)
	x, y := m.x.values[best%len(m.x.values)], m.y.values[best/len(m.x.values)]
	return fmt.Sprintf("Top-1 accuracy over the %s and the %s, %.2f%% to %.2f%%, best at %s and %s",
		m.x.label(), m.y.label(), m.low, m.high, x, y)
}

// Plot implements plot.Plotter.
func (m *heatMap) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XCenter, draw.YCenter
	for i, value := range m.of {
		if math.IsNaN(value) {
			continue
		}
		col, row := float64(i%len(m.x.values)), float64(i/len(m.x.values))
		field := vg.Rectangle{Min: vg.Point{X: x(col - 0.5), Y: y(row - 0.5)}, Max: vg.Point{X: x(col + 0.5), Y: y(row + 0.5)}}
		colour := scaled(part(value, m.low, m.high))
		c.SetColor(fixed{colour})
		c.Fill(field.Path())
		style.Color = readable(colour)
		if value == m.high {
			frame := draw.Crop(draw.Canvas{Canvas: c.Canvas, Rectangle: field}, 2, -2, 2, -2)
			c.SetLineStyle(draw.LineStyle{Color: style.Color, Width: 1.5})
			c.Stroke(frame.Rectangle.Path())
		}
		label := strconv.FormatFloat(value, 'f', 2, 64)
		fits := style
		if needs, has := style.Width(label), field.Size().X-6; needs > has {
			fits.Font.Size *= max(has, 1) / needs
		}
		c.FillText(fits, vg.Point{X: x(col), Y: y(row) + 0.08*fits.Font.Size}, label)
	}
}
