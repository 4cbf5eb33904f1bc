package fusion_test

import (
	"encoding/json"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

func ExampleParse() {
	method, err := fusion.Parse("mctf:r=16,layers=1-11")
	if err != nil {
		fmt.Println(err)
		return
	}
	step, _ := method.Step(fusion.Layer{Index: 1, Depth: 12, Tokens: 197, Protected: 1, Dim: 384, Heads: 6})
	fmt.Println(method.Name(), "leaves", step.Remaining, "tokens")

	_, err = fusion.Parse("mctf:pooling=sum")
	fmt.Println(err)
	// Output:
	// mctf leaves 181 tokens
	// fusion: unknown pooling "sum": known are attention, size, mean, max
}

// A criterion of one's own is a value per token, or a score per pair: here tokens of small norm fuse
// first.
func ExampleCriterion() {
	faintness := fusion.Criterion{Name: "faintness", Tau: 10, Token: func(e fusion.Evidence) *Node {
		return Reciprocal(Squeeze(L2Norm(e.X, -1), -1))
	}}
	mine := fusion.MCTF{R: 4, Criteria: []fusion.Criterion{fusion.Similarity(1), faintness}}
	text, _ := json.Marshal(mine)
	fmt.Println(string(text))
	// Output:
	// {"method":"mctf","r":4,"tau":{"faintness":10,"similarity":1},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}
}
