package fusion

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Pooling says how the tokens of a group become one. Sizes add up in each.
type Pooling struct {
	Name string
	// Weight is the share of each token in its group, [batch, tokens]; it is normalised within the
	// group. Nil weighs all tokens alike.
	Weight func(e Evidence) *Node
	// Pool, if set, makes the fused tokens, [batch, tokens, dim] -> [batch, fused tokens, dim], in
	// place of the weighted mean: see Assignment.Mean, Assignment.Max and Assignment.Member.
	Pool func(a *Assignment, x *Node) *Node
}

// PoolAttention weighs by attention received, at least 1e-30, times size (MCTF, arXiv 2403.10030, eq. 9).
func PoolAttention() Pooling {
	return Pooling{Name: "attention", Weight: func(e Evidence) *Node {
		received, size := someAttention(e.Received), Squeeze(e.sizes(), -1)
		return e.origins.product(Mul(received, size), size, e.Received)
	}}
}

// PoolSize weighs by size, so that a fused token is the mean over its patches (ToMe, arXiv 2210.09461,
// section 3).
func PoolSize() Pooling {
	return Pooling{Name: "size", Weight: func(e Evidence) *Node { return Squeeze(e.sizes(), -1) }}
}

// PoolMean is the mean of this layer's tokens, sizes ignored.
func PoolMean() Pooling { return Pooling{Name: "mean"} }

// PoolMax is the maximum of each component.
func PoolMax() Pooling { return Pooling{Name: "max", Pool: (*Assignment).Max} }

// or is the pooling, or another one where none is set.
func (p Pooling) or(otherwise Pooling) Pooling {
	if p.Name == "" && p.Weight == nil && p.Pool == nil {
		return otherwise
	}
	return p
}

// assign makes the assignment of slots [batch, tokens] that pools so; every fused token has a member.
func (p Pooling) assign(e Evidence, slot *Node, remaining int) *Assignment {
	weight := OnesLike(slot)
	e.origins = &origins{}
	if p.Weight != nil {
		weight = p.Weight(e)
	}
	var a *Assignment
	if e.Inference {
		a = fuseProduct(slot, e.origins.factorsOf(weight), weight, remaining)
	} else {
		a = Fuse(slot, weight, remaining)
	}
	a = a.withoutGaps()
	a.pool = p.Pool
	return a
}

// poolingOf returns the pooling of a name in FUSION.json; empty is the published one.
func poolingOf(name string) (Pooling, error) {
	var names []string
	for _, p := range []Pooling{PoolAttention(), PoolSize(), PoolMean(), PoolMax()} {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if name == "" {
		return PoolAttention(), nil
	}
	return Pooling{}, unknown("pooling", name, names)
}
