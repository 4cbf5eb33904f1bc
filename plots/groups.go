package plots

import "fmt"

// Groups says which patches of an image became one token.
type Groups struct {
	// Title stands above the panel, before the number of tokens: "layer 3".
	Title string
	// Rows and Cols are the patch grid.
	Rows, Cols int
	// Of holds for each patch, row by row, the number of its token; -1 where it is in none, having
	// been dropped. The numbers themselves do not matter.
	Of []int
}

// GroupsFromSource reads the groups from one image's source map, 0/1 [last tokens, first tokens] row
// by row, where the first tokens are the protected ones (class, distillation) and then the patches.
// It is an error if the map has another size, or has a patch in two tokens.
func GroupsFromSource(title string, rows, cols, protected int, source []float32) (Groups, error) {
	g := Groups{Title: title, Rows: rows, Cols: cols}
	first := protected + rows*cols
	if rows <= 0 || cols <= 0 || protected < 0 || len(source) == 0 || len(source)%first != 0 {
		return Groups{}, fmt.Errorf("plots: a source map of %d values does not fit %d protected tokens and %dx%d patches: pass one image's",
			len(source), protected, rows, cols)
	}
	for patch := range rows * cols {
		in := -1
		for token := range len(source) / first {
			if source[token*first+protected+patch] == 0 {
				continue
			}
			if in >= 0 {
				return Groups{}, fmt.Errorf("plots: patch %d is in tokens %d and %d: pass a 0/1 source map of one image", patch, in, token)
			}
			in = token
		}
		g.Of = append(g.Of, in)
	}
	return g, nil
}

// Tokens returns the number of tokens that hold a patch; a class token holds none.
func (g Groups) Tokens() int { return len(g.members()) }

// members returns the patches of each token.
func (g Groups) members() map[int][]int {
	members := map[int][]int{}
	for patch, token := range g.Of {
		if token >= 0 {
			members[token] = append(members[token], patch)
		}
	}
	return members
}

func (g Groups) validate() error {
	if g.Rows <= 0 || g.Cols <= 0 || len(g.Of) != g.Rows*g.Cols {
		return fmt.Errorf("plots: groups %q name %d patches on a grid of %dx%d: want one number a patch",
			g.Title, len(g.Of), g.Rows, g.Cols)
	}
	return nil
}
