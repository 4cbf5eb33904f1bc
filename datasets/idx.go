package datasets

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
)

// An IDX file, the format of MNIST, is: two zero bytes, the type (8: unsigned bytes), the number of
// dimensions, each dimension as a big-endian uint32, the items. It may be gzipped as a whole.

// inflated bounds what is unpacked of size bytes. Deflate can make 1032 bytes of one
// (zlib.net/zlib_tech.html), but pictures give it little to do: Fashion-MNIST takes 1.8 bytes for one,
// CIFAR-10 1.1. What asks for more is made to fill the memory.
func inflated(size int64) int64 { return 100*min(size, math.MaxInt64/200) + 16<<20 }

// idx is a decoded IDX file of unsigned bytes.
type idx struct {
	dims   []int
	data   []uint8 // row-major
	sha256 string  // of the file without compression, in hex
}

// readIDX reads the IDX file at path, gzipped or not, of the given number of dimensions.
func readIDX(path string, rank int) (*idx, error) {
	file, size, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	defer file.Close()
	content, err := decodeIDX(file, size, rank)
	if err != nil {
		return nil, fmt.Errorf("datasets: %q is damaged: %w", path, err)
	}
	return content, nil
}

// decodeIDX decodes an IDX file of which size bytes are stored. What its header promises is checked
// against size before memory is taken for it.
func decodeIDX(r io.Reader, size int64, rank int) (*idx, error) {
	stored := bufio.NewReader(r)
	most := size
	var content io.Reader = stored
	if magic, _ := stored.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(stored)
		if err != nil {
			return nil, readError(err, 0)
		}
		defer unzipped.Close()
		content = unzipped
		most = inflated(size)
	}
	sum := sha256.New()
	content = io.TeeReader(content, sum)

	header := make([]byte, 4+4*rank)
	if n, err := io.ReadFull(content, header); err != nil {
		return nil, readError(err, int64(n))
	}
	if want := []byte{0, 0, 8, byte(rank)}; !bytes.Equal(header[:4], want) {
		return nil, fmt.Errorf("begins with \"%x\", not \"%x\" (IDX of unsigned bytes in %d dimensions)", header[:4], want, rank)
	}
	parsed := &idx{dims: make([]int, rank)}
	items := int64(1)
	for i := range parsed.dims {
		dim := int64(binary.BigEndian.Uint32(header[4+4*i:]))
		if dim == 0 {
			return nil, fmt.Errorf("dimension %d is \"0\": it holds nothing", i)
		}
		if items > (math.MaxInt64-int64(len(header)))/dim {
			return nil, fmt.Errorf("its dimensions overflow")
		}
		parsed.dims[i] = int(dim)
		items *= dim
	}
	total := int64(len(header)) + items
	if total > most {
		return nil, fmt.Errorf("its header promises %d bytes, more than its %d stored bytes can hold: it is truncated, or no pictures", total, size)
	}

	var data bytes.Buffer
	data.Grow(int(min(items, size)))
	n, err := io.Copy(&data, io.LimitReader(content, items))
	if err == nil && n < items {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, readError(err, int64(len(header))+n)
	}
	// Reading on to the end also makes gzip compare its checksum.
	switch extra, err := io.Copy(io.Discard, io.LimitReader(content, 1)); {
	case extra > 0:
		return nil, fmt.Errorf("it goes on after the %d bytes that its header promises", total)
	case err != nil:
		return nil, readError(err, total)
	}
	parsed.data = data.Bytes()
	parsed.sha256 = hex.EncodeToString(sum.Sum(nil))
	return parsed, nil
}

// readError explains an error met at byte n of the content: of its length, of the gzip format, or of
// the disk.
func readError(err error, n int64) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("truncated at byte %d of its content", n)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return fmt.Errorf("gzip data corrupted at about byte %d of its content (%w)", n, err)
	}
	return err
}
