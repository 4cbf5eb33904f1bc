package jupyter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tokenfuse/kernel/internal/processes"
)

// Options of Start; the zero value serves.
type Options struct {
	Dir    string        // working directory of the kernel; default: the caller's
	Stderr io.Writer     // gets what the kernel's own process prints, its log; default: nowhere
	Grace  time.Duration // how long a cell may take to stop, or the kernel to shut down; default 3 s
}

// Kernel is a running kernel. Its methods are called by one goroutine at a time.
type Kernel struct {
	spec    Spec
	grace   time.Duration
	family  *processes.Family // the kernel's folder, and all that it starts
	process *process
	conn    *connection
	info    Info
	close   sync.Once
	leftErr error
}

// Info is what a kernel tells of itself.
type Info struct {
	Implementation string          `json:"implementation"`
	Language       json.RawMessage `json:"language_info"`
}

// startTimeout is how long a kernel may take to answer its first request.
const startTimeout = time.Minute

// headless tells cells that no page shows them, so that package explore does not wait for one. (That a
// kernel is of a family of processes says nothing of it: those of `lab` are too.)
const headless = "TOKENFUSE_HEADLESS=1"

// errNotReady is the reason why Start gives up on a kernel that stays silent.
var errNotReady = fmt.Errorf("the kernel did not answer within %v", startTimeout)

// Start starts a kernel and waits until it answers. Its end is Close, which must be called. When the
// calling process is killed before that, the kernel's family ends all the same: see package processes.
func Start(ctx context.Context, spec Spec, opts Options) (*Kernel, error) {
	// The ports are free when they are chosen, and may be taken when the kernel binds them.
	const attempts = 3
	var err error
	for range attempts {
		var k *Kernel
		if k, err = start(ctx, spec, opts); err == nil {
			return k, nil
		}
		if dead := (*DeadError)(nil); !errors.As(err, &dead) || !strings.Contains(dead.Output, "address already in use") {
			return nil, err
		}
	}
	return nil, err
}

func start(ctx context.Context, spec Spec, opts Options) (_ *Kernel, err error) {
	if len(spec.Argv) == 0 {
		return nil, errors.New("jupyter: the kernelspec has no command")
	}
	family, err := processes.New()
	if err != nil {
		return nil, fmt.Errorf("jupyter: %w", err)
	}
	k := &Kernel{spec: spec, family: family, grace: opts.Grace}
	if k.grace == 0 {
		k.grace = 3 * time.Second
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Kill())
		}
	}()
	session := newSession()
	file, info, err := writeConnectionFile(family.Folder, session)
	if err != nil {
		return nil, err
	}
	argv := make([]string, len(spec.Argv))
	for i, argument := range spec.Argv {
		argv[i] = strings.ReplaceAll(argument, "{connection_file}", file)
	}
	env := append(family.Environ(spec.Environ(os.Environ())), headless)
	if k.process, err = startProcess(argv, env, opts.Dir, family, opts.Stderr); err != nil {
		return nil, fmt.Errorf("jupyter: kernel %q does not start: %w", argv[0], err)
	}
	ready, cancel := context.WithTimeoutCause(ctx, startTimeout, errNotReady)
	defer cancel()
	ready, stop := context.WithCancelCause(ready)
	defer stop(nil)
	go func() {
		select {
		case <-k.process.done:
			stop(k.died())
		case <-ready.Done():
		}
	}()
	if k.conn, err = connect(ready, info, session); err != nil {
		return nil, err
	}
	if err = k.greet(ready); err != nil {
		return nil, err
	}
	k.process.output.forget() // what it said while starting is not its last word
	return k, nil
}

// greet asks the kernel for its info until both an answer and a status on iopub have come: only
// then is the subscription to iopub known to work, and no output will be missed.
func (k *Kernel) greet(ctx context.Context) error {
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	asked := map[string]bool{}
	var heard bool
	for k.info.Language == nil || !heard {
		id, err := k.conn.send(k.conn.shell, "kernel_info_request", struct{}{})
		if err != nil {
			return err
		}
		asked[id] = true
		for waiting := true; waiting && (k.info.Language == nil || !heard); {
			select {
			case m := <-k.conn.messages:
				if !asked[m.Parent] {
					continue
				}
				heard = heard || m.socket == "iopub"
				if m.Type == "kernel_info_reply" {
					if err := json.Unmarshal(m.Content, &k.info); err != nil {
						return fmt.Errorf("jupyter: kernel_info_reply: %w", err)
					}
				}
			case <-again.C:
				waiting = false
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// Info returns what the kernel told of itself at the start.
func (k *Kernel) Info() Info { return k.info }

// Alive says whether the kernel's process still runs.
func (k *Kernel) Alive() bool { return !k.process.ended() }

// Interrupt asks the kernel to stop the running cell: by a message on the control channel or by
// SIGINT, as its spec says.
func (k *Kernel) Interrupt() error {
	if k.spec.InterruptMode == "message" {
		_, err := k.conn.send(k.conn.control, "interrupt_request", struct{}{})
		return err
	}
	return k.process.interrupt()
}

// Close asks the kernel to shut down, ends it with all its children if it does not, and removes its
// temporary folder.
func (k *Kernel) Close() error {
	if k.conn != nil && k.Alive() {
		if _, err := k.conn.send(k.conn.control, "shutdown_request", map[string]bool{"restart": false}); err == nil {
			k.process.wait(k.grace)
		}
	}
	return k.Kill()
}

// Kill ends the kernel with all its children at once and removes its temporary folder.
func (k *Kernel) Kill() error {
	k.close.Do(func() {
		var errs []error
		if k.process != nil {
			errs = append(errs, k.process.kill())
		}
		if k.conn != nil {
			k.conn.Close()
		}
		k.leftErr = errors.Join(append(errs, k.family.Close())...)
	})
	return k.leftErr
}

// DeadError reports that the kernel's process ended by itself.
type DeadError struct {
	State  string // how it ended, such as "signal: killed"
	Output string // the last lines that it printed
}

func (e *DeadError) Error() string {
	text := "the kernel died (" + e.State + ")"
	if e.Output == "" {
		return text
	}
	// A crash says why first, and where afterwards; otherwise the last line counts.
	lines := strings.Split(e.Output, "\n")
	words := lines[len(lines)-1]
	if i := slices.IndexFunc(lines, crash.MatchString); i >= 0 {
		words = lines[i]
	}
	return fmt.Sprintf("%s; its last words: %q", text, words)
}

// crash matches how Go programs, and klog, announce their end.
var crash = regexp.MustCompile(`^(panic: |fatal error: |F\d{4} )`)

// died describes the end of the kernel's process, which has come.
func (k *Kernel) died() error {
	<-k.process.done
	return &DeadError{State: k.process.state, Output: k.process.output.String()}
}
