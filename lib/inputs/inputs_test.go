package inputs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	t.Setenv(Env, "")
	Note(Dataset, "before anyone asks", "00")
	t.Setenv(Env, path)
	if got, err := Read(path); got != nil || err != nil {
		t.Fatalf("no notes: %v, %v", got, err)
	}
	NoteContent(Weights, "b", nil)
	Note(Dataset, "z", "01")
	NoteContent(Weights, "a", []byte("abc"))
	Note(Dataset, "z", "01")
	Note(Backend, "Go", "")
	want := []Input{
		{Backend, "Go", ""},
		{Dataset, "z", "01"},
		// The checksums that FIPS 180-2 gives for "abc", and that of nothing.
		{Weights, "a", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{Weights, "b", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRead: no note hides those behind it, however long its name; what is none is an error.
func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	t.Setenv(Env, path)
	Note(Dataset, strings.Repeat("a", 100_000), "01")
	Note(Dataset, "b", "02")
	if got, err := Read(path); len(got) != 2 || err != nil {
		t.Errorf("%d notes, %v; want 2", len(got), err)
	}
	if err := os.WriteFile(path, []byte(`{"kind":"data`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a note: %v", err)
	}
}
