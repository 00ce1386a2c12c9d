package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// storedDER is a certificate with the serial number 00 C1 02 03.
func storedDER(t testing.TB) []byte {
	return spec{
		serial:     unhex(t, "00c10203"),
		issuer:     rdns(country, "US", org, "Contoso, Inc.", cn, "Test CA"),
		subject:    dn{{{oid: dc, value: "com"}}, {{oid: state, value: "New York"}}, {{oid: cn, value: "Bob"}, {oid: uid, value: "1"}}},
		extensions: [][]byte{san(upnName("bob@contoso.com")), ski("a1b2c3"), sidExtension(bobSID)},
	}.make(t)
}

const (
	storedIssuer  = `C=US,O="Contoso, Inc.",CN=Test CA`
	storedSubject = "DC=com,S=New York,CN=Bob OID.0.9.2342.19200300.100.1.1=1"
)

// Values in the wrong form, and the one outcome that says what is wrong.
var storedFaults = []struct {
	name    string
	kind    mapping.Kind
	value   string
	outcome mapping.Outcome
}{
	{"serial number not reversed", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>c10203", mapping.WrongOrder},
	{"serial number not reversed, upper case", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>C10203", mapping.WrongOrder},
	{"serial number not reversed, with its zero byte", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>00c10203", mapping.WrongOrder},
	{"serial number not reversed, issuer without quotes", mapping.IssuerSerial, "X509:<I>C=US,O=Contoso, Inc.,CN=Test CA<SR>c10203", mapping.WrongOrder},
	{"serial number not reversed, issuer without spaces", mapping.IssuerSerial, `X509:<I>C=US,O="Contoso,Inc.",CN=TestCA<SR>00c10203`, mapping.WrongOrder},
	{"serial number not reversed, issuer as displayed", mapping.IssuerSerial, `X509:<I>CN=Test CA, O="Contoso, Inc.", C=US<SR>00c10203`, mapping.WrongOrder},
	{"serial number with its zero byte", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>0302c100", mapping.ZeroByte},
	{"issuer as displayed", mapping.IssuerSerial, `X509:<I>CN=Test CA, O="Contoso, Inc.", C=US<SR>0302c1`, mapping.Reversed},
	{"issuer in reverse order", mapping.IssuerSerial, `X509:<I>CN=Test CA,O="Contoso, Inc.",C=US<SR>0302c1`, mapping.Reversed},
	{"issuer with spaces after commas", mapping.IssuerSerial, `X509:<I>C=US, O="Contoso, Inc.", CN=Test CA<SR>0302c1`, mapping.Ambiguous},
	{"issuer without quotes", mapping.IssuerSerial, "X509:<I>C=US,O=Contoso, Inc.,CN=Test CA<SR>0302c1", mapping.Ambiguous},
	{"issuer without spaces", mapping.IssuerSerial, `X509:<I>C=US,O="Contoso,Inc.",CN=TestCA<SR>0302c1`, mapping.Ambiguous},
	{"serial number of another certificate", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>0302c2", mapping.Different},
	{"issuer of another certificate", mapping.IssuerSerial, "X509:<I>CN=Test CA<SR>00c10203", mapping.Different},

	{"subject as displayed", mapping.Subject, "X509:<S>CN=Bob + OID.0.9.2342.19200300.100.1.1=1, S=New York, DC=com", mapping.Reversed},
	{"subject without spaces", mapping.Subject, "X509:<S>DC=com,S=NewYork,CN=Bob OID.0.9.2342.19200300.100.1.1=1", mapping.Ambiguous},
	{"subject in another case", mapping.Subject, "X509:<S>" + strings.ToUpper(storedSubject), mapping.Ambiguous},
	{"serial number not reversed, issuer in another case", mapping.IssuerSerial, "X509:<I>" + strings.ToLower(storedIssuer) + "<SR>00c10203", mapping.WrongOrder},
	{"subject in two styles", mapping.Subject, "X509:<S>DC=com,ST=New York,CN=Bob + 0.9.2342.19200300.100.1.1=1", mapping.Ambiguous},
	{"subject of another certificate", mapping.Subject, "X509:<S>DC=com,S=New York,CN=Eve", mapping.Different},
	{"issuer and subject as displayed", mapping.IssuerSubject, `X509:<I>CN=Test CA,O="Contoso, Inc.",C=US<S>CN=Bob + OID.0.9.2342.19200300.100.1.1=1,S=New York,DC=com`, mapping.Reversed},
	{"issuer and subject, only the issuer in reverse order", mapping.IssuerSubject, `X509:<I>CN=Test CA,O="Contoso, Inc.",C=US<S>` + storedSubject, mapping.Reversed},
	{"key identifier in reverse order", mapping.SKI, "X509:<SKI>c3b2a1", mapping.Reversed},
	{"key identifier of another certificate", mapping.SKI, "X509:<SKI>a1b2c4", mapping.Different},

	{"prefix in lower case", mapping.IssuerSerial, "x509:<I>" + storedIssuer + "<SR>0302c1", mapping.Malformed},
	{"tags in lower case", mapping.IssuerSerial, "X509:<i>" + storedIssuer + "<sr>0302c1", mapping.Malformed},
	{"no prefix", mapping.IssuerSerial, "<I>" + storedIssuer + "<SR>0302c1", mapping.Malformed},
	{"space after the prefix", mapping.IssuerSerial, "X509: <I>" + storedIssuer + "<SR>0302c1", mapping.Malformed},
	{"leading space", mapping.IssuerSerial, " X509:<I>" + storedIssuer + "<SR>0302c1", mapping.Malformed},
	{"trailing space", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>0302c1 ", mapping.Malformed},
	{"spaces between the bytes", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>03 02 c1", mapping.Malformed},
	{"trailing line feed", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>0302c1\n", mapping.Malformed},
	{"serial number in decimal", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>12649987", mapping.Different},
	{"odd number of digits", mapping.IssuerSerial, "X509:<I>" + storedIssuer + "<SR>302c1", mapping.Malformed},
	{"key identifier with colons", mapping.SKI, "X509:<SKI>a1:b2:c3", mapping.Malformed},
	{"subject, prefix in lower case", mapping.Subject, "x509:<S>" + storedSubject, mapping.Malformed},
	{"issuer and subject, prefix in lower case", mapping.IssuerSubject, "x509:<I>" + storedIssuer + "<S>" + storedSubject, mapping.Malformed},
	{"no tag", mapping.SKI, "a1b2c3", mapping.Malformed},
	{"empty", mapping.SKI, "", mapping.Malformed},
	{"not UTF-8", mapping.SKI, "\xFF", mapping.Malformed},
}

func TestStoredFaults(t *testing.T) {
	der := storedDER(t)
	match := func(kind mapping.Kind, values ...string) mapping.Attempt {
		a := mapping.Account{CertificateUserIDs: values}
		_, err := mapping.Match(a, []mapping.Binding{{Field: kind, Attribute: mapping.CertificateUserIDs}}, der, false)
		var failed *mapping.MatchError
		require.ErrorAs(t, err, &failed)
		for _, r := range failed.Error() {
			assert.True(t, ' ' <= r, "control character in %q", failed.Error())
		}
		return failed.Attempts[0]
	}
	for _, tt := range storedFaults {
		t.Run(tt.name, func(t *testing.T) {
			got := match(tt.kind, "X509:<PN>eve@contoso.com", tt.value)
			assert.Equal(t, tt.outcome.String(), got.Outcome.String())
			assert.Equal(t, tt.outcome == mapping.Malformed, got.Err != nil)
			want := []mapping.StoredFault(nil)
			if tt.outcome != mapping.Different {
				assert.Equal(t, tt.value, got.Value)
				want = []mapping.StoredFault{{Value: tt.value, Outcome: tt.outcome, Err: got.Err}}
			}

			a := mapping.Account{UPN: "eve@contoso.com", AltSecurityIdentities: []string{tt.value}}
			j, err := mapping.Controller{}.Judge(a, der, nil)
			require.NoError(t, err)
			assert.Equal(t, mapping.NoMapping, j.Answer)
			assert.Equal(t, want, j.Faults)
		})
	}
	t.Run("a form that would match precedes a malformed value, that precedes others", func(t *testing.T) {
		unknown, malformed := "bob", "x509:<SKI>a1b2c3"
		other, reversed := "X509:<SKI>00", "X509:<SKI>c3b2a1"
		assert.Equal(t, mapping.Reversed, match(mapping.SKI, unknown, malformed, other, reversed).Outcome)
		assert.Equal(t, malformed, match(mapping.SKI, unknown, other, malformed).Value)
		assert.Equal(t, mapping.Different, match(mapping.SKI, unknown, other).Outcome)
		assert.Equal(t, unknown, match(mapping.SKI, unknown, "x509:<S>CN=a").Value)
		assert.Equal(t, mapping.Unset, match(mapping.SKI, "x509:<S>CN=a").Outcome)
		assert.Equal(t, mapping.Unset, match(mapping.SKI).Outcome)
	})
	t.Run("faults do not hide a match", func(t *testing.T) {
		values := []string{"bob", "X509:<SKI>c3b2a1", "X509:<PN>bob@contoso.com", "X509:<SKI>a1b2c3"}
		a := mapping.Account{UPN: "eve@contoso.com", CertificateUserIDs: values, AltSecurityIdentities: values}
		m, err := mapping.Match(a, []mapping.Binding{{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs}}, der, true)
		require.NoError(t, err)
		assert.Equal(t, "X509:<SKI>a1b2c3", m.String())
		j, err := mapping.Controller{}.Judge(a, der, nil)
		require.NoError(t, err)
		assert.Equal(t, mapping.Strong, j.Answer)
		assert.Equal(t, []mapping.StoredFault{
			{Value: "bob", Outcome: mapping.Malformed, Err: errors.New(`does not begin with "X509:"`)},
			{Value: "X509:<SKI>c3b2a1", Outcome: mapping.Reversed},
			{Value: "X509:<PN>bob@contoso.com", Outcome: mapping.Malformed, Err: errors.New("<PN> is not supported in Active Directory")},
		}, j.Faults)
	})
}

func TestMatchErrorNamesMalformedValue(t *testing.T) {
	a := mapping.Account{CertificateUserIDs: []string{"X509:<SKI>a1 b2\n"}}
	_, err := mapping.Match(a, []mapping.Binding{{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs}}, storedDER(t), true)
	assert.EqualError(t, err, `mapping: certificate matches no binding of the account: SKI to certificateUserIds: malformed: "X509:<SKI>a1 b2\n": has a control character at byte 15`)
}
