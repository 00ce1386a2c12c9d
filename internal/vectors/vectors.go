// Package vectors reads certificates and card images of other projects for
// tests, with the results of independent readers. They are not part of this
// repository: the environment variable SMARTLOGON_VECTORS names their folder. If
// it is not set, the test is skipped. If it is set, a missing file fails the test.
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

// Dir returns the folder with the vectors.
func Dir(t *testing.T) string {
	t.Helper()
	dir, set := os.LookupEnv(variable)
	if !set {
		t.Skip(variable + " is not set: the vectors of other projects are not compared")
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

// A Certificate is one certificate file.
type Certificate struct {
	Name string // its key in expected.json and verdicts.json
	Path string
	DER  []byte
}

// Certificates returns all certificates, including those on cards.
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

// DER returns the content of a PEM file.
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

// Cards returns the folders of the card images.
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

// Names are the names in a certificate according to an independent reader. They
// are empty if the certificate's names are malformed.
type Names struct{ UPNs, Emails []string }

// ExpectedNames returns the names in each certificate by [Certificate.Name].
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
