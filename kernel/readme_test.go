package main

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"
)

// TestReadmeTables: the tables in the README are what the commands in front of them print. After a change,
// put their output in its place again.
func TestReadmeTables(t *testing.T) {
	t.Chdir("..") // the README's paths begin at the root of the repository
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(string(readme), "<!-- go run ./kernel ")[1:]
	if len(tables) < 4 {
		t.Errorf("%d tables, want those of models, methods and bench", len(tables))
	}
	for _, table := range tables {
		command, rest, _ := strings.Cut(table, " -->\n")
		printed, _, _ := strings.Cut(rest, "<!-- end -->")
		words := csv.NewReader(strings.NewReader(command))
		words.Comma = ' ' // words in quotes may hold blanks
		args, err := words.Read()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		got := kernel(t, nil, args...)
		if got.code != 0 {
			t.Fatalf("%s: exit %d: %s", command, got.code, got.stderr)
		}
		if printed != got.stdout {
			t.Errorf("the README's table is not what %s prints:\n%s", command, got.stdout)
		}
	}
}
