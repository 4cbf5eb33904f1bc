package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/processes"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/whole"
)

func newLabCommand() *cobra.Command {
	var port int
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Open the notebooks in JupyterLab",
		Long: `Sets up what is missing, then starts JupyterLab on notebooks/ with the kernel "Go (Tokenfuse)". It
listens on this machine alone and asks for a token, which is part of the address printed. Ctrl-C
stops it with its kernels. From another machine: ssh -L 8888:localhost:8888 HOST.`,
		Example: `  go run ./kernel lab
  go run ./kernel lab --port 9000 --no-browser`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if port < 0 || port > 65535 {
				return failure.Usage("--port \"%d\" is no port: take one from 1 to 65535, or 0 for any that is free", port)
			}
			machine, err := provision.ThisMachine()
			if err != nil {
				return err
			}
			if err := machine.Ensure(cmd.Context(), cmd.ErrOrStderr(), provision.Options{}); err != nil {
				return err
			}
			if !cmd.Flags().Changed("port") && !isFree(port) {
				port = 0
			}
			if port, err = freePort(port); err != nil {
				return err
			}
			server := labServer{
				machine: machine,
				port:    port,
				browser: !noBrowser,
				token:   rand.Text(),
			}
			return server.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&port, "port", 8888, "port to listen on; 0 for any that is free, which is also taken when 8888 is not")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only print the address")
	return cmd
}

func isFree(port int) bool {
	_, err := freePort(port)
	return err == nil
}

// freePort returns the port if it is free, for 0 any that is.
func freePort(port int) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, failure.Usage("--port \"%d\" cannot be listened on: take another: %w", port, err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// labServer is a JupyterLab to be run.
type labServer struct {
	machine *provision.Machine
	port    int
	browser bool
	token   string
}

// run starts JupyterLab, prints its address on stdout once it answers, and returns when it ends.
// When ctx is cancelled the server ends its kernels, then itself.
func (s labServer) run(ctx context.Context, stdout, stderr io.Writer) error {
	notebooks := filepath.Join(s.machine.Checkout, "notebooks")
	if err := os.MkdirAll(notebooks, 0o755); err != nil {
		return err
	}
	config, err := s.configure()
	if err != nil {
		return err
	}
	extensions, err := s.extend()
	if err != nil {
		return err
	}
	// Whatever ends this program, its kernels, their cells and language servers end with it.
	family, err := processes.New()
	if err != nil {
		return failure.Work("no temporary folder: %w", err)
	}
	defer family.Close()
	cmd := exec.CommandContext(ctx, s.machine.JupyterProgram("jupyter-lab"), append(s.arguments(notebooks), "--LabApp.extra_labextensions_path="+extensions)...)
	cmd.Dir = notebooks
	// The token travels in the environment, since other users can read arguments.
	cmd.Env = append(family.Environ(os.Environ()), "JUPYTER_TOKEN="+s.token, configPath(config),
		"JUPYTER_RUNTIME_DIR="+filepath.Join(family.Folder, "runtime")) // of connection files and their keys
	cmd.Stdout, cmd.Stderr = stderr, stderr
	// In a group of its own, so that Ctrl-C reaches this program alone, which then ends the server in
	// good order; the server itself would ask whether it is meant.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	if err := cmd.Start(); err != nil {
		return failure.Missing(provision.SetupCommand, "JupyterLab does not start: %w", err)
	}
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)

	answered, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	go func() {
		if s.waitUntilAnswers(answered) {
			fmt.Fprintf(stdout, "JupyterLab: http://127.0.0.1:%d/lab?token=%s (Ctrl-C stops it)\n", s.port, s.token)
		}
	}()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return failure.Work("JupyterLab ended by itself: %w", err)
	}
	return err
}

// arguments are JupyterLab's; new notebooks take Tokenfuse's kernel.
func (s labServer) arguments(notebooks string) []string {
	args := []string{
		"--ServerApp.root_dir=" + notebooks,
		"--ServerApp.ip=127.0.0.1",
		fmt.Sprintf("--ServerApp.port=%d", s.port),
		"--ServerApp.port_retries=0",
		"--MultiKernelManager.default_kernel_name=" + provision.KernelName,
		// Neither news nor new versions are asked for: nobody hears that it runs.
		"--LabApp.news_url=None",
		"--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
		"--log-level=WARN",
	}
	if !s.browser {
		args = append(args, "--no-browser")
	}
	if os.Geteuid() == 0 {
		args = append(args, "--allow-root")
	}
	return args
}

// waitUntilAnswers says whether the server answers before ctx ends.
func (s labServer) waitUntilAnswers(ctx context.Context) bool {
	client := http.Client{Timeout: time.Second}
	for ctx.Err() == nil {
		response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/api", s.port))
		if err == nil {
			response.Body.Close()
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}

// untracked are the messages by which JupyterLab's page does not judge whether a kernel is busy: its
// own list but for kernel_info_request. It takes a new kernel's first status from the answer to
// history_request, which GoNB does not give; without this one it would show "Unknown" until a cell runs.
var untracked = []string{
	"comm_info_request", "comm_info_reply", "kernel_info_reply", "shutdown_request", "shutdown_reply",
	"interrupt_request", "interrupt_reply", "debug_request", "debug_reply", "stream", "display_data",
	"update_display_data", "execute_input", "execute_result", "error", "status", "clear_output",
	"debug_event", "input_request", "input_reply",
}

// settings stand in for JupyterLab's defaults, under the user's own. It drops what a kernel completes
// later than after one second, and gopls takes longer on first sight of a package; GoNB itself waits 8
// seconds for it. (The panel of documentation beside a completion stays off: GoNB cannot inspect a cell
// that ends in a dot, and would show its error there. Shift-Tab on a whole name shows documentation.)
var settings = map[string]map[string]any{
	"@jupyterlab/completer-extension:manager": {"providerTimeout": 10_000},
}

// configure writes what JupyterLab's page is told, and returns the folder for JUPYTER_CONFIG_PATH.
func (s labServer) configure() (string, error) {
	root := filepath.Join(s.machine.Home, "jupyter-config")
	dir := filepath.Join(root, "labconfig")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, content := range map[string]any{
		"page_config.json":               map[string][]string{"untracked_message_types": untracked},
		"default_setting_overrides.json": settings,
	} {
		text, err := json.Marshal(content)
		if err != nil {
			return "", err
		}
		if err := whole.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return "", err
		}
	}
	return root, nil
}

// labExtension gives pictures their alternative texts in JupyterLab, completes snippets, and completes Go within
// a line that is not finished.
//
//go:embed labextension
var labExtension embed.FS

// extend writes JupyterLab's extension with the checkout's snippets, and returns the folder to look for it.
func (s labServer) extend() (string, error) {
	root := filepath.Join(s.machine.Home, "jupyter-config", "labextensions")
	dir := filepath.Join(root, "tokenfuse")
	if err := os.MkdirAll(filepath.Join(dir, "static"), 0o755); err != nil {
		return "", err
	}
	snippets, err := os.ReadFile(filepath.Join(s.machine.Checkout, ".vscode", "tokenfuse.code-snippets"))
	if err != nil {
		return "", err
	}
	files := map[string][]byte{"static/snippets.json": snippets}
	for from, to := range map[string]string{"package.json": "package.json", "entry.js": "static/entry.js"} {
		if files[to], err = labExtension.ReadFile("labextension/" + from); err != nil {
			return "", err
		}
	}
	for name, text := range files {
		if err := whole.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), text, 0o644); err != nil {
			return "", err
		}
	}
	return root, nil
}

// configPath puts a folder in front of the Jupyter configuration that the user names.
func configPath(folder string) string {
	if theirs := os.Getenv("JUPYTER_CONFIG_PATH"); theirs != "" {
		folder += string(os.PathListSeparator) + theirs
	}
	return "JUPYTER_CONFIG_PATH=" + folder
}
