package plots

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/png"
	"path/filepath"
	"strings"
	"time"

	"gonum.org/v1/plot/vg"

	"tokenfuse/lib/whole"
)

// Animation is figures one after another, again and again. It shows itself in a notebook by
// notebook.Show, and where nothing can move, as its frames side by side.
type Animation struct {
	// Frames are of one size. Change their plots as any gonum plot.
	Frames []*Figure
	// Delay is how long each is seen, the last one twice as long; hundredths of a second.
	Delay time.Duration
	// Alt says in words what is to be seen.
	Alt string
}

// AnimateTokens is FusedTokens as an animation: the image, then its tokens after each layer, a second each.
func AnimateTokens(img image.Image, layers ...Groups) (*Animation, error) {
	frames, alt, err := tokenPanels(img, 2.8*vg.Inch, layers)
	if err != nil {
		return nil, err
	}
	return &Animation{Frames: frames, Delay: time.Second, Alt: alt}, nil
}

// String returns the animation in words.
func (a *Animation) String() string { return a.Alt }

// Dark returns the animation for a dark page.
func (a *Animation) Dark() *Animation {
	dark := *a
	dark.Frames = make([]*Figure, len(a.Frames))
	for i, f := range a.Frames {
		dark.Frames[i] = f.Dark()
	}
	return &dark
}

// PNG returns the frames as one picture, side by side.
func (a *Animation) PNG() ([]byte, error) {
	if len(a.Frames) == 0 {
		return nil, errors.New("plots: the animation has no frames")
	}
	return inRows(a.Frames).PNG()
}

// GIF returns the animation as a GIF file, 150 pixels an inch, in at most 256 colours.
func (a *Animation) GIF() ([]byte, error) {
	if len(a.Frames) == 0 {
		return nil, errors.New("plots: the animation has no frames")
	}
	if a.Delay < 0 || a.Delay > time.Minute {
		return nil, fmt.Errorf("plots: frames are to be seen for %v, want 0 to 1m", a.Delay)
	}
	pictures := make([]image.Image, len(a.Frames))
	for i, frame := range a.Frames {
		file, err := frame.PNG()
		if err != nil {
			return nil, err
		}
		if pictures[i], err = png.Decode(bytes.NewReader(file)); err != nil {
			return nil, fmt.Errorf("plots: %w", err)
		}
		if pictures[i].Bounds() != pictures[0].Bounds() {
			return nil, fmt.Errorf("plots: frame %d is %v pixels, the first %v: make all of one size", i, pictures[i].Bounds().Size(), pictures[0].Bounds().Size())
		}
	}
	palette := paletteOf(pictures)
	movie := &gif.GIF{}
	for i, picture := range pictures {
		paletted := image.NewPaletted(picture.Bounds(), palette)
		draw.Draw(paletted, paletted.Rect, picture, picture.Bounds().Min, draw.Src)
		movie.Image = append(movie.Image, paletted)
		delay := int(a.Delay / (10 * time.Millisecond))
		if i == len(pictures)-1 {
			delay *= 2
		}
		movie.Delay = append(movie.Delay, delay)
	}
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, movie); err != nil {
		return nil, fmt.Errorf("plots: %w", err)
	}
	return file.Bytes(), nil
}

// Save writes the animation to a file, whole or not at all: .gif, or .png with the frames side by side.
func (a *Animation) Save(path string) error {
	encode := a.GIF
	switch extension := strings.ToLower(filepath.Ext(path)); extension {
	case ".gif":
	case ".png":
		encode = a.PNG
	default:
		return fmt.Errorf("plots: cannot save %q: unknown format %q: use .gif or .png", path, extension)
	}
	file, err := encode()
	if err == nil {
		err = whole.WriteFile(path, file, 0o644)
	}
	if err != nil {
		return fmt.Errorf("plots: cannot save %q: %s", path, strings.TrimPrefix(err.Error(), "plots: "))
	}
	return nil
}
