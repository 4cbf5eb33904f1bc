//go:build !linux && !darwin

package compilecache

import "errors"

func processors() (string, error) { return "", errors.ErrUnsupported }
