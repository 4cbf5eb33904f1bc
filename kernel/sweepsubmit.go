package main

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/scheduler"
)

func newSweepSubmitCommand() *cobra.Command {
	var (
		job               scheduler.Job
		store, command    string
		slurm, kubernetes bool
	)
	cmd := &cobra.Command{
		Use:   "submit GRID.json --store DIR --shards N --slurm|--kubernetes",
		Short: "Print the batch script or the Job manifest that runs a sweep in shards",
		Long: `Prints what to give to Slurm (a job array, for sbatch) or to Kubernetes (an Indexed Job, for kubectl apply)
so that N workers do a shard each into one shared folder. It starts nothing. Paths are those that the
workers see: for Kubernetes, of the container, in which the PersistentVolumeClaim --claim appears at
--mount. The container's image has Go and a checkout of Tokenfuse at --folder, set up.`,
		Example: `  go run ./kernel sweep submit grid.json --store out/study --shards 8 --slurm --time 4:00:00 | sbatch
  go run ./kernel sweep submit /studies/grid.json --store /studies/out --shards 8 --kubernetes \
      --image registry.example.org/tokenfuse:1 --claim studies --mount /studies --folder /tokenfuse | kubectl apply -f -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasSuffix(store, ".jsonl") {
				return failure.Usage("store %q is a file: shards want a folder, in which each has a file of its own", store)
			}
			job.Sweep = append(strings.Fields(command), "sweep", args[0], "--store", store)
			text, err := submission(job, store, slurm)
			if err != nil {
				return failure.Usage("%w", err)
			}
			fmt.Fprint(cmd.OutOrStdout(), text)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&slurm, "slurm", false, "a batch script for sbatch")
	flags.BoolVar(&kubernetes, "kubernetes", false, "a manifest for kubectl apply")
	flags.StringVar(&store, "store", "", "the shared folder `DIR`")
	flags.IntVar(&job.Shards, "shards", 0, "number of workers")
	flags.StringVar(&command, "command", "go run ./kernel", "the `COMMAND` of the workers, in place of go run ./kernel")
	flags.StringVar(&job.Name, "name", "tokenfuse-sweep", "name of the job")
	flags.StringVar(&job.Folder, "folder", "", "checkout of Tokenfuse, where the workers run (default: this one; of a container, /tokenfuse)")
	flags.IntVar(&job.Cores, "cores", 0, "cores of each worker (default: the scheduler's)")
	flags.StringVar(&job.Memory, "memory", "", "memory of each worker, a `SIZE` such as 8G (default: the scheduler's)")
	flags.StringVar(&job.Time, "time", "", "Slurm: time `LIMIT`, such as 4:00:00")
	flags.StringArrayVar(&job.Options, "option", nil, "Slurm: a further `OPTION`, such as --option=--partition=gpu")
	flags.StringVar(&job.Image, "image", "", "Kubernetes: container image")
	flags.StringVar(&job.Claim, "claim", "", "Kubernetes: PersistentVolumeClaim of the shared folder")
	flags.StringVar(&job.Mount, "mount", "/studies", "Kubernetes: where it appears in the container")
	_ = cmd.MarkFlagRequired("store")
	_ = cmd.MarkFlagRequired("shards")
	cmd.MarkFlagsOneRequired("slurm", "kubernetes")
	cmd.MarkFlagsMutuallyExclusive("slurm", "kubernetes")
	return cmd
}

// submission is the script or manifest of a job.
func submission(job scheduler.Job, store string, slurm bool) (string, error) {
	if !slurm {
		if job.Folder == "" {
			job.Folder = "/tokenfuse"
		}
		if !path.IsAbs(store) || store != job.Mount && !strings.HasPrefix(store, strings.TrimSuffix(job.Mount, "/")+"/") {
			return "", fmt.Errorf("store %q is not in the shared folder, %s: workers would not see each other's rows", store, job.Mount)
		}
		return scheduler.Kubernetes(job)
	}
	if job.Folder == "" {
		dir, err := provision.Checkout()
		if err != nil {
			if dir, err = os.Getwd(); err != nil {
				return "", err
			}
		}
		job.Folder = dir
	}
	return scheduler.Slurm(job)
}
