package piv_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// slots returns all slots in the order in which they are listed.
func slots() []piv.Slot {
	list := []piv.Slot{piv.Authentication, piv.Signature, piv.KeyManagement, piv.CardAuthentication}
	for n := 1; n <= 20; n++ {
		list = append(list, piv.Retired(n))
	}
	return list
}

// container returns the name of a slot in package cardtest.
func container(s piv.Slot) string { return fmt.Sprintf("%02X", byte(s)) }

// object returns the tag of a slot's certificate.
func object(s piv.Slot) uint32 {
	switch s {
	case piv.Authentication:
		return 0x5FC105
	case piv.Signature:
		return 0x5FC10A
	case piv.KeyManagement:
		return 0x5FC10B
	case piv.CardAuthentication:
		return 0x5FC101
	}
	return 0x5FC10D + uint32(s-piv.Retired(1))
}

func TestSlots(t *testing.T) {
	names := map[string]bool{}
	for _, s := range slots() {
		assert.True(t, s.Valid())
		names[s.String()] = true
	}
	assert.Len(t, names, 24)
	assert.Equal(t, "9A (PIV Authentication)", piv.Authentication.String())
	assert.Equal(t, "8C (Retired Key Management 11)", piv.Retired(11).String())
	for _, s := range []piv.Slot{0, 0x81, 0x96, 0x99, 0x9B, 0xF9, piv.Retired(0), piv.Retired(21), piv.Retired(-1)} {
		assert.False(t, s.Valid(), "%v", s)
	}
	assert.Zero(t, piv.Retired(0))
	assert.Zero(t, piv.Retired(21))
	assert.Equal(t, "9B", piv.Slot(0x9B).String())
}

func TestCertificateOfEachSlot(t *testing.T) {
	encodings := map[string][]cardtest.Option{
		"plain": nil, "gzip": {cardtest.PIVGzip}, "Net iD": {cardtest.PIVNetID},
		"with lengths of four bytes": {cardtest.PIVLongLengths}, "short responses": {cardtest.ShortLengths},
		"T=0": {cardtest.T0}, "responses of 100 bytes": {cardtest.MaxResponse(100)}, "commands of 20 bytes": {cardtest.MaxCommand(20)},
	}
	want := map[piv.Slot][]byte{}
	for _, s := range slots() {
		want[s] = certificateFor(cardtest.Key(cardtest.P256, 0), s.String())
	}
	for name, options := range encodings {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.PIV(options...)
			for _, s := range slots() {
				soft.Put(container(s), nil, want[s])
			}
			p := open(t, soft)
			for _, s := range slots() {
				got, err := p.Certificate(t.Context(), s)
				require.NoError(t, err, s)
				assert.Equal(t, &piv.Certificate{Slot: s, Raw: want[s]}, got)
				parsed, err := got.X509()
				require.NoError(t, err)
				assert.Equal(t, want[s], parsed.Raw)
			}
		})
	}
}

func TestCertificateOfInvalidSlot(t *testing.T) {
	soft := cardtest.PIV()
	_, err := open(t, soft).Certificate(t.Context(), 0x9B)
	assert.ErrorIs(t, err, piv.ErrNotFound)
	assert.Zero(t, soft.Exchanges().Commands, "nothing is sent")
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	compress(t, z, b)
	return out.Bytes()
}

func netID(t *testing.T, size int, b []byte) []byte {
	t.Helper()
	out := bytes.NewBuffer([]byte{0x01, 0x00, byte(size), byte(size >> 8)})
	compress(t, zlib.NewWriter(out), b)
	return out.Bytes()
}

func compress(t *testing.T, z io.WriteCloser, b []byte) {
	t.Helper()
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
}

func TestCertificateContainer(t *testing.T) {
	der := certificateFor(cardtest.Key(cardtest.P256, 0), "a@example.com")
	for _, test := range []struct {
		name    string
		content []byte
	}{
		{"without CertInfo", tlv(0x70, der...)},
		{"with an empty CertInfo", join(tlv(0x70, der...), tlv(0x71))},
		{"with MSCUID and error detection", join(tlv(0x70, der...), tlv(0x71, 0), tlv(0x72, make([]byte, 38)...), tlv(0xFE))},
		{"with the certificate last", join(tlv(0xFE), tlv(0x71, 0), tlv(0x70, der...))},
		{"with unknown elements", join(tlv(0x7F21, 1), tlv(0x70, der...), tlv(0x53, 9))},
		{"gzip, marked by bit 8", join(tlv(0x70, gzipped(t, der)...), tlv(0x71, 0x80))},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := open(t, cardtest.PIV().PutObject(0x5FC105, test.content)).Certificate(t.Context(), piv.Authentication)
			require.NoError(t, err)
			assert.Equal(t, der, got.Raw)
		})
	}
}

func TestMalformedCertificateContainer(t *testing.T) {
	der := certificateFor(cardtest.Key(cardtest.P256, 0), "a@example.com")
	packed := func(content []byte) []byte { return join(tlv(0x70, content...), tlv(0x71, 1), tlv(0xFE)) }
	bomb := make([]byte, 1<<20)
	damaged := gzipped(t, der)
	damaged[len(damaged)-6] ^= 1 // its checksum
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"CertInfo of two bytes", join(tlv(0x70, der...), tlv(0x71, 0, 0)), "CertInfo of 2 bytes"},
		{"unknown CertInfo", join(tlv(0x70, der...), tlv(0x71, 4)), "CertInfo 04"},
		{"marked as compressed", packed(der), "marked as compressed but is not"},
		{"marked as compressed, one byte", packed([]byte{0x1F}), "marked as compressed but is not"},
		{"no sequence", tlv(0x70, 0x31, 0x00), "certificate in tag 70: byte 0: want tag 30, found 31"},
		{"bytes after the certificate", tlv(0x70, append(bytes.Clone(der), 0)...), "data after the last element"},
		{"a certificate cut off", tlv(0x70, der[:100]...), "value is longer"},
		{"gzip of 1 MiB", packed(gzipped(t, bomb)), "inflates to more than 65536 bytes"},
		{"Net iD of 1 MiB", packed(netID(t, 0xFFFF, bomb)), "inflates to more than 65536 bytes"},
		{"gzip cut off", packed(gzipped(t, der)[:200]), "unexpected EOF"},
		{"gzip with a bad header", packed([]byte{0x1F, 0x8B, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}), "invalid header"},
		{"gzip with a wrong checksum", packed(damaged), "invalid checksum"},
		{"gzip of two members", packed(join(gzipped(t, der), gzipped(t, der))), "bytes after the compressed certificate"},
		{"gzip of no certificate", packed(gzipped(t, []byte("hello"))), "certificate in tag 70: byte 0"},
		{"Net iD of another size", packed(netID(t, len(der)+1, der)), "not to the"},
		{"Net iD with a bad header", packed([]byte{1, 0, 5, 0, 9, 9, 9}), "invalid header"},
		{"Net iD and bytes after it", packed(append(netID(t, len(der), der), 0)), "1 bytes after"},
		{"not elements at all", []byte{0x70, 0x82}, "length is cut short"},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV().PutObject(0x5FC10D, test.content)
			_, err := open(t, soft).Certificate(t.Context(), piv.Retired(1))
			assert.ErrorIs(t, err, card.ErrMalformed)
			assert.ErrorContains(t, err, "82 (Retired Key Management 1), object 5FC10D")
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestEmptyCertificateContainer(t *testing.T) {
	for name, content := range map[string][]byte{
		"an empty certificate": join(tlv(0x70), tlv(0x71, 0), tlv(0xFE)),
		"no certificate":       join(tlv(0x71, 0), tlv(0xFE)),
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, cardtest.PIV().PutObject(0x5FC105, content))
			_, err := p.Certificate(t.Context(), piv.Authentication)
			assert.ErrorIs(t, err, piv.ErrNotFound)
		})
	}
}
