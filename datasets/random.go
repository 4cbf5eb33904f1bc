package datasets

import (
	"math"
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
	purposeMix
	purposeClutter
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

// uniform returns a number in [low, high).
func (s *stream) uniform(low, high float64) float64 { return low + float64((high-low)*s.unit()) }

// logUniform returns a number in [low, high) whose logarithm is even there.
func (s *stream) logUniform(low, high float64) float64 {
	return math.Exp(s.uniform(math.Log(low), math.Log(high)))
}

// normal returns a number of the standard normal distribution (Box and Muller), in 65536ths, so that the
// last bit, in which logarithms and cosines differ between processors, does not show.
func (s *stream) normal() float64 {
	radius, angle := math.Sqrt(-2*math.Log(1-s.unit())), 2*math.Pi*s.unit()
	return math.Round(65536*radius*math.Cos(angle)) / 65536
}

// beta returns a number of the beta distribution of (alpha, alpha), in 65536ths; alpha is above 0.
func (s *stream) beta(alpha float64) float64 {
	a, b := s.gamma(alpha), s.gamma(alpha)
	if a+b == 0 {
		// Too small for a float64: it is then nearly always one end or the other.
		return float64(s.below(2))
	}
	return math.Round(65536*a/(a+b)) / 65536
}

// gamma returns a number of the gamma distribution of shape alpha (Marsaglia and Tsang, A simple method
// for generating gamma variables, 2000).
func (s *stream) gamma(alpha float64) float64 {
	if alpha < 1 {
		return s.gamma(alpha+1) * math.Pow(1-s.unit(), 1/alpha)
	}
	d := alpha - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := s.normal()
		v := 1 + c*x
		v = v * v * v
		if v > 0 && math.Log(1-s.unit()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
