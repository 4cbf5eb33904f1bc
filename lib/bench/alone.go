package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/gomlx/compute"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// Single is what a process of its own tells of a case.
type Single struct {
	StartSeconds   float64 `json:"-"` // from its start to its first logits
	CompileSeconds float64 // what the first batch took longer than the second
	PeakMebibytes  float64 // most resident memory; 0 where the system does not say
}

// singleJSON is how a case travels to its process.
type singleJSON struct {
	Model  string          `json:"model"`
	Config vit.Config      `json:"config"`
	Fusion json.RawMessage `json:"fusion"`
	Cut    bool            `json:"cut"` // only cut off what fusion would remove
	Batch  int             `json:"batch"`
}

// firstLogits is the line that the process writes then; its last line is a Single.
const firstLogits = "first logits"

// Alone measures a case in a process of its own: two batches, no warm-up. The command is one that calls
// ServeAlone with its standard input and output; env is added to its environment.
func Alone(ctx context.Context, c Case, command, env []string) (Single, error) {
	text, err := c.marshal()
	if err != nil {
		return Single{}, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for its parent to pass on
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return Single{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return Single{}, err
	}
	last := &tail{}
	cmd.Stderr = last
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Single{}, err
	}
	_, _ = stdin.Write(append(text, '\n')) // one that has ended is told of below
	_ = stdin.Close()
	var out Single
	var start time.Duration
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		if scanner.Text() == firstLogits {
			start = time.Since(began)
			continue
		}
		err = json.Unmarshal(scanner.Bytes(), &out)
	}
	if failed := cmd.Wait(); failed != nil {
		if ctx.Err() != nil {
			return Single{}, ctx.Err()
		}
		return Single{}, fmt.Errorf("bench: %s in a process of its own: %w: %s", c, failed, last.lastLine())
	}
	out.StartSeconds = start.Seconds()
	return out, err
}

// ServeAlone is the process of its own that Alone starts.
func ServeAlone(backend func() (compute.Backend, error), in io.Reader, out io.Writer) error {
	c, err := unmarshalCase(in)
	if err != nil {
		return err
	}
	b, err := backend()
	if err != nil {
		return err
	}
	s, err := models{}.classify(b, c)
	if err != nil {
		return err
	}
	defer s.Close()
	first, err := s.Run()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, firstLogits)
	second, err := s.Run()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(Single{CompileSeconds: max(0, (first - second).Seconds()), PeakMebibytes: peakOf(os.Getpid())})
}

// marshal writes a case for its process. Methods of one's own cannot travel.
func (c Case) marshal() ([]byte, error) {
	cut, isCut := c.Method.(Cut)
	method := c.Method
	if isCut {
		method = cut.Of
	}
	setting, err := json.Marshal(method)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return json.Marshal(singleJSON{c.Model, c.Config, setting, isCut, c.Batch})
}

func unmarshalCase(in io.Reader) (Case, error) {
	var from singleJSON
	if err := json.NewDecoder(in).Decode(&from); err != nil {
		return Case{}, fmt.Errorf("bench: not a case: %w", err)
	}
	method, err := fusion.ParseJSON(from.Fusion)
	if err != nil {
		return Case{}, err
	}
	if from.Cut {
		method = Cut{method}
	}
	return Case{Model: from.Model, Config: from.Config, Method: method, Batch: from.Batch}, nil
}
