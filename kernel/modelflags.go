package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
	"tokenfuse/lib/whole"
)

// isFile reports whether an argument that may be a name or a file means a file.
func isFile(text string) bool {
	if strings.HasSuffix(text, ".json") {
		return true
	}
	info, err := os.Stat(text)
	return err == nil && info.Mode().IsRegular()
}

// modelConfig reads --model: a known name, or CONFIG.json.
func modelConfig(model string) (name string, c vit.Config, err error) {
	if !isFile(model) {
		if c, err = vit.ConfigOf(model); err != nil {
			return "", c, failure.Usage("%w; or give a CONFIG.json", err)
		}
		return model, c, nil
	}
	text, err := os.ReadFile(model)
	if err != nil {
		return "", c, failure.Usage("model: %w", err)
	}
	if c, err = vit.ParseConfig(text); err != nil {
		return "", c, failure.Usage("%s: %w", model, err)
	}
	return strings.TrimSuffix(filepath.Base(model), ".json"), c, nil
}

// modelConfigAt reads --model and --image-size; an empty size is the model's own.
func modelConfigAt(model, size string) (name string, c vit.Config, err error) {
	if name, c, err = modelConfig(model); err != nil || size == "" {
		return name, c, err
	}
	images, err := vit.ParseImageSize(size)
	if err != nil {
		return "", c, failure.Usage("%w", err)
	}
	c = c.At(images.Height, images.Width)
	if err := c.Validate(); err != nil {
		return "", c, failure.Usage("%w", err)
	}
	return name, c, nil
}

// inDType sets the precision of a configuration to what --dtype says; empty leaves it.
func inDType(c vit.Config, text string) (vit.Config, error) {
	if text == "" {
		return c, nil
	}
	dtype, err := vit.ParseDType(text)
	if err != nil {
		return c, failure.Usage("%w", err)
	}
	c.DType = dtype
	return c, nil
}

const imageSizeUsage = "`SIZE` of the images, a number or HEIGHTxWIDTH, if not the model's own: positions are resampled"

// fusionMethod reads --fusion: FUSION.json, its text, or a SPEC; empty is the base model.
func fusionMethod(text string) (fusion.Method, error) {
	if text == "" {
		return fusion.None{}, nil
	}
	if isFile(text) {
		data, err := os.ReadFile(text)
		if err != nil {
			return nil, failure.Usage("fusion: %w", err)
		}
		method, err := fusion.ParseJSON(data)
		if err != nil {
			return nil, failure.Usage("%s: %w", text, err)
		}
		return method, nil
	}
	method, err := fusion.Parse(text)
	if err != nil {
		return nil, failure.Usage("%w", err)
	}
	return method, nil
}

// backend is where graphs run.
func backend() (compute.Backend, error) {
	b, err := accel.Backend()
	if err != nil {
		return nil, &failure.Error{Code: failure.CodeMissing, Err: err}
	}
	return b, nil
}

// writable reports, before any work is done, that a file could not be written.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return failure.Usage("output %q is a folder: name a file in it", path)
	}
	if whole.Special(path) {
		return nil // beside a device or a pipe nothing is made
	}
	dir := filepath.Dir(path)
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return failure.Usage("output %q cannot be written: %w", path, err)
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return fmt.Errorf("output %q: %w", path, err)
	}
	return nil
}
