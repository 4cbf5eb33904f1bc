package compilecache

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Libraries describes what a CUDA plugin generates code with besides itself: NVIDIA's libraries and
// programs in the folder nvidia where such a plugin looks for them, by name, size and time, and the
// driver. It returns nothing for a plugin that has none of it.
func Libraries(plugin string) []string {
	var found []string
	root := filepath.Join(filepath.Dir(filepath.Dir(plugin)), "nvidia")
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // no such folder
		}
		if strings.Contains(entry.Name(), ".so") || filepath.Base(filepath.Dir(path)) == "bin" {
			if info, err := os.Stat(path); err == nil {
				found = append(found, fmt.Sprint(path, info.Size(), info.ModTime().UnixNano()))
			}
		}
		return nil
	})
	if len(found) > 0 {
		if driver, err := os.ReadFile("/proc/driver/nvidia/version"); err == nil {
			found = append(found, string(driver))
		}
	}
	return found
}
