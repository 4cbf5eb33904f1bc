package main

import (
	"os/exec"
	"strings"
)

// commitOf names the commit of the checkout at dir, with "+changes" where the tree is not clean;
// "unknown" outside a repository.
func commitOf(dir string) string {
	out, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(out))
	if out, err := exec.Command("git", "-C", dir, "status", "--porcelain").Output(); err != nil || len(out) > 0 {
		commit += "+changes"
	}
	return commit
}
