package mapping_test

import (
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func TestReadSID(t *testing.T) {
	const longest = "S-1-281474976710655-1-2-3-4-5-6-7-8-9-10-11-12-13-14-4294967295"
	tests := []struct {
		name       string
		extensions [][]byte
		want       mapping.SID
		value      string
		conflict   bool
	}{
		{name: "no identifier"},
		{name: "names without an identifier", extensions: [][]byte{san(upnName("a@b"), uri("urn:uuid:1"))}},
		{name: "extension", extensions: [][]byte{sidExtension(bobSID)}, want: mapping.SID{Extension: bobSID}, value: bobSID},
		{name: "URI", extensions: [][]byte{san(uri(sidURI + bobSID))}, want: mapping.SID{URI: bobSID}, value: bobSID},
		{name: "URI after a name", extensions: [][]byte{san(upnName("a@b"), uri(sidURI+bobSID))}, want: mapping.SID{URI: bobSID}, value: bobSID},
		{name: "URI twice", extensions: [][]byte{san(uri(sidURI+bobSID), uri(sidURI+bobSID))}, want: mapping.SID{URI: bobSID}, value: bobSID},
		{name: "both, equal", extensions: [][]byte{sidExtension(bobSID), san(uri(sidURI + bobSID))}, want: mapping.SID{Extension: bobSID, URI: bobSID}, value: bobSID},
		{name: "both, different", extensions: [][]byte{sidExtension(bobSID), san(uri(sidURI + otherSID))},
			want: mapping.SID{Extension: bobSID, URI: otherSID}, value: bobSID, conflict: true},
		{name: "longest", extensions: [][]byte{sidExtension(longest)}, want: mapping.SID{Extension: longest}, value: longest},
		{name: "e-mail address with the text of the URI", extensions: [][]byte{san(rfc822Name(sidURI + bobSID))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mapping.ReadSID(spec{extensions: tt.extensions}.make(t))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.value, got.Value())
			assert.Equal(t, tt.conflict, got.Conflict())
		})
	}
}

func TestReadSIDRefuses(t *testing.T) {
	const oidExtension, oidName = "1.3.6.1.4.1.311.25.2", "1.3.6.1.4.1.311.25.2.1"
	text := tagged(cbasn1.OCTET_STRING, []byte(bobSID))
	many := make([][]byte, 65)
	for i := range many {
		many[i] = rfc822Name("a@b")
	}
	tests := []struct {
		name       string
		extensions [][]byte
		want       string
	}{
		{"empty", [][]byte{sidExtension("")}, `"" is not a security identifier`},
		{"not an identifier", [][]byte{sidExtension("bob")}, `"bob" is not a security identifier`},
		{"leading zero", [][]byte{sidExtension("S-1-5-021-1")}, "is not a security identifier"},
		{"number over 32 bits", [][]byte{sidExtension("S-1-5-4294967296")}, "is not a security identifier"},
		{"authority over 48 bits", [][]byte{sidExtension("S-1-281474976710656-1")}, "is not a security identifier"},
		{"16 numbers", [][]byte{sidExtension("S-1-5" + strings.Repeat("-1", 16))}, "is not a security identifier"},
		{"no number", [][]byte{sidExtension("S-1-5")}, "is not a security identifier"},
		{"revision 2", [][]byte{sidExtension("S-2-5-1")}, "is not a security identifier"},
		{"lower case", [][]byte{sidExtension("s-1-5-1")}, "is not a security identifier"},
		{"trailing NUL", [][]byte{sidExtension(bobSID + "\x00")}, "is not a security identifier"},
		{"very long", [][]byte{sidExtension("S-1-" + strings.Repeat("9", 200))}, "is not a security identifier"},
		{"extension twice", [][]byte{sidExtension(bobSID), sidExtension(otherSID)}, "a second extension"},
		{"another other name", [][]byte{extension(oidExtension, sequence(tagged(explicit, identifier("1.2.3"), tagged(explicit, text))))}, "has the other name 1.2.3"},
		{"two other names", [][]byte{extension(oidExtension, sequence(
			tagged(explicit, identifier(oidName), tagged(explicit, text)), tagged(explicit, identifier(oidName), tagged(explicit, text))))}, "data after the last element"},
		{"no other name", [][]byte{extension(oidExtension, sequence())}, "want tag A0"},
		{"value without wrapper", [][]byte{extension(oidExtension, sequence(tagged(explicit, identifier(oidName), text)))}, "want tag A0"},
		{"UTF8String", [][]byte{extension(oidExtension, sequence(tagged(explicit, identifier(oidName), tagged(explicit, tagged(cbasn1.UTF8String, []byte(bobSID))))))}, "want tag 04"},
		{"data after the extension's value", [][]byte{extension(oidExtension, append(sequence(tagged(explicit, identifier(oidName), tagged(explicit, text))), 5, 0))}, "data after the last element"},
		{"two URIs", [][]byte{san(uri(sidURI+bobSID), uri(sidURI+otherSID))}, "two URIs with different security identifiers"},
		{"URI without identifier", [][]byte{san(uri(sidURI))}, "is not a security identifier"},
		{"data after the names", [][]byte{extension("2.5.29.17", append(sequence(uri(sidURI+bobSID)), 5, 0))}, "data after the last element"},
		{"truncated name", [][]byte{extension("2.5.29.17", sequence(uri(sidURI+bobSID), []byte{0x81, 5}))}, "value is longer"},
		{"names twice", [][]byte{san(uri(sidURI + bobSID)), san(uri(sidURI + bobSID))}, "a second extension"},
		{"65 names", [][]byte{san(many...)}, "more than 64 names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mapping.ReadSID(spec{extensions: tt.extensions}.make(t))
			assert.ErrorContains(t, err, tt.want)
			assert.Zero(t, got)
		})
	}
	_, err := mapping.ReadSID([]byte("no certificate"))
	assert.ErrorContains(t, err, "mapping: certificate: ")
}
