package keep

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"slices"
	"strings"
)

// errNoSource says that a function's own text cannot be told from that of the program.
var errNoSource = errors.New("the function's source is not there")

// Text returns all that the text of a cell's program says of one function, which begins in the line
// given and has the name that the runtime gives it: the function; every declaration of the file that it
// uses, by way of others too; of variables of the function around it what they are set to; all methods
// of types, and all that have the name of a method called; and the imports used. Another cell's program
// that has the same declarations gives the same text, whatever else it has, however it is laid out.
func Text(source []byte, name string, line int) (string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "main.go", source, 0)
	if err != nil {
		return "", err
	}
	t := text{file: file, files: files, parts: map[string]bool{}, nodes: map[ast.Node]bool{}, objects: map[any]bool{}, names: map[string]bool{}}
	for _, spec := range file.Imports {
		if spec.Path.Value == `"C"` {
			return "", errNoSource // what it calls stands in a comment, and in other files
		}
	}
	roots := t.functions(name, line)
	if len(roots) == 0 {
		return "", errNoSource
	}
	for _, root := range roots {
		t.add(root)
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			t.add(f)
		}
	}
	for _, spec := range file.Imports {
		if t.imports(spec) {
			t.print(spec)
		}
	}
	parts := make([]string, 0, len(t.parts))
	for part := range t.parts {
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n"), t.err
}

// text collects what belongs to a function.
type text struct {
	file    *ast.File
	files   *token.FileSet
	parts   map[string]bool
	nodes   map[ast.Node]bool
	objects map[any]bool    // as the parser resolves names, by scope: types would cost each cell time to link
	names   map[string]bool // of packages, perhaps
	err     error
}

// functions finds the function: literals that begin in the line, or the declaration of the name.
func (t *text) functions(name string, line int) (found []ast.Node) {
	literal := strings.Contains(name, ".func")
	ast.Inspect(t.file, func(n ast.Node) bool {
		switch f := n.(type) {
		case *ast.FuncLit:
			if literal && t.files.Position(f.Pos()).Line == line {
				found = append(found, f)
			}
		case *ast.FuncDecl:
			if plain, _, _ := strings.Cut(name, "["); !literal && f.Recv == nil && plain == "main."+f.Name.Name {
				found = append(found, f)
			}
		}
		return true
	})
	return found
}

// add adds a piece of the program and all that it uses.
func (t *text) add(n ast.Node) {
	if t.nodes[n] {
		return
	}
	t.nodes[n] = true
	t.print(n)
	ast.Inspect(n, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.SelectorExpr:
			t.methods(func(f *ast.FuncDecl) bool { return f.Name.Name == x.Sel.Name })
			if of, ok := x.X.(*ast.Ident); ok {
				t.names[of.Name] = true
			}
		case *ast.Ident:
			t.use(x)
		}
		return true
	})
}

// use adds what declares a name and what sets it, anywhere in the file.
func (t *text) use(name *ast.Ident) {
	object := name.Obj
	if object == nil || t.objects[object] {
		return
	}
	t.objects[object] = true
	switch declared := object.Decl.(type) {
	case *ast.Field: // a parameter
		t.add(declared.Type)
	case ast.Node:
		t.add(t.group(declared))
	}
	if object.Kind == ast.Typ {
		t.methods(func(f *ast.FuncDecl) bool { return receiver(f) == object.Name })
	}
	if object.Kind != ast.Var {
		return
	}
	ast.Inspect(t.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			if slices.ContainsFunc(x.Lhs, func(left ast.Expr) bool { return belongs(left, object) }) {
				t.add(x)
			}
		case *ast.IncDecStmt:
			if belongs(x.X, object) {
				t.add(x)
			}
		}
		return true
	})
}

// group is the whole block of a constant, whose value may depend on its place there, or else the
// declaration itself.
func (t *text) group(declared ast.Node) ast.Node {
	for _, decl := range t.file.Decls {
		if block, ok := decl.(*ast.GenDecl); ok && block.Tok == token.CONST && block.Pos() <= declared.Pos() && declared.End() <= block.End() {
			return block
		}
	}
	return declared
}

func (t *text) methods(wanted func(*ast.FuncDecl) bool) {
	for _, decl := range t.file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && wanted(f) {
			t.add(f)
		}
	}
}

// receiver is the name of a method's type.
func receiver(f *ast.FuncDecl) string {
	for of := f.Recv.List[0].Type; ; {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.ParenExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.IndexListExpr:
			of = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// belongs says whether a place is a variable's, or a part of it: a of a.b[c].
func belongs(place ast.Expr, object any) bool {
	for {
		switch x := place.(type) {
		case *ast.SelectorExpr:
			place = x.X
		case *ast.IndexExpr:
			place = x.X
		case *ast.StarExpr:
			place = x.X
		case *ast.ParenExpr:
			place = x.X
		case *ast.Ident:
			return any(x.Obj) == object
		default:
			return false
		}
	}
}

// imports says whether an import may be used. goimports names those whose path does not end in the
// name of their package, so that a name that is no part of the path is another's.
func (t *text) imports(spec *ast.ImportSpec) bool {
	if spec.Name != nil {
		return spec.Name.Name == "." || spec.Name.Name == "_" || t.names[spec.Name.Name]
	}
	return slices.ContainsFunc(strings.FieldsFunc(spec.Path.Value, func(r rune) bool { return strings.ContainsRune(`"/.-`, r) }),
		func(part string) bool { return t.names[part] })
}

func (t *text) print(n ast.Node) {
	var out bytes.Buffer
	// Without positions, so that the layout does not count.
	t.err = cmp.Or(t.err, printer.Fprint(&out, token.NewFileSet(), n))
	t.parts[fmt.Sprintf("%T %s", n, &out)] = true
}

// sumOfText is the sum of a text.
func sumOfText(text string) Sum { return sha256.Sum256([]byte(text)) }
