//go:build cgo && (linux || darwin)

package native

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lm
#include "handlers.h"
*/
import "C"

import "unsafe"

// Register tells a plugin of the operations, by the first of its PJRT extensions, and reports whether it takes
// them: XLA's CPU does.
func Register(extensions unsafe.Pointer) bool { return C.tokenfuse_register(extensions) != 0 }

// BFloat16 reports whether linear layers multiply bfloat16 by the processor's instructions for it.
func BFloat16() bool { return C.tokenfuse_bfloat16() != 0 }

// use has the operations use vectors of a kind, 0 for those that every processor has, and reports whether this one
// does. It is for tests.
func use(kind int) bool { return C.tokenfuse_use(C.int(kind)) != 0 }
