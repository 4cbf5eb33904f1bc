package fusion

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// ImageKey names each image by its content: images [batch, ...] float32 -> [batch] uint32, the sum
// (modulo 2^32) over the elements of a hash of the element's bits and its place. All of it is whole
// number arithmetic, which no backend may round or reorder into something else, so an image has the
// same key alone and in any batch, on every backend. Images that differ in one bit have other keys,
// but for one chance in 2^32.
func ImageKey(images *Node) *Node {
	batch := images.Shape().Dimensions[0]
	bits := Bitcast(Reshape(images, batch, -1), dtypes.Uint32) // [batch, elements]
	place := Iota(images.Graph(), bits.Shape(), 1)
	return mix(ReduceSum(mix(BitwiseXor(bits, mix(place))), 1))
}

// Uniform draws numbers from [0, 1) for the tokens of each image: keys [batch] uint32, such as
// [ImageKey] gives, -> [batch, tokens] float32. A number depends on the seed, the layer it is drawn
// at, the image's key and the token's position alone, and has the same bits on every backend and in
// any batch. They are multiples of 2^-24, each as likely as the others.
//
// The generator is SplitMix (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014) in 32 bits: a counter in steps of the golden ratio, through the finaliser of MurmurHash3.
func Uniform(key *Node, seed, at, tokens int) *Node {
	g, batch := key.Graph(), key.Shape().Dimensions[0]
	const golden = 0x9e3779b9
	stream := mixed(mixed(mixed(uint32(seed))^uint32(uint64(seed)>>32)) + uint32(at)*golden)
	full := shapes.Make(dtypes.Uint32, batch, tokens)
	start := mix(BitwiseXor(key, word(g, stream)))
	count := Mul(AddScalar(Iota(g, full, 1), 1), word(g, golden))
	drawn := mix(Add(BroadcastToShape(InsertAxes(start, -1), full), count))
	const kept = 24 // a float32 holds so many bits exactly
	return StopGradient(MulScalar(ConvertDType(shiftRight(drawn, 32-kept), dtypes.Float32), 1.0/(1<<kept)))
}

// mix is the finaliser of MurmurHash3 (fmix32): each bit of x, uint32, changes about half of the
// result's. It is a bijection, with 0 at 0.
func mix(x *Node) *Node {
	g := x.Graph()
	x = Mul(BitwiseXor(x, shiftRight(x, 16)), word(g, 0x85ebca6b))
	x = Mul(BitwiseXor(x, shiftRight(x, 13)), word(g, 0xc2b2ae35))
	return BitwiseXor(x, shiftRight(x, 16))
}

// mixed is mix for a number that is known when the graph is built.
func mixed(x uint32) uint32 {
	x = (x ^ x>>16) * 0x85ebca6b
	x = (x ^ x>>13) * 0xc2b2ae35
	return x ^ x>>16
}

func shiftRight(x *Node, bits uint32) *Node { return BitwiseShiftRightLogicalScalar(x, bits) }

func word(g *Graph, value uint32) *Node { return Const(g, value) }
