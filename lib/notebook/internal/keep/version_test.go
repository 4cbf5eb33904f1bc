package keep

import (
	"os"
	"path/filepath"
	"runtime/debug"
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

// TestDescribe: another Go, setting, version or checksum of a module is another description; sources
// without a version that cannot be found leave none.
func TestDescribe(t *testing.T) {
	base := func() *debug.BuildInfo {
		return &debug.BuildInfo{
			GoVersion: "go1.26.8",
			Settings:  []debug.BuildSetting{{Key: "CGO_ENABLED", Value: "1"}, {Key: "vcs.time", Value: "now"}},
			Deps: []*debug.Module{
				{Path: "a", Version: "v1.0.0", Sum: "h1:a"},
				{Path: "b", Version: "v1.0.0", Sum: "h1:b", Replace: &debug.Module{Path: "c", Version: "v2.0.0", Sum: "h1:c"}},
			},
		}
	}
	seen := map[string]string{}
	for name, change := range map[string]func(*debug.BuildInfo){
		"base":               func(*debug.BuildInfo) {},
		"Go":                 func(i *debug.BuildInfo) { i.GoVersion = "go1.27" },
		"a setting":          func(i *debug.BuildInfo) { i.Settings[0].Value = "0" },
		"a version":          func(i *debug.BuildInfo) { i.Deps[0].Version = "v1.0.1" },
		"a checksum":         func(i *debug.BuildInfo) { i.Deps[0].Sum = "h1:d" },
		"a replacement":      func(i *debug.BuildInfo) { i.Deps[1].Replace.Version = "v2.0.1" },
		"a module more":      func(i *debug.BuildInfo) { i.Deps = append(i.Deps, &debug.Module{Path: "d", Sum: "h1:d"}) },
		"Tokenfuse":          func(i *debug.BuildInfo) { i.Deps = append(i.Deps, &debug.Module{Path: "tokenfuse"}) },
		"a folder elsewhere": func(i *debug.BuildInfo) { i.Deps[1].Replace = &debug.Module{Path: t.TempDir()} },
	} {
		info := base()
		change(info)
		b, err := describe(info)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if same, ok := seen[b.described]; ok {
			t.Errorf("%s and %s are described alike", name, same)
		}
		seen[b.described] = name
	}
	later := base()
	later.Settings[1].Value = "later"
	if b, err := describe(later); err != nil || seen[b.described] != "base" {
		t.Errorf("the time of a commit counts: %v", err)
	}
	unknown := base()
	unknown.Deps[0].Sum = ""
	if b, err := describe(unknown); err == nil {
		t.Errorf("sources that are nowhere are %q", b.described)
	}
}
