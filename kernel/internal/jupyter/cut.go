package jupyter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"tokenfuse/kernel/internal/nbformat"
)

// CutNotice is in the line that says how much output was cut.
const CutNotice = "of this cell's output cut"

// overhead is what an output counts besides its content: a million empty ones are not nothing.
const overhead = 256

// endingSize is how much of the end of a stream is kept behind what was cut of it. The reason why a
// cell failed stands there.
const endingSize = 4096

// ending is the end of a stream whose middle is cut.
type ending struct{ text string }

// room says whether the cell may keep so many bytes more.
func (r *Recorder) room(size int) bool {
	return size <= 0 || r.Limit < 0 || r.kept+size <= r.Limit
}

// cutText takes text of a stream for which there is no room, and remembers its end.
func (r *Recorder) cutText(name, text string) {
	if text == "" {
		return
	}
	r.cut += int64(len(text))
	if r.endings == nil {
		r.endings = map[string]*ending{}
	}
	end := r.endings[name]
	if end == nil {
		end = &ending{}
		r.endings[name] = end
	}
	if len(text) < endingSize {
		text = end.text + text
	}
	end.text = lastBytes(text, endingSize)
}

// fail records an error, whose text is cut if need be but always there.
func (r *Recorder) fail(c content) {
	if r.clear {
		r.empty()
	}
	size := errorSize(c)
	if !r.room(size) {
		c.ErrorName, c.Error = lastBytes(c.ErrorName, endingSize), firstBytes(c.Error, endingSize)
		c.Traceback = strings.Split(lastBytes(strings.Join(c.Traceback, "\n"), endingSize), "\n")
		r.cut += int64(size - errorSize(c))
		size = errorSize(c)
	}
	r.kept += size
	r.append(&nbformat.Output{Kind: nbformat.Error, ErrorName: c.ErrorName, ErrorValue: c.Error, Traceback: c.Traceback})
}

func errorSize(c content) int {
	size := overhead + len(c.ErrorName) + len(c.Error)
	for _, line := range c.Traceback {
		size += len(line)
	}
	return size
}

// endCut says how much was cut, and gives the ends of the streams. The notice comes first, so that the
// last words of a cell that failed are its own.
func (r *Recorder) endCut() {
	for _, end := range r.endings {
		r.cut -= int64(len(end.text)) // which comes after all
	}
	if r.cut <= 0 && len(r.endings) == 0 {
		return
	}
	stderr := ""
	if r.cut > 0 {
		stderr = fmt.Sprintf("[%s %s, which keeps %s: --max-output changes that]\n", bytesText(r.cut), CutNotice, bytesText(int64(r.Limit)))
	}
	if end := r.endings["stdout"]; end != nil {
		r.append(&nbformat.Output{Kind: nbformat.Stream, Name: "stderr", Text: stderr})
		r.append(&nbformat.Output{Kind: nbformat.Stream, Name: "stdout", Text: end.text})
		stderr = ""
	}
	if end := r.endings["stderr"]; end != nil {
		stderr += end.text
	}
	if stderr != "" {
		r.append(&nbformat.Output{Kind: nbformat.Stream, Name: "stderr", Text: stderr})
	}
	r.endings, r.cut = nil, 0
}

// lastBytes returns the last bytes of a text, beginning with a whole character.
func lastBytes(text string, most int) string {
	start := max(0, len(text)-most)
	for start < len(text) && start > 0 && !utf8.RuneStart(text[start]) {
		start++
	}
	return strings.Clone(text[start:])
}

// firstBytes returns the first bytes of a text, ending with a whole character.
func firstBytes(text string, most int) string {
	end := min(len(text), most)
	for end < len(text) && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.Clone(text[:end])
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.size)), ".0") + " " + unit.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
