package plots

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/plot/plotter"

	"tokenfuse/lib/result"
)

// trainingRows are made up: two lines an epoch, the second with accuracies.
func trainingRows(epochs int) (rows []result.TrainingRow) {
	for i := range 2 * epochs {
		epoch := float64(i+1) / 2
		student, teacher := 0.4+math.Exp(-epoch), 0.35+math.Exp(-1.2*epoch)
		consistency := 0.2 * math.Exp(-epoch/2)
		row := result.TrainingRow{Step: 50 * (i + 1), Epoch: epoch, Loss: student + teacher + consistency,
			Parts: map[string]float64{"classification": student, "teacher": teacher, "consistency": consistency}}
		if i%2 == 1 {
			accuracy, average := 0.9-0.3*math.Exp(-epoch/2), 0.91-0.5*math.Exp(-epoch/2)
			row.AccuracyTop1, row.EMAAccuracyTop1 = &accuracy, &average
		}
		rows = append(rows, row)
	}
	return rows
}

func ExampleTraining() {
	accuracy := 0.912
	figure, err := Training([]result.TrainingRow{
		{Step: 100, Epoch: 0.5, Loss: 0.8},
		{Step: 200, Epoch: 1, Loss: 0.6, AccuracyTop1: &accuracy},
		{Step: 300, Epoch: 1.5, Loss: 0.5},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Training to epoch 1.5: loss 0.500, top-1 accuracy 91.20% at epoch 1
}

// TestTrainingCurves looks at the values drawn: each at its epoch, accuracies only where measured.
func TestTrainingCurves(t *testing.T) {
	figure, err := Training(trainingRows(2))
	if err != nil {
		t.Fatal(err)
	}
	points := map[string]plotter.XYs{}
	for _, panel := range figure.Parts {
		for _, entry := range panel.legend {
			points[entry.name] = entry.thumbnails[0].(*plotter.Line).XYs
		}
	}
	for name, want := range map[string]int{"loss": 4, "classification": 4, "teacher": 4, "consistency": 4, "test images": 2, "average of weights": 2} {
		if len(points[name]) != want {
			t.Errorf("%s has %d points, want %d", name, len(points[name]), want)
		}
	}
	if got, want := points["test images"][1], (plotter.XY{X: 2, Y: 100 * (0.9 - 0.3*math.Exp(-1))}); got != want {
		t.Errorf("accuracy at %v, want %v", got, want)
	}
}

// TestTrainingSmall: a run that has just begun, or has one part, is drawn too.
func TestTrainingSmall(t *testing.T) {
	for _, rows := range [][]result.TrainingRow{trainingRows(1)[:1], {{Epoch: 0.1, Loss: 2, Parts: map[string]float64{"classification": 2}}}} {
		figure, err := Training(rows)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := figure.PNG(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Training(nil); err == nil {
		t.Error("no rows were drawn")
	}
}

// TestTrainingOfOneAccuracy: an axis around one value, or two that are nearly one, spans a point, not the last
// digits of a float.
func TestTrainingOfOneAccuracy(t *testing.T) {
	rows := trainingRows(1)
	for _, average := range []*float64{nil, new(*rows[1].AccuracyTop1 + 1e-7)} {
		rows[1].EMAAccuracyTop1 = average
		figure, err := Training(rows)
		if err != nil {
			t.Fatal(err)
		}
		if y := figure.Parts[1].Plot.Y; y.Max-y.Min < 1-1e-9 {
			t.Errorf("the axis is from %v to %v", y.Min, y.Max)
		}
	}
}
