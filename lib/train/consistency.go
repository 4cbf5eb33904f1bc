package train

import (
	"fmt"
	"math/rand/v2"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/internal/strictjson"
	"tokenfuse/lib/vit"
)

// Consistency is token reduction consistency (MCTF, arXiv 2403.10030, section 3.3): each step takes its
// images through the same weights twice, as a student under the recipe's fusion, and as a teacher that
// loses fewer tokens, r' in each layer, drawn anew at each step; both learn the labels, and the student
// the teacher's class token:
//
//	loss = CE(student) + CE(teacher) + Weight * MSE(stop(teacher's class token), student's class token)
//
// It is as the official code has it, where the paper leaves it open: the class token is that after the
// last norm, r' is a whole number below RTeacherMax (of ratios a hundredth), all equally likely, 0 being
// no fusion; the MSE is the mean over dim, and over those samples alone whose probability of the label
// under the student is above Threshold, 0 where there is none. Of mixed images that probability is the
// sum over the labels mixed. (Where both are the same class the official code counts it twice.) The paper
// fine-tunes so for 30 epochs at 0.03 of the base learning rate.
//
// Shapes of a graph are static, so each r' is a graph of its own, compiled when it is first drawn: with
// the published 8 the first steps are slow, and from then on no step is. RTeacher draws from fewer.
//
// Running averages of batch norms (LV-ViT's stem) move twice a step, once in each pass.
type Consistency struct {
	// RTeacherMax is what r' stays below: 8 is published with r=16. For methods with a keep rate it is a
	// share of tokens that go, below 1.
	RTeacherMax float64 `json:"r_teacher_max,omitempty"`
	// RTeacher replaces RTeacherMax by the values to draw from.
	RTeacher  []float64 `json:"r_teacher,omitempty"`
	Threshold float64   `json:"threshold"` // 0.4 in recipes that do not say it
	Weight    float64   `json:"weight"`    // 3 in recipes that do not say it
}

// UnmarshalJSON fills what is left out with the published values.
func (c *Consistency) UnmarshalJSON(data []byte) error {
	type plain Consistency
	in := plain{Threshold: 0.4, Weight: 3}
	if err := strictjson.DecodePart(data, &in); err != nil {
		return err
	}
	*c = Consistency(in)
	return nil
}

func (c Consistency) validate() error {
	for _, r := range append(slices.Clone(c.RTeacher), c.RTeacherMax) {
		if err := within("consistency: r_teacher", r, 0, 1<<16); err != nil {
			return err
		}
	}
	if c.RTeacherMax > 0 == (len(c.RTeacher) > 0) {
		return fmt.Errorf("train: consistency has r_teacher_max %v and r_teacher %v: want one of both", c.RTeacherMax, c.RTeacher)
	}
	return firstError(within("consistency: threshold", c.Threshold, 0, 1), within("consistency: weight", c.Weight, 0, 1e6))
}

// choices are the r' that a step may draw.
func (c Consistency) choices() []float64 {
	if len(c.RTeacher) > 0 {
		return c.RTeacher
	}
	unit := 1.0
	if c.RTeacherMax < 1 {
		unit = 100
	}
	all := []float64{0}
	for i := 1.0; i/unit < c.RTeacherMax; i++ {
		all = append(all, i/unit)
	}
	return all
}

// draw returns the r' of a step, by the seed and the step alone.
func (c Consistency) draw(seed int64, step int) float64 {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x74656163686572^uint64(step)))
	choices := c.choices()
	return choices[rng.IntN(len(choices))]
}

// teacher returns the student's method with r' in each layer, fit for the student's weights.
func (c Consistency) teacher(config vit.Config, student fusion.Method, r float64) (fusion.Method, error) {
	if r == 0 {
		return fusion.None{}, nil
	}
	m, ok := student.(fusion.Adjustable)
	if !ok {
		return nil, fmt.Errorf("train: consistency: %s has no one number that a teacher could have less of", student.Name())
	}
	if m.Knob().None == 1 {
		r = 1 - r
	}
	teacher := m.Adjusted(r)
	if err := sameWeights(config, student, teacher); err != nil {
		return nil, fmt.Errorf("train: consistency: a teacher at %s=%v: %w", m.Knob().Name, r, err)
	}
	return teacher, nil
}

// sameWeights reports where a teacher does not fit the model, or learns what the student does not.
func sameWeights(config vit.Config, student, teacher fusion.Method) error {
	has, err := vit.Learned(config, student)
	if err != nil {
		return err
	}
	wants, err := vit.Learned(config, teacher)
	for name, w := range wants {
		if have, ok := has[name]; !ok || !slices.Equal(have.Dims, w.Dims) {
			return fmt.Errorf("its weight %s is %v, the student's %v: they cannot share it", name, w.Dims, have.Dims)
		}
	}
	return err
}

// loss is the weighted MSE of class tokens [batch, dim] over the confident samples, a scalar; logits
// [batch, classes] are the student's, target [batch, classes] above 0 for an image's labels.
func (c Consistency) loss(teacher, student, logits, target *Node) *Node {
	each := ReduceMean(Square(Sub(StopGradient(teacher), student)), -1)
	probability := Softmax(logits, -1)
	ofLabel := ReduceSum(Where(GreaterThan(target, ZerosLike(target)), probability, ZerosLike(probability)), -1)
	threshold := Scalar(logits.Graph(), logits.DType(), c.Threshold)
	confident := StopGradient(ConvertDType(GreaterThan(ofLabel, threshold), each.DType()))
	mean := Div(ReduceAllSum(Mul(each, confident)), MaxScalar(ReduceAllSum(confident), 1))
	return MulScalar(mean, c.Weight)
}
