package datasets

import (
	"fmt"
	"strings"
)

// Open returns a split of a dataset by its name, as recipes, sweeps and the command say it:
// "fashion-mnist", "cifar10", "cifar100", "cluttered-fashion-mnist" with or without settings (see
// ParseClutter). Options are those of FashionMNIST. An unknown name is an error that lists the known
// ones.
func Open(name string, split Split, options ...Option) (Source, error) {
	base, _, _ := strings.Cut(name, ":")
	if base == clutteredName {
		clutter, err := ParseClutter(name)
		if err != nil {
			return nil, err
		}
		return opened(ClutteredFashionMNIST(split, clutter, options...))
	}
	for known, open := range openers() {
		if name == known {
			return opened(open(split, options...))
		}
	}
	return nil, CheckName(name)
}

// CheckName reports a name that Open does not know, or settings in it that are wrong, without looking
// for files.
func CheckName(name string) error {
	base, _, _ := strings.Cut(name, ":")
	if base == clutteredName {
		_, err := ParseClutter(name)
		return err
	}
	if _, ok := openers()[name]; !ok {
		return fmt.Errorf("datasets: unknown dataset %q: known are fashion-mnist, cifar10, cifar100, %s", name, clutteredName)
	}
	return nil
}

func openers() map[string]func(Split, ...Option) (*Images, error) {
	return map[string]func(Split, ...Option) (*Images, error){"fashion-mnist": FashionMNIST, "cifar10": CIFAR10, "cifar100": CIFAR100}
}

// opened keeps a nil pointer from becoming a Source that is not nil.
func opened[S Source](source S, err error) (Source, error) {
	if err != nil {
		return nil, err
	}
	return source, nil
}
