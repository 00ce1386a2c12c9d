package cert_test

import (
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
)

func TestDistinguishedNames(t *testing.T) {
	text := func(tag ber.Tag, value string) []byte {
		return certtest.Attributes("2.5.4.3", ber.Append(nil, tag, []byte(value)))
	}
	tests := []struct {
		name             string
		dn               []byte
		rfc2253, display string
	}{
		{"several relative names", certtest.Name("C=DE", "O=Example", "CN=Alice"), "CN=Alice,O=Example,C=DE", "C=DE, O=Example, CN=Alice"},
		{"several attributes in a relative name", certtest.Name("O=Example", "CN=Alice+UID=7"), "UID=7+CN=Alice,O=Example", "O=Example, CN=Alice + UID=7"},
		{"empty name", certtest.Sequence(), "", ""},
		{"domain components and e-mail address", certtest.Name("DC=com", "DC=example", "E=alice@example.com"), "emailAddress=alice@example.com,DC=example,DC=com", "DC=com, DC=example, emailAddress=alice@example.com"},
		{"special characters", text(ber.UTF8String, `a,b"c\d<e>f;g`), `CN=a\,b\"c\\d\<e\>f\;g`, `CN=a\,b\"c\\d\<e\>f\;g`},
		{"plus sign", text(ber.UTF8String, "a+b"), `CN=a\+b`, `CN=a\+b`},
		{"leading number sign", text(ber.UTF8String, "#a#"), `CN=\#a#`, `CN=\#a#`},
		{"leading and trailing spaces", text(ber.UTF8String, "  a  "), `CN=\  a \ `, `CN=\  a \ `},
		{"control and format characters", text(ber.UTF8String, "a\r\n\u202Eb"), `CN=a\0D\0A\E2\80\AEb`, `CN=a\0D\0A\E2\80\AEb`},
		{"letters outside ASCII", text(ber.UTF8String, "Jürgen"), "CN=Jürgen", "CN=Jürgen"},
		{"PrintableString", text(ber.PrintableString, "Alice"), "CN=Alice", "CN=Alice"},
		{"IA5String outside ASCII", text(ber.IA5String, "\xE9"), "CN=#1601E9", "CN=#1601E9"},
		{"T61String is Latin-1", text(ber.T61String, "\xE9"), "CN=é", "CN=é"},
		{"BMPString", text(ber.BMPString, "\x00A\x6D\xF7"), "CN=A混", "CN=A混"},
		{"BMPString of odd length", text(ber.BMPString, "\x00A\x00"), "CN=#1E03004100", "CN=#1E03004100"},
		{"BMPString with a surrogate pair", text(ber.BMPString, "\x00a\xD8\x3D\xDE\x00\x00b"), "CN=a😀b", "CN=a😀b"},
		{"BMPString with a high surrogate", text(ber.BMPString, "\xD8\x3D\x00a"), "CN=#1E04D83D0061", "CN=#1E04D83D0061"},
		{"BMPString with a low surrogate", text(ber.BMPString, "\xDE\x00\xD8\x3D"), "CN=#1E04DE00D83D", "CN=#1E04DE00D83D"},
		{"BMPString that ends in a surrogate", text(ber.BMPString, "\x00a\xD8\x3D"), "CN=#1E040061D83D", "CN=#1E040061D83D"},
		{"T61String is UTF-8", text(ber.T61String, "\xC3\xA9"), "CN=é", "CN=é"},
		{"GeneralString", text(0x1B, "Alice"), "CN=Alice", "CN=Alice"},
		{"UniversalString", text(ber.UniversalString, "\x00\x01\xF6\x00"), "CN=😀", "CN=😀"},
		{"UniversalString beyond Unicode", text(ber.UniversalString, "\x00\x11\x00\x00"), "CN=#1C0400110000", "CN=#1C0400110000"},
		{"UniversalString of odd length", text(ber.UniversalString, "\x00"), "CN=#1C0100", "CN=#1C0100"},
		{"UTF8String, not UTF-8", text(ber.UTF8String, "\xC1\x80"), "CN=#0C02C180", "CN=#0C02C180"},
		{"value is not a string", certtest.Attributes("2.5.4.3", []byte{5, 0}), "CN=#0500", "CN=#0500"},
		{"type without a short name", certtest.Name("1.2.3=x"), "1.2.3=#0C0178", "1.2.3=#0C0178"},
		{"relative name of another type", certtest.Sequence([]byte{5, 0}), "", ""},
		{"attribute of another type", certtest.Sequence([]byte{0x31, 2, 5, 0}), "", ""},
		{"attribute without a value", certtest.Sequence(ber.Append(nil, ber.Set, certtest.Sequence(certtest.OID("2.5.4.3")))), "", ""},
		{"attribute with two values", certtest.Sequence(ber.Append(nil, ber.Set, certtest.Sequence(certtest.OID("2.5.4.3"), []byte{5, 0}, []byte{5, 0}))), "", ""},
		{"attribute with a padded type", certtest.Sequence(ber.Append(nil, ber.Set, certtest.Sequence([]byte{6, 2, 0x80, 1}, []byte{5, 0}))), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, certtest.Certificate{Subject: tt.dn})
			assert.Equal(t, tt.rfc2253, cert.RFC2253(c.Subject))
			assert.Equal(t, tt.display, cert.Display(c.Subject, false))
			if !strings.ContainsAny(tt.rfc2253, `\ ,+`) || tt.name == "several relative names" {
				assert.Equal(t, strings.ReplaceAll(tt.rfc2253, ",", ", "), cert.Display(c.Subject, true))
			}
		})
	}
}
