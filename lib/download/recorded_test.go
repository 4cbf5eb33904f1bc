package download

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecorded: a file without a published checksum is kept to the one of its first download.
func TestRecorded(t *testing.T) {
	content := counting(1000)
	path := filepath.Join(t.TempDir(), "file")
	var out bytes.Buffer
	first := File{URL: serve(t, ranges(content))}
	checkFile(t, first.To(t.Context(), path, &out), path, content)
	if !strings.Contains(out.String(), "its SHA-256 "+sum(content)) {
		t.Errorf("%q does not say what was recorded", &out)
	}
	if text, _ := os.ReadFile(path + ".sha256"); string(text) != sum(content)+"  file\n" {
		t.Errorf("%q was recorded", text)
	}

	// There already: no server is asked.
	gone := File{URL: "http://127.0.0.1:1/file"}
	checkFile(t, gone.To(t.Context(), path, nil), path, content)

	// Damaged: downloaded again, if the server still has the same.
	if err := os.WriteFile(path, flipped(content, 7), 0o644); err != nil {
		t.Fatal(err)
	}
	other := File{URL: serve(t, ranges(flipped(content, 8)))}
	checkError(t, other.To(t.Context(), path, nil), "not \""+sum(content)+"\"", "the server has another file")
	checkFile(t, first.To(t.Context(), path, nil), path, content)

	if err := os.WriteFile(path+".sha256", []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	checkError(t, first.To(t.Context(), path, nil), "holds no SHA-256: remove it")
}

// TestRecordedResumes: a part without a checksum is not taken for the whole.
func TestRecordedResumes(t *testing.T) {
	content := counting(1000)
	for name, have := range map[string]int{"part": 600, "whole": 1000} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path+".part", content[:have], 0o644); err != nil {
				t.Fatal(err)
			}
			file := File{URL: serve(t, ranges(content))}
			checkFile(t, file.To(t.Context(), path, nil), path, content)
		})
	}
}
