// Package vectors gives tests the certificates and cards of other projects, with
// what independent readers found in them. They are no part of this repository:
// the variable SMARTLOGON_VECTORS names the folder. Where it is not set, there is
// nothing to compare with and the test is skipped; where it is set, nothing may
// be missing.
package vectors

import (
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const variable = "SMARTLOGON_VECTORS"

// Dir is the folder with the vectors.
func Dir(t *testing.T) string {
	t.Helper()
	dir, set := os.LookupEnv(variable)
	if !set {
		t.Skip(variable + " is not set: nothing of other projects is compared")
	}
	if _, err := os.Stat(filepath.Join(dir, "expected.json")); err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return dir
}

// Read reads a JSON file of the folder.
func Read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Dir(t), name))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A Certificate is one of the files.
type Certificate struct {
	Name string // as expected.json and verdicts.json call it
	Path string
	DER  []byte
}

// Certificates are all certificates, those on cards included.
func Certificates(t *testing.T) []Certificate {
	t.Helper()
	dir := Dir(t)
	var list []Certificate
	for _, part := range []string{"certs", "piv-cards"} {
		err := filepath.WalkDir(filepath.Join(dir, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".pem") {
				return err
			}
			der, err := DER(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(dir, path)
			list = append(list, Certificate{filepath.ToSlash(name), path, der})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s: no certificate in %s", variable, dir)
	}
	return list
}

// DER is the content of a PEM file.
func DER(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, &fs.PathError{Op: "decode", Path: path, Err: fs.ErrInvalid}
	}
	return block.Bytes, nil
}

// Cards are the folders of the cards.
func Cards(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(t), "piv-cards", "*", "card.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s: no card", variable)
	}
	dirs := make([]string, 0, len(files))
	for _, f := range files {
		dirs = append(dirs, filepath.Dir(f))
	}
	return dirs
}

// Names are the names in a certificate, by an independent reader. Certificates
// whose names cannot be read have none.
type Names struct{ UPNs, Emails []string }

// ExpectedNames are the names in all certificates, by their names.
func ExpectedNames(t *testing.T) map[string]Names {
	t.Helper()
	var expected struct {
		Certificates map[string]struct {
			SAN *struct {
				UPN       []struct{ Value string }
				RFC822    []string
				Malformed string
			}
		}
	}
	Read(t, "expected.json", &expected)
	names := make(map[string]Names, len(expected.Certificates))
	for name, c := range expected.Certificates {
		var n Names
		if c.SAN != nil && c.SAN.Malformed == "" {
			for _, u := range c.SAN.UPN {
				n.UPNs = append(n.UPNs, u.Value)
			}
			n.Emails = c.SAN.RFC822
		}
		names[name] = n
	}
	return names
}
