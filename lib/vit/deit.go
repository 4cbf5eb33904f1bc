package vit

// deits are the DeiTs, plain and distilled, under timm's names.
func deits() []Named {
	var all []Named
	for _, distilled := range []bool{false, true} {
		for _, size := range []struct {
			name       string
			dim, heads int
		}{{"tiny", 192, 3}, {"small", 384, 6}, {"base", 768, 12}} {
			name := "deit_" + size.name
			if distilled {
				name += "_distilled"
			}
			c := Config{ImageSize: ImageSize{224, 224}, PatchSize: 16, Channels: 3, Dim: size.dim, Depth: 12, Heads: size.heads,
				MLPRatio: 4, Classes: 1000, Distilled: distilled}
			all = append(all, Named{Family: "DeiT", Name: name + "_patch16_224", Config: c,
				Source: "DeiT, Touvron et al. 2021, arXiv 2012.12877, table 1", Evaluation: DefaultEvaluation(c)})
		}
	}
	return all
}
