package flops

import "fmt"

// Table returns the cost of a model layer by layer, as a header and rows of text for any table. Costs are
// in MMACs, 1e6 multiply-accumulates for one image; the last row is the whole model.
func (c Count) Table() (header []string, rows [][]string) {
	mega := func(macs int) string { return fmt.Sprintf("%.2f", float64(macs)/1e6) }
	header = []string{"part", "tokens in", "tokens out", "MMACs", "of which matching"}
	if len(c.Layers) > 0 {
		rows = append(rows, []string{"stem", "", fmt.Sprint(c.Layers[0].Entering), mega(c.Embed), ""})
	}
	for _, l := range c.Layers {
		rows = append(rows, []string{fmt.Sprintf("layer %d", l.Index), fmt.Sprint(l.Entering), fmt.Sprint(l.Leaving), mega(l.MACs), mega(l.Matching)})
	}
	if len(c.Layers) > 0 {
		rows = append(rows, []string{"norm and head", fmt.Sprint(c.Layers[len(c.Layers)-1].Leaving), "", mega(c.Head), ""})
	}
	return header, append(rows, []string{"in all", "", "", mega(c.Total), mega(c.Matching)})
}
