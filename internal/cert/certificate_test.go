package cert_test

import (
	"bytes"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, c certtest.Certificate) cert.Certificate {
	t.Helper()
	got, err := cert.Parse(c.DER())
	require.NoError(t, err)
	return got
}

func TestParse(t *testing.T) {
	t.Run("fields", func(t *testing.T) {
		fields := certtest.Certificate{
			Serial:  ber.Append(nil, ber.Integer, []byte{0, 0x80}),
			Issuer:  certtest.Name("C=DE", "CN=CA"),
			Subject: certtest.Name("CN=Bob"),
			Key:     certtest.ECKey("1.2.840.10045.3.1.7"),
		}
		der := fields.DER()
		got, err := cert.Parse(der)
		require.NoError(t, err)
		assert.Equal(t, der, got.Raw)
		assert.Equal(t, fields.Serial, got.Serial.Raw)
		assert.Equal(t, fields.Issuer, got.Issuer.Raw)
		assert.Equal(t, fields.Subject, got.Subject.Raw)
		assert.Equal(t, fields.Key, got.SPKI.Raw)
		for _, e := range []ber.Element{got.TBS, got.Serial, got.Signature, got.Issuer, got.Validity, got.Subject, got.SPKI} {
			assert.Equal(t, der[e.Offset:e.Offset+len(e.Raw)], e.Raw)
		}
	})
	t.Run("version 1: no version field and no extensions", func(t *testing.T) {
		got := parse(t, certtest.Certificate{Version: []byte{}})
		_, ok, err := got.Extension(cert.OIDKeyUsage)
		assert.NoError(t, err)
		assert.False(t, ok)
	})
	t.Run("unique identifiers are skipped", func(t *testing.T) {
		got := parse(t, certtest.Certificate{
			List: append([]byte{0x81, 2, 0, 1, 0x82, 2, 0, 1}, ber.Append(nil, 0xA3, certtest.Sequence(certtest.DigitalSignature()))...),
		})
		_, ok, err := got.Extension(cert.OIDKeyUsage)
		assert.NoError(t, err)
		assert.True(t, ok)
	})
}

func TestParseRefuses(t *testing.T) {
	good := certtest.Certificate{}.DER()
	null := ber.Append(nil, ber.Null, nil)
	tests := []struct {
		name string
		der  []byte
		want string
	}{
		{"empty input", nil, "byte 0: want tag 30, found the end"},
		{"PEM", []byte("-----BEGIN CERTIFICATE-----\n"), "byte 0: PEM, want DER"},
		{"truncated certificate", good[:len(good)-1], "byte 0: value is longer than what is left of the data"},
		{"bytes after the certificate", append(bytes.Clone(good), 0), "byte 671: data after the last element"},
		{"not a SEQUENCE", null, "byte 0: want tag 30, found 05"},
		{"more than MaxSize bytes", make([]byte, cert.MaxSize+1), "byte 0: 65537 bytes are more than the 65536 that a certificate may have"},
		{"no signature", certtest.Sequence(certtest.Sequence()), "byte 4: want tag 30, found the end"},
		{"fourth element", certtest.Sequence(certtest.Sequence(), certtest.Sequence(), ber.Append(nil, ber.BitString, nil), null), "byte 8: data after the last element"},
		{"empty TBSCertificate", certtest.Sequence(certtest.Sequence(), certtest.Sequence(), ber.Append(nil, ber.BitString, nil)), "byte 4: want tag 02, found the end"},
		{"serial number of another type", certtest.Certificate{Serial: null}.DER(), "byte 13: want tag 02, found 05"},
		{"issuer of another type", certtest.Certificate{Issuer: null}.DER(), "byte 31: want tag 30, found 05"},
		{"subject of another type", certtest.Certificate{Subject: null}.DER(), "byte 83: want tag 30, found 05"},
		{"key of another type", certtest.Certificate{Key: null}.DER(), "byte 99: want tag 30, found 05"},
		{"field after the extensions", certtest.Certificate{Trailer: null}.DER(), "byte 395: data after the last element"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cert.Parse(tt.der)
			assert.EqualError(t, err, tt.want)
			assert.IsType(t, (*ber.Error)(nil), err)
			assert.Zero(t, got)
		})
	}
}

func TestExtension(t *testing.T) {
	t.Run("any position, critical or not", func(t *testing.T) {
		c := parse(t, certtest.Certificate{Extensions: [][]byte{certtest.EKU(certtest.ClientAuth), certtest.DigitalSignature()}})
		x, ok, err := c.Extension(cert.OIDKeyUsage)
		require.NoError(t, err)
		require.True(t, ok)
		assert.True(t, x.Critical)
		assert.Equal(t, []byte{3, 2, 7, 0x80}, x.Value.Value)

		x, ok, err = c.Extension(cert.OIDExtendedKeyUsage)
		require.NoError(t, err)
		require.True(t, ok)
		assert.False(t, x.Critical)
	})
	t.Run("explicit FALSE is not critical", func(t *testing.T) {
		c := parse(t, certtest.Certificate{Extensions: [][]byte{certtest.Sequence(
			certtest.OID("2.5.29.15"), []byte{1, 1, 0}, []byte{4, 0})}})
		x, ok, err := c.Extension(cert.OIDKeyUsage)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.False(t, x.Critical)
	})

	twice := [][]byte{certtest.DigitalSignature(), certtest.DigitalSignature()}
	many := make([][]byte, cert.MaxExtensions+1)
	for i := range many {
		many[i] = certtest.Extension("2.5.29.99", nil)
	}
	malformed := []struct {
		name string
		c    certtest.Certificate
		want string
	}{
		{"twice", certtest.Certificate{Extensions: twice}, "byte 425: a second extension 2.5.29.15"},
		{"list of another type", certtest.Certificate{List: []byte{0xA3, 2, 5, 0}}, "byte 397: want tag 30, found 05"},
		{"two lists", certtest.Certificate{List: []byte{0xA3, 4, 0x30, 0, 0x30, 0}}, "byte 399: data after the last element"},
		{"entry of another type", certtest.Certificate{Extensions: [][]byte{{5, 0}}}, "byte 399: want tag 30, found 05"},
		{"entry without a value", certtest.Certificate{Extensions: [][]byte{certtest.Sequence(certtest.OID("2.5.29.9"))}}, "byte 406: want tag 04, found the end"},
		{"element after the value of an entry", certtest.Certificate{Extensions: [][]byte{certtest.Sequence(certtest.OID("2.5.29.9"), []byte{4, 0}, []byte{5, 0})}}, "byte 408: data after the last element"},
		{"entry with a padded identifier", certtest.Certificate{Extensions: [][]byte{certtest.Sequence([]byte{6, 4, 0x55, 0x1D, 0x80, 0x0F}, []byte{4, 0})}}, "byte 401: extension has no valid object identifier"},
		{"more than MaxExtensions entries", certtest.Certificate{Extensions: many}, "byte 2707: more than 256 extensions"},
	}
	for _, tt := range malformed {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, tt.c)
			_, ok, err := c.Extension(cert.OIDKeyUsage)
			assert.EqualError(t, err, tt.want)
			assert.False(t, ok)
		})
	}
}

func TestDuplicateExtension(t *testing.T) {
	c := parse(t, certtest.Certificate{Extensions: [][]byte{
		certtest.Extension("1.2.3", nil), certtest.DigitalSignature(), certtest.Extension("1.2.3", []byte{5, 0}),
	}})
	oid, err := c.DuplicateExtension()
	assert.NoError(t, err)
	assert.Equal(t, "1.2.3", cert.DottedOID(oid))

	c = parse(t, certtest.Logon("alice@example.com"))
	oid, err = c.DuplicateExtension()
	assert.NoError(t, err)
	assert.Nil(t, oid)

	c = parse(t, certtest.Certificate{Extensions: [][]byte{{5, 0}}})
	_, err = c.DuplicateExtension()
	assert.EqualError(t, err, "byte 399: want tag 30, found 05")
}

func TestDates(t *testing.T) {
	const malformed = "0001-01-01 00:00:00 +0000 UTC"
	tests := []struct {
		name string
		date []byte
		want string
	}{
		{"two-digit year from 50 is 19xx", certtest.UTCTime("500101000000Z"), "1950-01-01 00:00:00 +0000 UTC"},
		{"two-digit year below 50 is 20xx", certtest.UTCTime("491231235959Z"), "2049-12-31 23:59:59 +0000 UTC"},
		{"four-digit year", certtest.GeneralizedTime("20240229235959Z"), "2024-02-29 23:59:59 +0000 UTC"},
		{"K7 year 9999", certtest.GeneralizedTime("99991231235959Z"), "9999-12-31 23:59:59 +0000 UTC"},
		{"year 1", certtest.GeneralizedTime("00010101000001Z"), "0001-01-01 00:00:01 +0000 UTC"},
		{"K7 year 0", certtest.GeneralizedTime("00000101000001Z"), malformed},
		{"February 29 of a common year", certtest.GeneralizedTime("20230229000000Z"), malformed},
		{"month 13", certtest.UTCTime("231301000000Z"), malformed},
		{"month 0", certtest.UTCTime("230001000000Z"), malformed},
		{"day 0", certtest.UTCTime("230100000000Z"), malformed},
		{"hour 24", certtest.UTCTime("230101240000Z"), malformed},
		{"minute 60", certtest.UTCTime("230101006000Z"), malformed},
		{"second 60", certtest.UTCTime("230101000060Z"), malformed},
		{"K7 no seconds", certtest.UTCTime("2301010000Z"), malformed},
		{"K7 offset", certtest.UTCTime("230101000000+0100"), malformed},
		{"no zone", certtest.UTCTime("2301010000000"), malformed},
		{"fraction of a second", certtest.GeneralizedTime("20230101000000.5Z"), malformed},
		{"sign", certtest.UTCTime("+30101000000Z"), malformed},
		{"letter in the year", certtest.GeneralizedTime("2O230101000000Z"), malformed},
		{"letter in the day", certtest.UTCTime("2301O1000000Z"), malformed},
		{"IA5String", ber.Append(nil, ber.IA5String, []byte("230101000000Z")), malformed},
		{"four-digit year in a UTCTime", certtest.UTCTime("20230101000000Z"), malformed},
		{"empty", certtest.UTCTime(""), malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, certtest.Certificate{NotBefore: tt.date, NotAfter: tt.date})
			notBefore, notAfter := c.Dates()
			for _, d := range []cert.Date{notBefore, notAfter} {
				assert.Equal(t, tt.want, d.Time.String())
				assert.Equal(t, tt.date[2:], d.Text)
			}
		})
	}
	t.Run("first second of year 1", func(t *testing.T) {
		first := certtest.GeneralizedTime("00010101000000Z")
		c := parse(t, certtest.Certificate{NotBefore: first, NotAfter: first})
		notBefore, notAfter := c.Dates()
		for _, d := range []cert.Date{notBefore, notAfter} {
			assert.False(t, d.Time.IsZero(), "zero is malformed")
			assert.Equal(t, "0001-01-01T00:00:00Z", d.Time.Format(time.RFC3339))
		}
	})
	t.Run("not two dates", func(t *testing.T) {
		date := certtest.UTCTime("230101000000Z")
		for _, validity := range [][]byte{certtest.Sequence(), certtest.Sequence(date), certtest.Sequence(date, date, date), certtest.Sequence(date, date, []byte{0x17})} {
			c := parse(t, certtest.Certificate{Validity: validity})
			notBefore, notAfter := c.Dates()
			assert.True(t, notAfter.Time.IsZero())
			if len(validity) != len(certtest.Sequence(date)) {
				assert.True(t, notBefore.Time.IsZero())
			}
		}
	})
}

func TestKey(t *testing.T) {
	tests := []struct {
		name             string
		key              []byte
		algorithm, curve string
		bits             int
		err              string
	}{
		{name: "RSA", key: certtest.RSAKey(3072), algorithm: "1.2.840.113549.1.1.1", bits: 3072},
		{name: "RSA with a malformed key", key: certtest.Key("1.2.840.113549.1.1.1", nil, nil), algorithm: "1.2.840.113549.1.1.1"},
		{name: "RSA with a modulus of 0", key: certtest.Key("1.2.840.113549.1.1.1", nil, certtest.Sequence([]byte{2, 1, 0})), algorithm: "1.2.840.113549.1.1.1"},
		{name: "RSA with an empty bit string", key: certtest.Sequence(certtest.Sequence(certtest.OID("1.2.840.113549.1.1.1")), []byte{3, 0}), algorithm: "1.2.840.113549.1.1.1"},
		{name: "P-256", key: certtest.ECKey("1.2.840.10045.3.1.7"), algorithm: "1.2.840.10045.2.1", curve: "1.2.840.10045.3.1.7"},
		{name: "explicit curve parameters", key: certtest.Key("1.2.840.10045.2.1", certtest.Sequence(), nil), algorithm: "1.2.840.10045.2.1"},
		{name: "Ed25519", key: certtest.Key("1.3.101.112", nil, nil), algorithm: "1.3.101.112"},
		{name: "empty", key: certtest.Sequence(), err: "byte 101: want tag 30, found the end"},
		{name: "element after the key", key: certtest.Sequence(certtest.Sequence(certtest.OID("1.3.101.112")), []byte{3, 1, 0}, []byte{5, 0}), err: "byte 111: data after the last element"},
		{name: "two parameters", key: certtest.Key("1.3.101.112", []byte{5, 0, 5, 0}, nil), err: "byte 110: data after the last element"},
		{name: "padded algorithm identifier", key: certtest.Sequence(certtest.Sequence([]byte{6, 3, 0x2B, 0x80, 0x01}), []byte{3, 1, 0}), err: "byte 103: key has no valid algorithm identifier"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, certtest.Certificate{Key: tt.key})
			k, err := c.Key()
			if tt.err != "" {
				assert.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.algorithm, cert.DottedOID(k.Algorithm))
			assert.Equal(t, tt.curve, cert.DottedOID(k.Curve))
			assert.Equal(t, tt.bits, k.Bits())
		})
	}
}

func TestKeyUsage(t *testing.T) {
	tests := []struct {
		name    string
		content []byte
		want    []string
		err     string
	}{
		{"digitalSignature", []byte{7, 0x80}, []string{"digitalSignature"}, ""},
		{"every bit", []byte{7, 0xFF, 0x80}, []string{"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"}, ""},
		{"bits above 8 are ignored", []byte{0, 0x20, 0x7F}, []string{"keyEncipherment"}, ""},
		{"trailing zeros, not DER", []byte{0, 0x80, 0}, []string{"digitalSignature"}, ""},
		{"no bit", []byte{0}, []string{}, ""},
		{"no count of unused bits", nil, nil, "byte 408: bit string without its count of unused bits"},
		{"eight unused bits", []byte{8, 0x80}, nil, "byte 408: bit string has more unused bits than bits"},
		{"unused bits without bits", []byte{1}, nil, "byte 408: bit string has more unused bits than bits"},
		{"unused bit set", []byte{7, 0xC0}, nil, "byte 408: bit string has an unused bit that is set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, certtest.Certificate{Extensions: [][]byte{certtest.Extension("2.5.29.15", ber.Append(nil, ber.BitString, tt.content))}})
			usage, ok, err := c.KeyUsage()
			if tt.err != "" {
				assert.EqualError(t, err, tt.err)
				assert.False(t, ok)
				return
			}
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, tt.want, cert.KeyUsageNames(usage))
		})
	}
	t.Run("another type", func(t *testing.T) {
		c := parse(t, certtest.Certificate{Extensions: [][]byte{certtest.Extension("2.5.29.15", []byte{5, 0})}})
		_, _, err := c.KeyUsage()
		assert.EqualError(t, err, "byte 408: want tag 03, found 05")
	})
}

func TestExtendedKeyUsage(t *testing.T) {
	tests := []struct {
		name  string
		value []byte
		want  []string
		err   string
	}{
		{"two purposes", certtest.Sequence(certtest.OID("1.2.3"), certtest.OID("2.5.29.37.0")), []string{"1.2.3", "2.5.29.37.0"}, ""},
		{"no purpose", certtest.Sequence(), nil, "byte 408: extended key usage names no purpose"},
		{"another type", []byte{5, 0}, nil, "byte 408: want tag 30, found 05"},
		{"data after the list", append(certtest.Sequence(certtest.OID("1.2.3")), 5, 0), nil, "byte 414: data after the last element"},
		{"purpose of another type", certtest.Sequence(certtest.OID("1.2.3"), []byte{5, 0}), nil, "byte 414: want tag 06, found 05"},
		{"padded purpose", certtest.Sequence([]byte{6, 3, 0x2B, 0x80, 1}), nil, "byte 410: purpose is not a valid object identifier"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, certtest.Certificate{Extensions: [][]byte{certtest.Extension("2.5.29.37", tt.value)}})
			list, ok, err := c.ExtendedKeyUsage()
			var got []string
			for oid, more := list.Next(); more; oid, more = list.Next() {
				got = append(got, cert.DottedOID(oid))
			}
			assert.Equal(t, tt.want, got)
			if tt.err != "" {
				assert.EqualError(t, err, tt.err)
				assert.False(t, ok)
				return
			}
			assert.NoError(t, err)
			assert.True(t, ok)
		})
	}
}

func TestDottedOID(t *testing.T) {
	for _, dotted := range []string{"0.0", "0.39", "1.0", "1.39", "2.0", "2.39", "2.999.3", "1.3.6.1.4.1.311.20.2.3", "2.5.29.37.0"} {
		assert.Equal(t, dotted, cert.DottedOID(certtest.OID(dotted)[2:]))
	}
	uuid := []byte{0x69, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x03}
	assert.Equal(t, "2.25.3569662853192802681219", cert.DottedOID(uuid))
	first := bytes.Repeat([]byte{0xFF}, 9)
	assert.Equal(t, "2.1180591620717411303343", cert.DottedOID(append(first, 0x7F)))

	for name, bad := range map[string][]byte{
		"empty": nil, "padding first": {0x80, 1}, "padding inside": {0x2B, 0x80, 1}, "incomplete arc": {0x2B, 0x86},
		"too long": bytes.Repeat([]byte{1}, 129),
	} {
		assert.Empty(t, cert.DottedOID(bad), name)
		assert.False(t, cert.ValidOID(bad), name)
	}
}

// FuzzCert checks that each element and each fault lies at its offset, that
// Extension agrees with Extensions, and that encoding/asn1 reads the same object
// identifiers, if it accepts them.
func FuzzCert(f *testing.F) {
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := cert.Parse(der)
		if err != nil {
			if c.Raw != nil {
				t.Fatal("error with a certificate")
			}
			return
		}
		for _, e := range []ber.Element{c.TBS, c.Serial, c.Signature, c.Issuer, c.Validity, c.Subject, c.SPKI} {
			if !bytes.Equal(der[e.Offset:e.Offset+len(e.Raw)], e.Raw) {
				t.Fatalf("element is not at its offset %d", e.Offset)
			}
		}
		list := c.Extensions()
		for x, ok := list.Next(); ok; x, ok = list.Next() {
			var oid asn1.ObjectIdentifier
			if _, err := asn1.Unmarshal(ber.Append(nil, ber.OID, x.OID), &oid); err == nil && oid.String() != cert.DottedOID(x.OID) {
				t.Fatalf("%s was decoded as %s", oid, cert.DottedOID(x.OID))
			}
			same, ok, err := c.Extension(string(x.OID))
			if err == nil && (!ok || !bytes.Equal(same.Value.Raw, x.Value.Raw)) {
				t.Fatalf("Extension returned another value for %x", x.OID)
			}
		}
		notBefore, notAfter := c.Dates()
		for _, d := range []cert.Date{notBefore, notAfter} {
			text := string(d.Text)
			if !d.Time.IsZero() && d.Time.Format("060102150405Z") != text && d.Time.Format("20060102150405Z") != text {
				t.Fatalf("%q was decoded as %v", text, d.Time)
			}
		}
		for _, f := range c.Faults() {
			if fault, ok := f.Err.(*ber.Error); !ok || fault.Offset <= 0 || fault.Offset > len(der) {
				t.Fatalf("fault %v is not in the certificate", f)
			}
		}
		usage, ok, err := c.KeyUsage()
		if (err != nil || !ok) && usage != 0 {
			t.Fatal("key usage with an error or without the extension")
		}
		if k, err := c.Key(); err == nil && !cert.ValidOID(k.Algorithm) {
			t.Fatal("key without an algorithm")
		}
	})
}
