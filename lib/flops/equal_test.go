package flops_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestEqual: what stands in ExampleSchedule and costs no more than the target; the base model stays.
func TestEqual(t *testing.T) {
	config, err := vit.ConfigOf("deit_small_patch16_224")
	if err != nil {
		t.Fatal(err)
	}
	methods, err := flops.Equal(config, "60%", fusion.None{}, fusion.MCTF{}, fusion.ToMe{}, fusion.EViT{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"method":"none"`, `"r":15`, `"r":13`, `"keep_rate":0.632`} {
		if text, _ := json.Marshal(methods[i]); !strings.Contains(string(text), want) {
			t.Errorf("%s: want %s", text, want)
		}
	}
	for target, want := range map[string]string{"much": "want GMACs", "0.001": "cannot bring"} {
		if _, err := flops.Equal(config, target, fusion.ToMe{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("target %s: error %v, want %q", target, err, want)
		}
	}
}

// TestTable: a model of one block of 4 patches and a class token, and the sum of its parts.
func TestTable(t *testing.T) {
	config := vit.Config{ImageSize: vit.ImageSize{Height: 8, Width: 8}, PatchSize: 4, Channels: 1, Dim: 8, Depth: 1, Heads: 1, MLPRatio: 4, Classes: 2}
	count, err := flops.Of(config, fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	header, rows := count.Table()
	if got := strings.Join(header, "|"); got != "part|tokens in|tokens out|MMACs|of which matching" {
		t.Errorf("header %s", got)
	}
	var parts []string
	for _, row := range rows {
		parts = append(parts, row[0]+" "+row[1]+" "+row[2])
	}
	if got := strings.Join(parts, "|"); got != "stem  5|layer 0 5 5|norm and head 5 |in all  " {
		t.Errorf("rows %q", got)
	}
}
