package vit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"tokenfuse/lib/download"
	"tokenfuse/lib/weights"
)

// ErrNoWeights is met by errors.Is when the weights of a named model do not come with Tokenfuse and
// could not be had from elsewhere. The error itself says what was tried and what helps.
var ErrNoWeights = errors.New("no weights")

// checkpoint is the official file of a model's weights.
type checkpoint struct {
	url string
	// file is its name here; the last part of the URL unless the URL's tells nothing.
	file string
	// sha256 is the checksum that the authors publish, or its first digits; empty where they publish
	// none.
	sha256 string
	// level is the level of a checkpoint with the weights that the authors evaluate, if not the first
	// of those that weights.Read knows.
	level string
}

// checkpoints are the official weights for ImageNet-1K at 224x224, by model: DeiT's of its authors
// (github.com/facebookresearch/deit), T2T-ViT's (github.com/yitu-opensource/T2T-ViT, whose accuracies
// are of the averaged weights) and LV-ViT's (github.com/zihangJiang/TokenLabeling) releases, and timm's
// ViTs on the Hugging Face hub (augreg: trained on ImageNet-21k, fine-tuned on ImageNet-1k).
func checkpoints() map[string]checkpoint {
	all := map[string]checkpoint{}
	for name, digits := range map[string]string{
		"deit_tiny_patch16_224": "a1311bcf", "deit_small_patch16_224": "cd65a155", "deit_base_patch16_224": "b5f2ef4d",
		"deit_tiny_distilled_patch16_224": "b40b3cf7", "deit_small_distilled_patch16_224": "649709d9", "deit_base_distilled_patch16_224": "df68dfff",
	} {
		all[name] = checkpoint{url: "https://dl.fbaipublicfiles.com/deit/" + name + "-" + digits + ".pth", sha256: digits}
	}
	for name, file := range map[string]string{
		"t2t_vit_7": "71.7_T2T_ViT_7", "t2t_vit_10": "75.2_T2T_ViT_10", "t2t_vit_12": "76.5_T2T_ViT_12",
		"t2t_vit_14": "81.5_T2T_ViT_14", "t2t_vit_19": "81.9_T2T_ViT_19", "t2t_vit_24": "82.3_T2T_ViT_24",
		"t2t_vit_t_14": "81.7_T2T_ViTt_14", "t2t_vit_t_19": "82.4_T2T_ViTt_19", "t2t_vit_t_24": "82.6_T2T_ViTt_24",
	} {
		all[name] = checkpoint{url: "https://github.com/yitu-opensource/T2T-ViT/releases/download/main/" + file + ".pth.tar", level: "state_dict_ema"}
	}
	for name, file := range map[string]string{
		"lvvit_t": "v0.2.0/lvvit_t.pth", "lvvit_s": "1.0/lvvit_s-26M-224-83.3.pth.tar", "lvvit_m": "1.0/lvvit_m-56M-224-84.0.pth.tar",
	} {
		all[name] = checkpoint{url: "https://github.com/zihangJiang/TokenLabeling/releases/download/" + file}
	}
	for _, name := range []string{"vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224", "vit_large_patch16_224",
		"vit_small_patch32_224", "vit_base_patch32_224"} {
		tagged := name + ".augreg_in21k_ft_in1k"
		all[name] = checkpoint{url: "https://huggingface.co/timm/" + tagged + "/resolve/main/model.safetensors", file: tagged + ".safetensors"}
	}
	for name, c := range all {
		if c.file == "" {
			c.file = path.Base(c.url)
			all[name] = c
		}
	}
	return all
}

// WeightsURL is where a named model's official weights are downloaded from; empty where its authors
// publish none, or they come with Tokenfuse.
func WeightsURL(name string) string { return checkpoints()[name].url }

// LoadOption changes how Load gets weights that do not come with Tokenfuse.
type LoadOption func(*source)

// WithContext makes a download end, to be resumed later, when ctx does.
func WithContext(ctx context.Context) LoadOption { return func(s *source) { s.ctx = ctx } }

// WithProgress shows the progress of a download on w in place of standard error; io.Discard is silence.
func WithProgress(w io.Writer) LoadOption { return func(s *source) { s.progress = w } }

// WithMirror downloads from the folder at this address in place of the authors' own: it holds the
// files under the names that they have in the cache.
func WithMirror(url string) LoadOption {
	return func(s *source) { s.mirror = strings.TrimSuffix(url, "/") }
}

// source is where one call of Load gets weights from.
type source struct {
	ctx         context.Context
	progress    io.Writer
	mirror      string
	checkpoints map[string]checkpoint
}

func newSource(options []LoadOption) source {
	s := source{ctx: context.Background(), progress: os.Stderr, checkpoints: checkpoints()}
	for _, option := range options {
		option(&s)
	}
	return s
}

// load returns the named model with weights from a file, which it first downloads where it has to.
func (s source) load(name string, c Config) (*Model, error) {
	path, err := s.find(name)
	if err != nil {
		return nil, err
	}
	var levels []string
	if level := s.checkpoints[name].level; level != "" {
		levels = []string{level}
	}
	file, err := weights.Read(path, levels...)
	if err != nil {
		return nil, err
	}
	m, _, err := FromTensors(name, c, file.Tensors)
	if err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	return m, nil
}

// find returns the path of a model's weights: in the folder of TOKENFUSE_MODELS, or in the cache.
func (s source) find(name string) (string, error) {
	official, known := s.checkpoints[name]
	if path, err := inFolder(os.Getenv("TOKENFUSE_MODELS"), official.file, name); path != "" || err != nil {
		return path, err
	}
	if !known {
		return "", fmt.Errorf("vit: %w of %s come with Tokenfuse, and its authors publish none for it: load a checkpoint with vit.FromFile", ErrNoWeights, name)
	}
	path, err := s.fetch(official)
	switch {
	case err == nil:
		return path, nil
	case s.ctx.Err() != nil:
		return "", fmt.Errorf("vit: %w", err)
	}
	return "", fmt.Errorf("vit: %w of %s: %w: put %s into a folder that TOKENFUSE_MODELS names, or load a checkpoint with vit.FromFile",
		ErrNoWeights, name, err, official.file)
}

// inFolder looks for a model's weights in a folder, under the official name of the file or the
// model's; the path is empty if there are none.
func inFolder(dir, official, name string) (string, error) {
	if dir == "" {
		return "", nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("vit: TOKENFUSE_MODELS is %q, which is no folder: name one, or unset it", dir)
	}
	for _, file := range []string{official, name + ".safetensors", name + ".pth"} {
		path := filepath.Join(dir, file)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", nil
}

// fetch returns the path of a checkpoint in the cache, downloading it if it is not there, or not right.
func (s source) fetch(c checkpoint) (string, error) {
	dir, err := download.Cache("models")
	if err != nil {
		return "", err
	}
	url := c.url
	if s.mirror != "" {
		url = s.mirror + "/" + c.file
	}
	path := filepath.Join(dir, c.file)
	return path, download.File{URL: url, SHA256: c.sha256}.To(s.ctx, path, s.progress)
}
