package datasets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for image.Decode
	_ "image/png"
	"io"
	"io/fs"

	_ "golang.org/x/image/webp"
)

// The largest picture DecodeImage takes, so that a small file cannot ask for all the memory.
const (
	maxPixels = 100_000_000
	maxSide   = 65535 // of a JPEG
)

// DecodeImage reads a JPEG, PNG or WebP picture and returns its colours as Pillow's
// Image.open(path).convert("RGB") has them, without alpha (not blended): as *image.Gray where the
// file is grey, else as an opaque *image.NRGBA. JPEGs may differ from Pillow's by 3 levels, most
// pixels by none, because inverse cosine transforms round differently. Of 16-bit files the upper 8 bits
// are taken, also where Pillow cuts off (grey ones). Orientation tags are ignored, as Pillow does. A file
// that is no such picture, an animated WebP (of which Pillow takes the first frame), a JPEG of more than
// 200 scans, or a picture of more than 100 megapixels or 65535 pixels on a side is an error that names the
// file and the cause.
func DecodeImage(path string) (image.Image, error) {
	file, _, err := openFile(path)
	if err != nil {
		return nil, imageError(path, err)
	}
	defer file.Close()
	picture, err := decode(file)
	if err != nil {
		return nil, imageError(path, err)
	}
	return picture, nil
}

func imageError(path string, err error) error {
	// The path is said once, at the beginning.
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return fmt.Errorf("datasets: cannot read image %q: %w", path, err)
}

func decode(file io.ReadSeeker) (image.Image, error) {
	format, err := checkHeader(file)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if format == "jpeg" {
		if err := checkScans(file); err != nil {
			return nil, err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	picture, _, err := image.Decode(bufio.NewReader(file))
	if err != nil {
		return nil, err
	}
	if format == "webp" {
		return flattenWebP(picture), nil
	}
	return flatten(picture), nil
}

// checkHeader reads no more than the header and returns the format: "jpeg", "png" or "webp".
func checkHeader(file io.Reader) (format string, err error) {
	header := bufio.NewReader(file)
	// image takes a file that cannot be read, such as a folder, for one of unknown format.
	if _, err := header.Peek(1); err != nil && err != io.EOF {
		return "", err
	}
	if animated(header) {
		return "", errors.New("an animated WebP: save one frame of it as a still picture")
	}
	config, format, err := image.DecodeConfig(header)
	if errors.Is(err, image.ErrFormat) {
		return "", errors.New("not a JPEG, PNG or WebP file")
	}
	if err != nil {
		return "", err
	}
	switch {
	case format != "jpeg" && format != "png" && format != "webp":
		// A program may have registered more formats than these.
		return "", fmt.Errorf("format %q is not JPEG, PNG or WebP", format)
	case config.Width < 1 || config.Height < 1:
		return "", fmt.Errorf("size \"%dx%d\" has no pixels", config.Width, config.Height)
	case config.Width > maxSide || config.Height > maxSide:
		return "", fmt.Errorf("size \"%dx%d\" is over %d on a side: resize the picture", config.Width, config.Height, maxSide)
	case config.Width*config.Height > maxPixels:
		return "", fmt.Errorf("size \"%dx%d\" is over %d megapixels: resize the picture",
			config.Width, config.Height, maxPixels/1_000_000)
	}
	return format, nil
}

// maxScans is the most scans of a JPEG; progressive ones have about ten. Each goes over the whole picture
// and may take but a few bytes, so that a small file could keep a processor busy for hours.
const maxScans = 200

// checkScans counts the markers that begin a scan, with the first byte of their length, which is 0. In the data
// of a picture they cannot stand; in what a telephone writes behind it, such as a film, they may by chance: three
// bytes once in 16 MiB, where the marker alone would be met every 64 KiB.
func checkScans(file io.Reader) error {
	begin, scans := []byte{0xff, 0xda, 0}, 0
	buffer := make([]byte, 2, 1<<16) // the last bytes of the piece before
	for {
		n, err := file.Read(buffer[2:cap(buffer)])
		piece := buffer[:2+n]
		scans += bytes.Count(piece, begin)
		copy(buffer, piece[n:])
		switch {
		case scans > maxScans:
			return fmt.Errorf("a JPEG of more than %d scans: save it again", maxScans)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// animated reports whether a file begins as an animated WebP: an extended header whose flags say so.
func animated(header *bufio.Reader) bool {
	const flags, animation = 20, 0x02
	begin, err := header.Peek(flags + 1)
	return err == nil && string(begin[:4]) == "RIFF" && string(begin[8:16]) == "WEBPVP8X" && begin[flags]&animation != 0
}
