package provenance

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tokenfuse/kernel/internal/nbformat"
)

// Private is what of a machine has no place in a published file.
type Private struct {
	replace []replacement
	forbid  []forbidden
}

type replacement struct {
	pattern *regexp.Regexp
	by      string
}

type forbidden struct {
	pattern *regexp.Regexp
	what    string
}

// secretName matches variables whose values nobody wants to see published.
var secretName = regexp.MustCompile(`(?i)token|secret|passw|api_?key|credential`)

// ThisPrivate knows the folders, the user, the host and the secrets of this machine. Names so short or so
// common that they are words (root, localhost) are looked for in their usual places alone.
func ThisPrivate(checkout string) Private {
	var p Private
	home, _ := os.UserHomeDir() // empty where there is none
	// Where GoNB builds cells, which is another folder each time.
	p.replace = append(p.replace, replacement{regexp.MustCompile(`[^\s"'<>=(\\]*gonb_[0-9a-f]{4,}`), "gonb"})
	for _, folder := range []struct{ path, by string }{
		{checkout, "tokenfuse"}, {filepath.Join(os.TempDir(), "tokenfuse-run-"), "tmp-"}, {home, "~"},
	} {
		if len(folder.path) > 1 {
			end := `(?:\b|$)`
			if strings.HasSuffix(folder.path, "-") {
				end = `\w*`
			}
			p.replace = append(p.replace, replacement{regexp.MustCompile(regexp.QuoteMeta(folder.path) + end), folder.by})
		}
	}
	forbid := func(pattern, what string) {
		p.forbid = append(p.forbid, forbidden{regexp.MustCompile(pattern), what})
	}
	if len(home) > 1 {
		forbid(regexp.QuoteMeta(home)+`(?:/|\b)`, "your home folder")
	}
	if account, err := user.Current(); err == nil && account.Username != "" {
		name := regexp.QuoteMeta(account.Username)
		// As a folder of any path from the root on, which neither an address on the web nor a mark of HTML is.
		forbid(`(?:/home/|/Users/)`+name+`\b|(?:^|[^/\w.~<-])(?:/[\w.+-]+)*/`+name+`(?:/|$|[^\w.-])|\b`+name+`@\w`, "your user name")
	}
	if host, err := os.Hostname(); err == nil && len(host) > 3 && host != "localhost" {
		forbid(`(?:^|[^\w.-])`+regexp.QuoteMeta(host)+`(?:[^\w-]|$)`, "the name of this host")
	}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); secretName.MatchString(name) && len(value) >= 8 {
			forbid(regexp.QuoteMeta(value), "the value of the environment variable "+name)
		}
	}
	return p
}

// Clean takes folders of the machine out of the outputs of a notebook.
func (p Private) Clean(n *nbformat.Notebook) error {
	for _, cell := range n.Cells {
		delete(cell.Metadata, "execution") // the times of an earlier run in Jupyter
		for _, output := range cell.Outputs {
			output.Text, output.ErrorValue = p.clean(output.Text), p.clean(output.ErrorValue)
			for i := range output.Traceback {
				output.Traceback[i] = p.clean(output.Traceback[i])
			}
			for mime := range output.Data {
				text, ok := output.Data.Text(mime)
				if !ok || isBinary(mime) {
					continue
				}
				if cleaned := p.clean(text); cleaned != text {
					if err := nbformat.Object(output.Data).Set(mime, cleaned); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (p Private) clean(text string) string {
	for _, r := range p.replace {
		text = r.pattern.ReplaceAllLiteralString(text, r.by)
	}
	return text
}

// Check returns an error that names the first cell with something private, and what.
func (p Private) Check(n *nbformat.Notebook) error {
	if what := p.found(raw(n.Metadata)); what != "" {
		return fmt.Errorf("the notebook's metadata hold %s: take it out", what)
	}
	number := 0
	for _, cell := range n.Cells {
		name := fmt.Sprintf("the text %q", cell.ID)
		if cell.Kind == nbformat.Code {
			number++
			name = fmt.Sprintf("code cell %d", number)
		}
		texts := append(raw(cell.Metadata), cell.Source)
		for _, output := range cell.Outputs {
			texts = append(texts, output.Text, output.ErrorValue, strings.Join(output.Traceback, "\n"))
			texts = append(texts, raw(output.Metadata)...) // the words for a picture
			for mime, raw := range output.Data {
				if text, ok := output.Data.Text(mime); ok && !isBinary(mime) {
					texts = append(texts, text)
				} else if !ok {
					texts = append(texts, string(raw))
				}
			}
		}
		if what := p.found(texts); what != "" {
			return fmt.Errorf("%s holds %s: take it out", name, what)
		}
	}
	return nil
}

// found says what there is of the private in texts; "" for nothing.
func (p Private) found(texts []string) string {
	for _, f := range p.forbid {
		if slices.ContainsFunc(texts, f.pattern.MatchString) {
			return f.what
		}
	}
	return ""
}

// raw are the values of an object as they are written.
func raw(o nbformat.Object) []string {
	var texts []string
	for _, value := range o {
		texts = append(texts, string(value))
	}
	return texts
}

// isBinary says whether a bundle holds a type as base64, in which chance writes words.
func isBinary(mime string) bool {
	return strings.HasPrefix(mime, "image/") && mime != "image/svg+xml" || strings.HasPrefix(mime, "audio/") || strings.HasPrefix(mime, "video/") || mime == "application/pdf"
}
