package flops

import (
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// Equal returns the methods at equal cost: each with the setting that Schedule finds for the target,
// "2.6" (GMACs) or "56%" (of the base model's cost; see ParseTarget). The base model, which has nothing to
// set, stays as it is.
//
//	rows, err := ablation.Run(ctx, model, images, notebook.Must(flops.Equal(model.Config, "60%", fusion.MCTF{}, fusion.ToMe{}))...)
func Equal(c vit.Config, target string, methods ...fusion.Method) ([]fusion.Method, error) {
	cost, err := ParseTarget(target)
	if err != nil {
		return nil, err
	}
	found := make([]fusion.Method, len(methods))
	for i, m := range methods {
		if _, base := m.(fusion.None); base {
			found[i] = m
			continue
		}
		if found[i], _, err = Schedule(c, m, cost); err != nil {
			return nil, err
		}
	}
	return found, nil
}
