package runner

import (
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
)

// GoNB names the place of an error in four ways: in a traceback, in HTML, in a Go stack trace, and
// without a cell's number.
var (
	place    = regexp.MustCompile(`Cell ?\[(\d+)\]:? Line (\d+)`)
	here     = regexp.MustCompile(`Cell Line (\d+)`)
	position = regexp.MustCompile(`^\S*main(?:_test)?\.go:\d+(?::\d+)?:?\s*`)
	tags     = regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`)
	colors   = regexp.MustCompile("\x1b\\[[0-9;]*m")
	marks    = regexp.MustCompile(`^(?:\s*\[\[ [^\]]*(?:\[\d+\])?[^\]]*\]\]\s*|Cell\[\d+\]: Line \d+\s*|Cell Line \d+\s*)+`)
)

// explain says in one line what went wrong in a cell and where: "(line 2): undefined: x".
func explain(cell *nbformat.Cell, number int, reply jupyter.Reply) string {
	streamed, rendered := report(cell, reply)
	message := firstLine(streamed+rendered, reply)
	// GoNB marks the places in a stream piece by piece as it reads it, and misses one where a piece ends
	// in mid-line; what it renders is made of the whole text, and is asked first.
	text := rendered + streamed
	if found := place.FindStringSubmatch(text); found != nil {
		if found[1] == strconv.Itoa(number) {
			return fmt.Sprintf("(line %s): %s", found[2], message)
		}
		return fmt.Sprintf("(cell %s, line %s): %s", found[1], found[2], message)
	}
	if found := here.FindStringSubmatch(text); found != nil {
		return fmt.Sprintf("(line %s): %s", found[1], message)
	}
	return message
}

// lastWords adds what a dead kernel's cell printed last, or else what the kernel itself did.
func lastWords(cell *nbformat.Cell, dead *jupyter.DeadError) string {
	var text string
	for _, output := range cell.Outputs {
		if output.Kind == nbformat.Stream && !strings.Contains(output.Text, jupyter.CutNotice) {
			text = output.Text
		}
	}
	if strings.TrimSpace(text) == "" {
		return dead.Error()
	}
	words := strings.Split(strings.TrimSpace(text), "\n")
	return fmt.Sprintf("%s; the cell's last output: %q", dead, strings.TrimSpace(words[len(words)-1]))
}

// report is all that the cell and the kernel said about the error, as plain text: what was streamed
// meanwhile, and what GoNB rendered of it in the end, with the traceback.
func report(cell *nbformat.Cell, reply jupyter.Reply) (streamed, rendered string) {
	var stream, render strings.Builder
	for _, output := range cell.Outputs {
		switch {
		case output.Kind == nbformat.Stream && output.Name == "stderr":
			stream.WriteString(output.Text + "\n")
		case output.Kind == nbformat.DisplayData:
			if page, ok := output.Data.Text("text/html"); ok && strings.Contains(page, "gonb-err-location") {
				page = strings.ReplaceAll(page, "<div", "\n<div") // a message ends where its context begins
				render.WriteString(html.UnescapeString(tags.ReplaceAllString(page, "")) + "\n")
			}
		}
	}
	render.WriteString(strings.Join(reply.Traceback, "\n") + "\n")
	return colors.ReplaceAllString(stream.String(), ""), colors.ReplaceAllString(render.String(), "")
}

// firstLine finds the line that says what is wrong: a panic, the first error of the compiler or of
// the go command, or else the last line that the program printed before it ended.
func firstLine(text string, reply jupyter.Reply) string {
	var compiler, last string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		bare := strings.TrimSpace(marks.ReplaceAllString(line, ""))
		switch {
		case strings.Contains(bare, jupyter.CutNotice):
		case strings.HasPrefix(bare, "panic: ") || strings.HasPrefix(bare, "fatal error: "):
			return bare
		case compiler == "" && (position.MatchString(bare) || strings.HasPrefix(bare, "go: ")):
			compiler = position.ReplaceAllString(bare, "")
		case bare != "" && !strings.HasPrefix(bare, "#") && !strings.HasPrefix(bare, "exit status") && !strings.HasPrefix(bare, "failed to run"):
			last = bare
		}
	}
	for _, candidate := range []string{compiler, last} {
		if candidate != "" {
			return candidate
		}
	}
	value, _, _ := strings.Cut(strings.TrimSpace(reply.ErrorValue), "\n")
	if value == "" {
		return "failed"
	}
	return value
}
