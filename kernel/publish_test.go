package main

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/provision/provisiontest"
)

const smallStudy = "testdata/small-study.ipynb"

func TestPublishRefuses(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.ipynb")
	source, err := os.ReadFile(smallStudy)
	must(t, err)
	must(t, os.WriteFile(own, source, 0o600))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no notebook":           {[]string{"publish", "-o", dir}, "no notebook given"},
		"two notebooks":         {[]string{"publish", own, own, "-o", dir}, "2 notebooks given"},
		"no folder":             {[]string{"publish", own}, "no folder given: add -o DIR"},
		"an absent notebook":    {[]string{"publish", "absent.ipynb", "-o", dir}, "absent.ipynb: cannot be read"},
		"its own folder":        {[]string{"publish", own, "-o", dir}, "publishing would overwrite it"},
		"an unknown parameter":  {[]string{"publish", smallStudy, "-p", "R=1", "-o", dir}, `unknown parameter "R"; the parameters are: r int (default 2), seed int64 (default int64(7))`},
		"a folder that is none": {[]string{"publish", smallStudy, "-o", own}, "cannot be made"},
		"a negative time":       {[]string{"publish", smallStudy, "-o", dir, "--timeout", "-1s"}, "is negative"},
		"an index of nothing":   {[]string{"publish", "--index", filepath.Join(dir, "gone")}, "holds no published notebook"},
		"verify nothing":        {[]string{"verify"}, "0 notebooks given"},
		"verify what is not":    {[]string{"verify", smallStudy}, "does not say what it was made with"},
		"verify an absent file": {[]string{"verify", "absent.ipynb"}, "absent.ipynb: cannot be read"},
		"a tolerance of 2":      {[]string{"verify", smallStudy, "--tolerance", "2"}, "give a number from 0 to 1"},
		"pixels below 0":        {[]string{"verify", smallStudy, "--pixels", "-1"}, "give a share from 0 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := kernel(t, nil, c.args...)
			if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, c.want) || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("exit %d, stdout %q, stderr %q: want 2 and one line with %q", got.code, got.stdout, got.stderr, c.want)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// tinyDataset writes three images in the place of Fashion-MNIST's test set, and returns the environment
// that has them found.
func tinyDataset(t *testing.T, firstLabel byte) []string {
	t.Helper()
	dir := t.TempDir()
	header := func(numbers ...uint32) []byte {
		var out []byte
		for _, n := range numbers {
			out = binary.BigEndian.AppendUint32(out, n)
		}
		return out
	}
	must(t, os.WriteFile(filepath.Join(dir, "t10k-images-idx3-ubyte"), append(header(0x803, 3, 28, 28), make([]byte, 3*28*28)...), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "t10k-labels-idx1-ubyte"), append(header(0x801, 3), firstLabel, 2, 3), 0o600))
	return []string{"TOKENFUSE_DATA=" + dir}
}

// TestPublishVerify is the round trip: publish twice, verify, and verify what was tampered with on another
// dataset.
func TestPublishVerify(t *testing.T) {
	provisiontest.GoNB(t)
	provisiontest.Python(t, "nbconvert", "latex2mathml")
	home := tellingHome(t)
	// The kernel's description, which holds the home's name, is in a place of its own.
	env := append(tinyDataset(t, 1), "HOME="+home, "TELLING="+telling, "JUPYTER_DATA_DIR="+t.TempDir())
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var published [2]map[string]string
	for i, dir := range dirs {
		if got := kernel(t, env, "publish", smallStudy, "-p", "r=3", "-o", dir, "--index", dir); got.code != 0 || got.stdout != "" {
			t.Fatalf("exit %d, stdout %q, stderr:\n%s", got.code, got.stdout, got.stderr)
		}
		published[i] = filesOf(t, dir)
	}
	checkPublished(t, published[0], home)
	for name, text := range published[0] {
		if untimed(text) != untimed(published[1][name]) {
			t.Errorf("%s is another one when published again", name)
		}
	}

	path := filepath.Join(dirs[0], "small-study.ipynb")
	got := kernel(t, env, "verify", path)
	if got.code != 0 || !strings.Contains(got.stdout, "cell 3") || strings.Contains(got.stdout, "differs") {
		t.Errorf("verified: exit %d, stderr %q:\n%s", got.code, got.stderr, got.stdout)
	}

	text := published[0]["small-study.ipynb"]
	must(t, os.WriteFile(path, []byte(strings.Replace(text, "mean label 1.000000", "mean label 1.100000", 1)), 0o600))
	got = kernel(t, append(tinyDataset(t, 4), env[1:]...), "verify", path)
	if got.code != 1 || strings.Count(got.stderr, "kernel: ") != 1 {
		t.Errorf("tampered with: exit %d, stderr:\n%s", got.code, got.stderr)
	}
	for _, want := range []string{"dataset fashion-mnist t10k-labels-idx1-ubyte  differs", "changed by hand", "1.100000, now 2.000000 (45%)"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
}

// telling is what nothing published may hold.
const telling = "amelie-ondine"

// tellingHome returns a home folder whose name tells whose it is. It leads to that of this machine, where
// setup has installed what it takes.
func tellingHome(t *testing.T) string {
	t.Helper()
	real, err := os.UserHomeDir()
	must(t, err)
	home := filepath.Join(t.TempDir(), telling)
	must(t, os.Symlink(real, home))
	return home
}

// filesOf reads all files below a folder, by their paths in it.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(content)
		return err
	}))
	return files
}

var times = regexp.MustCompile(`(?s)"durations": \{.*?\}\s*\}|\| duration \| [^|]*\||<td>duration</td>\s*<td>[^<]*</td>|at \d+ ns, took [\w.]+`)

// untimed is a published file without its durations and without what the cell tagged timing printed.
func untimed(text string) string { return times.ReplaceAllString(text, "") }

func checkPublished(t *testing.T, files map[string]string, home string) {
	t.Helper()
	for _, name := range []string{"small-study.ipynb", "small-study.html", "small-study-data/cell-03.jsonl", "index.html"} {
		if files[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	if len(files) != 4 {
		t.Errorf("%d files, want 4", len(files))
	}
	if lines := strings.Count(files["small-study-data/cell-03.jsonl"], "\n"); lines != 3 {
		t.Errorf("%d rows, want the 3 of the figure", lines)
	}
	for _, want := range []string{`"commit": "`, `"github.com/gomlx/gomlx": "v`, `"fashion-mnist t10k-images-idx3-ubyte"`, `"given": true`,
		`"tokenfuse/kernel/testdata <nil>\n"`, `"~ <nil>\n"`} {
		if !strings.Contains(files["small-study.ipynb"], want) {
			t.Errorf("no %s in the notebook", want)
		}
	}
	for _, page := range []string{"small-study.html", "index.html"} {
		if found := regexp.MustCompile(`(?i)src\s*=\s*["']?(?:https?:)?//|<link\b|<script\b|@import|url\(`).FindString(files[page]); found != "" {
			t.Errorf("%s would fetch: %q", page, found)
		}
	}
	host, _ := os.Hostname()
	account, err := user.Current()
	must(t, err)
	for name, text := range files {
		for what, secret := range map[string]string{"host": host, "home folder": home, "name of the home folder, or variable": telling, "user": "/" + account.Username + "/", "temporary folder": os.TempDir() + "/"} {
			if len(secret) > 3 && bytes.Contains([]byte(regexp.MustCompile(`[A-Za-z0-9+/]{200,}=*`).ReplaceAllString(text, "")), []byte(secret)) {
				t.Errorf("%s holds the %s %q", name, what, secret)
			}
		}
	}
}
