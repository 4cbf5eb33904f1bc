package compilecache

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Program is all that the code which a plugin makes of a program depends on.
type Program struct {
	Code, Format string // the program, and in which language it is
	Options      string // the compile options, serialised; they hold the device assignment
	Plugin       string // the plugin's content, by its SHA-256
	APIMajor     int    // the version of the C API that the plugin was built with
	APIMinor     int
	Libraries    []string // those that the plugin generates code with
	Client       []string // platform and its version, then the kind of each device
	Machine      string   // the processors
	Environment  []string // the variables that change what the plugin does, NAME=value
}

// Key returns the SHA-256 of all of it, and of the version of the store's own format.
func (p Program) Key() Key {
	digest := keyDigest{sha256.New()}
	digest.number(version)
	digest.texts("program", p.Code, p.Format, p.Options, p.Plugin)
	digest.number(p.APIMajor)
	digest.number(p.APIMinor)
	digest.texts(p.Libraries...)
	digest.texts(p.Client...)
	digest.texts(p.Machine)
	digest.texts(p.Environment...)
	return Key(digest.Sum(nil))
}

// keyDigest hashes values so that two lists of values never give the same bytes.
type keyDigest struct{ hash.Hash }

func (d keyDigest) number(n int) {
	d.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func (d keyDigest) texts(texts ...string) {
	d.number(len(texts))
	for _, text := range texts {
		d.number(len(text))
		d.Write([]byte(text))
	}
}
