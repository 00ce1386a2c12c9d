// Mutate removes one rule, one policy, one reason or one row of the requirement
// table at a time and runs the tests of the package, which must fail each time.
// Run it in the root of the module; it takes a few minutes:
//
//	go run enumerate/rules/testdata/mutate.go
//
// No source file is changed: the compiler gets an overlay.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const folder = "enumerate/rules"

// A mutation replaces what a pattern matches in a file, one match at a time.
type mutation struct {
	what, file string
	pattern    string // its first group names the mutant
	with       string
}

var mutations = []mutation{
	{"rule", "check.go", `(?m)^\t\{(\w+), decide\w+\},\n`, ""},
	{"policy", "policy.go", `func\(p \*Policy\) \*bool \{ return &p\.(\w+) \}`, "func(p *Policy) *bool { return new(bool) }"},
	{"waiver of", "reason.go", `(?m)^\t(\w+): +\{Failed, (?:[a-z]\w+[A-Z]\w+|x509HintsNeeded),`, "\t$1: {Failed, none,"},
	{"verdict of", "reason.go", `(?m)^\t(\w+): +\{(?:Failed|Unknown), \w+,`, "\t$1: {Passed, none,"},
	{"pass of", "reason.go", `(?m)^\t(\w+): +\{Passed, \w+,`, "\t$1: {Failed, none,"},
	{"row", "requirement.go", `(?m)^\t\{"([a-z-]+)",(?:\n\t\t.*)*(?: cell.*)?\n`, ""},
}

func main() {
	log.SetFlags(0)
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	check := filepath.Join(folder, "check.go")
	sound, err := os.ReadFile(check)
	if err != nil {
		log.Fatal(err)
	}
	if path, err := filepath.Abs(check); err != nil || killed(dir, path, string(sound)) {
		log.Fatal("the tests fail without a mutation: ", err)
	}
	total, survived := 0, 0
	for _, m := range mutations {
		path, err := filepath.Abs(filepath.Join(folder, m.file))
		if err != nil {
			log.Fatal(err)
		}
		source, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		pattern := regexp.MustCompile(m.pattern)
		places := pattern.FindAllSubmatchIndex(source, -1)
		if len(places) == 0 {
			log.Fatalf("%s has no %s: the pattern is out of date", m.file, m.what)
		}
		for _, at := range places {
			name := string(source[at[2]:at[3]])
			if name == "none" {
				continue
			}
			mutant := string(source[:at[0]]) + string(pattern.Expand(nil, []byte(m.with), source, at)) + string(source[at[1]:])
			total++
			if killed(dir, path, mutant) {
				fmt.Printf("%s %s: a test fails\n", m.what, name)
				continue
			}
			survived++
			fmt.Printf("%s %s: NO TEST FAILS\n", m.what, name)
		}
	}
	fmt.Printf("%d mutants, %d survived\n", total, survived)
	if survived > 0 {
		os.Exit(1)
	}
}

// killed reports whether the tests fail with mutant in place of the file. A mutant
// that does not compile ends the program.
func killed(dir, path, mutant string) bool {
	changed, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(mutant), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, text, 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
	out, err := exec.Command("go", "test", "-vet=off", "-overlay", overlay, "./"+folder).CombinedOutput()
	if strings.Contains(string(out), "[build failed]") {
		log.Fatalf("a mutant does not compile:\n%s", out)
	}
	return err != nil
}
