package plots

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Pair is a token that is fused into another; both count from 0, protected ones included.
type Pair struct {
	From, To int
	// Score is written on the pair's line; none where it is 0.
	Score float64
}

// Matching draws who fuses with whom in one step: the tokens of A, at even positions, in the left column,
// those of B, at odd ones, in the right; an arrow for each pair from the token that goes to the one that
// takes it, blue from A to B, vermillion and dashed from B to A (bidirectional matching). The first
// protected tokens are squares. Beyond 64 tokens only those in pairs are drawn. It is an error if a pair
// lies within A or B, names a token that is not there, or a protected one, or if a token goes twice.
func Matching(tokens, protected int, pairs ...Pair) (*Figure, error) {
	m := &matching{tokens: tokens, protected: protected, pairs: pairs}
	if err := m.validate(); err != nil {
		return nil, err
	}
	for i := range tokens {
		if tokens <= 64 || m.paired(i) {
			m.column[i%2] = append(m.column[i%2], i)
		}
	}
	p := newPlot()
	p.HideAxes()
	p.Add(m)
	rows := max(len(m.column[0]), len(m.column[1]), 1)
	p.X.Min, p.X.Max = -0.3, 1.3
	p.Y.Min, p.Y.Max = -float64(rows)+0.4, 1.4
	figure := &Figure{Plot: p, Width: 4 * vg.Inch, Height: 15*vg.Length(rows) + 28, layout: stays}
	figure.legend = m.legend()
	figure.Height += legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = m.describe()
	return figure, nil
}

// matching draws two columns of tokens and the pairs between them.
type matching struct {
	tokens, protected int
	pairs             []Pair
	column            [2][]int // the tokens of A and B that are drawn
}

func (m *matching) validate() error {
	if m.tokens < 1 || m.protected < 0 || m.protected > m.tokens {
		return fmt.Errorf("plots: a matching of %d tokens, %d of them protected: want 1 token at least", m.tokens, m.protected)
	}
	gone := map[int]bool{}
	for _, p := range m.pairs {
		var wrong string
		switch {
		case min(p.From, p.To) < 0 || max(p.From, p.To) >= m.tokens:
			wrong = fmt.Sprintf("there are %d tokens, from 0 on", m.tokens)
		case min(p.From, p.To) < m.protected:
			wrong = fmt.Sprintf("the first %d tokens are protected", m.protected)
		case p.From%2 == p.To%2:
			wrong = "both are in one column: want an even and an odd position"
		case gone[p.From]:
			wrong = fmt.Sprintf("token %d went before", p.From)
		}
		if wrong != "" {
			return fmt.Errorf("plots: token %d cannot go to %d: %s", p.From, p.To, wrong)
		}
		gone[p.From] = true
	}
	if m.tokens > 64 && len(m.pairs) == 0 {
		return errors.New("plots: a matching of more than 64 tokens without pairs: pass those that fuse")
	}
	return nil
}

func (m *matching) paired(token int) bool {
	for _, p := range m.pairs {
		if p.From == token || p.To == token {
			return true
		}
	}
	return false
}

func (m *matching) fromA() (n int) {
	for _, p := range m.pairs {
		n += 1 - p.From%2
	}
	return n
}

func (m *matching) legend() []legendEntry {
	var entries []legendEntry
	if m.fromA() > 0 {
		entries = append(entries, legendEntry{"A goes to B", []plot.Thumbnailer{arrow{pairStyle(0)}}})
	}
	if m.fromA() < len(m.pairs) {
		entries = append(entries, legendEntry{"B goes to A", []plot.Thumbnailer{arrow{pairStyle(1)}}})
	}
	if len(m.pairs) > 0 {
		entries = append(entries, legendEntry{"goes", []plot.Thumbnailer{node{fill: grey(0xFF)}}},
			legendEntry{"takes others", []plot.Thumbnailer{node{fill: ink}}})
	}
	if m.protected > 0 {
		entries = append(entries, legendEntry{"protected", []plot.Thumbnailer{node{grey(0xC8), true}}})
	}
	return entries
}

func (m *matching) describe() string {
	var parts []string
	for _, p := range m.pairs {
		parts = append(parts, fmt.Sprintf("%d into %d", p.From, p.To))
	}
	text := fmt.Sprintf("Matching of %d tokens, %d protected: %d of A go to B, %d of B to A", m.tokens, m.protected, m.fromA(), len(m.pairs)-m.fromA())
	if len(parts) > 0 {
		text += "; " + strings.Join(parts, ", ")
	}
	return text
}

// pairStyle is that of a pair's arrow, from A (0) or from B (1).
func pairStyle(from int) draw.LineStyle {
	style := draw.LineStyle{Color: colours[from], Width: 1.3}
	if from == 1 {
		style.Dashes = []vg.Length{4, 2}
	}
	return style
}

// Plot implements plot.Plotter.
func (m *matching) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	radius := min(5, 0.36*(y(1)-y(0)))
	place := map[int]vg.Point{}
	head := p.Title.TextStyle
	head.XAlign, head.YAlign = draw.XCenter, draw.YCenter
	label := p.X.Tick.Label
	label.YAlign = draw.YCenter
	for side, column := range m.column {
		c.FillText(head, vg.Point{X: x(float64(side)), Y: y(1)}, []string{"A", "B"}[side])
		for row, token := range column {
			at := vg.Point{X: x(float64(side)), Y: y(-float64(row))}
			place[token] = at
			beside := vg.Point{X: at.X - radius - 4, Y: at.Y}
			label.XAlign = draw.XRight
			if side == 1 {
				beside.X, label.XAlign = at.X+radius+4, draw.XLeft
			}
			c.FillText(label, beside, strconv.Itoa(token))
		}
	}
	for _, pair := range m.pairs {
		drawArrow(c, pairStyle(pair.From%2), place[pair.From], place[pair.To], radius)
	}
	for _, pair := range m.pairs {
		m.drawScore(c, p, pair, place[pair.From], place[pair.To])
	}
	for _, column := range m.column {
		for _, token := range column {
			m.drawToken(c, token, place[token], radius)
		}
	}
}

// drawScore writes it at a third of the way, where arrows have not yet come together.
func (m *matching) drawScore(c draw.Canvas, p *plot.Plot, pair Pair, from, to vg.Point) {
	if pair.Score == 0 {
		return
	}
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XCenter, draw.YCenter
	style.Font.Size = 7
	at := vg.Point{X: from.X + 0.28*(to.X-from.X), Y: from.Y + 0.28*(to.Y-from.Y)}
	label := strconv.FormatFloat(pair.Score, 'g', 3, 64)
	half := vg.Point{X: style.Width(label)/2 + 1.5, Y: 4}
	c.SetColor(grey(0xFF))
	c.Fill(vg.Rectangle{Min: vg.Point{X: at.X - half.X, Y: at.Y - half.Y}, Max: vg.Point{X: at.X + half.X, Y: at.Y + half.Y}}.Path())
	c.FillText(style, at, label)
}

// drawToken draws a disc, black where others come to the token, empty where it goes; a square where it is
// protected.
func (m *matching) drawToken(c draw.Canvas, token int, at vg.Point, radius vg.Length) {
	fill := color.Color(grey(0xC8))
	for _, p := range m.pairs {
		if p.From == token {
			fill = grey(0xFF)
			break
		}
		if p.To == token {
			fill = ink
		}
	}
	drawNode(c, at, radius, fill, token < m.protected)
}

func drawNode(c draw.Canvas, at vg.Point, radius vg.Length, fill color.Color, square bool) {
	var path vg.Path
	if square {
		path = vg.Rectangle{Min: vg.Point{X: at.X - radius, Y: at.Y - radius}, Max: vg.Point{X: at.X + radius, Y: at.Y + radius}}.Path()
	} else {
		path.Move(vg.Point{X: at.X + radius, Y: at.Y})
		path.Arc(at, radius, 0, 2*math.Pi)
		path.Close()
	}
	c.SetColor(fill)
	c.Fill(path)
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1})
	c.Stroke(path)
}
