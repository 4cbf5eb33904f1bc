//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestFaults: a handful of trials of what is quick; the command does hundreds, of all verbs.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills commands for a while")
	}
	var table, log strings.Builder
	losses, err := run(t.Context(), &table, &log, 6, "train,sweep", 1)
	if err != nil {
		t.Fatal(err, log.String())
	}
	if losses > 0 || !strings.Contains(table.String(), "sweep") {
		t.Errorf("%d losses:\n%s", losses, table.String())
	}
}
