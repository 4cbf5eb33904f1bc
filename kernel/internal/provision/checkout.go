package provision

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"

	"tokenfuse/kernel/internal/failure"
)

// Checkout returns the root of the Tokenfuse checkout that the current folder lies in.
func Checkout() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if isCheckout(dir) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", failure.Usage("%q is in no checkout of tokenfuse: change to its folder, where go.mod says \"module tokenfuse\"", start)
		}
	}
}

// isCheckout says whether dir holds the go.mod of module tokenfuse.
func isCheckout(dir string) bool {
	file, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if module, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(module) == "tokenfuse"
		}
	}
	return false
}
