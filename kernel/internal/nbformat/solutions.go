package nbformat

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// How an exercise begins in Markdown, and the folds of its solution: <details>...</details>.
var (
	exerciseBegins = regexp.MustCompile(`^\*\*(\d+)\.\*\*`)
	fold           = regexp.MustCompile(`</?details>`)
)

// UnfoldSolutions makes the solutions of a notebook's exercises run: each fenced block of Go that is folded
// away in a Markdown cell becomes a code cell behind that one, named after its exercise ("exercise 2"), in
// their order. Blocks of other languages stay text.
func UnfoldSolutions(n *Notebook) {
	for i, cell := range slices.Backward(n.Cells) {
		if cell.Kind == Markdown {
			n.Cells = slices.Insert(n.Cells, i+1, solutions(cell.Source)...)
		}
	}
	identify(n.Cells)
}

// solutions reads the folded Go of a Markdown text. A fence that nobody closes goes on to the end, as in
// CommonMark.
func solutions(text string) (cells []*Cell) {
	name, folded := "", false
	var fence string   // what closes the block that is open; "" outside of blocks
	var solution *Cell // the block, where it is one to run
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		switch {
		case fence != "" && bare == fence:
			fence, solution = "", nil
		case fence != "" && solution != nil:
			solution.Source += line
		case fence != "":
		case strings.HasPrefix(bare, "```"):
			language := strings.TrimLeft(bare, "`")
			fence = strings.TrimSuffix(bare, language)
			if folded && language == "go" {
				solution = &Cell{Kind: Code, Metadata: Object{"name": []byte(strconv.Quote(name))}}
				cells = append(cells, solution)
			}
		default:
			if found := exerciseBegins.FindStringSubmatch(line); found != nil {
				name = "exercise " + found[1]
			}
			for _, tag := range fold.FindAllString(line, -1) {
				folded = tag == "<details>"
			}
		}
	}
	for _, cell := range cells {
		cell.Source = strings.TrimSuffix(cell.Source, "\n")
	}
	return cells
}
