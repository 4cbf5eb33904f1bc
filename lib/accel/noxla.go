//go:build !cgo || !(linux || darwin)

package accel

// xlaLinked reports whether this program can load PJRT plugins: XLA needs cgo.
const xlaLinked = false

func prepare(string) {}
