package cert_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
)

func TestFaults(t *testing.T) {
	null := ber.Append(nil, ber.Null, nil)
	two := ber.Append(nil, ber.Integer, []byte{2})
	version := func(content ...byte) certtest.Certificate {
		return certtest.Certificate{Version: ber.Append(nil, 0xA0, content)}
	}
	serial := func(content ...byte) certtest.Certificate {
		return certtest.Certificate{Serial: ber.Append(nil, ber.Integer, content)}
	}
	signature := func(content ...byte) certtest.Certificate {
		return certtest.Certificate{SignatureValue: ber.Append(nil, ber.BitString, content)}
	}
	sha256WithRSA := certtest.Sequence(certtest.OID("1.2.840.113549.1.1.11"), null)
	attribute := certtest.Sequence(certtest.OID("2.5.4.3"), ber.Append(nil, ber.UTF8String, []byte("a")))
	tests := []struct {
		name string
		c    certtest.Certificate
		want []string
	}{
		{"valid", certtest.Logon("alice@example.com"), nil},
		{"version absent", certtest.Certificate{Version: []byte{}}, nil},
		{"version 1 explicit", version(2, 1, 0), nil},
		{"version 2", version(2, 1, 1), nil},
		{"version is NULL", version(null...), []string{"version: byte 10: want tag 02, found 05"}},
		{"version is empty", version(), []string{"version: byte 10: want tag 02, found the end"}},
		{"version is two INTEGERs", version(append(two, two...)...), []string{"version: byte 13: data after the last element"}},
		{"version is a SEQUENCE", version(certtest.Sequence(two)...), []string{"version: byte 10: want tag 02, found 30"}},
		{"version is truncated", version(2, 5, 2), []string{"version: byte 10: value is longer than what is left of the data"}},
		{"version is an empty INTEGER", version(2, 0), []string{"version: byte 10: version is not 0, 1 or 2"}},
		{"version 4", version(2, 1, 3), []string{"version: byte 10: version is not 0, 1 or 2"}},
		{"version is negative", version(2, 1, 0xFF), []string{"version: byte 10: version is not 0, 1 or 2"}},
		{"version is padded", version(2, 2, 0, 2), []string{"version: byte 10: version is not 0, 1 or 2"}},
		{"version absent, with extensions", certtest.Certificate{Version: []byte{}, Extensions: [][]byte{certtest.DigitalSignature()}}, []string{
			"version: byte 390: extensions without version 3"}},
		{"version 2, with extensions", certtest.Certificate{Version: []byte{0xA0, 3, 2, 1, 1}, Extensions: [][]byte{certtest.DigitalSignature()}}, []string{
			"version: byte 395: extensions without version 3"}},

		{"serial number is negative", serial(0x80), nil},
		{"serial number is zero", serial(0), nil},
		{"serial number has 21 bytes", serial(append([]byte{1}, make([]byte, 20)...)...), nil},
		{"serial number is empty", serial(), []string{"serialNumber: byte 13: integer is empty"}},
		{"serial number is padded with 00", serial(0, 1), []string{"serialNumber: byte 13: integer is not in its shortest form"}},
		{"serial number is padded with FF", serial(0xFF, 0x80), []string{"serialNumber: byte 13: integer is not in its shortest form"}},

		{"algorithms are empty", certtest.Certificate{Signature: certtest.Sequence()}, []string{
			"signature: byte 18: want tag 06, found the end", "signatureAlgorithm: byte 384: want tag 06, found the end"}},
		{"algorithms are garbage", certtest.Certificate{Signature: ber.Append(nil, ber.Sequence, []byte("garbage"))}, []string{
			"signature: byte 18: value is longer than what is left of the data", "signatureAlgorithm: byte 391: value is longer than what is left of the data"}},
		{"algorithm in TBSCertificate is empty", certtest.Certificate{Signature: certtest.Sequence(), SignatureAlgorithm: sha256WithRSA}, []string{
			"signature: byte 18: want tag 06, found the end"}},
		{"algorithm of the certificate is NULL in a SEQUENCE", certtest.Certificate{SignatureAlgorithm: certtest.Sequence(null)}, []string{
			"signatureAlgorithm: byte 397: want tag 06, found 05"}},
		{"algorithm has two parameters", certtest.Certificate{SignatureAlgorithm: certtest.Sequence(certtest.OID("1.2.3"), null, null)}, []string{
			"signatureAlgorithm: byte 403: data after the last element"}},
		{"algorithm is padded", certtest.Certificate{SignatureAlgorithm: certtest.Sequence([]byte{6, 2, 0x80, 1})}, []string{
			"signatureAlgorithm: byte 397: not a valid object identifier"}},
		{"algorithms differ", certtest.Certificate{SignatureAlgorithm: certtest.Sequence(certtest.OID("1.2.840.113549.1.1.5"), null)}, []string{
			"signatureAlgorithm: byte 395: differs from the algorithm in TBSCertificate"}},

		{"signature has no content", signature(), []string{"signatureValue: byte 410: signature is empty"}},
		{"signature has no bits", signature(0), []string{"signatureValue: byte 410: signature is empty"}},
		{"signature has unused bits", signature(1, 2), []string{"signatureValue: byte 410: signature is not a whole number of bytes"}},

		{"issuer is empty", certtest.Certificate{Issuer: certtest.Sequence()}, nil},
		{"issuer is garbage", certtest.Certificate{Issuer: ber.Append(nil, ber.Sequence, []byte("garbage"))}, []string{"issuer: byte 33: value is longer than what is left of the data"}},
		{"issuer is truncated", certtest.Certificate{Issuer: ber.Append(nil, ber.Sequence, []byte{0x31, 0x7F})}, []string{
			"issuer: byte 33: value is longer than what is left of the data"}},
		{"issuer without its SET", certtest.Certificate{Issuer: certtest.Sequence(attribute)}, []string{"issuer: byte 33: want tag 31, found 30"}},
		{"subject is garbage", certtest.Certificate{Subject: ber.Append(nil, ber.Sequence, []byte("garbage"))}, []string{"subject: byte 85: value is longer than what is left of the data"}},
		{"subject without a value", certtest.Certificate{Subject: certtest.Sequence(ber.Append(nil, ber.Set, certtest.Sequence(certtest.OID("2.5.4.3"))))}, []string{
			"subject: byte 87: attribute without a valid type and a value"}},
		{"subject with garbage after an attribute", certtest.Certificate{Subject: certtest.Sequence(ber.Append(nil, ber.Set, append(attribute, 1)))}, []string{
			"subject: byte 97: length is missing"}},
		{"several", certtest.Certificate{Version: ber.Append(nil, 0xA0, nil), Serial: ber.Append(nil, ber.Integer, nil)}, []string{
			"version: byte 10: want tag 02, found the end", "serialNumber: byte 10: integer is empty"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, tt.c)
			var got []string
			for _, f := range c.Faults() {
				got = append(got, f.Error())
				assert.IsType(t, (*ber.Error)(nil), f.Err)
				assert.ErrorIs(t, f, f.Err)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestFaultsDoesNotAllocate(t *testing.T) {
	c := parse(t, certtest.Logon("alice@example.com"))
	assert.Zero(t, testing.AllocsPerRun(100, func() { c.Faults() }))
}

func BenchmarkFaults(b *testing.B) {
	c := parse(b, certtest.Logon("alice@example.com"))
	b.ReportAllocs()
	for b.Loop() {
		c.Faults()
	}
}
