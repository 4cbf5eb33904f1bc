//go:build !cgo || !(linux || darwin)

package native

// BFloat16 reports that there are no operations.
func BFloat16() bool { return false }
