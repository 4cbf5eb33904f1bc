package notebook

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// About shows what the cell runs on: versions of Go and GoMLX, the platform, and whatever else is
// named, as keys and values in turn:
//
//	notebook.About("backend", backend.Name(), "seed", seed)
func About(facts ...any) { Show(about(debug.ReadBuildInfo, facts)) }

func about(buildInfo func() (*debug.BuildInfo, bool), facts []any) table {
	var t table
	add := func(key, value string) { t.rows = append(t.rows, []string{key, value}) }
	add("Go", runtime.Version())
	if info, ok := buildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/gomlx/gomlx" {
				add("GoMLX", module.Version)
			}
		}
	}
	add("platform", runtime.GOOS+"/"+runtime.GOARCH)
	for i := 0; i < len(facts); i += 2 {
		value := "(no value)" // a key left over
		if i+1 < len(facts) {
			value = fmt.Sprint(facts[i+1])
		}
		add(fmt.Sprint(facts[i]), value)
	}
	return t
}
