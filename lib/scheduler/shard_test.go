package scheduler_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"tokenfuse/lib/scheduler"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]scheduler.Shard{
		"0/3": {Index: 0, Count: 3}, "1/3": {Index: 1, Count: 3}, "2/3": {Index: 2, Count: 3}, "3/3": {Index: 0, Count: 3},
		"1/1": {Index: 0, Count: 1}, "0/1": {Index: 0, Count: 1},
	} {
		if got, err := scheduler.ParseShard(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1", "4/3", "-1/3", "0/0", "a/3", "1/3/5"} {
		if got, err := scheduler.ParseShard(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// TestFromEnvironment: what the schedulers say, and what they forget to say.
func TestFromEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want scheduler.Shard
		err  string
	}{
		"nothing": {nil, scheduler.Shard{}, ""},
		"--array=0-7": {map[string]string{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "1"},
			scheduler.Shard{Index: 5, Count: 8}, ""},
		"--array=1-8": {map[string]string{"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "1"},
			scheduler.Shard{Index: 7, Count: 8}, ""},
		"--array=10-30:10": {map[string]string{"SLURM_ARRAY_TASK_ID": "20", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_STEP": "10"},
			scheduler.Shard{Index: 1, Count: 3}, ""},
		"id and count alone": {map[string]string{"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2"}, scheduler.Shard{Index: 1, Count: 2}, ""},
		"--array=1,3,7, the last": {map[string]string{"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"},
			scheduler.Shard{}, "array task 7 is none of 3 from 1"},
		"no count":     {map[string]string{"SLURM_ARRAY_TASK_ID": "1"}, scheduler.Shard{}, "SLURM_ARRAY_TASK_COUNT"},
		"no number":    {map[string]string{"SLURM_ARRAY_TASK_ID": "one", "SLURM_ARRAY_TASK_COUNT": "2"}, scheduler.Shard{}, `SLURM_ARRAY_TASK_ID is "one"`},
		"indexed job":  {map[string]string{"JOB_COMPLETION_INDEX": "2", "TOKENFUSE_SHARDS": "4"}, scheduler.Shard{Index: 2, Count: 4}, ""},
		"no shards":    {map[string]string{"JOB_COMPLETION_INDEX": "2"}, scheduler.Shard{}, "TOKENFUSE_SHARDS"},
		"index beyond": {map[string]string{"JOB_COMPLETION_INDEX": "4", "TOKENFUSE_SHARDS": "4"}, scheduler.Shard{}, "JOB_COMPLETION_INDEX is 4"},
		"shards alone": {map[string]string{"TOKENFUSE_SHARDS": "4"}, scheduler.Shard{}, ""},
	} {
		got, err := scheduler.FromEnvironment(func(name string) (string, bool) { value, ok := c.env[name]; return value, ok })
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v, want %+v, %q", name, got, err, c.want, c.err)
		}
	}
}

// TestOf: shards hold everything once, and as much as each other, give or take one.
func TestOf(t *testing.T) {
	all := make([]int, 23)
	for i := range all {
		all[i] = i
	}
	for _, count := range []int{1, 2, 3, 23, 30} {
		seen := map[int]int{}
		for index := range count {
			part := scheduler.Of(scheduler.Shard{Index: index, Count: count}, all)
			if n := len(part); n < 23/count || n > 23/count+1 {
				t.Errorf("shard %d of %d has %d of 23", index, count, n)
			}
			for _, i := range part {
				seen[i]++
			}
		}
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, all) {
			t.Errorf("%d shards hold %v", count, got)
		}
	}
	if got := scheduler.Of(scheduler.Shard{}, all); !slices.Equal(got, all) {
		t.Errorf("the whole is %v", got)
	}
}
