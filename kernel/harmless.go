package main

import (
	"bytes"
	"io"
)

// harmless passes text on without what a terminal obeys: names out of somebody's files may hold escape
// sequences, which hide lines of a table or forge others.
type harmless struct{ io.Writer }

func (h harmless) Write(text []byte) (int, error) { return h.Writer.Write(withoutControls(text)) }

// withoutControls has a question mark in the place of each byte of a control character, but for line feeds and tabs.
func withoutControls(text []byte) []byte {
	text = bytes.Clone(text)
	for i, b := range text {
		switch {
		case b < ' ' && b != '\n' && b != '\t', b == 0x7f:
			text[i] = '?'
		case b >= 0x80 && b < 0xa0 && i > 0 && text[i-1] == 0xc2: // U+0080 to U+009F, in UTF-8
			text[i-1], text[i] = '?', '?'
		}
	}
	return text
}
