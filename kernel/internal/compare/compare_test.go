package compare

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"runtime"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
)

var standard = Options{Tolerance: 1e-5, Pixels: 1e-3}

func cell(tags string, outputs ...*nbformat.Output) *nbformat.Cell {
	return &nbformat.Cell{Kind: nbformat.Code, Metadata: nbformat.Object{"tags": []byte(tags)}, Outputs: outputs}
}

func stream(name, text string) *nbformat.Output {
	return &nbformat.Output{Kind: nbformat.Stream, Name: name, Text: text}
}

func shown(t *testing.T, data map[string]any) *nbformat.Output {
	t.Helper()
	bundle := nbformat.Object{}
	for mime, value := range data {
		if err := bundle.Set(mime, value); err != nil {
			t.Fatal(err)
		}
	}
	return &nbformat.Output{Kind: nbformat.DisplayData, Data: nbformat.Bundle(bundle), Metadata: nbformat.Object{}}
}

func TestText(t *testing.T) {
	for _, test := range []struct {
		name, before, after string
		timing              bool
		want                string // the differences; "" for none
	}{
		{name: "the same", before: "a 1 b 2.5", after: "a 1 b 2.5"},
		{name: "nothing", before: "", after: ""},
		{name: "another word", before: "tome 1", after: "mctf 1", want: `"tome 1", now "mctf 1"`},
		{name: "a word less", before: "a 1 b", after: "a 1", want: `"b", now ""`},
		{name: "a number less", before: "1 2", after: "1", want: `"2", now ""`},
		{name: "within", before: "loss 1.000000", after: "loss 1.000009"},
		{name: "at the border", before: "0.99999", after: "1.0"}, // apart by 1e-5 of the larger
		{name: "beyond", before: "0.99998", after: "1.0", want: "0.99998, now 1.0 (0.002%)"},
		{name: "a whole number", before: "10000000 images", after: "10000001 images", want: "10000000, now 10000001 (1e-05%)"},
		{name: "part of a word", before: "patch16", after: "patch14", want: "16, now 14 (12.5%)"},
		{name: "a sign", before: "at -0.5", after: "at 0.5", want: "-0.5, now 0.5 (200%)"},
		{name: "a minus of typography", before: "at −0.5", after: "at -0.5"},
		{name: "exponents", before: "1e-7", after: "1.000001e-7"},
		{name: "zero and next to it", before: "0.0", after: "1e-12", want: "0.0, now 1e-12 (100%)"},
		{name: "two numbers", before: "1.0 2.0", after: "1.1 3.0", want: "2 numbers, the furthest 2.0, now 3.0 (33.3%)"},
		{name: "columns of another width", before: "│ 9.999999 │\n├───┤", after: "│ 10.000000 │\n├─────┤"},
		{name: "times", before: "took 9.5 ms", after: "took 11 ms", timing: true},
		{name: "times as Go writes them", before: "took 59.5s", after: "took 1m0.2s", timing: true},
		{name: "times, another word", before: "took 9 ms", after: "needs 9 ms", timing: true, want: `"took 9", now "needs 9"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			tags := `[]`
			if test.timing {
				tags = `["timing"]`
			}
			got := Cells(cell(tags, stream("stdout", test.before)), cell(tags, stream("stdout", test.after)), standard)
			want := test.want
			if want != "" {
				want = "stdout: " + want
			}
			if text := strings.Join(got.Differences, "; "); text != want {
				t.Errorf("got %s\nwant %s", text, want)
			}
		})
	}
}

// drawing is a PNG of 100 x 100 pixels in grey, n of which are of another shade.
func drawing(t *testing.T, n int, shade uint8) string {
	t.Helper()
	picture := image.NewGray(image.Rect(0, 0, 100, 100))
	for i := range picture.Pix {
		picture.Pix[i] = 100
	}
	for i := range n {
		picture.SetGray(i%100, i/100, color.Gray{shade})
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(file.Bytes())
}

func TestPictures(t *testing.T) {
	small := image.NewGray(image.Rect(0, 0, 1, 1))
	var file bytes.Buffer
	if err := png.Encode(&file, small); err != nil {
		t.Fatal(err)
	}
	before := drawing(t, 0, 0)
	for _, test := range []struct {
		name, after, want string
	}{
		{"the same", before, ""},
		{"written in lines", before[:60] + "\n" + before[60:] + "\n", ""},
		{"all, by the last bits", drawing(t, 10000, 108), ""},
		{"a thousandth", drawing(t, 10, 255), ""}, // the share of Pixels
		{"more", drawing(t, 11, 255), "output 1: 11 of 10000 pixels (0.11%), by up to 155 of 255"},
		{"another size", base64.StdEncoding.EncodeToString(file.Bytes()), "output 1: a picture of 100 x 100 pixels, now 1 x 1"},
		{"no picture", "AAAA", "output 1: another image/png"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Cells(cell(`[]`, shown(t, map[string]any{"image/png": before})), cell(`[]`, shown(t, map[string]any{"image/png": test.after})), standard)
			if text := strings.Join(got.Differences, "; "); text != test.want || got.Pictures != 1 {
				t.Errorf("%d pictures, got %q, want %q", got.Pictures, text, test.want)
			}
			timing := Cells(cell(`["timing"]`, shown(t, map[string]any{"image/png": before})), cell(`["timing"]`, shown(t, map[string]any{"image/png": test.after})), standard)
			if len(timing.Differences) > 0 {
				t.Errorf("a picture of times differs: %q", timing.Differences)
			}
		})
	}
}

// TestHugePicture: a picture that would take gigabytes is compared by its bytes.
func TestHugePicture(t *testing.T) {
	file, err := base64.StdEncoding.DecodeString(drawing(t, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	const header = 8 + 4 // signature and length; then comes IHDR, of 17 bytes, with width and height behind its name
	binary.BigEndian.PutUint32(file[header+4:], 100_000)
	binary.BigEndian.PutUint32(file[header+8:], 100_000)
	binary.BigEndian.PutUint32(file[header+17:], crc32.ChecksumIEEE(file[header:header+17]))
	huge := shown(t, map[string]any{"image/png": base64.StdEncoding.EncodeToString(file)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	same := Cells(cell(`[]`, huge), cell(`[]`, huge), standard)
	other := Cells(cell(`[]`, huge), cell(`[]`, shown(t, map[string]any{"image/png": drawing(t, 0, 0)})), standard)
	runtime.ReadMemStats(&after)
	if len(same.Differences) != 0 || len(other.Differences) != 1 {
		t.Errorf("with itself: %q; with another: %q", same.Differences, other.Differences)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 16<<20 {
		t.Errorf("it took %d MiB", taken>>20)
	}
}

func TestOutputs(t *testing.T) {
	table := func(number string) *nbformat.Output {
		return shown(t, map[string]any{"text/plain": "top-1 " + number, "text/html": "<td>" + number + "</td>"})
	}
	failed := &nbformat.Output{Kind: nbformat.Error, ErrorName: "ERROR", ErrorValue: "exit status 1"}
	for _, test := range []struct {
		name          string
		before, after *nbformat.Cell
		want          string
	}{
		{"streams mixed otherwise", cell(`[]`, stream("stdout", "a"), stream("stderr", "b"), stream("stdout", "c")),
			cell(`[]`, stream("stderr", "b"), stream("stdout", "ac")), ""},
		{"the same number in two types", cell(`[]`, table("90.35")), cell(`[]`, table("90.25")), "output 1: 90.35, now 90.25 (0.111%)"},
		{"an output more", cell(`[]`), cell(`[]`, table("1")), "0 outputs, now 1"},
		{"another type", cell(`[]`, table("1")), cell(`[]`, shown(t, map[string]any{"text/plain": "1"})), "output 1: was text/html, text/plain, now text/plain"},
		{"fails now", cell(`[]`, stream("stdout", "a")), cell(`[]`, stream("stdout", "a"), failed), `fails now: "ERROR: exit status 1"`},
		{"failed, and may", cell(`[]`, failed), cell(`[]`, failed), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if text := strings.Join(Cells(test.before, test.after, standard).Differences, "; "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
	found := Cells(cell(`[]`, stream("stdout", "1.0 2")), cell(`[]`, stream("stdout", "1.000001 2")), standard)
	if found.Numbers != 2 || found.Largest < 0.9e-6 || found.Largest > 1.1e-6 {
		t.Errorf("%d numbers, the furthest by %g: want 2 and 1e-6", found.Numbers, found.Largest)
	}
}
