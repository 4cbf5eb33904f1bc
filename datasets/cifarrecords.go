package datasets

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// A file of CIFAR's binary version is a row of records: one label byte (CIFAR-10) or two, coarse and
// fine (CIFAR-100), then 1024 bytes each of red, green and blue, row by row.

const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
	// cifarMost is the number of images beyond which a file is not read on, ten times the original's.
	cifarMost = 500_000
)

// cifarRecords is what a file holds.
type cifarRecords struct {
	pixels []uint8 // [images, 3, 32, 32]
	labels []int32 // [images]
	sha256 string  // of the file, in hex
}

// readCIFAR reads records with so many label bytes, of which the last is taken, up to the end. Memory
// grows with what is there, not with what is promised.
func readCIFAR(r io.Reader, labelBytes, classes int) (*cifarRecords, error) {
	sum := sha256.New()
	content := bufio.NewReaderSize(io.TeeReader(r, sum), 1<<16)
	records := new(cifarRecords)
	record := make([]byte, labelBytes+cifarPixels)
	for {
		at := len(records.labels)
		n, err := io.ReadFull(content, record)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, readError(err, int64(at*len(record)+n))
		}
		label := record[labelBytes-1]
		switch {
		case at == cifarMost:
			return nil, fmt.Errorf("it goes on after %d images: divide it", cifarMost)
		case int(label) >= classes:
			return nil, fmt.Errorf("label %d is \"%d\", not within 0 and %d", at, label, classes-1)
		}
		records.labels = append(records.labels, int32(label))
		records.pixels = append(records.pixels, record[labelBytes:]...)
	}
	if len(records.labels) == 0 {
		return nil, fmt.Errorf("it holds no images")
	}
	records.sha256 = hex.EncodeToString(sum.Sum(nil))
	return records, nil
}
