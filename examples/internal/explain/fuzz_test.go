package explain

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzCertificates checks that every file yields at least one result, that no result is
// larger than the file, and that the certificates in a PEM bundle read as the same
// certificates again.
func FuzzCertificates(f *testing.F) {
	// Long seeds make the fuzzer slow; the contents of a certificate do not matter.
	long := append([]byte{0x30, 0x81, 0x80}, make([]byte, 128)...)
	for _, file := range readableFiles(long, []byte{0x30, 0x03, 0x0C, 0x01, 0x41}) {
		f.Add(file)
	}
	for _, files := range otherFiles(f) {
		for _, file := range files {
			if len(file) < 500 {
				f.Add(file)
			}
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		ders, errs := decode(file)
		require.NotZero(t, len(ders)+len(errs))
		require.LessOrEqual(t, len(ders)+len(errs), len(file)/2+1)
		var bundle bytes.Buffer
		for _, der := range ders {
			require.NotEmpty(t, der)
			require.LessOrEqual(t, len(der), len(file))
			bundle.Write(pemOf("CERTIFICATE", der))
		}
		if ders == nil {
			return
		}
		again, errs := decode(bundle.Bytes())
		assert.Empty(t, errs)
		assert.Equal(t, ders, again)
	})
}
