package ablation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tokenfuse/datasets"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// GridData is the images of a grid; in a file, the name of a dataset alone will do.
type GridData struct {
	// Dataset is a name that datasets.Open knows, such as fashion-mnist, or cluttered-fashion-mnist with
	// settings behind a colon; or folder (pictures in ImageNet's layout), or shapes (generated: for
	// tests).
	Dataset string `json:"dataset"`
	// Split is test, unless it says otherwise; of a folder, validation. Shapes have none.
	Split datasets.Split `json:"split,omitempty"`
	// First, if not 0, takes that many images and no more.
	First int `json:"first,omitempty"`
	// Foreground, if not 0, is of how many images, the first, to measure what became of their foreground
	// too (result.Foreground), where it is known: in cluttered Fashion-MNIST.
	Foreground int `json:"foreground,omitempty"`
	// Path is the folder of pictures.
	Path string `json:"path,omitempty"`
	// Images, Size and Seed are those of shapes.
	Images int    `json:"images,omitempty"`
	Size   int    `json:"size,omitempty"`
	Seed   uint64 `json:"seed,omitempty"`
	// Source is data in memory, in place of the above.
	Source datasets.Source `json:"-"`
}

// Grouped is a source in which one thing is in several images, such as one article in several clutters.
// Statistics then draw things, not images.
type Grouped interface {
	// Group returns a number for what image i shows, the same for all images of it.
	Group(i int) int
}

// groupsOf is what a row says of its images' groups, as result.EncodeGroups writes it; empty where each image is
// one of its own.
func groupsOf(images datasets.Source) (string, error) {
	grouped, ok := images.(Grouped)
	if !ok {
		return "", nil
	}
	groups := make([]int, images.Len())
	for i := range groups {
		groups[i] = grouped.Group(i)
	}
	return result.EncodeGroups(groups)
}

// gridDatasets are the datasets of a grid: which of its fields they read.
var gridDatasets = map[string][]string{
	"fashion-mnist": {"split", "first"},
	"cifar10":       {"split", "first"},
	"cifar100":      {"split", "first"},

	"cluttered-fashion-mnist": {"split", "first", "foreground"},
	"folder":                  {"split", "first", "path"},
	"shapes":                  {"first", "images", "size", "seed"},
}

// Validate returns an error for an unknown dataset, and for fields that it does not read.
func (d GridData) Validate() error {
	switch {
	case d.First < 0:
		return fmt.Errorf("ablation: first is %d, want a number of images", d.First)
	case d.Foreground < 0:
		return fmt.Errorf("ablation: foreground is %d, want a number of images", d.Foreground)
	case d.Source != nil:
		if _, ok := d.Source.(Masked); !ok && d.Foreground > 0 {
			return unmasked(d.Source)
		}
		return nil
	}
	base, settings, _ := strings.Cut(d.Dataset, ":")
	known, ok := gridDatasets[base]
	if !ok {
		return fmt.Errorf("ablation: unknown dataset %q: known are %s", d.Dataset, strings.Join(slices.Sorted(maps.Keys(gridDatasets)), ", "))
	}
	for name, set := range map[string]bool{"split": d.Split != "", "path": d.Path != "", "foreground": d.Foreground != 0, "images": d.Images != 0, "size": d.Size != 0, "seed": d.Seed != 0} {
		if set && !slices.Contains(known, name) {
			return fmt.Errorf("ablation: dataset %s has no %s: it takes %s", d.Dataset, name, strings.Join(known, ", "))
		}
	}
	if settings != "" {
		if err := datasets.CheckName(d.Dataset); err != nil {
			return err
		}
	}
	switch {
	case d.Dataset == "folder" && d.Path == "":
		return fmt.Errorf(`ablation: dataset folder: give its "path"`)
	case d.Dataset == "shapes" && (d.Images < 1 || d.Size < 1):
		return fmt.Errorf(`ablation: dataset shapes: give "images" and "size"`)
	}
	return nil
}

// String names the data for people.
func (d GridData) String() string {
	if d.Source != nil {
		about := d.Source.About()
		return fmt.Sprintf("%s %s (%d images)", about.Name, about.Split, d.Source.Len())
	}
	name := strings.TrimSpace(d.Dataset + " " + string(d.split()))
	if d.First > 0 {
		name += fmt.Sprintf(" (%d images)", d.First)
	}
	return name
}

// identity is what the key of a cell knows of the data.
func (d GridData) identity() any {
	if d.Source == nil {
		d.Split = d.split()
		return d
	}
	about := d.Source.About()
	sum := sha256.New()
	for i := range d.Source.Len() {
		sum.Write(binary.AppendVarint(nil, int64(d.Source.Label(i))))
	}
	content := hex.EncodeToString(sum.Sum(nil))
	if known, ok := d.Source.(interface{ SHA256() string }); ok {
		content = known.SHA256()
	}
	identity := map[string]any{"dataset": about.Name, "split": about.Split, "images": d.Source.Len(), "content": content}
	if d.Foreground != 0 {
		identity["foreground"] = d.Foreground
	}
	return identity
}

func (d GridData) split() datasets.Split {
	switch {
	case d.Split != "" || d.Dataset == "shapes":
		return d.Split
	case d.Dataset == "folder":
		return datasets.Validation
	}
	return datasets.Test
}

// load returns the images as a model takes them. Downloads tell their progress.
func (d GridData) load(ctx context.Context, name string, c vit.Config, progress io.Writer) (datasets.Source, error) {
	if d.Source != nil {
		return d.Source, nil
	}
	var images datasets.Source
	var err error
	switch d.Dataset {
	case "shapes":
		images, err = datasets.Shapes(d.Images, d.Size, d.Seed)
	case "folder":
		images, err = datasets.Folder(d.Path, d.split(), vit.Transform(name, c))
	default:
		images, err = datasets.Open(d.Dataset, d.split(), datasets.WithContext(ctx), datasets.WithProgress(progress))
	}
	if err != nil {
		return nil, err
	}
	return first(images, d.First), nil
}

// first returns the first n images; all where n is 0.
func first(images datasets.Source, n int) datasets.Source {
	if n == 0 {
		return images
	}
	switch images := images.(type) {
	case *datasets.Images:
		return images.First(n)
	case *datasets.Pictures:
		return images.First(n)
	case *datasets.Cluttered:
		return images.First(n)
	}
	return images
}
