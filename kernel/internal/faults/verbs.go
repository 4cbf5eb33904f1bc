//go:build linux

package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/result"
	"tokenfuse/lib/weights"
)

// verb is a command to be killed: what it works on, what must hold after that, and at the end.
type verb struct {
	name        string
	share       int // of the trials: those that take long get few
	prepare     func(dir string) error
	first       func(dir string) []string // a command that makes what it works on; nil for none
	arguments   func(dir string) []string
	environment func(dir string) []string
	whole       func(dir string) error // after a kill
	complete    func(dir string) error // at the end
	reset       func(dir string) error // takes the outputs away, to begin anew
	// serves waits until a command that does not end by itself does its work; nil for others.
	serves func(ctx context.Context, dir string) error
}

func verbs() []verb {
	return []verb{runVerb(), publishVerb(), verifyVerb(), trainVerb(), sweepVerb(), labVerb(), setupVerb()}
}

func nothing(string) []string { return nil }

func write(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

// absent says whether err is that a file is not there, which is as good as whole.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// writeNotebook writes a notebook of code cells.
func writeNotebook(path string, sources ...string) error {
	n := &nbformat.Notebook{Metadata: nbformat.Object{}, Minor: 5}
	for i, source := range sources {
		n.Cells = append(n.Cells, &nbformat.Cell{ID: fmt.Sprint("c", i), Kind: nbformat.Code, Source: source})
	}
	return nbformat.Write(path, n)
}

// runVerb executes a notebook whose cells print, start a process that means to outlive them, and wait.
func runVerb() verb {
	output := func(dir string) string { return filepath.Join(dir, "out", "executed.ipynb") }
	whole := func(dir string) error {
		if left := entries(filepath.Dir(output(dir))); len(left) > 2 {
			return fmt.Errorf("left beside the notebook: %q", left)
		}
		_, err := nbformat.Read(output(dir))
		if absent(err) {
			return nil
		}
		return err
	}
	return verb{
		name:  "run",
		share: 4,
		prepare: func(dir string) error {
			err := writeNotebook(filepath.Join(dir, "notebook.ipynb"),
				"%%\nfmt.Println(\"one\")",
				"import \"os/exec\"\n%%\nfmt.Println(exec.Command(\"setsid\", \"sleep\", \"600\").Start())",
				"import \"time\"\n%%\ntime.Sleep(300*time.Millisecond)\nfmt.Println(\"three\")")
			return errors.Join(err, os.MkdirAll(filepath.Dir(output(dir)), 0o755))
		},
		arguments: func(dir string) []string {
			return []string{"run", "-o", output(dir), filepath.Join(dir, "notebook.ipynb")}
		},
		environment: nothing,
		whole:       whole,
		complete: func(dir string) error {
			notebook, err := nbformat.Read(output(dir))
			if err != nil {
				return err
			}
			if last := notebook.Cells[2]; len(last.Outputs) != 1 || last.Outputs[0].Text != "three\n" {
				return errors.New("the last cell's output is missing")
			}
			if left := entries(filepath.Dir(output(dir))); len(left) != 1 {
				return fmt.Errorf("left beside the notebook: %q", left)
			}
			return nil
		},
		reset: func(dir string) error { return os.Remove(output(dir)) },
	}
}

// study writes a notebook whose second cell shows a row, as the thing to be published.
func study(dir string, gmacs int) error {
	return writeNotebook(filepath.Join(dir, "study.ipynb"),
		"import (\n\t\"tokenfuse/lib/notebook\"\n\t\"tokenfuse/lib/result\"\n)",
		fmt.Sprintf(`%%%%
notebook.Show([]result.Row{{Model: "vit", Method: "tome", GMACs: %d, AccuracyTop1: 0.9}})`, gmacs))
}

// publishVerb publishes a notebook, then another one in its place: page and data are those of the notebook.
func publishVerb() verb {
	gmacs := 1
	out := func(dir string) string { return filepath.Join(dir, "out") }
	whole := func(dir string) error {
		page, err := os.ReadFile(filepath.Join(out(dir), "study.html"))
		if err != nil && !absent(err) || err == nil && !strings.HasSuffix(strings.TrimSpace(string(page)), "</html>") {
			return fmt.Errorf("half a page: %v", err)
		}
		published, err := nbformat.Read(filepath.Join(out(dir), "study.ipynb"))
		if absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		record, _, ok := provenance.Get(published)
		if !ok || len(page) == 0 || len(record.Figures) != 1 {
			return errors.New("the notebook is there without its record or its page")
		}
		if misfits, _ := provenance.Misfits(published, out(dir)); len(misfits) > 0 {
			return fmt.Errorf("%s %s", misfits[0].Name, misfits[0].Why)
		}
		_, err = result.ReadFile(filepath.Join(out(dir), filepath.FromSlash(record.Figures[0])))
		return err
	}
	return verb{
		name:    "publish",
		share:   1,
		prepare: func(dir string) error { return study(dir, gmacs) },
		arguments: func(dir string) []string {
			return []string{"publish", filepath.Join(dir, "study.ipynb"), "-o", out(dir)}
		},
		environment: nothing,
		whole:       whole,
		complete: func(dir string) error {
			if left := entries(out(dir)); len(left) != 3 {
				return fmt.Errorf("published: %q, want page, notebook and data", left)
			}
			rows, err := result.ReadFile(filepath.Join(out(dir), "study-data", "cell-02.jsonl"))
			if err != nil || len(rows) != 1 || rows[0].GMACs != float64(gmacs) {
				return fmt.Errorf("the rows are %+v, want %d GMACs (%v)", rows, gmacs, err)
			}
			return whole(dir)
		},
		reset: func(dir string) error {
			gmacs++
			return study(dir, gmacs)
		},
	}
}

// verifyVerb executes a published notebook again, which is left as it is.
func verifyVerb() verb {
	published := func(dir string) string { return filepath.Join(dir, "out", "study.ipynb") }
	var want []byte
	same := func(dir string) error {
		got, err := os.ReadFile(published(dir))
		if want == nil {
			want = got
		}
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("the published notebook is another: %v", err)
		}
		if left := entries(filepath.Dir(published(dir))); len(left) != 3 {
			return fmt.Errorf("beside the published notebook: %q", left)
		}
		return nil
	}
	return verb{
		name:    "verify",
		share:   1,
		prepare: func(dir string) error { return study(dir, 1) },
		first: func(dir string) []string {
			return []string{"publish", filepath.Join(dir, "study.ipynb"), "-o", filepath.Dir(published(dir))}
		},
		arguments:   func(dir string) []string { return []string{"verify", published(dir)} },
		environment: nothing,
		whole:       same,
		complete:    same,
		reset:       func(string) error { return nil },
	}
}

// trainVerb trains a tiny model on eight pictures; the weights must come out bit for bit as those of a
// run that nobody killed.
func trainVerb() verb {
	out := func(dir string) string { return filepath.Join(dir, "out") }
	var want []byte
	return verb{
		name:  "train",
		share: 7,
		prepare: func(dir string) error {
			for _, split := range []string{"train", "val"} {
				for class, shade := range map[string]uint8{"dark": 20, "light": 230} {
					for i := range 4 {
						picture := image.NewGray(image.Rect(0, 0, 20, 20))
						for p := range picture.Pix {
							picture.Pix[p] = shade + uint8(i*p%20)
						}
						picture.SetGray(i, i, color.Gray{128})
						var file bytes.Buffer
						if err := png.Encode(&file, picture); err != nil {
							return err
						}
						if err := write(filepath.Join(dir, "pictures", split, class, fmt.Sprintf("%d.png", i)), file.String()); err != nil {
							return err
						}
					}
				}
			}
			return write(filepath.Join(dir, "small.json"), `{"model":"small","dataset":"imagenet","epochs":10,"batch_size":4,"warm_up_epochs":0,"ema":0.5,
				"config":{"image_size":16,"patch_size":4,"dim":12,"depth":2,"heads":2,"classes":2}}`)
		},
		arguments: func(dir string) []string {
			return []string{"train", "--recipe", filepath.Join(dir, "small.json"), "--data", filepath.Join(dir, "pictures"), "-o", out(dir), "--checkpoint-every", "1"}
		},
		environment: nothing,
		whole: func(dir string) error {
			for _, name := range []string{"checkpoint.safetensors", "last.safetensors", "small.safetensors"} {
				if _, err := weights.Read(filepath.Join(out(dir), name)); err != nil && !absent(err) {
					return err
				}
			}
			_, err := result.ReadTraining(filepath.Join(out(dir), "log.jsonl"))
			if absent(err) {
				return nil
			}
			return err
		},
		complete: func(dir string) error {
			got, err := os.ReadFile(filepath.Join(out(dir), "small.safetensors"))
			if err != nil {
				return err
			}
			if want == nil {
				want = got
			}
			if !bytes.Equal(got, want) {
				return errors.New("the weights are not those of a run that nobody killed")
			}
			rows, err := result.ReadTraining(filepath.Join(out(dir), "log.jsonl"))
			if err != nil || len(rows) != 10 {
				return fmt.Errorf("%d lines in the log, want 10 (%v)", len(rows), err)
			}
			if left := entries(out(dir)); len(left) != 6 {
				return fmt.Errorf("in the folder of the run: %q, want 6 files", left)
			}
			return nil
		},
		reset: func(dir string) error { return os.RemoveAll(out(dir)) },
	}
}

// sweepVerb evaluates a grid; the rows must be those of a sweep that nobody killed, each there once.
func sweepVerb() verb {
	store := func(dir string) string { return filepath.Join(dir, "out", "store.jsonl") }
	var want map[string]float64
	return verb{
		name:  "sweep",
		share: 7,
		prepare: func(dir string) error {
			model := filepath.Join(dir, "tiny.json")
			err := write(model, `{"image_size":16,"patch_size":4,"dim":12,"depth":3,"heads":3,"mlp_ratio":2,"classes":4}`)
			return errors.Join(err, write(filepath.Join(dir, "grid.json"), fmt.Sprintf(`{"models":[{"model":%q,"weights":"untrained"}],
				"methods":["none",{"fusion":"tome","vary":{"r":[1,2]}},"mctf:r=2","random-drop"],
				"data":[{"dataset":"shapes","images":60,"size":16,"seed":1}],"seeds":[0,1]}`, model)))
		},
		arguments: func(dir string) []string {
			return []string{"sweep", filepath.Join(dir, "grid.json"), "--store", store(dir)}
		},
		environment: nothing,
		whole:       func(string) error { return nil }, // a line without an end is the next sweep's to cut off
		complete: func(dir string) error {
			rows, err := result.ReadFile(store(dir))
			if err != nil {
				return err
			}
			got := map[string]float64{}
			for _, row := range rows {
				if _, twice := got[row.Key]; twice {
					return fmt.Errorf("row %s is there twice", row.Key)
				}
				got[row.Key] = row.AccuracyTop1
			}
			if want == nil {
				want = got
			}
			for key, accuracy := range want {
				if found, ok := got[key]; !ok || found != accuracy {
					return fmt.Errorf("row %s is lost, or another", key)
				}
			}
			claims, err := filepath.Glob(filepath.Join(dir, "out", "*claims*", "*"))
			if err != nil || len(claims) > 0 {
				return fmt.Errorf("claims are left: %q, %v", claims, err)
			}
			return nil
		},
		reset: func(dir string) error { return os.RemoveAll(filepath.Dir(store(dir))) },
	}
}

// labVerb starts JupyterLab, and a kernel in it.
func labVerb() verb {
	var port int
	closed := func(string) error {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return fmt.Errorf("something listens on port %d", port)
		}
		return nil
	}
	return verb{
		name:    "lab",
		share:   1,
		prepare: func(dir string) error { return nil },
		arguments: func(dir string) []string {
			if listener, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
				port = listener.Addr().(*net.TCPAddr).Port
				listener.Close()
			}
			return []string{"lab", "--no-browser", "--port", fmt.Sprint(port)}
		},
		environment: nothing,
		whole:       closed,
		complete:    closed,
		reset:       func(string) error { return nil },
		serves: func(ctx context.Context, dir string) error {
			port := port
			for ctx.Err() == nil {
				// Its token is known to the environment of the server alone.
				for pid := range carrying(mark + "=" + dir) {
					environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
					if err != nil {
						continue
					}
					_, after, found := strings.Cut(string(environment), "JUPYTER_TOKEN=")
					token, _, _ := strings.Cut(after, "\x00")
					if found && startKernel(ctx, port, token) == nil {
						return nil
					}
				}
				time.Sleep(100 * time.Millisecond)
			}
			return ctx.Err()
		},
	}
}

// startKernel asks a JupyterLab for a kernel.
func startKernel(ctx context.Context, port int, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/api/kernels", port), strings.NewReader(`{"name":"tokenfuse"}`))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "token "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return errors.New(response.Status)
	}
	return nil
}

// setupVerb installs the tools and the kernelspec into a folder of its own, which has a plugin and
// gopls already, so that nothing is downloaded.
func setupVerb() verb {
	home := func(dir string) string { return filepath.Join(dir, "home") }
	tools := []string{"gonb", "goimports", "gopls"}
	return verb{
		name:  "setup",
		share: 1,
		prepare: func(dir string) error {
			installed, err := accel.Home()
			if err != nil {
				return err
			}
			err = os.CopyFS(filepath.Join(home(dir), "pjrt"), os.DirFS(filepath.Join(installed, "pjrt")))
			gopls, readErr := os.ReadFile(filepath.Join(installed, "bin", "gopls")) // takes a minute to build
			return errors.Join(err, readErr, os.Mkdir(filepath.Join(home(dir), "bin"), 0o755),
				os.WriteFile(filepath.Join(home(dir), "bin", "gopls"), gopls, 0o755))
		},
		arguments:   func(string) []string { return []string{"setup", "--no-jupyter"} },
		environment: func(dir string) []string { return []string{"TOKENFUSE_HOME=" + home(dir)} },
		whole: func(dir string) error {
			for _, tool := range tools {
				if _, err := buildinfo.ReadFile(filepath.Join(home(dir), "bin", tool)); err != nil && !absent(err) {
					return err
				}
			}
			lock := flock.New(filepath.Join(home(dir), ".lock"))
			if free, err := lock.TryLock(); err != nil || !free {
				return fmt.Errorf("the lock is held: %v", err)
			}
			return lock.Close()
		},
		complete: func(dir string) error {
			for _, tool := range tools {
				if _, err := buildinfo.ReadFile(filepath.Join(home(dir), "bin", tool)); err != nil {
					return err
				}
			}
			if left := entries(filepath.Join(home(dir), ".staging")); left != nil {
				return fmt.Errorf("left in .staging: %q", left)
			}
			spec, err := os.ReadFile(filepath.Join(dir, "jupyter", "kernels", "tokenfuse", "kernel.json"))
			if err != nil || !json.Valid(spec) {
				return fmt.Errorf("the kernelspec is not there, or no JSON: %v", err)
			}
			return nil
		},
		reset: func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(home(dir), "bin", "gonb")),
				os.Remove(filepath.Join(home(dir), "bin", "goimports")), os.RemoveAll(filepath.Join(dir, "jupyter")))
		},
	}
}
