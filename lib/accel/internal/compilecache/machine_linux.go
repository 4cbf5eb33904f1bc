package compilecache

import "os"

func processors() (string, error) {
	content, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	return describe(string(content))
}
