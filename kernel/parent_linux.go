package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// startedByGo says whether the process with this number is the go command.
func startedByGo(parent int) bool {
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", parent))
	return err == nil && filepath.Base(program) == "go"
}
