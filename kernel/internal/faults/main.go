//go:build linux

// Command faults interrupts and kills the commands of Tokenfuse at random moments, and looks for what
// that loses: outputs that are neither whole nor absent, a restart that does not go on, a process left
// running, a lock left held, a port left open, a temporary folder left behind by the next run.
//
//	go run ./kernel/internal/faults -trials 200
//
// It prints a table of trials and losses, and exits with 1 if there are any. It needs what setup
// installs, and works in a temporary folder of its own: nothing of the user's is touched.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	trials := flag.Int("trials", 200, "how many times a command is interrupted or killed, all verbs together")
	only := flag.String("only", "", "these `verbs` alone, with commas: run,publish,verify,train,sweep,lab,setup")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the moments")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	losses, err := run(ctx, os.Stdout, os.Stderr, *trials, *only, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	if losses > 0 {
		os.Exit(1)
	}
}

// run does the trials, prints the table, and returns the number of losses.
func run(ctx context.Context, stdout, log io.Writer, trials int, only string, seed uint64) (losses int, err error) {
	root, err := os.MkdirTemp("", "tokenfuse-faults-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(root)
	program := filepath.Join(root, "kernel")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", program, "tokenfuse/kernel").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("kernel does not build: %w: %s", err, said)
	}
	var loops, order []*loop // each, and as often as its share says
	for _, v := range verbs() {
		if only != "" && !slices.Contains(strings.Split(only, ","), v.name) {
			continue
		}
		l, err := newLoop(v, program, filepath.Join(root, v.name), seed)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", v.name, err)
		}
		loops = append(loops, l)
		for range v.share {
			order = append(order, l)
		}
	}
	if len(loops) == 0 {
		return 0, errors.New("no such verb")
	}
	fmt.Fprintf(log, "faults: seed %d\n", seed)
	for _, l := range loops {
		if err := l.reference(ctx); err != nil {
			return 0, fmt.Errorf("%s, left alone: %w", l.verb.name, err)
		}
		fmt.Fprintf(log, "faults: %s takes %v when it is left alone\n", l.verb.name, l.takes.Round(time.Millisecond))
	}
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for i := range trials {
		l := order[i%len(order)]
		l.trials++
		err := l.trial(ctx, signals[l.trials%len(signals)])
		if ctx.Err() != nil {
			break // the table says how far it got
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", l.verb.name, err)
		}
		if n := len(l.losses); n > 0 && l.losses[n-1] != "" {
			fmt.Fprintf(log, "faults: trial %d: %s\n", i, l.losses[n-1])
			l.losses = append(l.losses, "") // told
		}
		if (i+1)%20 == 0 {
			fmt.Fprintf(log, "faults: %d of %d trials\n", i+1, trials)
		}
	}
	for _, l := range loops {
		l.finish(ctx)
	}
	return table(stdout, loops), nil
}

// signals are what the commands get, in turn.
var signals = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL}

// table prints a line for each verb, and its losses, and returns how many those are.
func table(w io.Writer, loops []*loop) (losses int) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "verb\tSIGINT\tSIGTERM\tSIGKILL\tended before\trun to the end\tlosses\t")
	var sum [6]int
	for _, l := range loops {
		l.losses = slices.DeleteFunc(l.losses, func(text string) bool { return text == "" })
		row := [6]int{l.sent[syscall.SIGINT], l.sent[syscall.SIGTERM], l.sent[syscall.SIGKILL], l.early, l.completed, len(l.losses)}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", l.verb.name, row[0], row[1], row[2], row[3], row[4], row[5])
		for i := range row {
			sum[i] += row[i]
		}
	}
	fmt.Fprintf(t, "all\t%d\t%d\t%d\t%d\t%d\t%d\t\n", sum[0], sum[1], sum[2], sum[3], sum[4], sum[5])
	_ = t.Flush() // to where the losses go
	for _, l := range loops {
		for _, loss := range l.losses {
			fmt.Fprintf(w, "%s: %s\n", l.verb.name, loss)
		}
	}
	return sum[5]
}
