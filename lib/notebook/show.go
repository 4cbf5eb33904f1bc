package notebook

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"strings"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"

	"tokenfuse/lib/result"
)

// Picture is what can be drawn, such as a figure of package plots. Its String says in words what is
// to be seen.
type Picture interface {
	PNG() ([]byte, error)
	String() string
}

// Animation is what can be shown moving, such as that of package plots.
type Animation interface {
	GIF() ([]byte, error)
	String() string
}

// Tabular is what lays itself out as a table of text, such as a summary of package ablation or a count of
// package flops.
type Tabular interface {
	Table() (header []string, rows [][]string)
}

// Show shows values in order: a Picture, Animation or image.Image as a picture, result rows and what is
// Tabular as a table, anything else as fmt prints it. A terminal shows pictures in words, and says in which
// file they can be looked at. A picture that cannot be drawn ends the cell, as in Must.
func Show(values ...any) {
	for _, value := range values {
		shown := Must(render(value))
		if gonbui.IsNotebook {
			send(shown.data(), shown.metadata(), "")
		} else {
			shown.print(os.Stdout)
		}
	}
	flush()
}

// Table shows a table; columns of numbers are set flush right.
func Table(header []string, rows [][]string) { Show(table{header, rows}) }

// Markdown shows text that is written in Markdown, formulas as $x^2$.
func Markdown(text string) { Show(markdown(text)) }

type markdown string

// content is one thing to be shown, in the forms that it has: always as text.
type content struct {
	text, html, markdown string
	png, gif             []byte
	rows                 string // see rows.go
}

func render(value any) (content, error) {
	switch v := value.(type) {
	case Animation: // before Picture: it may be both
		file, err := v.GIF()
		return content{text: v.String(), gif: file}, err
	case Picture:
		file, err := v.PNG()
		if err != nil {
			return content{}, err
		}
		return withData(content{text: v.String(), png: file}, v)
	case image.Image:
		var file bytes.Buffer
		err := png.Encode(&file, enlarge(v))
		size := v.Bounds().Size()
		return content{text: fmt.Sprintf("an image of %d x %d pixels", size.X, size.Y), png: file.Bytes()}, err
	case []result.Row:
		return withRows(rowTable(v).render(), v)
	case result.Row:
		return withRows(rowTable([]result.Row{v}).render(), []result.Row{v})
	case Tabular:
		header, rows := v.Table()
		return table{header, rows}.render(), nil
	case []KeptValue:
		return keptTable(v).render(), nil
	case table:
		return v.render(), nil
	case markdown:
		return content{text: string(v), markdown: string(v)}, nil
	}
	return content{text: strings.TrimSuffix(fmt.Sprint(value), "\n")}, nil
}

// mimeGIF is not among GoNB's own.
const mimeGIF protocol.MIMEType = "image/gif"

// data gives each form its MIME type; a front end takes the richest that it knows.
func (c content) data() map[protocol.MIMEType]any {
	data := map[protocol.MIMEType]any{protocol.MIMETextPlain: c.text}
	if c.html != "" {
		data[protocol.MIMETextHTML] = c.html
	}
	if c.markdown != "" {
		data[protocol.MIMETextMarkdown] = c.markdown
	}
	if c.png != nil {
		data[protocol.MIMEImagePNG] = c.png
	}
	if c.gif != nil {
		data[mimeGIF] = c.gif
	}
	if c.rows != "" {
		data[MIMERows] = c.rows
	}
	return data
}

// metadata holds the alternative text of a picture where nbconvert looks for it.
func (c content) metadata() map[string]any {
	if c.png == nil && c.gif == nil {
		return nil
	}
	return map[string]any{"alt": c.text}
}

// print writes the text, and on a terminal, where somebody looks, the picture to a file.
func (c content) print(out *os.File) {
	text := c.text
	picture, name := c.png, "tokenfuse-*.png"
	if c.gif != nil {
		picture, name = c.gif, "tokenfuse-*.gif"
	}
	if picture != nil && isTerminal(out) {
		if path, err := writeTemp(picture, name); err == nil {
			text += "\n  picture: " + path
		} else {
			text += "\n  no picture: " + err.Error()
		}
	}
	fmt.Fprintln(out, text)
}

func writeTemp(picture []byte, name string) (path string, err error) {
	file, err := os.CreateTemp("", name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	_, err = file.Write(picture)
	return file.Name(), err
}

// enlarge repeats the pixels of a small image so that they can be seen: 28 x 28 becomes 224 x 224.
func enlarge(img image.Image) image.Image {
	const least = 224
	bounds := img.Bounds()
	longer := max(bounds.Dx(), bounds.Dy())
	if longer == 0 || longer > least/2 {
		return img
	}
	factor := least / longer
	large := image.NewNRGBA(image.Rect(0, 0, bounds.Dx()*factor, bounds.Dy()*factor))
	for y := range large.Rect.Dy() {
		for x := range large.Rect.Dx() {
			large.Set(x, y, img.At(bounds.Min.X+x/factor, bounds.Min.Y+y/factor))
		}
	}
	return large
}
