package notebook

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"tokenfuse/lib/internal/diskcache"
	"tokenfuse/lib/notebook/internal/keep"
)

// KeepVariable names the environment variable that says where kept values are: a folder, or "off" to
// keep none. Unset, it is tokenfuse/kept in the user's cache folder (os.UserCacheDir).
const KeepVariable = "TOKENFUSE_KEEP"

// keepLimit bounds the kept values; those not used for longest go first.
const keepLimit = 4 << 30

// File, among the inputs of Keep, is a path of which the file's content counts, not the name.
type File = keep.File

// Keep returns what compute returns, and keeps it on disk: the next cell, a kernel started anew and any
// other process get it from there, at once.
//
//	rows, err := notebook.Keep("study", []any{model, images, rs}, func() ([]result.Row, error) {
//		return study.Run(ctx, methods...)
//	})
//
// A kept value is used only where it is what compute would return now: under the same key and type,
// for the same content of the inputs, by the same code. Inputs are all that the result depends on and that
// the code does not say: whatever compute captures, reads or draws, since Keep cannot look into a
// function; a model or tensors by their weights, a File by its content, several in a []any. Other pointers
// are followed; a function among them is an error. The code is the text of compute and of all that it uses
// in the cells, the versions of the modules, the sources of Tokenfuse, Go and how it builds; where a
// program is no cell, the program as a whole. A source that was changed while the cell was built makes it
// compute. Variables of the environment that choose backend, data and models (GOMLX_BACKEND, XLA_FLAGS,
// TOKENFUSE_DATA, TOKENFUSE_MODELS) count too; the processor does not.
//
// Values are numbers, strings, result rows, and whatever else gob can write, without interfaces and
// unexported fields; tensors, alone or in a map or a slice, and models are kept as safetensors. What
// would not come back as it was is an error, as is one of compute, which is never kept. Where the disk
// takes no more, the value is computed and a line says so.
//
// All kept values together take 4 GiB at most: those not used for longest go first. Each is written
// aside and renamed, and checked when it is read; a damaged one is computed again. Kept lists them,
// ClearKept removes them, KeepVariable moves them elsewhere.
//
// GoNB's own package cache is not what this is built on: its entries have a name for a key, so that a
// changed input or function is answered by the old value, are written in place without a checksum or a
// bound, and end the program where they cannot be read.
func Keep[T any](key string, inputs any, compute func() (T, error)) (value T, err error) {
	if err := keep.CanKeep(reflect.TypeFor[T]()); err != nil {
		return value, fmt.Errorf("notebook: Keep(%q): %w", key, err)
	}
	content, err := keep.Content(inputs)
	if err != nil {
		return value, fmt.Errorf("notebook: Keep(%q): inputs: %w", key, err)
	}
	code, err := keep.Code(compute)
	store, off := keepStore()
	if err != nil || off != nil {
		return compute()
	}
	label := keptLabel{Key: key, Type: reflect.TypeFor[T]().String()}
	entry := label.entry(content, code)
	if payload, ok := store.Get(entry); ok {
		if data, ok := label.open(payload); ok {
			if value, err := keep.Decode[T](data); err == nil {
				return value, nil
			}
		}
		store.Remove(entry)
	}
	label.Made = time.Now()
	if value, err = compute(); err != nil {
		return value, err
	}
	label.Took = time.Since(label.Made)
	data, err := keep.Encode(value)
	if err != nil {
		return value, fmt.Errorf("notebook: Keep(%q): %w", key, err)
	}
	if err := store.Put(entry, append(label.header(), data...)); err != nil {
		fmt.Fprintf(os.Stderr, "notebook: %q is not kept: %s\n", key, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return value, nil
}

// keptLabel is the first line of an entry, in JSON.
type keptLabel struct {
	Key  string        `json:"key"`
	Type string        `json:"type"`
	Made time.Time     `json:"made"`
	Took time.Duration `json:"took"`
}

// chosen are the variables of the environment that results depend on.
var chosen = []string{"GOMLX_BACKEND", "XLA_FLAGS", "TOKENFUSE_DATA", "TOKENFUSE_MODELS"}

// entry names the entry of a value.
func (l keptLabel) entry(content, code keep.Sum) diskcache.Key {
	h := sha256.New()
	fmt.Fprintf(h, "kept 1 %q %q %x %x\n", l.Key, l.Type, content, code)
	for _, name := range chosen {
		fmt.Fprintf(h, "%s %q\n", name, os.Getenv(name))
	}
	return diskcache.Key(h.Sum(nil))
}

func (l keptLabel) header() []byte {
	line, _ := json.Marshal(l) // strings and numbers: no error
	return append(line, '\n')
}

// open returns what stands behind the label, if the label is that of the same key and type.
func (l keptLabel) open(payload []byte) (data []byte, ok bool) {
	line, data, ok := bytes.Cut(payload, []byte("\n"))
	var found keptLabel
	if !ok || json.Unmarshal(line, &found) != nil {
		return nil, false
	}
	return data, found.Key == l.Key && found.Type == l.Type
}

// keepStore returns where values are kept; an error says why nowhere.
func keepStore() (diskcache.Store, error) {
	dir := os.Getenv(KeepVariable)
	if dir == "off" {
		return diskcache.Store{}, fmt.Errorf("%s is off", KeepVariable)
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return diskcache.Store{}, fmt.Errorf("no cache folder (set %s): %w", KeepVariable, err)
		}
		dir = filepath.Join(user, "tokenfuse", "kept")
	}
	dir, err := filepath.Abs(dir)
	return diskcache.Store{Dir: dir, Limit: keepLimit, Suffix: ".kept"}, err
}
