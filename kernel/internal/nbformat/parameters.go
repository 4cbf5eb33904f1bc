package nbformat

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// Tags of the cell that declares parameters, and of the cell that Inject puts after it.
const (
	parametersTag = "parameters"
	injectedTag   = "injected-parameters"
)

// Parameter is a Go variable or constant that the cell tagged "parameters" declares.
type Parameter struct {
	Name    string
	Type    string // int, float64, string, bool, a sized number, or a list of those such as []int
	Default string // as the cell writes it

	keyword string // var or const
	typed   types.Type
	untyped bool // a constant that adapts to where it is used
}

// Parameters returns the notebook's parameters in the order of their declaration: the variables of
// the first cell tagged "parameters" whose type is a number, string, bool or a list of those. Others
// are left out. The error says why the cell is not Go.
func Parameters(n *Notebook) ([]Parameter, error) {
	place := parametersCell(n)
	if place < 0 {
		return nil, nil
	}
	source := declarations(n.Cells[place].Source)
	// The package clause shares the first line, so that errors name the cell's own lines.
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p;"+source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("the cell tagged %q is not Go: line %s", parametersTag, oneLine(err))
	}
	var parameters []Parameter
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR && group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			parameters = append(parameters, specParameters(group.Tok, spec.(*ast.ValueSpec))...)
		}
	}
	return parameters, nil
}

// parametersCell returns the index of the first cell that declares parameters, or -1.
func parametersCell(n *Notebook) int {
	return slices.IndexFunc(n.Cells, func(c *Cell) bool { return c.Kind == Code && c.HasTag(parametersTag) })
}

// declarations blanks what is GoNB's and not Go: lines that begin with ! or % (with their
// continuations), and everything after %% or %main, which is the body of main.
func declarations(source string) string {
	lines := strings.Split(source, "\n")
	continued := false
	for i, line := range lines {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "%%") || text == "%main" {
			clear(lines[i:])
			break
		}
		special := continued || strings.HasPrefix(text, "!") || strings.HasPrefix(text, "%")
		continued = special && strings.HasSuffix(text, `\`)
		if special {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// specParameters returns the parameters of one line such as `var a, b int = 1, 2`.
func specParameters(keyword token.Token, spec *ast.ValueSpec) []Parameter {
	var parameters []Parameter
	for i, name := range spec.Names {
		parameter := Parameter{Name: name.Name, keyword: keyword.String()}
		var value types.TypeAndValue
		if len(spec.Values) == len(spec.Names) {
			parameter.Default = types.ExprString(spec.Values[i])
			if literal, ok := spec.Values[i].(*ast.CompositeLit); ok {
				parameter.Default = literalString(literal)
			}
			value, _ = evaluate(spec.Values[i])
		}
		switch {
		case spec.Type != nil:
			declared, err := evaluate(spec.Type)
			if err != nil {
				continue
			}
			parameter.typed = declared.Type
			if len(spec.Values) == 0 {
				parameter.Default = zero(declared.Type)
			}
		case value.Type != nil:
			parameter.typed = types.Default(value.Type)
			parameter.untyped = keyword == token.CONST && value.Value != nil && value.Type != parameter.typed
		}
		if name.Name == "_" || parameter.typed == nil || !settable(parameter.typed) {
			continue
		}
		parameter.Type = parameter.typed.String()
		parameters = append(parameters, parameter)
	}
	return parameters
}

// evaluate finds the type of an expression that uses nothing but Go's own names.
func evaluate(expression ast.Expr) (types.TypeAndValue, error) {
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	err := types.CheckExpr(token.NewFileSet(), nil, token.NoPos, expression, &info)
	return info.Types[expression], err
}

// literalString writes a list in full, where types.ExprString abbreviates it to []int{…}.
func literalString(literal *ast.CompositeLit) string {
	elements := make([]string, len(literal.Elts))
	for i, element := range literal.Elts {
		elements[i] = types.ExprString(element)
	}
	return types.ExprString(literal.Type) + "{" + strings.Join(elements, ", ") + "}"
}

// settable says whether -p can give a value of the type.
func settable(t types.Type) bool {
	if list, ok := t.(*types.Slice); ok {
		t = list.Elem()
	}
	basic, ok := t.(*types.Basic)
	return ok && basic.Info()&(types.IsInteger|types.IsFloat|types.IsString|types.IsBoolean) != 0 &&
		basic.Info()&types.IsUntyped == 0 && basic.Kind() != types.Uintptr
}

// zero returns the value of a variable declared without one.
func zero(t types.Type) string {
	basic, ok := t.(*types.Basic)
	switch {
	case !ok:
		return "nil"
	case basic.Info()&types.IsString != 0:
		return `""`
	case basic.Info()&types.IsBoolean != 0:
		return constant.MakeBool(false).String()
	}
	return "0"
}

// String describes the parameter for a list of those that there are.
func (p Parameter) String() string {
	return fmt.Sprintf("%s %s (default %s)", p.Name, p.Type, p.Default)
}
