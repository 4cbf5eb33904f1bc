package datasets

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// clutteredName is the name of cluttered Fashion-MNIST, before its settings.
const clutteredName = "cluttered-fashion-mnist"

// Clutter says how cluttered images are made of articles: each stands whole, somewhere on a larger
// black canvas, among pieces of other articles. See [Cluttered] for what is drawn, and how.
type Clutter struct {
	Canvas      int    // height and width of the images
	Distractors int    // pieces of other articles in an image
	Piece       int    // height and width of a piece
	Clutters    int    // images of each article outside the training split, which has one
	Fixed       bool   // training images keep the clutter of the first epoch, else each epoch has a new one
	Seed        uint64 // of places and pieces
}

// DefaultClutter is what the bare name "cluttered-fashion-mnist" stands for: a canvas of 48x48, 8
// distractors of 8x8 (as many and as large as on cluttered MNIST's canvas of 100x100: it is denser here),
// 3 clutters of each test article, training images in new clutter each epoch, seed 1. About 17% of the
// pixels are then foreground and 13% distractors; 18% of the patches of 4x4 are at least half foreground,
// 26% hold any of it.
func DefaultClutter() Clutter {
	return Clutter{Canvas: 48, Distractors: 8, Piece: 8, Clutters: 3, Seed: 1}
}

// ParseClutter reads the name of a cluttered Fashion-MNIST, as recipes, sweeps and rows say it:
// "cluttered-fashion-mnist", or with settings that differ from DefaultClutter's, as in
// "cluttered-fashion-mnist:canvas=64,distractors=16,piece=8,clutters=3,fixed=true,seed=1". A setting
// that is unknown, comes twice or is out of range is an error that names it.
func ParseClutter(name string) (Clutter, error) {
	c := DefaultClutter()
	base, settings, some := strings.Cut(name, ":")
	if base != clutteredName {
		return Clutter{}, fmt.Errorf("datasets: %q is no %s: write %s:canvas=48,distractors=8", name, clutteredName, clutteredName)
	}
	if !some {
		return c, nil
	}
	set := map[string]bool{}
	for setting := range strings.SplitSeq(settings, ",") {
		key, value, ok := strings.Cut(setting, "=")
		switch {
		case !ok:
			return Clutter{}, fmt.Errorf("datasets: %q in %q is no setting: write key=value, as in canvas=48", setting, name)
		case set[key]:
			return Clutter{}, fmt.Errorf("datasets: %q sets %s twice", name, key)
		}
		set[key] = true
		if err := c.set(key, value); err != nil {
			return Clutter{}, err
		}
	}
	return c, c.Validate()
}

// set gives a setting a value.
func (c *Clutter) set(key, value string) (err error) {
	var number *int
	switch key {
	case "canvas":
		number = &c.Canvas
	case "distractors":
		number = &c.Distractors
	case "piece":
		number = &c.Piece
	case "clutters":
		number = &c.Clutters
	case "fixed":
		if c.Fixed = value == "true"; !c.Fixed && value != "false" {
			return fmt.Errorf("datasets: fixed is %q, want true or false", value)
		}
		return nil
	case "seed":
		if c.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			return fmt.Errorf("datasets: seed is %q, want a whole number from 0 to %d", value, uint64(math.MaxUint64))
		}
		return nil
	default:
		return fmt.Errorf("datasets: unknown setting %q of %s: known are canvas, distractors, piece, clutters, fixed, seed", key, clutteredName)
	}
	if *number, err = strconv.Atoi(value); err != nil {
		return fmt.Errorf("datasets: %s is %q, want a whole number", key, value)
	}
	return nil
}

// settings are those that differ from the defaults, as ParseClutter reads them.
func (c Clutter) settings() string {
	var all []string
	usual := DefaultClutter()
	for _, s := range []struct {
		key          string
		value, usual any
	}{
		{"canvas", c.Canvas, usual.Canvas}, {"distractors", c.Distractors, usual.Distractors}, {"piece", c.Piece, usual.Piece},
		{"clutters", c.Clutters, usual.Clutters}, {"fixed", c.Fixed, usual.Fixed}, {"seed", c.Seed, usual.Seed},
	} {
		if s.value != s.usual {
			all = append(all, fmt.Sprintf("%s=%v", s.key, s.value))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return ":" + strings.Join(all, ",")
}

// String returns the name that ParseClutter reads, with the settings that differ from the defaults.
func (c Clutter) String() string { return clutteredName + c.settings() }

// Validate reports the first setting with which no image can be made, whatever the articles.
func (c Clutter) Validate() error {
	const largest = 1024
	for _, s := range []struct {
		key             string
		value, low, top int
	}{
		{"canvas", c.Canvas, 1, largest}, {"distractors", c.Distractors, 0, 10_000}, {"piece", c.Piece, 1, c.Canvas},
		{"clutters", c.Clutters, 1, 1000},
	} {
		if s.value < s.low || s.value > s.top {
			return fmt.Errorf("datasets: %s is %d, want %d to %d", s.key, s.value, s.low, s.top)
		}
	}
	return nil
}

// fits reports articles of which no such image can be made.
func (c Clutter) fits(articles *Images) error {
	if err := c.Validate(); err != nil {
		return err
	}
	large, small := max(articles.Height, articles.Width), min(articles.Height, articles.Width)
	switch {
	case c.Canvas < large:
		return fmt.Errorf("datasets: canvas is %d, want %d or more: the articles are %dx%d", c.Canvas, large, articles.Height, articles.Width)
	case c.Piece > small:
		return fmt.Errorf("datasets: piece is %d, want 1 to %d: the articles are %dx%d", c.Piece, small, articles.Height, articles.Width)
	case c.Distractors > 0 && articles.Len() == 1:
		return fmt.Errorf("datasets: distractors is %d, but there is 1 article and no other to cut them from: take more articles", c.Distractors)
	}
	return nil
}
