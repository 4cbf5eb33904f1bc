package datasets

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestParseClutter(t *testing.T) {
	for name, want := range map[string]Clutter{
		"cluttered-fashion-mnist":                           {48, 8, 8, 3, false, 1},
		"cluttered-fashion-mnist:canvas=64":                 {64, 8, 8, 3, false, 1},
		"cluttered-fashion-mnist:seed=0,fixed=true":         {48, 8, 8, 3, true, 0},
		"cluttered-fashion-mnist:distractors=0,piece=28":    {48, 0, 28, 3, false, 1},
		"cluttered-fashion-mnist:clutters=1,fixed=false":    {48, 8, 8, 1, false, 1},
		"cluttered-fashion-mnist:seed=18446744073709551615": {48, 8, 8, 3, false, math.MaxUint64},
	} {
		got, err := ParseClutter(name)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if again, err := ParseClutter(got.String()); err != nil || again != got {
			t.Errorf("%s, written %s: %+v, %v", name, got, again, err)
		}
	}
	if got := (Clutter{64, 16, 8, 3, true, 2}).String(); got != "cluttered-fashion-mnist:canvas=64,distractors=16,fixed=true,seed=2" {
		t.Error(got)
	}
	for name, want := range map[string]string{
		"cluttered-mnist":                               `"cluttered-mnist" is no cluttered-fashion-mnist`,
		"cluttered-fashion-mnist:":                      `"" in "cluttered-fashion-mnist:" is no setting`,
		"cluttered-fashion-mnist:canvas":                `"canvas" in`,
		"cluttered-fashion-mnist:canvas=48,":            `"" in`,
		"cluttered-fashion-mnist:canvas=48,canvas=48":   "sets canvas twice",
		"cluttered-fashion-mnist:canvas=big":            `canvas is "big", want a whole number`,
		"cluttered-fashion-mnist:canvas=2000":           "canvas is 2000, want 1 to 1024",
		"cluttered-fashion-mnist:piece=0":               "piece is 0, want 1 to 48",
		"cluttered-fashion-mnist:piece=49":              "piece is 49, want 1 to 48",
		"cluttered-fashion-mnist:distractors=99999":     "distractors is 99999, want 0 to 10000",
		"cluttered-fashion-mnist:seed=-1":               `seed is "-1", want a whole number from 0`,
		"cluttered-fashion-mnist:fixed=yes":             `fixed is "yes", want true or false`,
		"cluttered-fashion-mnist:pieces=8":              `unknown setting "pieces" of cluttered-fashion-mnist: known are canvas, distractors, piece, clutters, fixed, seed`,
		"cluttered-fashion-mnist:canvas=48:distractors": `canvas is "48:distractors"`,
	} {
		_, err := ParseClutter(name)
		checkError(t, err, want)
	}
}

func TestOpen(t *testing.T) {
	for _, name := range []string{"fashion-mnist", "cifar10", "cifar100", "cluttered-fashion-mnist", "cluttered-fashion-mnist:canvas=64"} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	const known = `known are fashion-mnist, cifar10, cifar100, cluttered-fashion-mnist`
	for name, want := range map[string]string{
		"": `unknown dataset "": ` + known, "mnist": `unknown dataset "mnist"`, "fashion-mnist:canvas=64": `unknown dataset "fashion-mnist:canvas=64"`,
		"cluttered-fashion-mnist:size=64": `unknown setting "size"`,
	} {
		checkError(t, CheckName(name), want)
		source, err := Open(name, Test)
		checkError(t, err, want)
		if source != nil {
			t.Errorf("%s: %v", name, source)
		}
	}
	source, err := Open("cluttered-fashion-mnist:canvas=64", Test, From(t.TempDir()))
	if source != nil || !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, %v", source, err)
	}
	_, images, labels := small(t, 12)
	source, err = Open("cluttered-fashion-mnist:canvas=30,clutters=2", Test, From(folder(t, testImages, images, testLabels, labels)))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(source); got != "cluttered-fashion-mnist:canvas=30,clutters=2 test: 24 images, 30x30x1, 10 classes" {
		t.Error(got)
	}
}

func FuzzParseClutter(f *testing.F) {
	f.Add("cluttered-fashion-mnist")
	f.Add("cluttered-fashion-mnist:canvas=48,distractors=8,piece=8,clutters=3,seed=1")
	f.Add("cluttered-fashion-mnist:fixed=true,canvas=+64")
	f.Add("cluttered-fashion-mnist:canvas==1,,")
	f.Fuzz(func(t *testing.T, name string) {
		c, err := ParseClutter(name)
		if err != nil {
			checkError(t, err)
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("%s was accepted: %v", name, err)
		}
		if again, err := ParseClutter(c.String()); err != nil || again != c {
			t.Fatalf("%s is %+v, written %s and read %+v, %v", name, c, c, again, err)
		}
		if !strings.HasPrefix(name, clutteredName) || CheckName(name) != nil {
			t.Fatalf("%s was accepted", name)
		}
	})
}
