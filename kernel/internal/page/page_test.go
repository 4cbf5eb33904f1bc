package page

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision/provisiontest"
)

// pixel is a picture of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

const notebook = `{"nbformat": 4, "nbformat_minor": 5, "metadata": {"language_info": {"name": "go"}}, "cells": [
	{"id": "t", "cell_type": "markdown", "metadata": {}, "source": "# A <study>\n\nOf $x_i$ and\n\n$$\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}$$\n\n#### Details\n\n# Another title\n\n|a|\n|-|\n|1|\n\n[a link](https://arxiv.org/abs/2403.10030), <b>bold</b>\n\n<details><summary>more</summary>\n\nless, *much*\n\n</details>\n\n<img src=\"a.png\" alt=\"mine\">"},
	{"id": "c", "cell_type": "code", "metadata": {}, "execution_count": 1, "source": "for range 3 { /* <b> */ }", "outputs": [
		{"output_type": "stream", "name": "stdout", "text": "<script>alert(1)</script> \u001b[31mred\u001b[0m"},
		{"output_type": "display_data", "metadata": {"alt": "a \"curve\""}, "data": {"image/png": "PIXEL", "text/plain": "x"}},
		{"output_type": "display_data", "metadata": {}, "data": {"image/png": "PIXEL", "text/plain": "a table"}},
		{"output_type": "display_data", "metadata": {"alt": "moves"}, "data": {"image/gif": "R0lGODlhAQABAAAAACw=", "text/plain": "no"}},
		{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<div>MORE</div>", "application/vnd.tokenfuse.rows": "{}", "text/plain": "y"}},
		{"output_type": "display_data", "metadata": {}, "data": {"text/markdown": "about $r^2$", "text/plain": "z"}}]}]}`

func render(t *testing.T, replace ...string) (string, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Python for each page")
	}
	python := provisiontest.Python(t, "nbconvert", "latex2mathml")
	n, err := nbformat.Parse([]byte(strings.NewReplacer(append(replace, "PIXEL", pixel)...).Replace(notebook)))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	picture, err := base64.StdEncoding.DecodeString(pixel)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "a.png"), picture, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	made, err := Render(t.Context(), python, n, `A <study> & "more"`, folder)
	return string(made), err
}

// External finds what a page would fetch when it is opened.
var external = regexp.MustCompile(`(?i)(?:src|srcset|poster|data|xlink:href)\s*=\s*["']?(?:https?:)?//|<link\b|<script\b|<iframe\b|@import|url\(\s*["']?(?:https?:)?//`)

func TestRender(t *testing.T) {
	made, err := render(t)
	if err != nil {
		t.Fatal(err)
	}
	if found := external.FindString(made); found != "" {
		t.Errorf("the page would fetch: %q", found)
	}
	for _, want := range []string{
		`<html lang="en">`, `<title>A &lt;study&gt; &amp; "more"</title>`, `alt='a "curve"'`, `alt="a table"`, `<img alt="moves" src="data:image/gif;base64,R0lGODlhAQABAAAAACw="/>`,
		`<a href="https://arxiv.org/abs/2403.10030">`, "<details><summary>more</summary>\n<p>less, <em>much</em></p>\n</details>", `<img alt="mine" src="data:image/png;base64,`, "<b>bold</b>", "&lt;script&gt;alert(1)", `class="ansi-red-fg"`, `scope="col"`,
		`<msub><mi>x</mi><mi>i</mi></msub>`, `<msup><mi>r</mi><mn>2</mn></msup>`, "<div>MORE</div>",
	} {
		if !strings.Contains(made, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	for _, formula := range regexp.MustCompile(`<math [^>]*display="block"[^>]*>`).FindAllString(made, -1) {
		if !strings.Contains(formula, `tabindex="0"`) {
			t.Errorf("%s cannot be scrolled by keyboard", formula)
		}
	}
	if n := strings.Count(made, "<mtd"); n != 4 {
		t.Errorf("aligned has %d cells, want 2 lines of 2", n)
	}
	if strings.Contains(made, "$") || strings.Contains(made, `\begin`) {
		t.Error("LaTeX is left in the page")
	}
	levels := ""
	for _, heading := range regexp.MustCompile(`<h(\d)`).FindAllStringSubmatch(made, -1) {
		levels += heading[1]
	}
	if levels != "122" {
		t.Errorf("levels of headings %s, want one title and none left out: 122", levels)
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, c := range map[string]struct{ place, by, want string }{
		"a picture elsewhere":   {"MORE", `<img src='https://example.org/a.png'>`, "it would fetch 'https://example.org/a.png' when opened"},
		"a picture within SVG":  {"MORE", `<svg><image href='https://example.org/a.png'/></svg>`, "it would fetch 'https://example.org/a.png' when opened"},
		"a picture not there":   {"[a link](https:", "![a](absent.png) [a link](https:", "it would fetch 'absent.png' when opened"},
		"an unknown command":    {"$x_i$", `$\\mystery{x}$`, `uses \mystery`},
		"a handler of an event": {"MORE", `<img src='data:image/png;base64,PIXEL' onerror='x()'>`, "onerror=x()"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(t, c.place, c.by)
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(strings.ReplaceAll(err.Error(), `\\`, `\`), c.want) {
				t.Errorf("error %v, want one line with %q", err, c.want)
			}
		})
	}
}
