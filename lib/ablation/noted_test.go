package ablation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/lib/ablation"
	"tokenfuse/lib/inputs"
)

// TestStoreIsNoted: a store that is read is an input of the result, whatever the order of its rows and
// however long they took; one with another number in it is another.
func TestStoreIsNoted(t *testing.T) {
	rows := func(accuracy, seconds float64) []string {
		row := `{"key":"%s","model":"m","method":"none","fusion":{"method":"none"},"dataset":"d","split":"test","samples":10,"accuracy_top1":%v,"seconds":%v}`
		return []string{fmt.Sprintf(row, "a", accuracy, seconds), fmt.Sprintf(row, "b", 0.5, seconds)}
	}
	sum := func(lines ...string) string {
		t.Helper()
		path, notes := filepath.Join(t.TempDir(), "store.jsonl"), filepath.Join(t.TempDir(), "notes")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv(inputs.Env, notes)
		if read, _, err := ablation.ReadStore(path); err != nil || len(read) != 2 {
			t.Fatalf("%d rows, %v", len(read), err)
		}
		noted, err := inputs.Read(notes)
		if err != nil || len(noted) != 1 || noted[0].Kind != inputs.Rows || noted[0].Name != "store.jsonl" {
			t.Fatalf("%+v, %v", noted, err)
		}
		return noted[0].SHA256
	}
	first := rows(0.7, 1)
	want := sum(first...)
	if later := rows(0.7, 2); sum(later[1], later[0]) != want {
		t.Error("another order, or other times, are another store")
	}
	if sum(rows(0.8, 1)...) == want {
		t.Error("another accuracy is the same store")
	}
}
