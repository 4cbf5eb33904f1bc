package nbformat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// full holds every kind of cell and output, with fields that no one knows.
const full = `{
 "cells": [
  {
   "attachments": {
    "a.png": {
     "image/png": "aGk="
    }
   },
   "cell_type": "markdown",
   "id": "intro",
   "metadata": {},
   "source": [
    "# Größe <b>&</b> 融合 🔥\n",
    "text"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 3,
   "id": "work",
   "metadata": {
    "tags": [
     "parameters"
    ],
    "x_number": 1.50
   },
   "outputs": [
    {
     "name": "stdout",
     "output_type": "stream",
     "text": [
      "a\n",
      "b\r",
      "c"
     ]
    },
    {
     "data": {
      "application/json": [
       "kept",
       "as list"
      ],
      "image/png": "aGk=",
      "text/html": [
       "<b>\n",
       "</b>"
      ]
     },
     "metadata": {
      "image/png": {
       "width": 10
      }
     },
     "output_type": "display_data"
    },
    {
     "data": {
      "text/plain": [
       "4"
      ]
     },
     "execution_count": 3,
     "metadata": {},
     "output_type": "execute_result"
    },
    {
     "ename": "ERROR",
     "evalue": "exit status 1",
     "output_type": "error",
     "traceback": [
      "\u001b[31mred"
     ]
    }
   ],
   "source": []
  },
  {
   "cell_type": "raw",
   "id": "r",
   "metadata": {},
   "source": [
    "raw"
   ]
  }
 ],
 "metadata": {
  "zzz": {
   "b": 1,
   "a": 12345678901234567890
  }
 },
 "nbformat": 4,
 "nbformat_minor": 5,
 "other": null
}
`

func TestRoundTrip(t *testing.T) {
	notebook, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	got, err := notebook.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, string(got)); diff != "" {
		t.Errorf("(-read +written)\n%s", diff)
	}
}

func TestParseUpgrades(t *testing.T) {
	const old = `{"cells":[{"cell_type":"code","source":"a\nb","metadata":{},"outputs":[],"execution_count":null},
		{"cell_type":"code","id":"x","source":"","metadata":{},"outputs":[]},
		{"cell_type":"code","id":"x","source":"","metadata":{},"outputs":[]}],"nbformat":4,"nbformat_minor":2}`
	first, err := Parse([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	second, _ := Parse([]byte(old))
	ids := map[string]bool{}
	for i, cell := range first.Cells {
		ids[cell.ID] = true
		if cell.ID != second.Cells[i].ID {
			t.Errorf("cell %d got the ids %q and %q", i, cell.ID, second.Cells[i].ID)
		}
	}
	if len(ids) != 3 || ids[""] || first.Minor != 5 || first.Cells[0].Source != "a\nb" {
		t.Errorf("minor %d, ids %v, source %q", first.Minor, ids, first.Cells[0].Source)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "not a notebook: not JSON"},
		{"cut off", full[:200], "not a notebook: not JSON"},
		{"a comma too many", "{\"cells\": [],\n \"nbformat\": 4,}", "not a notebook: not JSON: line 2, byte 16: invalid character '}'"},
		{"a list", "[1]", "no object"},
		{"null", "null", "no object"},
		{"another document", `{"a":1}`, `no field "nbformat"`},
		{"version 3", `{"nbformat":3,"nbformat_minor":0,"worksheets":[]}`, `unsupported version "3"`},
		{"version 5", `{"nbformat":5,"cells":[]}`, `unsupported version "5"`},
		{"version as text", `{"nbformat":"4","cells":[]}`, `field "nbformat" has another type`},
		{"no cells", `{"nbformat":4}`, `field "cells" is missing`},
		{"cells no list", `{"nbformat":4,"cells":{}}`, `field "cells" has another type`},
		{"cell no object", `{"nbformat":4,"cells":[1]}`, `element 0 of "cells": is no object`},
		{"cell type", `{"nbformat":4,"cells":[{"cell_type":"heading"}]}`, `"heading", not one of`},
		{"source", `{"nbformat":4,"cells":[{"cell_type":"code","source":1}]}`, `field "source" has another type`},
		{"output type", `{"nbformat":4,"cells":[{"cell_type":"code","outputs":[{"output_type":"pyout"}]}]}`, `"pyout", not one of`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "n.ipynb")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), path+": ") ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with the file and %q", err, test.want)
			}
		})
	}
	if _, err := Read("absent.ipynb"); err == nil || err.Error() != "absent.ipynb: cannot be read: no such file or directory" {
		t.Errorf("absent file: %v", err)
	}
}

func TestWriteKeepsPermissionsAndLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.ipynb"), filepath.Join(dir, "link.ipynb")
	if err := os.WriteFile(real, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, notebookOf("var r = 8")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o640 || info.Size() == 0 {
		t.Errorf("file %v, %v: want mode 0640 and contents", info, err)
	}
	if _, err := os.Readlink(link); err != nil {
		t.Errorf("the link was replaced: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	if err := Write(filepath.Join(dir, "absent", "n.ipynb"), notebookOf("")); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("into an absent folder: %v", err)
	}
}

func TestReadRefusesDevices(t *testing.T) {
	if _, err := Read(os.DevNull); err == nil || !strings.Contains(err.Error(), os.DevNull+": cannot be read: is a device") {
		t.Errorf("%v does not say that it is a device", err)
	}
}

// What was read survives writing, and nothing panics.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	paths, err := filepath.Glob("../runner/testdata/*.ipynb")
	if err != nil || len(paths) == 0 {
		f.Fatal("no notebooks to begin with", err)
	}
	for _, path := range paths {
		notebook, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(notebook)
	}
	f.Add([]byte(`{"nbformat":4,"nbformat_minor":0,"cells":[{"cell_type":"code","source":["var r","=8"],"metadata":{"tags":["parameters"]},"outputs":[{"output_type":"stream","text":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := Parse(data)
		if err != nil {
			return
		}
		_, _ = Parameters(first)
		written, err := first.Bytes()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		second, err := Parse(written)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, written)
		}
		again, err := second.Bytes()
		if err != nil || string(again) != string(written) {
			t.Errorf("changed by reading and writing (-first +second): %s", cmp.Diff(string(written), string(again)))
		}
	})
}

// Whatever Inject accepts is Go, and reads back as the same parameters.
func FuzzInject(f *testing.F) {
	f.Add("var r = 8", "r=3")
	f.Add("var s = []string{\"a\"}", "s=a,\"b")
	f.Fuzz(func(t *testing.T, source, setting string) {
		notebook := notebookOf(source)
		if Inject(notebook, []string{setting}) != nil {
			return
		}
		injected := notebookOf(notebook.Cells[1].Source)
		parameters, err := Parameters(injected)
		if err != nil || len(parameters) != 1 {
			t.Errorf("injected %q: %v %v", notebook.Cells[1].Source, parameters, err)
		}
	})
}
