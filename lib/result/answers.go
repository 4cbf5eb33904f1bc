package result

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MostAnswers bounds the images whose answers a row keeps: their bits take 0.33 MB, and with the longest
// groups a row is still shorter than the 1 MiB that Read takes.
const MostAnswers = 2_000_000

// EncodeAnswers packs a bit for each image, 1 where it was classified right, as base64: image i is bit
// i%8 (the lowest is bit 0) of byte i/8. The 10,000 images of a test set take 1.7 kB, ImageNet's 50,000
// take 8.4 kB. More than MostAnswers are an error.
func EncodeAnswers(right []bool) (string, error) {
	if len(right) > MostAnswers {
		return "", fmt.Errorf("result: answers for %d images, a row keeps at most %d: take fewer images", len(right), MostAnswers)
	}
	packed := make([]byte, (len(right)+7)/8)
	for i, yes := range right {
		if yes {
			packed[i/8] |= 1 << (i % 8)
		}
	}
	return base64.StdEncoding.EncodeToString(packed), nil
}

// Answers returns for each of the row's samples whether it was classified right; an error where the row
// does not say.
func (r Row) Answers() ([]bool, error) {
	packed, err := base64.StdEncoding.DecodeString(r.Correct)
	if err != nil || len(packed) != (r.Samples+7)/8 || r.Samples == 0 {
		return nil, fmt.Errorf("result: %q under %q: correct holds %d bytes for %d samples, want a bit each", r.Model, r.Method, len(packed), r.Samples)
	}
	right := make([]bool, r.Samples)
	for i := range right {
		right[i] = packed[i/8]>>(i%8)&1 == 1
	}
	return right, nil
}

// EncodeGroups packs the group of each image: the differences from image to image as signed varints,
// compressed by DEFLATE, as base64. Where groups follow each other regularly, as in a set that holds
// each article several times, that is some hundred bytes; at random, about two bytes an image. What is
// longer than half of the longest row is an error.
func EncodeGroups(groups []int) (string, error) {
	var varints []byte
	last := 0
	for _, group := range groups {
		varints = binary.AppendVarint(varints, int64(group-last))
		last = group
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return "", fmt.Errorf("result: groups: %w", err)
	}
	_, err = w.Write(varints)
	if err := errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("result: groups: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	if len(text) > maxLine/2 {
		return "", fmt.Errorf("result: groups of %d images take %d bytes, a row keeps at most %d: number them more regularly", len(groups), len(text), maxLine/2)
	}
	return text, nil
}

// ImageGroups returns the group of each of the row's samples; nil where each is one of its own.
func (r Row) ImageGroups() ([]int, error) {
	if r.Groups == "" {
		return nil, nil
	}
	refuse := func(err error) error {
		return fmt.Errorf("result: %q under %q: groups do not name one for each of %d samples: %w", r.Model, r.Method, r.Samples, err)
	}
	if r.Samples > MostAnswers {
		return nil, refuse(fmt.Errorf("a row keeps them of at most %d", MostAnswers))
	}
	packed, err := base64.StdEncoding.DecodeString(r.Groups)
	if err != nil {
		return nil, refuse(err)
	}
	limit := int64(r.Samples) * binary.MaxVarintLen64
	varints, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), limit+1))
	if err != nil {
		return nil, refuse(err)
	}
	groups := make([]int, 0, min(r.Samples, len(varints)))
	last := int64(0)
	for len(varints) > 0 && len(groups) < r.Samples {
		difference, n := binary.Varint(varints)
		if n <= 0 {
			break
		}
		last += difference
		groups, varints = append(groups, int(last)), varints[n:]
	}
	if len(groups) != r.Samples || len(varints) != 0 {
		return nil, refuse(fmt.Errorf("there are %d", len(groups)))
	}
	return groups, nil
}

// IndependentSamples is the number of the row's images, or, where several show one thing, of the things.
func (r Row) IndependentSamples() int {
	groups, err := r.ImageGroups()
	if err != nil || groups == nil {
		return r.Samples
	}
	different := map[int]bool{}
	for _, g := range groups {
		different[g] = true
	}
	return len(different)
}
