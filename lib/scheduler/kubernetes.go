package scheduler

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// The part of batch/v1 Job that a sweep needs, under Kubernetes' names.
type (
	manifest struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
		Spec       jobSpec  `yaml:"spec"`
	}
	metadata struct {
		Name string `yaml:"name"`
	}
	jobSpec struct {
		CompletionMode       string   `yaml:"completionMode"`
		Completions          int      `yaml:"completions"`
		Parallelism          int      `yaml:"parallelism"`
		BackoffLimitPerIndex int      `yaml:"backoffLimitPerIndex"`
		Template             template `yaml:"template"`
	}
	template struct {
		Spec podSpec `yaml:"spec"`
	}
	podSpec struct {
		RestartPolicy string      `yaml:"restartPolicy"`
		Containers    []container `yaml:"containers"`
		Volumes       []volume    `yaml:"volumes"`
	}
	container struct {
		Name         string        `yaml:"name"`
		Image        string        `yaml:"image"`
		WorkingDir   string        `yaml:"workingDir"`
		Command      []string      `yaml:"command"`
		Env          []variable    `yaml:"env"`
		Resources    *resources    `yaml:"resources,omitempty"`
		VolumeMounts []volumeMount `yaml:"volumeMounts"`
	}
	variable struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}
	resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits,omitempty"`
	}
	volumeMount struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
	}
	volume struct {
		Name  string `yaml:"name"`
		Claim claim  `yaml:"persistentVolumeClaim"`
	}
	claim struct {
		ClaimName string `yaml:"claimName"`
	}
)

// retriesPerShard are those of a worker that was killed; what it did is kept.
const retriesPerShard = 3

// Kubernetes returns the manifest of an Indexed Job, one pod a shard, that share a folder: for kubectl
// apply. It wants Kubernetes 1.29 or later (backoffLimitPerIndex, so that one shard's failures do not
// end the others).
func Kubernetes(j Job) (string, error) {
	if err := j.validate(); err != nil {
		return "", err
	}
	switch {
	case j.Image == "":
		return "", errors.New("scheduler: Kubernetes wants the container image: one with Go and a checkout of Tokenfuse")
	case j.Claim == "":
		return "", errors.New("scheduler: Kubernetes wants the PersistentVolumeClaim of the shared folder")
	case !strings.HasPrefix(j.Mount, "/") || !strings.HasPrefix(j.Folder, "/"):
		return "", fmt.Errorf("scheduler: the shared folder is mounted at %q, the checkout is at %q: want paths from / on", j.Mount, j.Folder)
	}
	worker := container{
		Name: "sweep", Image: j.Image, WorkingDir: j.Folder, Command: j.Sweep,
		Env:          []variable{{ShardsVariable, fmt.Sprint(j.Shards)}},
		VolumeMounts: []volumeMount{{"shared", j.Mount}},
	}
	requests := map[string]string{}
	if j.Cores > 0 {
		requests["cpu"] = fmt.Sprint(j.Cores)
	}
	if j.Memory != "" {
		requests["memory"] = j.Memory + "i"
		worker.Resources = &resources{Requests: requests, Limits: map[string]string{"memory": j.Memory + "i"}}
	} else if len(requests) > 0 {
		worker.Resources = &resources{Requests: requests}
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err := encoder.Encode(manifest{
		APIVersion: "batch/v1", Kind: "Job", Metadata: metadata{j.Name},
		Spec: jobSpec{
			CompletionMode: "Indexed", Completions: j.Shards, Parallelism: j.Shards, BackoffLimitPerIndex: retriesPerShard,
			Template: template{podSpec{RestartPolicy: "Never", Containers: []container{worker}, Volumes: []volume{{"shared", claim{j.Claim}}}}},
		},
	})
	if err := errors.Join(err, encoder.Close()); err != nil {
		return "", fmt.Errorf("scheduler: %w", err)
	}
	return text.String(), nil
}
