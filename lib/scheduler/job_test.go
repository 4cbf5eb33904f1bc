package scheduler_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"tokenfuse/lib/scheduler"
)

func job() scheduler.Job {
	return scheduler.Job{
		Name: "tokenfuse-sweep", Shards: 8, Sweep: []string{"go", "run", "./kernel", "sweep", "my grid's.json", "--store", "out/study"},
		Folder: "/home/me/token fuse", Cores: 4, Memory: "8G", Time: "4:00:00", Options: []string{"--partition=gpu", "--requeue"},
		Image: "registry.example.org/tokenfuse:1", Claim: "studies", Mount: "/studies",
	}
}

// sbatchOptions are those of sbatch that a sweep's script may have, with the form of their values.
var sbatchOptions = []string{"--job-name", "--array", "--output", "--open-mode", "--cpus-per-task", "--mem", "--time", "--partition", "--requeue"}

// TestSlurm: bash parses the script, its options are sbatch's and stand before the first command, and
// what bash makes of its last line is the command, word by word.
func TestSlurm(t *testing.T) {
	script, err := scheduler.Slurm(job())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(script, "#!/bin/bash\n#SBATCH ") {
		t.Errorf("it begins %q", script[:30])
	}
	options := map[string]string{}
	commands := false
	for line := range strings.Lines(script) {
		option, is := strings.CutPrefix(strings.TrimSpace(line), "#SBATCH ")
		switch {
		case is && commands:
			t.Errorf("sbatch does not read %q, behind a command", line)
		case is:
			name, value, _ := strings.Cut(option, "=")
			if _, twice := options[name]; twice || !slices.Contains(sbatchOptions, name) {
				t.Errorf("option %q", option)
			}
			options[name] = value
		case strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#"):
			commands = true
		}
	}
	for name, want := range map[string]string{"--array": "0-7", "--cpus-per-task": "4", "--mem": "8G", "--time": "4:00:00", "--partition": "gpu",
		"--output": "tokenfuse-sweep-%A-%a.log", "--job-name": "tokenfuse-sweep"} {
		if options[name] != want {
			t.Errorf("%s is %q, want %q", name, options[name], want)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on this machine")
	}
	check := exec.Command(bash, "-n")
	check.Stdin = strings.NewReader(script)
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("bash -n: %v: %s", err, said)
	}
	words := exec.Command(bash)
	words.Stdin = strings.NewReader(`cd() { printf '%s\n' "$@"; }; exec() { printf '%s\n' "$@"; }` + "\n" + script)
	said, err := words.CombinedOutput()
	want := strings.Join(append([]string{job().Folder}, job().Sweep...), "\n") + "\n"
	if err != nil || string(said) != want {
		t.Errorf("bash runs %q, %v, want %q", said, err, want)
	}
}

// schema is what testdata/job.json says of Kubernetes' types.
type schema map[string]struct {
	Required []string
	Fields   map[string]string
}

// check returns what is wrong with a value of a type.
func (s schema) check(path, kind string, value any) (wrong []string) {
	if inner, ok := strings.CutPrefix(kind, "[]"); ok {
		list, is := value.([]any)
		if !is {
			return []string{path + " is no list"}
		}
		for i, v := range list {
			wrong = append(wrong, s.check(fmt.Sprintf("%s[%d]", path, i), inner, v)...)
		}
		return wrong
	}
	if inner, ok := strings.CutPrefix(kind, "map "); ok {
		object, is := value.(map[string]any)
		if !is {
			return []string{path + " is no object"}
		}
		for k, v := range object {
			wrong = append(wrong, s.check(path+"."+k, inner, v)...)
		}
		return wrong
	}
	switch kind {
	case "string", "Quantity":
		if _, is := value.(string); !is {
			return []string{fmt.Sprintf("%s is %v, no string", path, value)}
		}
		return nil
	case "integer":
		if _, is := value.(int); !is {
			return []string{fmt.Sprintf("%s is %v, no whole number", path, value)}
		}
		return nil
	}
	definition, known := s[kind]
	object, is := value.(map[string]any)
	if !known || !is {
		return []string{fmt.Sprintf("%s is %v, no %s", path, value, kind)}
	}
	for name, v := range object {
		field, ok := definition.Fields[name]
		if !ok {
			wrong = append(wrong, path+": a "+kind+" has no field "+name)
			continue
		}
		wrong = append(wrong, s.check(path+"."+name, field, v)...)
	}
	for _, name := range definition.Required {
		if _, ok := object[name]; !ok {
			wrong = append(wrong, path+"."+name+" is missing")
		}
	}
	return wrong
}

// TestKubernetes: the manifest is a Job by the names and types of Kubernetes' own API, Indexed, with as
// many shards as it tells its workers.
func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile("testdata/job.json")
	if err != nil {
		t.Fatal(err)
	}
	var api struct{ Types schema }
	if err := json.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	manifest, err := scheduler.Kubernetes(job())
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &value); err != nil {
		t.Fatal(err)
	}
	if wrong := api.Types.check("job", "Job", value); len(wrong) > 0 {
		t.Errorf("%s\n%s", strings.Join(wrong, "\n"), manifest)
	}
	spec := value["spec"].(map[string]any)
	if value["apiVersion"] != "batch/v1" || value["kind"] != "Job" || spec["completionMode"] != "Indexed" || spec["completions"] != 8 || spec["parallelism"] != 8 {
		t.Errorf("%s", manifest)
	}
	pod := spec["template"].(map[string]any)["spec"].(map[string]any)
	worker := pod["containers"].([]any)[0].(map[string]any)
	if pod["restartPolicy"] != "Never" || fmt.Sprint(worker["command"]) != fmt.Sprint(job().Sweep) || worker["workingDir"] != job().Folder {
		t.Errorf("%s", manifest)
	}
	env := map[string]string{"JOB_COMPLETION_INDEX": "7"}
	for _, v := range worker["env"].([]any) {
		env[v.(map[string]any)["name"].(string)] = v.(map[string]any)["value"].(string)
	}
	shard, err := scheduler.FromEnvironment(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if want := (scheduler.Shard{Index: 7, Count: 8}); err != nil || shard != want {
		t.Errorf("the last worker takes itself for %+v, %v", shard, err)
	}
	// The schema would notice: it is not for show.
	worker["command"], worker["comand"] = nil, "x"
	delete(spec, "template")
	if wrong := api.Types.check("job", "Job", value); len(wrong) != 1 || !strings.Contains(wrong[0], "template is missing") {
		t.Errorf("a Job without a template: %q", wrong)
	}
	if wrong := api.Types.check("job", "Container", worker); len(wrong) != 2 {
		t.Errorf("a container with a misspelt field and no command: %q", wrong)
	}
}

// TestJobRefuses: what no scheduler would take is named.
func TestJobRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scheduler.Job)
		make   func(scheduler.Job) (string, error)
		want   string
	}{
		"capitals":    {func(j *scheduler.Job) { j.Name = "Sweep" }, scheduler.Slurm, `name is "Sweep"`},
		"long":        {func(j *scheduler.Job) { j.Name = strings.Repeat("a", 53) }, scheduler.Kubernetes, "52 at most"},
		"no shards":   {func(j *scheduler.Job) { j.Shards = 0 }, scheduler.Slurm, "0 shards"},
		"memory":      {func(j *scheduler.Job) { j.Memory = "much" }, scheduler.Kubernetes, `memory is "much"`},
		"time":        {func(j *scheduler.Job) { j.Time = "4h" }, scheduler.Slurm, `time is "4h"`},
		"option":      {func(j *scheduler.Job) { j.Options = []string{"-p gpu"} }, scheduler.Slurm, `option is "-p gpu"`},
		"two options": {func(j *scheduler.Job) { j.Options = []string{"--a=b\nrm"} }, scheduler.Slurm, "want --name=value"},
		"no image":    {func(j *scheduler.Job) { j.Image = "" }, scheduler.Kubernetes, "container image"},
		"no claim":    {func(j *scheduler.Job) { j.Claim = "" }, scheduler.Kubernetes, "PersistentVolumeClaim"},
		"relative":    {func(j *scheduler.Job) { j.Mount = "studies" }, scheduler.Kubernetes, "paths from / on"},
	} {
		j := job()
		c.change(&j)
		if text, err := c.make(j); err == nil || text != "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v, want %q", name, text, err, c.want)
		}
	}
}
