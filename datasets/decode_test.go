package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecodeImageIsPillows(t *testing.T) {
	const exact, transformed = 0, 3 // levels; inverse cosine transforms round differently
	for name, allowed := range map[string]int{
		"420.jpg": transformed, "420progressive.jpg": transformed, "422.jpg": transformed, "444.jpg": transformed,
		"narrow.jpg": transformed, "grey.jpg": transformed, "cmyk.jpg": transformed,
		"lossy.webp": exact, "alpha.webp": exact, "lossless.webp": exact,
		"alpha.png": exact, "greyalpha.png": exact, "palette.png": exact, "bits.png": exact,
	} {
		t.Run(name, func(t *testing.T) {
			got, want := picture(t, name), picture(t, name+".rgb.png")
			if got.Bounds() != want.Bounds() {
				t.Fatalf("bounds are %v, want %v", got.Bounds(), want.Bounds())
			}
			if most, mean := difference(got, want); most > allowed || mean >= 0.1 {
				t.Errorf("differs from Pillow by up to %d, mean %.4f; allowed are %d and 0.1", most, mean, allowed)
			}
			switch read := got.(type) {
			case *image.Gray:
			case *image.NRGBA:
				if !read.Opaque() {
					t.Error("is not opaque")
				}
			default:
				t.Errorf("is a %T", got)
			}
		})
	}
}

func TestDecodeImageGrey(t *testing.T) {
	for _, name := range []string{"grey.png", "grey.jpg"} {
		if _, ok := picture(t, name).(*image.Gray); !ok {
			t.Errorf("%s is a %T", name, picture(t, name))
		}
	}
}

func TestDecodeImage16Bits(t *testing.T) {
	bounds := image.Rect(0, 0, 1, 1)
	deep := image.NewNRGBA64(bounds)
	deep.SetNRGBA64(0, 0, color.NRGBA64{R: 0x12ff, G: 0x34ff, B: 0x56ff, A: 0x0101})
	grey := image.NewGray16(bounds)
	grey.SetGray16(0, 0, color.Gray16{Y: 0x78ff})
	for name, c := range map[string]struct {
		picture image.Image
		want    color.Color
	}{
		"colour": {deep, color.NRGBA{R: 0x12, G: 0x34, B: 0x56, A: 255}},
		"grey":   {grey, color.Gray{Y: 0x78}},
	} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			if err := png.Encode(&file, c.picture); err != nil {
				t.Fatal(err)
			}
			got, err := DecodeImage(write(t, "deep.png", file.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if got.At(0, 0) != c.want {
				t.Errorf("pixel is %v, want %v", got.At(0, 0), c.want)
			}
		})
	}
}

func TestDecodeImageErrors(t *testing.T) {
	var animation bytes.Buffer
	if err := gif.Encode(&animation, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	photo, err := os.ReadFile(filepath.Join("testdata", "420.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":     {nil, "not a JPEG, PNG or WebP file"},
		"text":      {[]byte("label,file\n"), "not a JPEG, PNG or WebP file"},
		"animated":  {[]byte("RIFF\x2e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x01\x00\x00ANIM"), "an animated WebP: save one frame of it as a still picture"},
		"gif":       {animation.Bytes(), `format "gif" is not`},
		"cut off":   {photo[:len(photo)/2], "invalid JPEG format"},
		"megapixel": {pngHeader(20000, 5001), `"20000x5001" is over 100 megapixels`},
		"long":      {pngHeader(3, 65536), `"3x65536" is over 65535 on a side`},
		"largest":   {pngHeader(1<<31-1, 1<<31-1), "png: "},
		"header":    {pngHeader(20000, 5000), "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "picture.png", c.content)
			_, err := DecodeImage(path)
			if err == nil {
				t.Fatal("no error")
			}
			message := err.Error()
			if !strings.Contains(message, c.want) || !strings.Contains(message, "picture.png") || strings.Contains(message, "\n") {
				t.Errorf("error is %q, want one line with the path and %q", message, c.want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "none.jpg")
		_, err := DecodeImage(path)
		if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "none.jpg") != 1 {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("folder", func(t *testing.T) {
		if _, err := DecodeImage(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("error is %v", err)
		}
	})
}

// TestManyScans: a JPEG whose scans go over the picture again and again is refused; one with a film behind it,
// whose bytes say anything, is not.
func TestManyScans(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("testdata", "narrow.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(content, []byte{0xff, 0xda})
	scan := bytes.TrimSuffix(content[at:], []byte{0xff, 0xd9})
	for scans, refused := range map[int]bool{maxScans: false, maxScans + 1: true} {
		many := append(bytes.Clone(content[:at]), bytes.Repeat(scan, scans)...)
		err := checkScans(bytes.NewReader(many))
		if (err != nil) != refused {
			t.Errorf("%d scans: %v", scans, err)
		}
		if _, err := decode(bytes.NewReader(many)); refused && (err == nil || !strings.Contains(err.Error(), "scans")) {
			t.Errorf("%d scans are decoded: %v", scans, err)
		}
	}
	film := bytes.Repeat([]byte{0xff, 0xda, 0x17}, maxScans+1)
	if _, err := decode(bytes.NewReader(append(bytes.Clone(content), film...))); err != nil {
		t.Errorf("with a film behind it: %v", err)
	}
	// Markers count wherever the pieces end in which the file is read.
	many := bytes.Repeat([]byte{0xff, 0xda, 0, 8}, maxScans+1)
	if checkScans(iotest.OneByteReader(bytes.NewReader(many))) == nil {
		t.Errorf("not all of %d scans are counted byte by byte", maxScans+1)
	}
}

// FuzzDecodeImage feeds damaged files: no panic, no picture above the limits, and the size that the
// header says.
func FuzzDecodeImage(f *testing.F) {
	for _, name := range []string{"narrow.jpg", "grey.jpg", "420progressive.jpg", "cmyk.jpg", "alpha.webp", "lossy.webp", "lossless.webp", "palette.png", "bits.png", "greyalpha.png"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add(pngHeader(1<<20, 1<<20))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := checkHeader(bytes.NewReader(content)); err != nil {
			return
		}
		config, _, err := image.DecodeConfig(bytes.NewReader(content))
		if err != nil || config.Width > maxSide || config.Height > maxSide || config.Width*config.Height > maxPixels {
			t.Fatalf("accepted a header of %dx%d, %v", config.Width, config.Height, err)
		}
		if config.Width*config.Height > 1<<12 {
			return // takes long
		}
		if read, err := decode(bytes.NewReader(content)); err == nil && read.Bounds().Empty() {
			t.Fatal("no pixels")
		}
	})
}

// pngHeader returns the beginning of a PNG file of grey pixels, all that tells its size.
func pngHeader(width, height uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 8, 0, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	file = append(file, chunk...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk))
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
