package scheduler

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Job is a sweep for a scheduler to run.
type Job struct {
	Name   string   // lower-case letters, digits and hyphens
	Shards int      // workers
	Sweep  []string // the command that each runs, word by word
	Folder string   // where it runs: the checkout of Tokenfuse

	Cores  int    // of each worker; 0 leaves it to the scheduler
	Memory string // of each worker, as 8G; empty leaves it to the scheduler
	Time   string // Slurm: the limit, as 4:00:00 or 1-0; empty leaves it to the scheduler
	// Options are further lines for Slurm, such as "--partition=gpu".
	Options []string

	Image string // Kubernetes: the container image
	Claim string // Kubernetes: the PersistentVolumeClaim of the shared folder
	Mount string // Kubernetes: where that appears in the container
}

var (
	jobName     = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$`)
	memory      = regexp.MustCompile(`^[1-9][0-9]*[MGT]$`)
	slurmTime   = regexp.MustCompile(`^([0-9]+-)?[0-9]+(:[0-9]{2}){0,2}$`)
	slurmOption = regexp.MustCompile(`^--[a-z][a-z-]*(=[^\s"'\\]+)?$`)
)

func (j Job) validate() error {
	switch {
	case !jobName.MatchString(j.Name):
		return fmt.Errorf("scheduler: name is %q, want lower-case letters, digits and hyphens, 52 at most, a letter first", j.Name)
	case j.Shards < 1:
		return fmt.Errorf("scheduler: %d shards, want 1 or more", j.Shards)
	case j.Cores < 0:
		return fmt.Errorf("scheduler: %d cores, want 1 or more", j.Cores)
	case j.Memory != "" && !memory.MatchString(j.Memory):
		return fmt.Errorf("scheduler: memory is %q, want a size such as 8G", j.Memory)
	case len(j.Sweep) == 0 || j.Folder == "":
		return errors.New("scheduler: a job without a command or its folder")
	}
	return nil
}

// Slurm returns the batch script of a job array, one task a shard: for sbatch. What was killed may be
// submitted again: as a whole, or as a single task (sbatch --array=0), which is then the only shard and
// does all that is missing.
func Slurm(j Job) (string, error) {
	if err := j.validate(); err != nil {
		return "", err
	}
	if j.Time != "" && !slurmTime.MatchString(j.Time) {
		return "", fmt.Errorf("scheduler: time is %q, want MINUTES, HOURS:MINUTES:SECONDS or DAYS-HOURS", j.Time)
	}
	options := []string{"--job-name=" + j.Name, fmt.Sprintf("--array=0-%d", j.Shards-1), "--output=" + j.Name + "-%A-%a.log", "--open-mode=append"}
	if j.Cores > 0 {
		options = append(options, fmt.Sprintf("--cpus-per-task=%d", j.Cores))
	}
	if j.Memory != "" {
		options = append(options, "--mem="+j.Memory)
	}
	if j.Time != "" {
		options = append(options, "--time="+j.Time)
	}
	for _, option := range j.Options {
		if !slurmOption.MatchString(option) {
			return "", fmt.Errorf("scheduler: Slurm option is %q, want --name=value", option)
		}
		options = append(options, option)
	}
	var b strings.Builder
	b.WriteString("#!/bin/bash\n")
	for _, option := range options {
		fmt.Fprintf(&b, "#SBATCH %s\n", option)
	}
	words := make([]string, len(j.Sweep))
	for i, word := range j.Sweep {
		words[i] = quote(word)
	}
	fmt.Fprintf(&b, "\nset -euo pipefail\ncd %s\n# The shard is SLURM_ARRAY_TASK_ID's. Rows are kept as they finish: a task that ends early may be started again.\nexec %s\n", quote(j.Folder), strings.Join(words, " "))
	return b.String(), nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// quote writes a word so that a shell takes it for one.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
