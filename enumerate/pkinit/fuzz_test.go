package pkinit

import (
	"bytes"
	"slices"
	"testing"
)

// fuzz asserts that what is read is also refused if a byte follows, and that no
// input makes the parser fail in another way than by an error.
func fuzz(f *testing.F, name string) {
	i := slices.IndexFunc(readers, func(r reader) bool { return r.name == name })
	r := readers[i]
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		err := r.read(b)
		if !bytes.Equal(in, b) {
			t.Fatal("the input was changed")
		}
		if err == nil && r.read(append(in, 0)) == nil {
			t.Fatalf("accepted with a byte more: %x", in)
		}
	})
}

func FuzzReply(f *testing.F)      { fuzz(f, "reply") }
func FuzzPKINITData(f *testing.F) { fuzz(f, "PKINIT data") }
func FuzzKey(f *testing.F)        { fuzz(f, "key") }
func FuzzEncPart(f *testing.F)    { fuzz(f, "encrypted part") }
func FuzzError(f *testing.F)      { fuzz(f, "error") }
func FuzzMethods(f *testing.F)    { fuzz(f, "methods") }
func FuzzNames(f *testing.F)      { fuzz(f, "names") }

// FuzzSignedData also verifies what was read.
func FuzzSignedData(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseCMS(b)
		if err != nil {
			return
		}
		if c, err := m.verify(oidDHKeyData, true); err == nil && !slices.Contains(m.certificates, c) {
			t.Fatal("the signer is not among the certificates")
		}
	})
}

// FuzzPublicValue asserts that an accepted value is one of the group.
func FuzzPublicValue(f *testing.F) {
	half, err := newFiniteField()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := half.secret(b)
		if err == nil && len(z) != 256 {
			t.Fatalf("secret of %d bytes", len(z))
		}
	})
}
