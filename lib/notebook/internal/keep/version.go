package keep

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// errChanged says that what the program was built from may not be what its sources are now.
var errChanged = errors.New("a source file changed since the program was built")

// Code returns the sum of the code that a function runs: its own text in the program of a GoNB cell (see
// Text), the versions of all modules and of Go, the settings of the build, and the content of the modules
// that are no releases, such as Tokenfuse in its checkout. Where there is no such text, as in a program
// that is no cell, it is the sum of the whole program.
//
// What a closure captured is no code, and is not seen but for what the text says.
func Code(function any) (Sum, error) {
	entry := reflect.ValueOf(function).Pointer()
	f := runtime.FuncForPC(entry)
	path, line := f.FileLine(entry)
	written, ok := cellProgram(path)
	if !ok || !strings.HasPrefix(f.Name(), "main.") {
		return program()
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return program()
	}
	text, err := Text(source, f.Name(), line)
	if err != nil {
		return program()
	}
	around, err := surroundings()
	if err != nil {
		return program()
	}
	// GoNB writes the cell's program, then builds it.
	if !around.newest.Before(written) {
		return Sum{}, errChanged
	}
	return sumOfText(around.described + text), nil
}

// cellProgram says whether a file is the whole program of a GoNB cell, and when it was written: all else
// may consist of more files.
func cellProgram(path string) (written time.Time, ok bool) {
	dir := os.Getenv("GONB_TMP_DIR")
	if os.Getenv("GONB_PIPE") == "" || dir == "" {
		return written, false
	}
	there, err := os.Stat(path)
	if err != nil {
		return written, false
	}
	cell, err := os.Stat(filepath.Join(dir, "main.go"))
	return there.ModTime(), err == nil && os.SameFile(there, cell)
}

// program is the sum of the running program's file.
var program = sync.OnceValues(func() (sum Sum, err error) {
	path := "/proc/self/exe" // the file that runs, whatever has come into its place
	if runtime.GOOS != "linux" {
		if path, err = os.Executable(); err != nil {
			return sum, err
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer file.Close()
	h := sha256.New()
	_, err = io.Copy(h, file)
	return Sum(h.Sum(nil)), err
})

// built is what a program is built with but for its own text.
type built struct {
	described string    // Go, settings, modules
	newest    time.Time // when the last of the sources that have no version was written
}

// surroundings are those of the running program, looked at once: it is built, whatever changes later.
var surroundings = sync.OnceValues(func() (built, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return built{}, errNoSource
	}
	return describe(info)
})

func describe(info *debug.BuildInfo) (b built, err error) {
	var all strings.Builder
	fmt.Fprintln(&all, info.GoVersion)
	for _, setting := range info.Settings {
		if !strings.HasPrefix(setting.Key, "vcs") {
			fmt.Fprintln(&all, setting.Key, setting.Value)
		}
	}
	for _, module := range info.Deps {
		used := module
		if module.Replace != nil {
			used = module.Replace
		}
		if used.Sum != "" {
			fmt.Fprintln(&all, module.Path, used.Path, used.Version, used.Sum)
			continue
		}
		root, err := rootOf(module)
		if err != nil {
			return built{}, err
		}
		sum, written, err := tree(root)
		if err != nil {
			return built{}, err
		}
		if written.After(b.newest) {
			b.newest = written
		}
		fmt.Fprintln(&all, module.Path, sum)
	}
	b.described = all.String()
	return b, nil
}

// rootOf finds the folder of a module that is no release.
func rootOf(module *debug.Module) (string, error) {
	if module.Path == "tokenfuse" {
		_, here, _, ok := runtime.Caller(0) // TOKENFUSE/lib/notebook/internal/keep/version.go
		if root := filepath.Join(filepath.Dir(here), "../../../.."); ok && filepath.IsAbs(here) {
			return root, nil
		}
	}
	if module.Replace != nil && filepath.IsAbs(module.Replace.Path) {
		return module.Replace.Path, nil
	}
	return "", errNoSource
}

// tree is the sum of a module's files: those of its packages and below them, where embedded files are,
// with their names; tests, their data and hidden files do not count. newest is when one of them, or of
// the folders, was last written.
func tree(root string) (sum string, newest time.Time, err error) {
	h := sha256.New()
	packages := map[string]bool{} // folders with Go files, and those below them
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || strings.HasSuffix(name, "_test.go")) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path) // through links
		if err != nil {
			return err
		}
		if entry.IsDir() {
			packages[path] = packages[filepath.Dir(path)] && path != root || holdsGo(path)
			if packages[path] && info.ModTime().After(newest) {
				newest = info.ModTime()
			}
			return nil
		}
		if !info.Mode().IsRegular() || !packages[filepath.Dir(path)] && name != "go.mod" && name != "go.sum" {
			return nil
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return add(h, strings.TrimPrefix(path, root), path)
	})
	return hex.EncodeToString(h.Sum(nil)), newest, err
}

func holdsGo(dir string) bool {
	found, err := filepath.Glob(filepath.Join(dir, "*.go"))
	return err == nil && len(found) > 0
}

// add writes a file's name, size and content into a hash.
func add(w io.Writer, name, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%q %d\n", name, len(content))
	_, err = w.Write(content)
	return err
}
