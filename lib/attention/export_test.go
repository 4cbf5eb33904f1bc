package attention

import . "github.com/gomlx/gomlx/core/graph"

// Within sets the largest map that is formed, and the largest block of one that is not.
func (s *Self) Within(mapBytes, blockBytes int) *Self {
	with := *s
	with.mapBytes, with.blockBytes = mapBytes, blockBytes
	return &with
}

// By sets the backend's kernel.
func (s *Self) By(kernel func(queries, keys, values *Node, scale float64) *Node) *Self {
	with := *s
	with.kernel = kernel
	return &with
}

// Formed reports whether the map was asked for.
func (s *Self) Formed() bool { return s.attn != nil }
