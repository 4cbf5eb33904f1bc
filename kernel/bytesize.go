package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag's number of bytes, such as 512, 500KiB, 64MiB or 1GiB.
type byteSize int64

// byteUnits are what may follow the number, the longer names first.
var byteUnits = []struct {
	name string
	size int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

func (b *byteSize) Set(text string) error {
	for _, unit := range byteUnits {
		number, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.size {
			break
		}
		*b = byteSize(n * unit.size)
		return nil
	}
	return fmt.Errorf("want a number of bytes, such as 500KiB, 64MiB or 1GiB")
}

func (b *byteSize) String() string {
	for _, unit := range []int{2, 1, 0} {
		if size := byteSize(byteUnits[unit].size); *b >= size && *b%size == 0 {
			return strconv.FormatInt(int64(*b/size), 10) + byteUnits[unit].name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *byteSize) Type() string { return "size" }
