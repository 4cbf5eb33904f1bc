//go:build cgo && (linux || darwin)

package accel

import _ "github.com/gomlx/go-xla/compute/xla" // the backend "xla"

// xlaLinked reports whether this program can load PJRT plugins.
const xlaLinked = true
