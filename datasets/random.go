package datasets

import (
	"math/bits"
	"math/rand/v2"
)

// What a stream is for: streams of one seed but different purposes have nothing in common.
const (
	purposeShuffle = iota + 1
	purposeHoldout
	purposeEpoch
	purposeAugment
	purposeShapes
)

// stream is a sequence of random numbers that is the same on every machine and with every version of
// Go: the bits of PCG are promised to be, what math/rand/v2 makes of them is not, so that is here.
type stream struct{ pcg rand.PCG }

// newStream returns the stream of a seed and what it is used for: a purpose, an epoch, an index.
func newStream(seed uint64, keys ...uint64) *stream {
	// Neighbouring seeds and keys must give unrelated streams, hence the mixing.
	high, low := mix(seed), mix(^seed)
	for _, key := range keys {
		high = mix(high ^ mix(key))
		low = mix(low + high)
	}
	s := new(stream)
	s.pcg.Seed(high, low)
	return s
}

// below returns a number in 0..n-1, for n > 0. The bias, at most n/2^64, is of no account here.
func (s *stream) below(n int) int {
	high, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int(high)
}

// between returns a number in low..high.
func (s *stream) between(low, high int) int { return low + s.below(high-low+1) }

// unit returns a number in [0, 1).
func (s *stream) unit() float64 { return float64(s.pcg.Uint64()>>11) / (1 << 53) }

// permutation returns 0..n-1 in random order (Fisher and Yates).
func permutation(n int, s *stream) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := s.below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// mix is the finaliser of splitmix64: each bit of the result depends on every bit of x.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
