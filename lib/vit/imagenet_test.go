package vit

import (
	"fmt"
	"strings"
	"testing"
)

// TestImageNetLabels: a thousand synsets in ascending order, each with a name of its own, also where only
// the first word is shown. Indices as in any ImageNet-1K model.
func TestImageNetLabels(t *testing.T) {
	labels := imageNetLabels()
	if len(labels) != 1000 {
		t.Fatalf("%d labels, want 1000", len(labels))
	}
	before := ""
	for i, line := range strings.Split(strings.TrimSpace(imageNetText), "\n") {
		id, words, _ := strings.Cut(line, " ")
		if len(id) != 9 || id[0] != 'n' || strings.Trim(id[1:], "0123456789") != "" || id <= before || words == "" || words != labels[i] {
			t.Errorf("line %d is %q after %s", i+1, line, before)
		}
		before = id
	}
	seen := map[string]int{}
	for i, label := range labels {
		first, _, _ := strings.Cut(label, ",")
		if other, ok := seen[strings.ToLower(first)]; ok {
			t.Errorf("classes %d and %d both begin with %s", other, i, first)
		}
		seen[strings.ToLower(first)] = i
	}
	for i, want := range map[int]string{
		0: "tench, Tinca tinca", 134: "crane (wading bird)", 207: "golden retriever", 264: "Cardigan (corgi), Cardigan Welsh corgi",
		281: "tabby, tabby cat", 517: "crane (lifting device)", 638: "maillot (tights)", 639: "maillot (swimsuit), tank suit",
		999: "toilet tissue, toilet paper, bathroom tissue",
	} {
		if labels[i] != want {
			t.Errorf("class %d is %q, want %q", i, labels[i], want)
		}
	}
}

func TestLabelsOfModels(t *testing.T) {
	for _, m := range Models() {
		if m.Labels != nil && len(m.Labels) != m.Config.Classes {
			t.Errorf("%s has %d labels for %d classes", m.Name, len(m.Labels), m.Config.Classes)
		}
		if m.Config.Classes == 1000 && m.Labels == nil {
			t.Errorf("%s has no labels", m.Name)
		}
	}
}

func ExampleByName() {
	m, err := ByName("deit_small_patch16_224")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Labels[0])
	// Output: tench, Tinca tinca
}
