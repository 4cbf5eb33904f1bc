package nbformat

import (
	"errors"
	"fmt"
	"go/types"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Inject sets parameters, each given as "name=value" (a list as "name=1,2,3"), by a cell tagged
// "injected-parameters" behind the one tagged "parameters", in place of an earlier such cell. It
// declares the variables again, which in GoNB replaces their first declaration. The default of each
// parameter stays readable in the cell above.
//
// An unknown name, or a value of another type, is an error that lists the parameters.
func Inject(n *Notebook, settings []string) error {
	if len(settings) == 0 {
		return nil
	}
	parameters, err := Parameters(n)
	if err != nil {
		return err
	}
	if len(parameters) == 0 {
		return fmt.Errorf("%q sets a parameter, but the notebook has none: tag the code cell that declares them %q", settings[0], parametersTag)
	}
	values := map[string]string{}
	for _, setting := range settings {
		name, text, ok := strings.Cut(setting, "=")
		name = strings.TrimSpace(name)
		if !ok {
			return fmt.Errorf("parameter %q has no value: write name=value%s", setting, known(parameters))
		}
		i := slices.IndexFunc(parameters, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("unknown parameter %q%s", name, known(parameters))
		}
		if values[name], err = goValue(parameters[i].typed, text); err != nil {
			return fmt.Errorf("parameter %s wants %s, not %q%s", name, article(parameters[i].Type), text, known(parameters))
		}
	}
	var source []string
	for _, p := range parameters {
		value, ok := values[p.Name]
		if !ok {
			continue
		}
		declared := p.Name + " " + p.Type
		if p.untyped {
			declared = p.Name
		}
		source = append(source, fmt.Sprintf("%s %s = %s", p.keyword, declared, value))
	}
	place(n, strings.Join(source, "\n"))
	return nil
}

// Injected returns the settings of the injected cell as "name=value" with the value in Go's syntax,
// in the order of the cell; none if there is no such cell.
func Injected(n *Notebook) []string {
	var settings []string
	for _, cell := range n.Cells {
		if !cell.HasTag(injectedTag) {
			continue
		}
		for line := range strings.Lines(cell.Source) {
			declared, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
			if words := strings.Fields(declared); ok && len(words) > 1 {
				settings = append(settings, words[1]+"="+value)
			}
		}
	}
	return settings
}

// place puts the injected cell into the notebook.
func place(n *Notebook, source string) {
	n.Cells = slices.DeleteFunc(n.Cells, func(c *Cell) bool { return c.Kind == Code && c.HasTag(injectedTag) })
	cell := &Cell{ID: injectedTag, Kind: Code, Source: source, Metadata: Object{"tags": []byte(`["` + injectedTag + `"]`)}}
	n.Cells = slices.Insert(n.Cells, parametersCell(n)+1, cell)
	identify(n.Cells)
}

// goValue writes text as a Go expression of the type.
func goValue(t types.Type, text string) (string, error) {
	if list, ok := t.(*types.Slice); ok {
		var elements []string
		text = strings.TrimSpace(text)
		for element := range strings.SplitSeq(text, ",") {
			if text == "" {
				break
			}
			value, err := goValue(list.Elem(), strings.TrimSpace(element))
			if err != nil {
				return "", err
			}
			elements = append(elements, value)
		}
		return t.String() + "{" + strings.Join(elements, ", ") + "}", nil
	}
	basic := t.(*types.Basic)
	switch info := basic.Info(); {
	case info&types.IsString != 0:
		return strconv.Quote(text), nil
	case info&types.IsBoolean != 0:
		value, err := strconv.ParseBool(text)
		return strconv.FormatBool(value), err
	case info&types.IsUnsigned != 0:
		value, err := strconv.ParseUint(text, 10, bits(basic))
		return strconv.FormatUint(value, 10), err
	case info&types.IsInteger != 0:
		value, err := strconv.ParseInt(text, 10, bits(basic))
		return strconv.FormatInt(value, 10), err
	}
	value, err := strconv.ParseFloat(text, bits(basic))
	if err == nil && (math.IsNaN(value) || math.IsInf(value, 0)) {
		err = errors.New("no Go literal has this value")
	}
	return strconv.FormatFloat(value, 'g', -1, bits(basic)), err
}

// bits returns the width of a number type.
func bits(t *types.Basic) int { return 8 * int(types.SizesFor("gc", "amd64").Sizeof(t)) }

func known(parameters []Parameter) string {
	list := make([]string, len(parameters))
	for i, p := range parameters {
		list[i] = p.String()
	}
	return "; the parameters are: " + strings.Join(list, ", ")
}

// article puts the indefinite article before the name of a type.
func article(name string) string {
	if strings.HasPrefix(name, "int") {
		return "an " + name
	}
	return "a " + name
}
