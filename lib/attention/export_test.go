package attention

// Within sets the largest map that is formed, and the largest block of one that is not.
func (s *Self) Within(mapBytes, blockBytes int) *Self {
	with := *s
	with.mapBytes, with.blockBytes = mapBytes, blockBytes
	return &with
}
