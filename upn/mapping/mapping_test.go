package mapping_test

import (
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	hash40 = "ed913fa41377dbfb8eac2bc6fcae71ecd4a974fd"
	root   = "DC=local,DC=dod,CN=SpatDoD Root CA"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		text string
		want mapping.Mapping
	}{
		{"principal name", "X509:<PN>bob@woodgrove.com", mapping.Mapping{Kind: mapping.PrincipalName, Value: "bob@woodgrove.com"}},
		{"principal name without a dot", "X509:<PN>bob@woodgrove", mapping.Mapping{Kind: mapping.PrincipalName, Value: "bob@woodgrove"}},
		{"principal name with angle brackets", "X509:<PN>a<S>b@x", mapping.Mapping{Kind: mapping.PrincipalName, Value: "a<S>b@x"}},
		{"e-mail address", "X509:<RFC822>user@woodgrove.com", mapping.Mapping{Kind: mapping.RFC822, Value: "user@woodgrove.com"}},
		{"issuer and subject", "X509:<I>" + root + "<S>CN=gman", mapping.Mapping{Kind: mapping.IssuerSubject, Issuer: root, Value: "CN=gman"}},
		{"subject", "X509:<S>CN=gman", mapping.Mapping{Kind: mapping.Subject, Value: "CN=gman"}},
		{"subject with brackets in quotes", `X509:<S>CN="a<S>b",OU=""`, mapping.Mapping{Kind: mapping.Subject, Value: `CN="a<S>b",OU=""`}},
		{"issuer with brackets in quotes", `X509:<I>CN="a ""<SR>"" b"<SR>00`, mapping.Mapping{Kind: mapping.IssuerSerial, Issuer: `CN="a ""<SR>"" b"`, Value: "00"}},
		{"issuer with an empty value", `X509:<I>CN=""<SR>00`, mapping.Mapping{Kind: mapping.IssuerSerial, Issuer: `CN=""`, Value: "00"}},
		{"issuer with a quote as value", `X509:<I>CN=""""<SR>00`, mapping.Mapping{Kind: mapping.IssuerSerial, Issuer: `CN=""""`, Value: "00"}},
		{"key identifier", "X509:<SKI>ddde2c", mapping.Mapping{Kind: mapping.SKI, Value: "ddde2c"}},
		{"key identifier in upper case", "X509:<SKI>DDDE2C", mapping.Mapping{Kind: mapping.SKI, Value: "DDDE2C"}},
		{"hash", "X509:<SHA1-PUKEY>" + hash40, mapping.Mapping{Kind: mapping.SHA1PublicKey, Value: hash40}},
		{"issuer and serial number", "X509:<I>" + root + "<SR>32000000000003bde810", mapping.Mapping{Kind: mapping.IssuerSerial, Issuer: root, Value: "32000000000003bde810"}},
		{"issuer and security identifier", "X509:<I>" + root + "<SID>S-1-5-21-1-2-3-1105", mapping.Mapping{Kind: mapping.IssuerSID, Issuer: root, Value: "S-1-5-21-1-2-3-1105"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mapping.Parse(tt.text)
			require.NoError(t, err)
			assert.Equal(t, tt.want, m)
			assert.Equal(t, tt.text, m.String())
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", `does not begin with "X509:"`},
		{"prefix in lower case", "x509:<SKI>ab", `does not begin with "X509:"`},
		{"tag in lower case", "X509:<ski>ab", "has none of the tags"},
		{"no tag", "X509:ab", "has none of the tags"},
		{"space after the prefix", "X509: <RFC822>a@b", "has none of the tags"},
		{"serial number without issuer", "X509:<SR>ab", "has none of the tags"},
		{"security identifier without issuer", "X509:<SID>S-1-5-1", "has none of the tags"},
		{"issuer only", "X509:<I>CN=a", "has none of the tags <S>, <SR>, <SID> after the issuer"},
		{"no issuer", "X509:<I><S>CN=a", "has no issuer"},
		{"issuer and key identifier", "X509:<I>CN=a<SKI>ab", "has none of the tags <S>, <SR>, <SID> after the issuer"},
		{"issuer, subject and serial number", "X509:<I>CN=a<S>CN=b<SR>00", "has an unquoted angle bracket in the subject"},
		{"two subjects", "X509:<S>CN=a<S>CN=b", "has an unquoted angle bracket in the subject"},
		{"unquoted bracket", "X509:<S>CN=a>b", "has an unquoted angle bracket in the subject"},
		{"quote inside a value", `X509:<S>CN=a"<S>"`, "has an unquoted angle bracket in the subject"},
		{"no subject", "X509:<I>CN=a<S>", "has no value"},
		{"no name", "X509:<PN>", "has no value"},
		{"space before the serial number", "X509:<I>CN=a<SR> ab", "value of <SR> is not hexadecimal of whole bytes"},
		{"odd number of digits", "X509:<SKI>abc", "value of <SKI> is not hexadecimal of whole bytes"},
		{"no digits", "X509:<SKI>", "value of <SKI> is not hexadecimal of whole bytes"},
		{"hash of 39 digits", "X509:<SHA1-PUKEY>" + hash40[1:], "value of <SHA1-PUKEY> is not 40 hexadecimal digits"},
		{"hash in base64", "X509:<SHA1-PUKEY>7ZE/pBN32/uOrCvG/K5x7NSpdP0=", "value of <SHA1-PUKEY> is not 40 hexadecimal digits"},
		{"malformed security identifier", "X509:<I>CN=a<SID>bob", "value of <SID> is not a security identifier"},
		{"line feed", "X509:<S>CN=a\n", "has a control character at byte 12"},
		{"not UTF-8", "X509:<S>CN=\xFF", "is not UTF-8"},
		{"too long", "X509:<S>" + strings.Repeat("a", 8<<10), "has 8200 bytes, more than 8192"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mapping.Parse(tt.text)
			assert.ErrorContains(t, err, tt.want)
			assert.Zero(t, m)
			assert.Less(t, len(err.Error()), 400)
		})
	}
}

func TestKinds(t *testing.T) {
	names := map[mapping.Kind]string{
		mapping.PrincipalName: "PN", mapping.RFC822: "RFC822", mapping.IssuerSubject: "IS", mapping.Subject: "S",
		mapping.SKI: "SKI", mapping.SHA1PublicKey: "SHA1PUKEY", mapping.IssuerSerial: "ISR", mapping.IssuerSID: "ISID",
	}
	strong := map[mapping.Kind]bool{mapping.SKI: true, mapping.SHA1PublicKey: true, mapping.IssuerSerial: true, mapping.IssuerSID: true}
	for k, name := range names {
		assert.Equal(t, name, k.String())
		assert.Equal(t, strong[k], k.Strong(), name)
		assert.Equal(t, strong[k], mapping.Mapping{Kind: k}.Strong(), name)
	}
	for _, k := range []mapping.Kind{-1, 0, mapping.IssuerSID + 1} {
		assert.Equal(t, "none", k.String())
		assert.False(t, k.Strong())
		assert.Empty(t, mapping.Mapping{Kind: k, Value: "a"}.String())
	}
}
