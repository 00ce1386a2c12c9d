package cardtest

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/crypto/pkcs12"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// maxFile limits the length of a file of a card folder.
const maxFile = 1 << 20

// Tags around a data object (SP 800-73-4 part 2, 3.1.2).
const (
	tagObject    ber.Tag = 0x53
	tagDiscovery ber.Tag = 0x7E
	tagBiometric ber.Tag = 0x7F61
)

// A loadedObject is one entry of card.json.
type loadedObject struct {
	Tag          string `json:"tag"`           // of GET DATA, hexadecimal
	File         string `json:"file"`          // in the folder
	Certificate  bool   `json:"certificate"`   // the file is a certificate, PEM or DER
	Wrapped      bool   `json:"wrapped"`       // the file includes the object's outermost tag
	KeyReference string `json:"key_reference"` // of a certificate, hexadecimal
	P12          string `json:"p12"`           // PKCS #12 file in the folder with the private key
	P12Password  string `json:"p12_password"`
}

// Load returns a PIV card with the contents of a folder. The folder's file card.json
// has a list "objects", for example:
//
//	{"objects": [
//	  {"tag": "5FC102", "file": "chuid.bin"},
//	  {"key_reference": "9A", "certificate": true, "file": "auth.pem", "p12": "auth.p12", "p12_password": "secret"}
//	]}
//
// An object is either a data object or a certificate:
//
//   - A data object has the hexadecimal "tag" of GET DATA and a "file" with its
//     value. With "wrapped", the file includes the outermost tag.
//   - A certificate has "certificate", not "wrapped", a hexadecimal "key_reference"
//     and a "file" in PEM or DER. Its private key is in "p12", a PKCS #12 file with
//     "p12_password". Without "p12" the card has no key.
//
// If the discovery object announces a global PIN, the card has one: [PIN].
//
// Other fields of card.json are ignored. Files are read from the folder only.
func Load(dir string, options ...Option) (*Card, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cardtest: card folder: %w", err)
	}
	defer root.Close()
	text, err := readFile(root, "card.json")
	if err != nil {
		return nil, fmt.Errorf("cardtest: card folder %s: %w", dir, err)
	}
	var list struct {
		Objects []loadedObject `json:"objects"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("cardtest: card folder %s: card.json: %w", dir, err)
	}
	if len(list.Objects) == 0 {
		return nil, fmt.Errorf("cardtest: card folder %s: card.json lists no objects", dir)
	}
	c := PIV(options...)
	for _, o := range list.Objects {
		if err := c.load(root, o); err != nil {
			return nil, fmt.Errorf("cardtest: card folder %s: object %.12q: %w", dir, cmp.Or(o.Tag, o.KeyReference), err)
		}
	}
	return c, nil
}

func (c *Card) load(root *os.Root, o loadedObject) error {
	content, err := readFile(root, o.File)
	if err != nil {
		return err
	}
	if o.Certificate && !o.Wrapped {
		return c.loadCertificate(root, o, content)
	}
	tag, err := strconv.ParseUint(o.Tag, 16, 24)
	if err != nil {
		return errors.New("tag is not hexadecimal")
	}
	if o.Wrapped {
		if content, err = unwrap(ber.Tag(tag), content); err != nil {
			return fmt.Errorf("%s: %w", o.File, err)
		}
	}
	c.PutObject(uint32(tag), content)
	if ber.Tag(tag) == tagDiscovery && announcesGlobalPIN(content) {
		c.piv("Load").AddGlobalPIN(PIN)
	}
	return nil
}

// announcesGlobalPIN reports whether a discovery object says that the global PIN
// satisfies the access rules of the application (SP 800-73-4 part 1, 3.3.2).
func announcesGlobalPIN(discovery []byte) bool {
	policy, _, err := ber.Find(discovery, 0x5F2F)
	return err == nil && len(policy) == 2 && policy[0]&0x20 != 0
}

// unwrap returns the value of the outermost element.
func unwrap(tag ber.Tag, object []byte) ([]byte, error) {
	if tag != tagDiscovery && tag != tagBiometric {
		tag = tagObject
	}
	r := ber.BER(object)
	e, ok := r.Next()
	switch {
	case !ok && r.Err() != nil:
		return nil, r.Err()
	case !ok || e.Tag != tag || r.More():
		return nil, fmt.Errorf("not a single object with tag %v", tag)
	}
	return e.Value, nil
}

func (c *Card) loadCertificate(root *os.Root, o loadedObject, certificate []byte) error {
	if block, _ := pem.Decode(certificate); block != nil {
		certificate = block.Bytes
	}
	ref, err := strconv.ParseUint(o.KeyReference, 16, 8)
	if err != nil {
		return errors.New("key_reference is not hexadecimal")
	}
	var key crypto.PrivateKey
	if o.P12 != "" {
		p12, err := readFile(root, o.P12)
		if err != nil {
			return err
		}
		key, _, err = pkcs12.Decode(p12, o.P12Password)
		if err != nil {
			return fmt.Errorf("%s: %w", o.P12, err)
		}
	}
	return c.piv("Load").putReference(byte(ref), key, certificate)
}

func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(f, maxFile+1)); err != nil {
		return nil, err
	} else if n > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	return b.Bytes(), nil
}
