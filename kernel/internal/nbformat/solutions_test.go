package nbformat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnfoldSolutions(t *testing.T) {
	fold := func(body string) string {
		return "<details><summary>Solution</summary>\n\n" + body + "\n\n</details>\n"
	}
	const one, two = "```go\n%%\nf(1)\n```", "```go\nvar x = 2\n\n%%\nf(x)\n```"
	for _, test := range []struct{ name, markdown, want string }{
		{"none", "## Exercises\n\n**1.** Why?\n\n" + fold("Because."), ""},
		{"in order", "**1.** A?\n\n" + fold(one) + "\n**2.** B?\n\n" + fold("So:\n\n"+two+"\n\nBut `f(3)` fails."),
			"exercise 1|%%\nf(1)#exercise 2|var x = 2\n\n%%\nf(x)"},
		{"two of one exercise", "**1.** A?\n\n" + fold(one+"\n\nor\n\n"+two), "exercise 1|%%\nf(1)#exercise 1|var x = 2\n\n%%\nf(x)"},
		{"of the third exercise alone", "**1.** A?\n\n**2.** B?\n\n**3.** C?\n\n" + fold(one), "exercise 3|%%\nf(1)"},
		{"open to the reader", "**1.** What does this print?\n\n" + one + "\n\n" + fold("Nothing."), ""},
		{"behind a fold", fold("Yes.") + "\n" + one, ""},
		{"shell", "**1.** A?\n\n" + fold("```bash\ngo run ./kernel models\n```\n\n```\ngo\n```"), ""},
		{"a fence in a longer one", "**1.** A?\n\n" + fold("````md\n"+one+"\n````"), ""},
		{"a tag in a block", "**1.** A?\n\n" + fold("```go\nf(\"</details>\")\n```\n"+one), "exercise 1|f(\"</details>\")#exercise 1|%%\nf(1)"},
		{"not closed", "**1.** A?\n\n<details>\n\n```go\nf(1)", "exercise 1|f(1)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := &Cell{ID: "a", Kind: Code, Source: "```go\nf(0)\n```"}
			text := &Cell{ID: "b", Kind: Markdown, Source: test.markdown}
			after := &Cell{ID: "c", Kind: Code, Source: "f(4)"}
			n := &Notebook{Cells: []*Cell{before, text, after}}
			UnfoldSolutions(n)
			last := len(n.Cells) - 1
			if n.Cells[0] != before || n.Cells[1] != text || n.Cells[last] != after {
				t.Fatal("the notebook's own cells moved")
			}
			var got []string
			ids := map[string]bool{}
			for _, cell := range n.Cells[2:last] {
				if cell.ID == "" || ids[cell.ID] || !cell.Runs() {
					t.Errorf("cell %q is no code cell of its own", cell.ID)
				}
				ids[cell.ID] = true
				got = append(got, cell.Name()+"|"+cell.Source)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "#")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
