package processes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commandVariable makes this test program a command that makes a family, starts a process in it, and
// prints the family's folder.
const commandVariable = "TOKENFUSE_TEST_FAMILY"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) == "" {
		os.Exit(m.Run())
	}
	family, err := New()
	if err == nil {
		_, err = family.start("sleep 1000")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(family.Folder)
	time.Sleep(time.Hour)
}

// start starts a script in the family.
func (f *Family) start(script string) (*exec.Cmd, error) {
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = f.Environ(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

func newFamily(t *testing.T) *Family {
	t.Helper()
	family, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = family.Close() })
	return family
}

// carriers wants as many processes with the text on their command lines as at least, or none.
func carriers(text string) (found []string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		line, _ := os.ReadFile(path)
		_, _, alive := standing(filepath.Dir(path))
		if alive && strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), text) {
			found = append(found, path)
		}
	}
	return found
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestKill(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, test := range map[string]struct {
		script string // %s is a number of seconds that names its sleeps
		ready  int    // sleeps
	}{
		"a child":                             {"sleep %[1]s; :", 1},
		"a session of its own":                {"setsid sleep %[1]s & sleep %[1]s; :", 2},
		"an orphan without an environment":    {"(env -i sleep %[1]s &); sleep %[1]s; :", 2},
		"one that is deaf":                    {"trap '' TERM INT HUP; sleep %[1]s; sleep %[1]s", 1},
		"one that starts others all the time": {"while :; do (setsid sleep %[1]s &); done", 100},
	} {
		t.Run(name, func(t *testing.T) {
			family := newFamily(t)
			// Twice as large as any process number: no other test's sleep.
			seconds := fmt.Sprint(1<<23 + os.Getpid()*100 + len(name))
			leader, err := family.start(fmt.Sprintf(test.script, seconds))
			if err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the sleeps", func() bool { return len(carriers("sleep "+seconds)) >= test.ready })
			if err := family.Kill(leader.Process.Pid); err != nil {
				t.Error(err)
			}
			_ = leader.Process.Kill()
			_ = leader.Wait()
			if err := family.Close(); err != nil {
				t.Error(err)
			}
			if left := carriers("sleep " + seconds); len(left) > 0 {
				t.Errorf("left running: %v", left)
			}
			if _, err := os.Stat(family.Folder); !os.IsNotExist(err) {
				t.Errorf("the folder is left: %v", err)
			}
		})
	}
}

// A command that is killed ends its family all the same.
func TestKilledCommand(t *testing.T) {
	for _, guarded := range []bool{true, false} {
		t.Run(fmt.Sprintf("guarded=%v", guarded), func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), commandVariable+"=1")
			said, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			var folder string
			if _, err := fmt.Fscan(said, &folder); err != nil {
				t.Fatal(err)
			}
			if !guarded {
				for _, path := range carriers(guardScript[len(guardScript)-20:] + " sh " + FolderVariable + " " + folder) {
					var pid int
					fmt.Sscanf(path, "/proc/%d/", &pid)
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			family := Family{Folder: folder}
			living := func() bool { found, _ := members(0, family.Folder); return len(found) > 0 }
			if !living() {
				t.Fatal("the command has no family")
			}
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = command.Wait()
			if !guarded {
				time.Sleep(100 * time.Millisecond)
				if !living() {
					t.Fatal("someone else ended it")
				}
				newFamily(t)
				if living() {
					t.Error("the next family did not end it")
				}
			}
			waitFor(t, "its family ended", func() bool {
				_, err := os.Stat(folder)
				return os.IsNotExist(err) && !living()
			})
		})
	}
}

// A family is left alone by those made after it, and its folder is for its user alone.
func TestFamiliesAreApart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	first := newFamily(t)
	sleep, err := first.start("exec sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	second := newFamily(t)
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, _, alive := standing(fmt.Sprintf("/proc/%d", sleep.Process.Pid)); !alive {
		t.Error("another family's end ended it")
	}
	if info, err := os.Stat(first.Folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v: want a folder of mode 0700", info, err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	_ = sleep.Wait()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
