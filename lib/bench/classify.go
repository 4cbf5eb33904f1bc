package bench

import (
	"runtime"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/vit"
)

// seed of the untrained weights.
const seed = 1

// models are the untrained models of the cases: those of one configuration share their weights.
type models map[vit.Config]*vit.Model

// classify makes a case of Tokenfuse's own ready to run. A method that learns weights gets a model of
// its own, with untrained weights for it too.
func (m models) classify(backend compute.Backend, c Case) (*classifier, error) {
	learned, err := vit.Learned(c.Config, c.Method)
	if err != nil {
		return nil, err
	}
	model := m[c.Config]
	if model == nil || len(learned) > 0 {
		if model, err = vit.New(c.Config, seed); err != nil {
			return nil, err
		}
		model.Name = c.Model
	}
	if len(learned) > 0 {
		if err := model.Learn(c.Method, seed); err != nil {
			return nil, err
		}
	} else {
		m[c.Config] = model
	}
	under, err := model.WithBackend(backend, c.Method)
	if err != nil {
		return nil, err
	}
	return &classifier{under: under, batch: c.Batch, pixels: pixels(c.Config, c.Batch)}, nil
}

// classifier is a case of Tokenfuse's own.
type classifier struct {
	under  *vit.Classifier
	batch  int
	pixels []float32
}

// Run classifies one batch. The images are made anew each time, as new images are: otherwise they would
// stay on the device after the first batch.
func (s *classifier) Run() (time.Duration, error) {
	c := s.under.Model.Config
	images := tensors.FromFlatDataAndDimensions(s.pixels, s.batch, c.Channels, c.ImageSize.Height, c.ImageSize.Width)
	runtime.GC() // what the last batch left behind is not this one's
	began := time.Now()
	logits, err := s.under.Logits(images)
	if err != nil {
		return 0, err
	}
	// Reading waits for the device.
	read := tensors.MustCopyFlatData[float32](logits)
	took := time.Since(began)
	runtime.KeepAlive(read)
	logits.MustFinalizeAll()
	images.MustFinalizeAll()
	return took, nil
}

// Close frees the compiled graph.
func (s *classifier) Close() error {
	s.under.Close()
	return nil
}

// pixels returns values of a batch that look like those of normalised images: none is special.
func pixels(c vit.Config, batch int) []float32 {
	all := make([]float32, batch*c.Channels*c.ImageSize.Height*c.ImageSize.Width)
	state := uint32(seed)
	for i := range all {
		state = state*1664525 + 1013904223 // Numerical Recipes' generator; its high bits are random enough
		all[i] = float32(state>>8)/(1<<23) - 1
	}
	return all
}
