// Package scheduler spreads a sweep over the workers that a scheduler starts: which part is this worker's
// ([Shard]), and what to give the scheduler so that it starts them ([Slurm], [Kubernetes]).
package scheduler

import (
	"fmt"
	"strconv"
	"strings"
)

// ShardsVariable tells workers of a Kubernetes Job how many there are; Kubernetes itself tells them only
// which they are.
const ShardsVariable = "TOKENFUSE_SHARDS"

// Shard is one of Count equal parts; Index counts from 0. The zero value is the whole.
type Shard struct{ Index, Count int }

// Whole reports whether there is nothing to divide.
func (s Shard) Whole() bool { return s.Count <= 1 }

// String is the name of the worker's file: "0-of-3".
func (s Shard) String() string { return fmt.Sprintf("%d-of-%d", s.Index, s.Count) }

// ParseShard reads "i/n". Count from 0 or from 1, as you like: 0/3 and 3/3 are the same shard.
func ParseShard(text string) (Shard, error) {
	first, second, both := strings.Cut(text, "/")
	index, err := strconv.Atoi(first)
	count, err2 := strconv.Atoi(second)
	if !both || err != nil || err2 != nil || count < 1 || index < 0 || index > count {
		return Shard{}, fmt.Errorf("scheduler: shard is %q, want i/n such as 1/3, 2/3, 3/3 (or 0/3, 1/3, 2/3)", text)
	}
	return Shard{index % count, count}, nil
}

// FromEnvironment returns the shard that a scheduler says this worker has:
//
//   - Slurm's job arrays: SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT, which count from
//     SLURM_ARRAY_TASK_MIN in steps of SLURM_ARRAY_TASK_STEP (1). An array with gaps of several sizes
//     (--array=1,3,7) has no such count: its tasks beyond it are an error.
//   - Kubernetes' Indexed Jobs: JOB_COMPLETION_INDEX, of TOKENFUSE_SHARDS, which the manifest sets.
//
// Without them it is the whole.
func FromEnvironment(lookup func(name string) (value string, ok bool)) (Shard, error) {
	if _, ok := lookup("SLURM_ARRAY_TASK_ID"); ok {
		return fromSlurm(lookup)
	}
	if _, ok := lookup("JOB_COMPLETION_INDEX"); !ok {
		return Shard{}, nil
	}
	if _, ok := lookup(ShardsVariable); !ok {
		return Shard{}, fmt.Errorf("scheduler: JOB_COMPLETION_INDEX is set, but not %s: set it to the Job's completions, or give --shard i/n", ShardsVariable)
	}
	index, err := number(lookup, "JOB_COMPLETION_INDEX", 0)
	if err != nil {
		return Shard{}, err
	}
	count, err := number(lookup, ShardsVariable, 0)
	if err != nil {
		return Shard{}, err
	}
	if count < 1 || index < 0 || index >= count {
		return Shard{}, fmt.Errorf("scheduler: JOB_COMPLETION_INDEX is %d of %s %d: set that to the Job's completions", index, ShardsVariable, count)
	}
	return Shard{index, count}, nil
}

func fromSlurm(lookup func(string) (string, bool)) (Shard, error) {
	id, err := number(lookup, "SLURM_ARRAY_TASK_ID", 0)
	if err != nil {
		return Shard{}, err
	}
	if _, ok := lookup("SLURM_ARRAY_TASK_COUNT"); !ok {
		return Shard{}, fmt.Errorf("scheduler: SLURM_ARRAY_TASK_ID is set, but not SLURM_ARRAY_TASK_COUNT: give --shard i/n")
	}
	count, err := number(lookup, "SLURM_ARRAY_TASK_COUNT", 0)
	if err != nil {
		return Shard{}, err
	}
	least, err := number(lookup, "SLURM_ARRAY_TASK_MIN", 0)
	if err != nil {
		return Shard{}, err
	}
	step, err := number(lookup, "SLURM_ARRAY_TASK_STEP", 1)
	if err != nil {
		return Shard{}, err
	}
	if count < 1 || step < 1 || id < least || (id-least)%step != 0 || (id-least)/step >= count {
		return Shard{}, fmt.Errorf("scheduler: array task %d is none of %d from %d in steps of %d: use an array without gaps, or give --shard i/n", id, count, least, step)
	}
	return Shard{(id - least) / step, count}, nil
}

func number(lookup func(string) (string, bool), name string, otherwise int) (int, error) {
	text, ok := lookup(name)
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("scheduler: %s is %q, want a whole number", name, text)
	}
	return n, nil
}

// Of returns the shard's part of all: every Count-th from Index on, so that expensive and cheap cells,
// which lie side by side in a grid, are spread evenly.
func Of[T any](s Shard, all []T) []T {
	if s.Whole() {
		return all
	}
	var part []T
	for i := s.Index; i < len(all); i += s.Count {
		part = append(part, all[i])
	}
	return part
}
