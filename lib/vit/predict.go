package vit

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// Classifier is a model under a fusion method, ready to run. It is compiled at the first batch of
// each size, and safe for use by several goroutines.
type Classifier struct {
	Model  *Model
	Method fusion.Method
	Tokens []int // tokens leaving each block, [depth]; the most there can be for adaptive methods

	logits    *model.Exec // -> logits, counts
	traced    *model.Exec // -> logits, size, counts, source maps
	inspected *model.Exec // -> what each layer knew
	backend   compute.Backend
}

// With puts a fusion method into a model's blocks. A setting that does not fit the model is an error.
func (m *Model) With(method fusion.Method) (*Classifier, error) {
	backend, err := accel.Backend()
	if err != nil {
		return nil, err
	}
	return m.WithBackend(backend, method)
}

// WithBackend is With on a backend of one's choice, the same for all methods of a model: that is where its
// weights are.
func (m *Model) WithBackend(backend compute.Backend, method fusion.Method) (*Classifier, error) {
	_, counts, err := Plan(m.Config, method)
	if err != nil {
		return nil, err
	}
	if err := m.adopt(method); err != nil {
		return nil, err
	}
	if err := m.settle(backend); err != nil {
		return nil, err
	}
	c := &Classifier{Model: m, Method: method, Tokens: counts, backend: backend}
	executes := func(build func(images *Node) []*Node) *model.Exec {
		exec, failed := model.NewExec(backend, m.store, func(_ *model.Scope, images *Node) []*Node {
			m.building.Lock()
			defer m.building.Unlock()
			return build(images)
		})
		err = errors.Join(err, failed)
		return exec
	}
	c.logits = executes(func(images *Node) []*Node {
		out := Forward(m.store, m.Config, method, images, forInference)
		return []*Node{out.Logits, out.Counts}
	})
	c.traced = executes(func(images *Node) []*Node {
		out := Forward(m.store, m.Config, method, images, forInference)
		return append([]*Node{out.Logits, out.Size, out.Counts}, out.Sources...)
	})
	c.inspected = executes(func(images *Node) []*Node { return inspection(m, method, images) })
	if err != nil {
		return nil, fmt.Errorf("vit: %s", accel.FirstLine(err))
	}
	return c, nil
}

// Logits classifies normalised images [batch, channels, height, width]: [batch, classes].
func (c *Classifier) Logits(images *tensors.Tensor) (*tensors.Tensor, error) {
	logits, _, err := c.Classify(images)
	return logits, err
}

// Classify is Logits that also says how many tokens of each image are present behind each block,
// [batch, depth] whole numbers: fewer than Tokens where a method is adaptive.
func (c *Classifier) Classify(images *tensors.Tensor) (logits, counts *tensors.Tensor, err error) {
	if err := CheckImages(c.Model.Config, images); err != nil {
		return nil, nil, err
	}
	out, err := c.inParts(images)
	if err != nil {
		return nil, nil, fmt.Errorf("vit: %s under %s: %s", c.Model.Name, c.Method.Name(), accel.FirstLine(err))
	}
	return out[0], out[1], nil
}

// Prediction is what Trace returns.
type Prediction struct {
	Logits *tensors.Tensor // [batch, classes]
	Size   *tensors.Tensor // patches in each of the last tokens, [batch, last tokens, 1]
	Counts *tensors.Tensor // tokens of each image that are present behind each block, [batch, depth]
	Source *tensors.Tensor // 0/1, which of the first tokens went into each of the last, [batch, last tokens, first tokens]
	// Layers are the source maps behind each block, [batch, tokens leaving, first tokens].
	Layers []*tensors.Tensor
}

// Sources returns one image's source map behind each block, row by row: [tokens leaving, first tokens].
func (p *Prediction) Sources(image int) [][]float32 {
	var all [][]float32
	for _, layer := range p.Layers {
		d := layer.Shape().Dimensions
		each := d[1] * d[2]
		all = append(all, tensors.MustCopyFlatData[float32](layer)[image*each:(image+1)*each])
	}
	return all
}

// Trace is Logits, of images [batch, channels, height, width], that also says where each token went: its
// source maps are [batch, tokens leaving, first tokens], one behind each block.
func (c *Classifier) Trace(images *tensors.Tensor) (*Prediction, error) {
	if err := CheckImages(c.Model.Config, images); err != nil {
		return nil, err
	}
	out, err := c.traced.Call(images)
	if err != nil {
		return nil, fmt.Errorf("vit: %s under %s: %s", c.Model.Name, c.Method.Name(), accel.FirstLine(err))
	}
	layers := out[3:]
	return &Prediction{Logits: out[0], Size: out[1], Counts: out[2], Layers: layers, Source: layers[len(layers)-1]}, nil
}

// CheckImages reports images that a configuration does not take: they must be float32
// [batch, channels, height, width].
func CheckImages(c Config, images *tensors.Tensor) error {
	d := images.Shape().Dimensions
	if len(d) != 4 || d[0] < 1 || d[1] != c.Channels || d[2] != c.ImageSize.Height || d[3] != c.ImageSize.Width || images.DType() != dtypes.Float32 {
		return fmt.Errorf("vit: images are %s, the model takes (Float32)[batch, %d, %d, %d]",
			images.Shape(), c.Channels, c.ImageSize.Height, c.ImageSize.Width)
	}
	return nil
}

// Close frees the compiled graphs.
func (c *Classifier) Close() {
	c.logits.Finalize()
	c.traced.Finalize()
	c.inspected.Finalize()
}
