// Package deptest checks which packages of a module import which.
//
// It parses the import clauses of every Go file, so a rule holds for all systems
// and build tags at once and needs no go command.
package deptest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Rule forbids imports. It names packages as the go command does in the root
// of the module: "./card" is a package of the module, "./card/..." that one and
// all below it, "crypto/tls" a package outside the module.
type Rule struct {
	Of     []string // the packages that the rule binds
	Except []string // of these, the ones that it does not bind
	Deny   []string // what they must not import, directly or through others
	Allow  []string // of that, what they may import

	// Direct limits the rule to the packages' own import clauses.
	Direct bool

	// Tests extends the rule to the import clauses of test files.
	Tests bool

	// Reason is printed with each violation.
	Reason string
}

// A Module holds the import clauses of a module's packages.
type Module struct {
	imports     map[string][]string // of the files that programs are built from
	testImports map[string][]string // of test files, external test packages included
}

// Load parses the Go files of the module in fsys. It skips what "./..." does not
// match: testdata, vendor, nested modules and names that begin with a dot or an
// underscore.
func Load(fsys fs.FS, modulePath string) (*Module, error) {
	m := &Module{imports: map[string][]string{}, testImports: map[string][]string{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		hidden := name != "." && (base[0] == '.' || base[0] == '_')
		if d.IsDir() {
			_, nested := fs.Stat(fsys, path.Join(name, "go.mod"))
			if hidden || base == "testdata" || base == "vendor" || name != "." && nested == nil {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || path.Ext(name) != ".go" {
			return nil
		}
		return m.add(fsys, name, modulePath)
	})
	if err != nil {
		return nil, fmt.Errorf("deptest: load %s: %w", modulePath, err)
	}
	return m, nil
}

func (m *Module) add(fsys fs.FS, name, modulePath string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return err
	}
	dir, imports := relative(path.Dir(name)), m.imports
	if strings.HasSuffix(name, "_test.go") {
		imports = m.testImports
	}
	if _, ok := imports[dir]; !ok {
		imports[dir] = nil // a package without imports is one, too
	}
	for _, clause := range file.Imports {
		imported, err := strconv.Unquote(clause.Path.Value)
		if err != nil {
			return err
		}
		if imported == modulePath {
			imported = "."
		} else if inside, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
			imported = relative(inside)
		}
		if !slices.Contains(imports[dir], imported) {
			imports[dir] = append(imports[dir], imported)
		}
	}
	return nil
}

// Import adds an import to a package, for tests of rules.
func (m *Module) Import(pkg, imported string) {
	m.imports[pkg] = append(m.imports[pkg], imported)
}

func relative(dir string) string {
	if dir == "." {
		return dir
	}
	return "./" + dir
}

// Check returns one line for each violation of the rules, and one for each name
// in a rule that matches no package: a rule that binds nothing is misspelled.
func (m *Module) Check(rules ...Rule) []string {
	var violations []string
	for _, r := range rules {
		for _, pattern := range slices.Concat(r.Of, r.Except, r.Deny, r.Allow) {
			if !m.contains(pattern) {
				violations = append(violations, fmt.Sprintf("no package matches %q (%s)", pattern, r.Reason))
			}
		}
		for _, pkg := range slices.Sorted(maps.Keys(m.packages())) {
			if !matchAny(r.Of, pkg) || matchAny(r.Except, pkg) {
				continue
			}
			for _, chain := range m.forbidden(r, pkg) {
				violations = append(violations, fmt.Sprintf("%s: %s", strings.Join(chain, " imports "), r.Reason))
			}
		}
	}
	return violations
}

// forbidden returns for each denied package one shortest chain of imports that
// leads from pkg to it.
func (m *Module) forbidden(r Rule, pkg string) [][]string {
	var chains [][]string
	first := m.imports[pkg]
	if r.Tests {
		first = slices.Concat(first, m.testImports[pkg])
	}
	seen := map[string]bool{pkg: true}
	queue := [][]string{}
	follow := func(chain, imports []string) {
		for _, imported := range imports {
			if !seen[imported] {
				seen[imported] = true
				queue = append(queue, append(slices.Clone(chain), imported))
			}
		}
	}
	follow([]string{pkg}, first)
	for len(queue) > 0 {
		chain := queue[0]
		queue = queue[1:]
		last := chain[len(chain)-1]
		if matchAny(r.Deny, last) && !matchAny(r.Allow, last) {
			chains = append(chains, chain)
			continue
		}
		if !r.Direct {
			follow(chain, m.imports[last])
		}
	}
	return chains
}

// packages returns the packages of the module. A directory with nothing but
// tests is one, too.
func (m *Module) packages() map[string]bool {
	set := map[string]bool{}
	for pkg := range m.imports {
		set[pkg] = true
	}
	for pkg := range m.testImports {
		set[pkg] = true
	}
	return set
}

// contains reports whether the pattern matches a package of the module or one
// that it imports.
func (m *Module) contains(pattern string) bool {
	for pkg := range m.packages() {
		if match(pattern, pkg) {
			return true
		}
		for _, imported := range slices.Concat(m.imports[pkg], m.testImports[pkg]) {
			if match(pattern, imported) {
				return true
			}
		}
	}
	return false
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, pkg) })
}

func match(pattern, pkg string) bool {
	parent, all := strings.CutSuffix(pattern, "/...")
	return pkg == parent || all && strings.HasPrefix(pkg, parent+"/")
}
