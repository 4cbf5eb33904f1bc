package jupyter_test

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
)

const exploring = `import (
	"fmt"
	"os"

	"tokenfuse/lib/notebook/explore"
)

func overlay(at explore.At) any { return fmt.Sprintf("r is %d, tau %g", at.Int("r"), at.Float("tau")) }
`

const explored = `explore.Show(overlay, explore.Slider("r", 0, 8, 4), explore.Selector("tau", 1.0, 20.0))
`

// page stands for JupyterLab's page: it connects as GoNB's script does, and answers for the widgets, whose
// scripts tell their addresses, first with where they stand, then with moves.
type page struct {
	kernel    *jupyter.Kernel
	mu        sync.Mutex
	connected bool
	addresses []string // of slider, selector and button, as they come
	shown     string
	keysStay  bool // JupyterLab leaves the controls the keys that move them
}

var (
	kernelID = regexp.MustCompile(`_kernel_id: "([^"]+)"`)
	address  = regexp.MustCompile(`newSyncedVariable\("([^"]+)"`)
)

// take looks at a message of the kernel.
func (p *page) take(m *jupyter.Message) {
	content := strings.ReplaceAll(string(m.Content), `\"`, `"`)
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := kernelID.FindStringSubmatch(content); found != nil && !p.connected {
		p.connected = true
		_ = p.kernel.Tell("comm_open", map[string]any{"comm_id": "page", "target_name": "gonb_comm", "kernel_id": found[1], "data": map[string]any{}})
	}
	if found := address.FindStringSubmatch(content); found != nil {
		p.addresses = append(p.addresses, found[1])
	}
	p.keysStay = p.keysStay || strings.Contains(content, `setAttribute("data-lm-suppress-shortcuts", "true")`)
	if found := regexp.MustCompile(`r is \d+, tau \d+`).FindString(content); found != "" {
		p.shown = found
	}
}

// act says again and again where the reader put what there is: a message that comes before its widget
// listens is lost.
func (p *page) act() {
	p.mu.Lock()
	defer p.mu.Unlock()
	say := func(i int, value any) {
		_ = p.kernel.Tell("comm_msg", map[string]any{"comm_id": "page", "data": map[string]any{"address": p.addresses[i], "value": value}})
	}
	switch {
	case len(p.addresses) == 1:
		say(0, "4")
	case len(p.addresses) == 2:
		say(1, "0")
	case len(p.addresses) == 3 && p.shown != "r is 7, tau 20":
		say(2, 0)
		say(0, "7")
		say(1, "1")
	case len(p.addresses) == 3:
		say(2, 1)
	}
}

// TestExplore: the picture is there at once and alone where there is no page, and where there is one it is
// drawn anew as the controls are moved, and the last one stays.
func TestExplore(t *testing.T) {
	kernel := startGoNB(t)
	if got, want := execute(t, kernel, exploring+"\n%%\n"+explored), "r is 4, tau 1"; got != want {
		t.Errorf("in run: %q, want %q", got, want)
	}
	p := &page{kernel: kernel}
	var recorder jupyter.Recorder
	cell := &nbformat.Cell{Kind: nbformat.Code}
	recorder.Begin(cell)
	stop := make(chan struct{})
	var acting sync.WaitGroup
	acting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				p.act()
			}
		}
	})
	// The page of `lab`, whose kernels are of a family of processes too.
	reply, err := kernel.Execute(t.Context(), "%%\nos.Unsetenv(\"TOKENFUSE_HEADLESS\")\n"+explored, func(m *jupyter.Message) {
		recorder.Take(m)
		p.take(m)
	})
	recorder.End()
	close(stop)
	acting.Wait()
	if err != nil || reply.Status != "ok" {
		t.Fatalf("%v, %s", err, reply.ErrorValue)
	}
	if !p.keysStay {
		t.Error("the controls cannot be moved by keys in JupyterLab")
	}
	var kept []string
	for _, output := range cell.Outputs {
		if text, ok := output.Data.Text("text/plain"); ok {
			kept = append(kept, text)
		}
		// GoNB itself takes its script back, in answer to the page: no output of the cell's to the client.
		if page, _ := output.Data.Text("text/html"); (strings.Contains(page, "<script") && !kernelID.MatchString(page)) || strings.Contains(page, "<input") {
			t.Errorf("left in the output: %.300s", page)
		}
	}
	if len(kept) != 1 || kept[0] != "r is 7, tau 20" {
		t.Errorf("the output has %q, want what was drawn last", kept)
	}
}
