package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/lib/result"
	"tokenfuse/lib/weights"
)

func TestTrainUsage(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.json")
	must(t, os.WriteFile(wrong, []byte(`{"epoch":1}`), 0o600))
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"list", []string{"--list"}, 0, "mctf-finetune", ""},
		{"show", []string{"--recipe", "deit", "--show"}, 0, `"stochastic_depth": 0.1`, ""},
		{"epochs below the warm-up", []string{"--recipe", "deit", "--show", "--epochs", "2"}, 0, `"warm_up_epochs": 2`, ""},
		{"unknown recipe", []string{"--recipe", "x", "-o", dir}, 2, "", "known are cifar"},
		{"unknown field", []string{"--recipe", wrong, "-o", dir}, 2, "", `unknown field "epoch"`},
		{"no such file", []string{"--recipe", "gone.json", "-o", dir}, 2, "", "gone.json"},
		{"no output", nil, 2, "", "--output"},
		{"pictures without a folder", []string{"--recipe", "deit", "-o", dir}, 2, "", "--data"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := kernel(t, nil, append([]string{"train"}, test.args...)...)
			if got.code != test.code || !strings.Contains(got.stdout, test.stdout) || !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("exit %d, %q, %q; want %d, %q, %q", got.code, got.stdout, got.stderr, test.code, test.stdout, test.stderr)
			}
		})
	}
}

// twoShades is a folder of pictures in two classes.
func twoShades(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, split := range []string{"train", "val"} {
		for class, shade := range map[string]uint8{"dark": 20, "light": 230} {
			folder := filepath.Join(dir, split, class)
			must(t, os.MkdirAll(folder, 0o755))
			for i := range 4 {
				picture := image.NewGray(image.Rect(0, 0, 20, 20))
				for p := range picture.Pix {
					picture.Pix[p] = shade + uint8(i*p%20)
				}
				picture.SetGray(i, i, color.Gray{128})
				f, err := os.Create(filepath.Join(folder, string(rune('a'+i))+".png"))
				must(t, err)
				must(t, png.Encode(f, picture))
				must(t, f.Close())
			}
		}
	}
	return dir
}

// TestTrainPictures trains a small model on a folder of pictures, with all that a run leaves behind.
func TestTrainPictures(t *testing.T) {
	dir, pictures := t.TempDir(), twoShades(t)
	recipe := filepath.Join(dir, "small.json")
	must(t, os.WriteFile(recipe, []byte(`{"model":"small","dataset":"imagenet","epochs":2,"batch_size":4,"warm_up_epochs":0,"ema":0.5,
		"config":{"image_size":16,"patch_size":4,"dim":12,"depth":2,"heads":2,"classes":2}}`), 0o600))
	out := filepath.Join(dir, "out")
	got := kernel(t, []string{"GOMLX_BACKEND=go"}, "train", "--recipe", recipe, "--data", pictures, "-o", out, "--log-every", "1")
	if got.code != 0 || !strings.Contains(got.stdout, "accuracy_top1") {
		t.Fatalf("exit %d: %s%s", got.code, got.stdout, got.stderr)
	}
	for _, file := range []string{"small.safetensors", "small.md", "last.safetensors", "checkpoint.safetensors", "recipe.json"} {
		if _, err := os.Stat(filepath.Join(out, file)); err != nil {
			t.Error(err)
		}
	}
	rows, err := result.ReadTraining(filepath.Join(out, "log.jsonl"))
	if err != nil || len(rows) != 4 || rows[3].AccuracyTop1 == nil || rows[3].EMAAccuracyTop1 == nil || rows[0].AccuracyTop1 != nil {
		t.Errorf("log %+v, %v: want four lines, accuracies on the last of each epoch", rows, err)
	}
}

// TestTrainInterrupted: an interrupt says at which step, where the checkpoint is and how to go on.
func TestTrainInterrupted(t *testing.T) {
	dir, pictures := t.TempDir(), twoShades(t)
	recipe, out := filepath.Join(dir, "small.json"), filepath.Join(dir, "out")
	must(t, os.WriteFile(recipe, []byte(`{"model":"small","dataset":"imagenet","epochs":100000,"batch_size":4,"warm_up_epochs":0,
		"config":{"image_size":16,"patch_size":4,"dim":12,"depth":1,"heads":2,"classes":2}}`), 0o600))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "train", "--recipe", recipe, "--data", pictures, "-o", out)
	cmd.Env = append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1", "GOMLX_BACKEND=go")
	progress := &interruptAt{text: "epoch 2:", cmd: cmd}
	cmd.Stderr = progress
	_ = cmd.Run() // the exit code says it
	lines := strings.Split(strings.TrimSpace(progress.seen.String()), "\n")
	file, err := weights.Read(filepath.Join(out, "checkpoint.safetensors"))
	must(t, err)
	want := "kernel: train: interrupted at step " + file.Metadata["step"] + " of 200000, whose checkpoint is in " + out + ": the same call or command goes on from there"
	if code := cmd.ProcessState.ExitCode(); code != 130 || lines[len(lines)-1] != want {
		t.Errorf("exit %d, %q, want %q", code, lines[len(lines)-1], want)
	}
}
