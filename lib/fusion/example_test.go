package fusion_test

import (
	"encoding/json"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
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

// A whole method of one's own: half of the patches stay, those that differ most from the mean token.
func ExampleCustom() {
	half := func(at fusion.Layer) int { return at.Protected + (at.Tokens-at.Protected)/2 }
	mine := fusion.Custom{
		Label: "outliers", Layers: []int{1, 2}, Remaining: half,
		Assign: func(at fusion.Layer, e fusion.Evidence) *fusion.Assignment {
			mean := BroadcastToShape(ReduceAndKeep(e.X, ReduceMean, 1), e.X.Shape())
			distance := Squeeze(L2Norm(Sub(e.X, mean), -1), -1) // [batch, tokens]
			return fusion.Keep(distance, at.Protected, half(at)-at.Protected)
		},
	}
	config := vit.Config{ImageSize: vit.ImageSize{Height: 32, Width: 32}, PatchSize: 4, Channels: 3,
		Dim: 24, Depth: 4, Heads: 3, MLPRatio: 4, Classes: 10}
	model, err := vit.New(config, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	images := tensors.FromScalarAndDimensions(float32(0.5), 2, 3, 32, 32)
	classifier, err := model.With(mine)
	if err != nil {
		fmt.Println(err)
		return
	}
	prediction, err := classifier.Trace(images)
	if err != nil {
		fmt.Println(err)
		return
	}
	cost, err := flops.Of(config, mine)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("tokens", classifier.Tokens, "logits", prediction.Logits.Shape(), "source map", prediction.Source.Shape())
	fmt.Printf("%.2f of %.2f MMACs\n", cost.GMACs*1e3, baseCost(config)*1e3)
	// Output:
	// tokens [65 33 17 17] logits (Float32)[2, 10] source map (Float32)[2, 17, 65]
	// 1.61 of 2.75 MMACs
}

// A pooling of one's own: the token of a group that is most attended to stands for all of it.
func ExamplePooling() {
	loudest := fusion.Pooling{Name: "loudest", Weight: func(e fusion.Evidence) *Node {
		return PowScalar(e.Received, 20) // the share of the largest outweighs all others
	}}
	text, err := json.Marshal(fusion.MCTF{R: 4, Pooling: loudest})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(text))
	// Output:
	// {"method":"mctf","r":4,"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":true,"pooling":"loudest","one_step_ahead":"approximate","proportional_attention":true}
}

func baseCost(config vit.Config) float64 {
	count, err := flops.Of(config, fusion.None{})
	if err != nil {
		panic(err)
	}
	return count.GMACs
}
