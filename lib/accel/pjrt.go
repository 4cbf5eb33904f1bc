//go:build cgo && (linux || darwin)

package accel

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "pjrt.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"unsafe"

	"github.com/gomlx/go-xla/pjrt"

	"tokenfuse/lib/accel/internal/compilecache"
	"tokenfuse/lib/internal/diskcache"
	"tokenfuse/lib/native"
)

// plugin is a PJRT plugin whose programs go through package native and the compile cache.
type plugin struct {
	api    *C.PJRT_Api // its own table
	path   string
	id     compilecache.Identity // of its file, as it was loaded
	store  *compilecache.Store   // nil where the cache is off
	native bool                  // it knows the operations in C

	environment []string // as it was loaded: XLA reads its flags once
	// surroundings is what is the same for all of its programs.
	surroundings func() (compilecache.Program, error)
}

// plugins are those wrapped, by their numbers. Only wrap changes it.
var plugins [C.TOKENFUSE_PLUGINS]*plugin

// wrap returns the plugin that go-xla loads from path under a name, and the address of its table with our
// PJRT_Client_Compile in it, or 0 where that is not possible. Not for several goroutines.
func wrap(name, path string) (*plugin, uintptr) {
	id, err := compilecache.Identify(path)
	number := slices.Index(plugins[:], nil)
	if err != nil || number < 0 {
		return nil, 0
	}
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	api := C.tokenfuse_open(cPath)
	if api == nil {
		return nil, 0
	}
	// go-xla loads it first: for CUDA it looks after libraries, and sets XLA_FLAGS.
	if _, err := pjrt.GetPlugin(name); err != nil {
		return nil, 0
	}
	environment, noCache := compilecache.Environment(os.Environ())
	if now, err := compilecache.Identify(path); err != nil || now != id {
		return nil, 0 // replaced meanwhile: which one was loaded?
	}
	wrapped := C.tokenfuse_wrap(api, C.int(number))
	if wrapped == nil {
		return nil, 0
	}
	p := &plugin{api: api, path: path, id: id, environment: environment}
	if store, err := cacheStore(); err == nil && noCache == nil {
		p.store = &store
	}
	p.native = isCPU(path) && native.Register(api.extension_start)
	p.surroundings = sync.OnceValues(p.surrounding)
	plugins[number] = p
	return p, uintptr(unsafe.Pointer(wrapped))
}

// surrounding runs at the first program: it hashes the plugin, unless that was done before.
func (p *plugin) surrounding() (program compilecache.Program, err error) {
	program.APIMajor = int(p.api.pjrt_api_version.major_version)
	program.APIMinor = int(p.api.pjrt_api_version.minor_version)
	program.Environment = p.environment
	program.Libraries = compilecache.Libraries(p.path)
	if program.Machine, err = compilecache.Machine(); err != nil {
		return program, err
	}
	program.Plugin, err = p.store.Content(p.id)
	return program, err
}

// tokenfuseCompile is the PJRT_Client_Compile of the wrapped tables.
//
//export tokenfuseCompile
func tokenfuseCompile(number C.int, args *C.PJRT_Client_Compile_Args) *C.PJRT_Error {
	p := plugins[number]
	if err := known(args); err != nil {
		slog.Debug("accel: compiled as it came", "why", err)
		return C.tokenfuse_compile(p.api, args, nil, 0)
	}
	program := text(unsafe.Pointer(args.program.code), args.program.code_size)
	var code *C.char // of the program where it is another than came
	if p.native {
		rewritten, calls, err := native.Rewrite(program)
		if err != nil {
			rewritten = err.Error() // which is no program: the compiler says so
		}
		if program = rewritten; calls > 0 || err != nil {
			code = (*C.char)(unsafe.Pointer(unsafe.StringData(program)))
		}
	}
	size := C.size_t(len(program))
	key, err := p.key(args, program)
	if err != nil {
		slog.Debug("accel: compiled beside the cache", "why", err)
		return C.tokenfuse_compile(p.api, args, code, size)
	}
	if p.load(key, args) {
		cacheCounts.hits.Add(1)
		p.store.Add(diskcache.Hits)
		slog.Debug("accel: compiled before", "key", key)
		return nil
	}
	if failure := C.tokenfuse_compile(p.api, args, code, size); failure != nil {
		return failure
	}
	cacheCounts.misses.Add(1)
	err = p.save(key, args.executable)
	p.store.Add(diskcache.Misses)
	slog.Debug("accel: compiled", "key", key, "not saved", err)
	return nil
}

// load answers a compilation from the cache, if it can.
func (p *plugin) load(key compilecache.Key, args *C.PJRT_Client_Compile_Args) bool {
	bytes, ok := p.store.Get(key)
	if !ok || len(bytes) == 0 {
		return false
	}
	loaded := C.tokenfuse_load(p.api, args.client, unsafe.Pointer(unsafe.SliceData(bytes)), C.size_t(len(bytes)))
	if loaded == nil { // whole, and still not what the plugin takes
		p.store.Remove(key)
		return false
	}
	args.executable = loaded
	return true
}

func (p *plugin) save(key compilecache.Key, executable *C.PJRT_LoadedExecutable) error {
	var size C.size_t
	bytes := C.tokenfuse_serialize(p.api, executable, &size)
	if bytes == nil {
		return errors.New("the plugin does not serialise it")
	}
	defer C.free(bytes)
	return p.store.Put(key, unsafe.Slice((*byte)(bytes), int(size)))
}

// known returns an error for a compilation that is not asked as the published API says.
func known(args *C.PJRT_Client_Compile_Args) error {
	const argsSize, programSize = C.sizeof_PJRT_Client_Compile_Args, C.sizeof_PJRT_Program
	if args.struct_size != argsSize || args.extension_start != nil ||
		args.program == nil || args.program.struct_size != programSize || args.program.extension_start != nil {
		return errors.New("unknown arguments")
	}
	return nil
}

// key returns the key of the compilation of a program. An error means that the cache must not answer it.
func (p *plugin) key(args *C.PJRT_Client_Compile_Args, code string) (compilecache.Key, error) {
	if p.store == nil {
		return compilecache.Key{}, errors.New("there is none")
	}
	environment, err := compilecache.Environment(os.Environ())
	if err != nil {
		return compilecache.Key{}, err
	}
	if !slices.Equal(environment, p.environment) {
		return compilecache.Key{}, errors.New("the environment changed since the plugin was loaded")
	}
	program, err := p.surroundings()
	if err != nil {
		return compilecache.Key{}, err
	}
	if program.Client, err = p.describe(args.client); err != nil {
		return compilecache.Key{}, err
	}
	program.Code = code
	program.Format = text(unsafe.Pointer(args.program.format), args.program.format_size)
	program.Options = text(unsafe.Pointer(args.compile_options), args.compile_options_size)
	return program.Key(), nil
}

// describe returns a client's platform, its version, how many devices it has and can use, and the
// kind of each.
func (p *plugin) describe(client *C.PJRT_Client) ([]string, error) {
	ask := func(function C.int, of unsafe.Pointer) (unsafe.Pointer, C.size_t) {
		var size C.size_t
		return C.tokenfuse_ask(p.api, function, of, &size), size
	}
	name, nameSize := ask(C.PJRT_Client_PlatformName, unsafe.Pointer(client))
	release, releaseSize := ask(C.PJRT_Client_PlatformVersion, unsafe.Pointer(client))
	_, usable := ask(C.PJRT_Client_AddressableDevices, unsafe.Pointer(client))
	devices, count := ask(C.PJRT_Client_Devices, unsafe.Pointer(client))
	if name == nil || release == nil || devices == nil {
		return nil, errors.New("the client does not say what it is")
	}
	facts := []string{text(name, nameSize), text(release, releaseSize), fmt.Sprint(count, usable)}
	for _, device := range unsafe.Slice((*unsafe.Pointer)(devices), int(count)) {
		description := C.tokenfuse_ask(p.api, C.PJRT_Device_GetDescription, device, nil)
		if description == nil {
			return nil, errors.New("a device does not say what it is")
		}
		kind, size := ask(C.PJRT_DeviceDescription_Kind, description)
		facts = append(facts, text(kind, size))
	}
	return facts, nil
}

// text copies a text that C holds.
func text(start unsafe.Pointer, size C.size_t) string {
	if start == nil {
		return ""
	}
	return string(unsafe.Slice((*byte)(start), int(size)))
}
