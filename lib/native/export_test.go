//go:build cgo && (linux || darwin)

package native

// Use is use.
var Use = use
