package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// strengths are the settings that say how much is fused; along them, a method is one line of points.
var strengths = []string{"r", "keep_rate", "alpha"}

// IsStrength reports whether a field of a fusion setting says how much is fused: it is then no name of a
// method, but a place on its line.
func IsStrength(field string) bool { return slices.Contains(strengths, field) }

// seed is the setting of methods that draw at random; rows that differ in it alone belong together.
const seed = "seed"

// Setting returns how much the row fuses, as a user writes it: "r=16", "keep_rate=0.7", "r=[4 2 1]";
// empty where the fusion setting does not say.
func (r Row) Setting() string {
	fields := r.Fields()
	var parts []string
	for _, key := range strengths {
		if value, ok := fields[key]; ok {
			parts = append(parts, key+"="+value)
		}
	}
	return strings.Join(parts, " ")
}

// Series returns a name for each row, the same for rows that belong together as points of one line.
// It is the row's label, else "base model" for method none, else the method, followed by the settings
// in which rows of that method differ (other than how much is fused, and the seed); and preceded by the model where
// rows hold several.
func Series(rows []Row) []string {
	differing := map[string][]string{}
	for _, r := range rows {
		if _, done := differing[r.Method]; !done {
			differing[r.Method] = differingSettings(rows, r.Method)
		}
	}
	severalModels := slices.ContainsFunc(rows, func(r Row) bool { return r.Model != rows[0].Model })

	names := make([]string, len(rows))
	for i, r := range rows {
		var parts []string
		if severalModels {
			parts = append(parts, r.Model)
		}
		switch {
		case r.Label != "":
			parts = append(parts, r.Label)
		case r.Method == None:
			parts = append(parts, "base model")
		default:
			parts = append(parts, r.Method)
			fields := r.Fields()
			for _, key := range differing[r.Method] {
				if value, ok := fields[key]; ok {
					parts = append(parts, key+"="+value)
				}
			}
		}
		names[i] = strings.Join(parts, " ")
	}
	return names
}

// differingSettings returns, sorted, the settings whose values differ between the unlabelled rows
// of a method.
func differingSettings(rows []Row, method string) []string {
	var all []map[string]string
	keys := map[string]bool{}
	for _, r := range rows {
		if r.Method == method && r.Label == "" {
			fields := r.Fields()
			all = append(all, fields)
			for key := range fields {
				keys[key] = true
			}
		}
	}
	maps.DeleteFunc(keys, func(key string, _ bool) bool {
		return key == seed || IsStrength(key) || !slices.ContainsFunc(all, func(f map[string]string) bool {
			return f[key] != all[0][key]
		})
	})
	return slices.Sorted(maps.Keys(keys))
}

// Configuration is the whole fusion setting but the seed, as text: equal in rows that only a seed, a model
// or data tells apart.
func (r Row) Configuration() string {
	fields := r.Fields()
	delete(fields, seed)
	parts := make([]string, 0, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, key+"="+fields[key])
	}
	return strings.Join(parts, "\n")
}

// Fields returns the fusion setting, flattened: "tau.size" -> "40". What is no object has none.
func (r Row) Fields() map[string]string {
	fields := map[string]string{}
	var setting map[string]any
	decoder := json.NewDecoder(bytes.NewReader(r.Fusion))
	decoder.UseNumber() // 16 stays "16", 0.10 stays "0.10"
	if decoder.Decode(&setting) != nil {
		return fields
	}
	flatten(fields, "", setting)
	return fields
}

func flatten(into map[string]string, prefix string, setting map[string]any) {
	for key, value := range setting {
		switch v := value.(type) {
		case map[string]any:
			flatten(into, prefix+key+".", v)
		case []any:
			into[prefix+key] = formatList(v)
		default:
			into[prefix+key] = fmt.Sprint(v)
		}
	}
}

// formatList writes runs of whole numbers as in the command's short form, [1 2 3 6] as "1-3,6",
// and other lists as Go prints them.
func formatList(list []any) string {
	numbers := make([]int64, len(list))
	for i, value := range list {
		number, _ := value.(json.Number)
		n, err := number.Int64()
		if err != nil || i > 0 && n <= numbers[i-1] {
			return fmt.Sprint(list)
		}
		numbers[i] = n
	}
	var runs []string
	for start := 0; start < len(numbers); {
		end := start
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		if end > start+1 {
			runs = append(runs, fmt.Sprintf("%d-%d", numbers[start], numbers[end]))
		} else {
			end = start
			runs = append(runs, fmt.Sprint(numbers[start]))
		}
		start = end + 1
	}
	return strings.Join(runs, ",")
}
