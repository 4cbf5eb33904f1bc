package train

import (
	"fmt"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/internal/strictjson"
	"tokenfuse/lib/vit"
)

// Distillation is DeiT's hard distillation through the distillation token (Touvron et al.,
// arXiv 2012.12877, section 3, equation 3): the class token learns the labels, the distillation token
// the class that a teacher, another model, says of the very image that the student sees, augmented and
// mixed; each is half of the loss. The teacher's word is not smoothed.
type Distillation struct {
	// Model is the teacher's name; it has the classes and the image size of the data.
	Model string `json:"model"`
	// Weights is a file of the teacher's weights; left out, those of vit.Load.
	Weights string `json:"weights,omitempty"`
	// Alpha is the share of the distillation token in the loss, 0 to 1; 0.5 in recipes that do not say it.
	Alpha float64 `json:"alpha"`
}

// UnmarshalJSON fills what is left out with the published values.
func (d *Distillation) UnmarshalJSON(data []byte) error {
	type plain Distillation
	in := plain{Alpha: 0.5}
	if err := strictjson.DecodePart(data, &in); err != nil {
		return err
	}
	*d = Distillation(in)
	return nil
}

func (d Distillation) validate(student vit.Config) error {
	if !student.Distilled {
		return fmt.Errorf("train: distillation needs a model with a distillation token, such as deit_tiny_distilled_patch16_224")
	}
	if _, err := vit.ConfigOf(d.Model); err != nil {
		return fmt.Errorf("train: distillation: %w", err)
	}
	return within("distillation: alpha", d.Alpha, 0, 1)
}

// teacher loads the model that is imitated.
func (d Distillation) teacher(backend compute.Backend, student vit.Config, images datasets.About) (*vit.Classifier, error) {
	m, err := d.load()
	if err != nil {
		return nil, fmt.Errorf("train: distillation: %w", err)
	}
	if c := m.Config; c.Classes != student.Classes || c.Channels != images.Channels || c.ImageSize != (vit.ImageSize{Height: images.Height, Width: images.Width}) {
		return nil, fmt.Errorf("train: the teacher %s takes %s images of %d channels and knows %d classes, the student's are %dx%d, %d, %d",
			d.Model, c.ImageSize, c.Channels, c.Classes, images.Height, images.Width, images.Channels, student.Classes)
	}
	return m.WithBackend(backend, fusion.None{})
}

func (d Distillation) load() (*vit.Model, error) {
	if d.Weights == "" {
		return vit.Load(d.Model)
	}
	config, err := vit.ConfigOf(d.Model)
	if err != nil {
		return nil, err
	}
	m, _, err := vit.FromFile(d.Model, config, d.Weights)
	return m, err
}

// imitated is what a teacher says of images, as labels [batch, 1].
func imitated(teacher *vit.Classifier, images *tensors.Tensor) (*tensors.Tensor, error) {
	logits, err := teacher.Logits(images)
	if err != nil {
		return nil, err
	}
	d := logits.Shape().Dimensions
	labels := make([]int32, d[0])
	values := tensors.MustCopyFlatData[float32](logits)
	for i := range labels {
		each := values[i*d[1]:][:d[1]]
		for class, v := range each {
			if v > each[labels[i]] {
				labels[i] = int32(class)
			}
		}
	}
	return tensors.FromFlatDataAndDimensions(labels, d[0], 1), logits.FinalizeAll()
}

// losses are the class token's cross entropy with the target and the distillation token's with the
// teacher's labels [batch, 1], by their shares.
func (d Distillation) losses(out vit.Output, target, labels *Node, smoothing float64) (class, distilled *Node) {
	class = MulScalar(crossEntropy(out.ClassLogits, target, smoothing), 1-d.Alpha)
	word := targets(labels, out.DistillationLogits)
	return class, MulScalar(crossEntropy(out.DistillationLogits, word, 0), d.Alpha)
}
