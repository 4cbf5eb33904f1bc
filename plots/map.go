package plots

import (
	"fmt"
	"math"
)

// Map is a number for each patch of an image, to be laid over it.
type Map struct {
	// Title stands above the panel: "layer 3".
	Title string
	// Rows and Cols are the patch grid.
	Rows, Cols int
	// Values holds a number for each patch, row by row; NaN where there is none.
	Values []float64
}

// ClassAttention is how much each patch is attended to by the class token (the first): the mean over heads
// of its row in an attention map [heads, tokens, tokens] of one image, row by row, in percent. Tokens are
// the protected ones and then the patches, of which none is fused yet.
func ClassAttention(title string, rows, cols, protected, heads int, attention []float32) (Map, error) {
	if protected < 1 {
		return Map{}, fmt.Errorf("plots: class attention with %d protected tokens: want a class token", protected)
	}
	return attended(title, rows, cols, protected, heads, 1, attention)
}

// Informativeness is the attention that each patch receives: the mean of its column in an attention map over
// heads and queries, in percent; the map is that of ClassAttention. Source: MCTF, arXiv 2403.10030,
// section 3.2.
func Informativeness(title string, rows, cols, protected, heads int, attention []float32) (Map, error) {
	return attended(title, rows, cols, protected, heads, protected+rows*cols, attention)
}

// attended averages the columns of an attention map over heads and the first queries.
func attended(title string, rows, cols, protected, heads, queries int, attention []float32) (Map, error) {
	tokens := protected + rows*cols
	if rows <= 0 || cols <= 0 || protected < 0 || heads <= 0 || len(attention) != heads*tokens*tokens {
		return Map{}, fmt.Errorf("plots: an attention map of %d values is not that of %d heads, %d protected tokens and %dx%d patches, which has %d: pass one image's",
			len(attention), heads, protected, rows, cols, max(0, heads*tokens*tokens))
	}
	m := Map{Title: title, Rows: rows, Cols: cols, Values: make([]float64, rows*cols)}
	for head := range heads {
		for query := range queries {
			row := attention[(head*tokens+query)*tokens:]
			for patch := range m.Values {
				m.Values[patch] += 100 * float64(row[protected+patch]) / float64(heads*queries)
			}
		}
	}
	return m, nil
}

// Spread gives each patch the value of its token, where values holds one for each token by its number in
// Of: for GroupsFromSource in the order of the source map's rows, protected tokens included. Dropped
// patches have none.
func (g Groups) Spread(values []float64) (Map, error) {
	if err := g.validate(); err != nil {
		return Map{}, err
	}
	m := Map{Title: g.Title, Rows: g.Rows, Cols: g.Cols, Values: make([]float64, len(g.Of))}
	for patch, token := range g.Of {
		switch {
		case token < 0:
			m.Values[patch] = math.NaN()
		case token >= len(values):
			return Map{}, fmt.Errorf("plots: groups %q name token %d, values are of %d tokens: pass one for each", g.Title, token, len(values))
		default:
			m.Values[patch] = values[token]
		}
	}
	return m, nil
}

func (m Map) validate() error {
	if m.Rows <= 0 || m.Cols <= 0 || len(m.Values) != m.Rows*m.Cols {
		return fmt.Errorf("plots: map %q holds %d values on a grid of %dx%d: want one a patch", m.Title, len(m.Values), m.Rows, m.Cols)
	}
	for patch, v := range m.Values {
		if math.IsInf(v, 0) {
			return fmt.Errorf("plots: map %q holds %g for patch %d: want finite numbers, or NaN where there is none", m.Title, v, patch)
		}
	}
	return nil
}
