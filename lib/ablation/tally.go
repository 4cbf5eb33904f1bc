package ablation

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/vit"
)

// tally counts, over images, the right answers and what they cost.
type tally struct {
	classifier   *vit.Classifier
	images       int
	right        int
	answers      []bool // of each image, whether its label had the highest logit
	trajectories []trajectory
	known        map[string]int // where in trajectories a course stands
}

// trajectory is a course that the number of tokens took through the layers, and how many images took
// it: one course for all, unless a method adapts to the image.
type trajectory struct {
	tokens []int // leaving each block
	images int
}

func newTally(c *vit.Classifier) *tally { return &tally{classifier: c, known: map[string]int{}} }

func (t *tally) run(ctx context.Context, images datasets.Source, batch int, progress func(done int)) error {
	about := images.About()
	for b, err := range images.Stream(ctx, batch) {
		if err != nil {
			return err
		}
		logits, counts, err := t.classifier.Classify(tensors.FromFlatDataAndDimensions(b.Images, b.N, about.Channels, about.Height, about.Width))
		if err != nil {
			return err
		}
		if err := t.add(b.Labels, logits, counts); err != nil {
			return err
		}
		progress(t.images)
	}
	if t.images == 0 {
		return fmt.Errorf("ablation: no images to classify")
	}
	return nil
}

// add takes the logits [batch, classes] and the tokens behind each block [batch, depth] of a batch. Logits
// that are not finite are an error: such an image is neither right nor wrong, and what made them makes the
// accuracy that of no model.
func (t *tally) add(labels []int32, logits, counts *tensors.Tensor) error {
	if err := vit.CheckLogits(logits, func(i int) string { return fmt.Sprintf("image %d", t.images+i) }); err != nil {
		return fmt.Errorf("ablation: %s under %s: %w", t.classifier.Model.Name, t.classifier.Method.Name(), err)
	}
	scores, present := tensors.MustCopyFlatData[float32](logits), tensors.MustCopyFlatData[float32](counts)
	classes, depth := len(scores)/len(labels), len(present)/len(labels)
	for i, label := range labels {
		right := best(scores[i*classes:(i+1)*classes]) == int(label)
		if right {
			t.right++
		}
		t.answers = append(t.answers, right)
		tokens := make([]int, depth)
		for layer, n := range present[i*depth : (i+1)*depth] {
			tokens[layer] = int(n)
		}
		course := fmt.Sprint(tokens)
		k, ok := t.known[course]
		if !ok {
			k = len(t.trajectories)
			t.known[course] = k
			t.trajectories = append(t.trajectories, trajectory{tokens: tokens})
		}
		t.trajectories[k].images++
	}
	t.images += len(labels)
	return nil
}

// accuracy is the share of images, in [0, 1], whose label had the highest logit.
func (t *tally) accuracy() float64 { return float64(t.right) / float64(t.images) }

// cost returns the tokens leaving each block, rounded means, and the mean GMACs of an image. A mean of
// costs is not the cost of a mean, because attention grows with the square of the tokens.
func (t *tally) cost() (tokens []int, gmacs float64, err error) {
	total := make([]float64, t.classifier.Model.Config.Depth)
	for _, course := range t.trajectories {
		count, err := flops.Given(t.classifier.Model.Config, t.classifier.Method, course.tokens)
		if err != nil {
			return nil, 0, err
		}
		share := float64(course.images) / float64(t.images)
		gmacs += share * count.GMACs
		for layer, n := range course.tokens {
			total[layer] += share * float64(n)
		}
	}
	for _, mean := range total {
		tokens = append(tokens, int(math.Round(mean)))
	}
	return tokens, gmacs, nil
}

// best returns the index of the largest value, the first of equals.
func best(values []float32) int {
	index := 0
	for i, v := range values {
		if v > values[index] {
			index = i
		}
	}
	return index
}
