package notebook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"tokenfuse/lib/internal/diskcache"
)

// KeptValue is a value that Keep has on disk.
type KeptValue struct {
	Key, Type string
	Bytes     int64         // on disk
	Made      time.Time     // when it was computed
	Took      time.Duration // to compute it
	Used      time.Time     // last
	path      string
}

// Kept lists the kept values, the one used last first. Show shows them as a table.
func Kept() ([]KeptValue, error) {
	store, err := keepStore()
	if err != nil {
		return nil, nil // nothing is kept
	}
	entries, err := store.Entries()
	if err != nil {
		return nil, fmt.Errorf("notebook: kept values: %w", err)
	}
	var values []KeptValue
	for _, entry := range slices.Backward(entries) {
		label, ok := labelOf(entry)
		if !ok {
			label = keptLabel{Key: "(damaged)"}
		}
		values = append(values, KeptValue{Key: label.Key, Type: label.Type, Bytes: entry.Bytes, Made: label.Made, Took: label.Took, Used: entry.Used, path: entry.Path})
	}
	return values, nil
}

// labelOf reads the first line of an entry.
func labelOf(entry diskcache.Entry) (label keptLabel, ok bool) {
	head, err := entry.Head(4096)
	if err != nil {
		return label, false
	}
	line, _, ok := bytes.Cut(head, []byte("\n"))
	return label, ok && json.Unmarshal(line, &label) == nil
}

// ClearKept removes the kept values of the keys given; with no key, all of them.
func ClearKept(keys ...string) error {
	if len(keys) == 0 {
		store, err := keepStore()
		if err != nil {
			return nil // nothing is kept
		}
		if err := store.Clear(); err != nil {
			return fmt.Errorf("notebook: kept values: %w", err)
		}
		return nil
	}
	values, err := Kept()
	for _, value := range values {
		if slices.Contains(keys, value.Key) {
			if removed := os.Remove(value.path); !errors.Is(removed, os.ErrNotExist) {
				err = errors.Join(err, removed)
			}
		}
	}
	return err
}

// keptTable lays kept values out.
func keptTable(values []KeptValue) table {
	laid := table{header: []string{"key", "type", "MiB", "computed in (s)", "made", "last used"}}
	for _, v := range values {
		laid.rows = append(laid.rows, []string{
			v.Key, v.Type, fmt.Sprintf("%.2f", float64(v.Bytes)/(1<<20)), fmt.Sprintf("%.1f", v.Took.Seconds()),
			v.Made.Format(time.DateTime), v.Used.Format(time.DateTime),
		})
	}
	return laid
}
