package keep

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTree: a module's sum changes with each file that its packages are built from, and with no other.
func TestTree(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sumOf := func() string {
		t.Helper()
		sum, newest, err := tree(root)
		if err != nil || time.Since(newest) > time.Hour || time.Until(newest) > time.Hour {
			t.Fatalf("newest %v, %v", newest, err)
		}
		return sum
	}
	write("go.mod", "module m")
	write("lib/a/a.go", "package a")
	write("lib/a/weights/w.bin", "1")
	write("out/results.jsonl", "{}")
	before := sumOf()
	for _, c := range []struct {
		name, content string
		counts        bool
	}{
		{"lib/a/a.go", "package a // 2", true},
		{"lib/a/b.c", "int b;", true},
		{"lib/a/weights/w.bin", "2", true},
		{"lib/b/b.go", "package b", true},
		{"go.mod", "module m // 2", true},
		{"out/results.jsonl", "{}\n{}", false},
		{"README.md", "# 2", false},
		{"lib/a/a_test.go", "package a", false},
		{"lib/a/testdata/x.go", "package x", false},
		{".git/HEAD", "ref", false},
		{"lib/a/.b.go.swp", "package", false},
	} {
		write(c.name, c.content)
		after := sumOf()
		if (after != before) != c.counts {
			t.Errorf("%s: changed the sum: %v, want %v", c.name, after != before, c.counts)
		}
		before = after
	}
	if err := os.Rename(filepath.Join(root, "lib/b/b.go"), filepath.Join(root, "lib/b/c.go")); err != nil {
		t.Fatal(err)
	}
	if sumOf() == before {
		t.Error("a renamed file is the same")
	}
	if _, _, err := tree(filepath.Join(root, "none")); err == nil {
		t.Error("a folder that is not there has a sum")
	}
}

func TestCodeOfProgram(t *testing.T) {
	a, errA := Code(func() {})
	b, errB := Code(TestTree)
	if errA != nil || errB != nil || a != b || a == (Sum{}) {
		t.Errorf("%x, %v and %x, %v: want one sum, that of the program", a, errA, b, errB)
	}
}
