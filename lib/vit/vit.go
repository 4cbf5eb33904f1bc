package vit

import "fmt"

// vits are the plain ViTs, under timm's names and with the evaluation transform of timm's weights
// (augreg): pixels normalised by 0.5 and 0.5, crop ratio 0.9. (timm's vit_large_patch32_224 comes without
// a head, for features alone; here it classifies 1000 classes like the others. timm has no
// vit_tiny_patch32_224; it is here so that each size has both patches.)
func vits() []Named {
	const (
		vit    = "ViT, Dosovitskiy et al. 2021, arXiv 2010.11929, table 1"
		augreg = "ViT, Steiner et al. 2022, arXiv 2106.10270"
	)
	var all []Named
	for _, m := range []struct {
		name                     string
		patch, dim, depth, heads int
		source                   string
	}{
		{"tiny", 16, 192, 12, 3, augreg}, {"small", 16, 384, 12, 6, augreg}, {"base", 16, 768, 12, 12, vit}, {"large", 16, 1024, 24, 16, vit},
		{"tiny", 32, 192, 12, 3, augreg}, {"small", 32, 384, 12, 6, augreg}, {"base", 32, 768, 12, 12, vit}, {"large", 32, 1024, 24, 16, vit},
	} {
		all = append(all, Named{
			Family: "ViT", Name: fmt.Sprintf("vit_%s_patch%d_224", m.name, m.patch),
			Config: Config{ImageSize: ImageSize{224, 224}, PatchSize: m.patch, Channels: 3, Dim: m.dim, Depth: m.depth, Heads: m.heads,
				MLPRatio: 4, Classes: 1000},
			Source:     m.source,
			Evaluation: Evaluation{Crop: 0.9, Mean: []float64{0.5, 0.5, 0.5}, Std: []float64{0.5, 0.5, 0.5}},
		})
	}
	return all
}
