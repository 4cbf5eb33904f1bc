package plots

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
)

// Overlay shows an image and, for each map, the image in the colours of its values: dark ones are low,
// bright ones high, on one scale for all maps, so that they compare. unit is what the values are, as in
// the legend: "% of attention". Patches without a value are hatched. Longer series go on in the next
// row.
func Overlay(img image.Image, unit string, maps ...Map) (*Figure, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, errors.New("plots: the image is empty: pass one with pixels")
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, m := range maps {
		if err := m.validate(); err != nil {
			return nil, err
		}
		for _, v := range m.Values {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		return nil, errors.New("plots: no map with a value: pass one at least")
	}
	side := panelSide(1 + len(maps))
	panels := []*Figure{panel(enlarge(img), Groups{}, side, "original")}
	alts := make([]string, len(maps))
	for i, m := range maps {
		panels = append(panels, panel(overlaid(img, m, low, high), Groups{Rows: m.Rows, Cols: m.Cols}, side, m.Title))
		alts[i] = m.describe(unit)
	}
	figure := inRows(panels)
	figure.addLegend(legendEntry{fmt.Sprintf("%.3g to ", low) + in(high, unit), []plot.Thumbnailer{ramp{}}})
	figure.Alt = "An image, and its patches coloured by value; " + strings.Join(alts, ", ")
	return figure, nil
}

// describe says where the greatest value is.
func (m Map) describe(unit string) string {
	most := -1
	for patch, v := range m.Values {
		if !math.IsNaN(v) && (most < 0 || v > m.Values[most]) {
			most = patch
		}
	}
	if most < 0 {
		return strings.TrimSpace(m.Title + " without values")
	}
	return strings.TrimSpace(fmt.Sprintf("%s up to %s in row %d, column %d of %dx%d",
		m.Title, in(m.Values[most], unit), most/m.Cols+1, most%m.Cols+1, m.Rows, m.Cols))
}

// in writes a value with its unit; percent without a space.
func in(value float64, unit string) string {
	if unit == "" || strings.HasPrefix(unit, "%") {
		return fmt.Sprintf("%.3g%s", value, unit)
	}
	return fmt.Sprintf("%.3g %s", value, unit)
}

// overlaid returns the image, enlarged, in the colours of its patches' values: two thirds of the colour and
// a third of the picture's grey.
func overlaid(img image.Image, m Map, low, high float64) image.Image {
	out := enlarge(img)
	size := out.Rect.Size()
	for y := range size.Y {
		for x := range size.X {
			value := m.Values[y*m.Rows/size.Y*m.Cols+x*m.Cols/size.X]
			pixel := grey(color.GrayModel.Convert(out.NRGBAAt(x, y)).(color.Gray).Y)
			if math.IsNaN(value) {
				pixel = hatch(pixel, x+y, max(size.X/pixels, 1))
			} else {
				pixel = blend(scaled(part(value, low, high)), pixel, 1./3)
			}
			out.SetNRGBA(x, y, pixel)
		}
	}
	return out
}
