package plots

import (
	"errors"
	"fmt"
	"image"
	"strings"

	"gonum.org/v1/plot/vg"
)

// FusedTokens shows an image and, for each of layers, which of its patches are one token by then:
// patches of a token have its colour, a common outline and, where there is room, their number; patches
// alone stay as they are, dropped ones are hatched. A token's colour is its mean colour; on a greyscale
// image it is a tint, kept from layer to layer by the largest part of the token. Longer series go on in
// the next row.
func FusedTokens(img image.Image, layers ...Groups) (*Figure, error) {
	panels, alt, err := tokenPanels(img, panelSide(1+len(layers)), layers)
	if err != nil {
		return nil, err
	}
	figure := inRows(panels)
	figure.Alt = alt
	return figure, nil
}

// tokenPanels returns the image and its tokens after each layer, and what is to be seen in words.
func tokenPanels(img image.Image, side vg.Length, layers []Groups) (panels []*Figure, alt string, err error) {
	if img == nil || img.Bounds().Empty() {
		return nil, "", errors.New("plots: the image is empty: pass one with pixels")
	}
	panels = []*Figure{panel(enlarge(img), Groups{}, side, "original")}
	tints := newTints(img)
	alts := make([]string, len(layers))
	for i, g := range layers {
		if err := g.validate(); err != nil {
			return nil, "", err
		}
		alts[i] = fmt.Sprintf("%d tokens", g.Tokens())
		if g.Title != "" {
			alts[i] = g.Title + ": " + alts[i]
		}
		panels = append(panels, panel(tints.paint(img, g), g, side, alts[i], newBorders(g), groupSizes{g}))
	}
	alt = "An image, and which of its patches became one token"
	if len(alts) > 0 {
		alt += "; " + strings.Join(alts, ", ")
	}
	return panels, alt, nil
}
