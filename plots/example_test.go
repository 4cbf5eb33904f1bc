package plots

import (
	"encoding/json"
	"fmt"
	"math"

	"tokenfuse/lib/result"
)

func ExampleThroughputAccuracy() {
	figure, err := ThroughputAccuracy([]result.Row{
		{Model: "deit_small_patch16_224", Method: "none", AccuracyTop1: 0.798, Samples: 50000, ImagesPerSecond: 1200},
		{Model: "deit_small_patch16_224", Method: "mctf", AccuracyTop1: 0.801, Samples: 50000},
		{Model: "deit_small_patch16_224", Method: "mctf", ImagesPerSecond: 2302}, // of a benchmark
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	figure.Plot.X.Min = 0
	fmt.Println(figure)
	// Output: Top-1 accuracy over images/s of base model, mctf: 2 points, 79.8% to 80.1%, 1200 to 2302 images/s
}

func ExampleAblationBars() {
	fusion := func(tau string) json.RawMessage { return json.RawMessage(`{"method":"mctf","r":16,"tau":` + tau + `}`) }
	figure, err := AblationBars([]result.Row{
		{Model: "deit_tiny_patch16_224", Method: "none", AccuracyTop1: 0.722},
		{Model: "deit_tiny_patch16_224", Method: "mctf", AccuracyTop1: 0.711, Fusion: fusion(`{"similarity":1,"informativeness":0,"size":0}`)},
		{Model: "deit_tiny_patch16_224", Method: "mctf", AccuracyTop1: 0.727, Fusion: fusion(`{"similarity":1,"informativeness":20,"size":40}`)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Top-1 accuracy of similarity 71.10%, similarity + informativeness + size 72.70%; base model 72.20%
}

func ExampleTauHeatMap() {
	figure, err := TauHeatMap(tauRows())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Top-1 accuracy over the τ of informativeness and the τ of size, 88.35% to 91.50%, best at 20 and 40
}

func ExampleTokensPerLayer() {
	figure, err := TokensPerLayer([]result.Row{
		{Model: "m", Method: "none", Tokens: []int{50, 50, 50}},
		{Model: "m", Method: "tome", Tokens: []int{46, 42, 38}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Tokens that leave each of 3 blocks; the last: base model 50, tome 38
}

func ExampleTokenSizes() {
	figure, err := TokenSizes([]result.Row{{Model: "m", Method: "tome", Foreground: result.Foreground{
		ForegroundTokens: []float64{12.5, 3}, BackgroundTokens: []float64{20, 9.25, 4},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: How many tokens of each size an image has; foreground: tome 12.5 of 1, 3 of 2–3; background: tome 20 of 1, 9.25 of 2–3, 4 of 4–7
}

func ExampleGroupSizes() {
	figure, err := GroupSizes(Groups{Title: "layer 0", Rows: 2, Cols: 3, Of: []int{0, 0, 0, 1, 2, -1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: How many tokens of each size an image has; layer 0 2 of 1, 1 of 2–3
}

func ExampleForeground() {
	figure, err := Foreground([]result.Row{
		{Model: "m", Method: "tome", GMACs: 0.2, Foreground: result.Foreground{ForegroundKept: 1, PatchesKept: 1, ForegroundPurity: 0.917, ForegroundPurityError: 0.0012}},
		{Model: "m", Method: "topk", GMACs: 0.2, Foreground: result.Foreground{ForegroundKept: 0.958, ForegroundKeptError: 0.0009, PatchesKept: 0.7, ForegroundPurity: 1}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: What becomes of the foreground over GMACs; where each fuses most, down to 0.2 GMACs: tome keeps 100.0% of it at purity 91.7%, topk keeps 95.8% of it at purity 100.0%
}

func ExampleOverlay() {
	// One head, a class token and four patches: the class token looks at the last patch.
	attention := []float32{
		0.2, 0.1, 0.1, 0.1, 0.5,
		0.2, 0.2, 0.2, 0.2, 0.2,
		0.2, 0.2, 0.2, 0.2, 0.2,
		0.2, 0.2, 0.2, 0.2, 0.2,
		0.2, 0.2, 0.2, 0.2, 0.2,
	}
	class, err := ClassAttention("class attention", 2, 2, 1, 1, attention)
	if err != nil {
		fmt.Println(err)
		return
	}
	figure, err := Overlay(disc(), "% of attention", class)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: An image, and its patches coloured by value; class attention up to 50% of attention in row 2, column 2 of 2x2
}

func ExampleAnimateTokens() {
	animation, err := AnimateTokens(disc(),
		Groups{Title: "layer 0", Rows: 2, Cols: 2, Of: []int{0, 0, 1, 2}},
		Groups{Title: "layer 1", Rows: 2, Cols: 2, Of: []int{0, 0, 1, -1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(animation)
	// Output: An image, and which of its patches became one token; layer 0: 3 tokens, layer 1: 2 tokens
}

func ExampleMatching() {
	// Six tokens, the class token protected: 2 of A goes to 3 of B, 5 of B to 4 of A.
	figure, err := Matching(6, 1, Pair{From: 2, To: 3, Score: 0.9}, Pair{From: 5, To: 4, Score: 0.8})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Matching of 6 tokens, 1 protected: 1 of A go to B, 1 of B to A; 2 into 3, 5 into 4
}

func ExampleFigure_Dark() {
	figure, err := GroupSizes(Groups{Title: "layer 0", Rows: 1, Cols: 2, Of: []int{0, 0}})
	if err != nil {
		fmt.Println(err)
		return
	}
	dark := figure.Column().Dark() // a column of print wide, for a dark page
	fmt.Printf("%.1f cm: %s\n", math.Round(float64(dark.Width/ColumnWidth*85))/10, dark)
	// Output: 8.5 cm: How many tokens of each size an image has; layer 0 1 of 2–3
}
