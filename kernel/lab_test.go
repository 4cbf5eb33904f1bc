package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/provision"
)

// TestLabPageConfig: the page judges a kernel by the answers to kernel_info_request, the only ones
// that GoNB gives before a cell runs, completion waits longer than GoNB does for gopls, and a
// configuration of the user's own stays in force.
func TestLabPageConfig(t *testing.T) {
	server := labServer{machine: &provision.Machine{Home: t.TempDir()}}
	folder, err := server.configure()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(folder, "labconfig", "page_config.json"))
	must(t, err)
	var config map[string][]string
	must(t, json.Unmarshal(text, &config))
	list := config["untracked_message_types"]
	if slices.Contains(list, "kernel_info_request") || !slices.Contains(list, "comm_info_request") {
		t.Errorf("untracked are %v", list)
	}
	text, err = os.ReadFile(filepath.Join(folder, "labconfig", "default_setting_overrides.json"))
	must(t, err)
	var defaults map[string]struct{ ProviderTimeout int }
	must(t, json.Unmarshal(text, &defaults))
	if got := defaults["@jupyterlab/completer-extension:manager"].ProviderTimeout; got <= 8000 {
		t.Errorf("completion waits %d ms", got)
	}
	t.Setenv("JUPYTER_CONFIG_PATH", "")
	if got := configPath("/ours"); got != "JUPYTER_CONFIG_PATH=/ours" {
		t.Error(got)
	}
	t.Setenv("JUPYTER_CONFIG_PATH", "/theirs")
	if got := configPath("/ours"); got != "JUPYTER_CONFIG_PATH=/ours:/theirs" {
		t.Error(got)
	}
}

// TestLabExtension: JupyterLab finds what package.json names, beside the snippets of Visual Studio Code.
func TestLabExtension(t *testing.T) {
	server := labServer{machine: &provision.Machine{Home: t.TempDir(), Checkout: ".."}}
	folder, err := server.extend()
	must(t, err)
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(folder, "tokenfuse", name))
		must(t, err)
		return text
	}
	var about struct {
		Name       string
		JupyterLab struct {
			Build struct{ Load string } `json:"_build"`
		} `json:"jupyterlab"`
	}
	must(t, json.Unmarshal(read("package.json"), &about))
	if text := string(read(about.JupyterLab.Build.Load)); !strings.Contains(text, "_JUPYTERLAB ??= {})."+about.Name+" =") {
		t.Errorf("%s is not of %s", about.JupyterLab.Build.Load, about.Name)
	}
	var snippets map[string]struct{ Prefix string }
	must(t, json.Unmarshal(read("static/snippets.json"), &snippets))
	for name, s := range snippets {
		if !strings.HasPrefix(s.Prefix, "tf-") {
			t.Errorf("%s: JupyterLab completes from tf-, not %q", name, s.Prefix)
		}
	}
}

// TestLabArguments: on loopback alone, and without a token that other users could read.
func TestLabArguments(t *testing.T) {
	arguments := labServer{port: 8899, token: "secret"}.arguments("/notebooks")
	for _, want := range []string{"--ServerApp.ip=127.0.0.1", "--ServerApp.port=8899", "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
		"--ServerApp.root_dir=/notebooks", "--no-browser"} {
		if !slices.Contains(arguments, want) {
			t.Errorf("%v lacks %s", arguments, want)
		}
	}
	for _, argument := range arguments {
		if strings.Contains(argument, "secret") {
			t.Errorf("%s shows the token", argument)
		}
	}
}
