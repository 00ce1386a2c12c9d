package mapping_test

import (
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fullCertificate has every field, and names with every doubt.
func fullCertificate(t testing.TB) []byte {
	return spec{
		serial:     unhex(t, "ff1234"),
		issuer:     rdns(state, "WA", cn, "The CA"),
		subject:    dn{{{oid: org, value: "Contoso, Inc."}}, {{oid: cn, value: "Bob"}, {oid: uid, value: "1"}}},
		extensions: [][]byte{san(upnName("bob@contoso.com"), rfc822Name("bob@mail.example")), ski(keyID)},
	}.make(t)
}

func TestMatchByEachField(t *testing.T) {
	der := fullCertificate(t)
	id := func(kind mapping.Kind) []mapping.Binding {
		return []mapping.Binding{{Field: kind, Attribute: mapping.CertificateUserIDs}}
	}
	const issuer, subject = "S=WA,CN=The CA", `O="Contoso, Inc.",CN=Bob OID.0.9.2342.19200300.100.1.1=1`
	tests := []struct {
		name    string
		account mapping.Account
		binding []mapping.Binding
		want    string // the mapping of the certificate; empty: none
	}{
		{"name to UPN in upper case", mapping.Account{UPN: "BOB@CONTOSO.COM"}, []mapping.Binding{{Field: mapping.PrincipalName}}, "X509:<PN>bob@contoso.com"},
		{"name to UPN on premises", mapping.Account{OnPremisesUPN: "bob@contoso.com"}, []mapping.Binding{{Field: mapping.PrincipalName, Attribute: mapping.OnPremisesUserPrincipalName}}, "X509:<PN>bob@contoso.com"},
		{"address to UPN", mapping.Account{UPN: "bob@mail.example"}, []mapping.Binding{{Field: mapping.RFC822}}, "X509:<RFC822>bob@mail.example"},
		{"name to certificateUserIds", cui("X509:<PN>bob@contoso.com"), id(mapping.PrincipalName), "X509:<PN>bob@contoso.com"},
		{"name without prefix in certificateUserIds", cui("bob@contoso.com"), id(mapping.PrincipalName), ""},
		{"name with prefix in the UPN", mapping.Account{UPN: "X509:<PN>bob@contoso.com"}, []mapping.Binding{{Field: mapping.PrincipalName}}, ""},
		{"address stored as a name", cui("X509:<PN>bob@mail.example"), id(mapping.RFC822), ""},
		{"issuer and subject", cui("X509:<I>" + issuer + "<S>" + subject), id(mapping.IssuerSubject), "X509:<I>" + issuer + "<S>" + subject},
		{"subject", cui("other", "X509:<S>CN=Eve", "X509:<S>"+subject), id(mapping.Subject), "X509:<S>" + subject},
		{"subject in another case", cui("X509:<S>" + strings.ToUpper(subject)), id(mapping.Subject), ""},
		{"subject joined with a plus sign", cui("X509:<S>" + strings.Replace(subject, " OID", " + OID", 1)), id(mapping.Subject), "X509:<S>" + strings.Replace(subject, " OID", " + OID", 1)},
		{"subject with another type name", cui("X509:<S>" + strings.Replace(subject, "OID.", "", 1)), id(mapping.Subject), "X509:<S>" + strings.Replace(subject, "OID.", "", 1)},
		{"subject without quotes, ambiguous", cui("X509:<S>" + strings.ReplaceAll(subject, `"`, "")), id(mapping.Subject), ""},
		{"subject without spaces, ambiguous", cui("X509:<S>" + strings.ReplaceAll(subject, ", I", ",I")), id(mapping.Subject), ""},
		{"subject in the order of Windows' display", cui(`X509:<S>CN=Bob OID.0.9.2342.19200300.100.1.1=1,O="Contoso, Inc."`), id(mapping.Subject), ""},
		{"key identifier in upper case", cui(strings.ToUpper(bobSKI)), id(mapping.SKI), bobSKI},
		{"thumbprint", cui("X509:<SHA1-PUKEY>" + sha1Hex(der)), id(mapping.SHA1PublicKey), "X509:<SHA1-PUKEY>" + sha1Hex(der)},
		{"hash of the key", cui("X509:<SHA1-PUKEY>" + sha1Hex(spki(t))), id(mapping.SHA1PublicKey), ""},
		{"serial number", cui("X509:<I>" + issuer + "<SR>3412ff"), id(mapping.IssuerSerial), "X509:<I>" + issuer + "<SR>3412ff"},
		{"negative serial number without its first byte", cui("X509:<I>" + issuer + "<SR>3412"), id(mapping.IssuerSerial), "X509:<I>" + issuer + "<SR>3412"},
		{"serial number of another issuer", cui("X509:<I>CN=Other<SR>3412ff"), id(mapping.IssuerSerial), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mapping.Match(tt.account, tt.binding, der, false)
			assert.Equal(t, tt.want, m.String())
			if tt.want == "" {
				assert.ErrorIs(t, err, mapping.ErrNoMatch)
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

func cui(values ...string) mapping.Account { return mapping.Account{CertificateUserIDs: values} }

func TestMatchErrorReportsOutcomes(t *testing.T) {
	a := mapping.Account{UPN: "eve@contoso.com", CertificateUserIDs: []string{"X509:<I>S=WA,CN=The CA<SR>ff1234"}}
	bindings := []mapping.Binding{
		{Field: mapping.IssuerSerial, Attribute: mapping.CertificateUserIDs, Priority: 4},
		{Field: mapping.PrincipalName, Attribute: mapping.UserPrincipalName, Priority: 1},
		{Field: mapping.RFC822, Attribute: mapping.OnPremisesUserPrincipalName, Priority: 2},
		{Field: mapping.Subject, Attribute: mapping.CertificateUserIDs, Priority: 3},
	}
	_, err := mapping.Match(a, bindings, fullCertificate(t), false)
	assert.EqualError(t, err, "mapping: certificate matches no binding of the account: PN to userPrincipalName: different; "+
		"RFC822 to onPremisesUserPrincipalName: not set; S to certificateUserIds: not set; ISR to certificateUserIds: serial number not reversed: "+`"X509:<I>S=WA,CN=The CA<SR>ff1234"`)

	_, err = mapping.Match(a, bindings, fullCertificate(t), true)
	assert.ErrorContains(t, err, "PN to userPrincipalName: low affinity where high is required")

	_, err = mapping.Match(a, bindings[1:2], spec{}.make(t), false)
	assert.ErrorContains(t, err, "PN to userPrincipalName: not in the certificate")

	_, err = mapping.Match(a, nil, fullCertificate(t), false)
	assert.EqualError(t, err, "mapping: certificate matches no binding of the account")
	assert.Equal(t, 4, bindings[0].Priority, "the caller's bindings are unchanged")
}

func TestLowestPriorityDecides(t *testing.T) {
	a := mapping.Account{UPN: "bob@contoso.com", CertificateUserIDs: []string{bobSKI}}
	name := mapping.Binding{Field: mapping.PrincipalName, Attribute: mapping.UserPrincipalName}
	key := mapping.Binding{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs}
	for _, first := range []bool{true, false} {
		name.Priority, key.Priority = 2, 1
		want := bobSKI
		if first {
			name.Priority, key.Priority = 1, 2
			want = "X509:<PN>bob@contoso.com"
		}
		m, err := mapping.Match(a, []mapping.Binding{key, name}, fullCertificate(t), false)
		require.NoError(t, err)
		assert.Equal(t, want, m.String())
	}
}

func TestMatchRefusesMalformedAndSeveralNames(t *testing.T) {
	a := mapping.Account{UPN: "bob@contoso.com", CertificateUserIDs: []string{bobSKI}}
	bindings := []mapping.Binding{
		{Field: mapping.PrincipalName, Attribute: mapping.UserPrincipalName, Priority: 1},
		{Field: mapping.RFC822, Attribute: mapping.UserPrincipalName, Priority: 2},
		{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs, Priority: 3},
	}
	tests := []struct {
		name       string
		extensions [][]byte
		is         error
		want       string
	}{
		{"two different names", [][]byte{san(upnName("bob@contoso.com"), upnName("eve@contoso.com")), ski(keyID)}, mapping.ErrSeveralNames, `"bob@contoso.com" and "eve@contoso.com"`},
		{"two different addresses and no name", [][]byte{san(rfc822Name("bob@contoso.com"), rfc822Name("eve@contoso.com")), ski(keyID)}, mapping.ErrSeveralNames, "several different names"},
		{"one name and two addresses, by address", [][]byte{san(upnName("eve@contoso.com"), rfc822Name("bob@contoso.com"), rfc822Name("a@contoso.com")), ski(keyID)}, mapping.ErrSeveralNames, `mapping: RFC822: certificate has several different names: "bob@contoso.com" and "a@contoso.com"`},
		{"malformed name, key identifier matches", [][]byte{san(upnName("a@b@c")), ski(keyID)}, nil, "mapping: upn: "},
		{"malformed key identifier", [][]byte{ski("")}, nil, "mapping: SKI: identifier is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mapping.Match(a, bindings, spec{extensions: tt.extensions}.make(t), false)
			assert.Zero(t, m)
			assert.ErrorContains(t, err, tt.want)
			assert.NotErrorIs(t, err, mapping.ErrNoMatch)
			if tt.is != nil {
				assert.ErrorIs(t, err, tt.is)
			}
		})
	}
	_, err := mapping.Match(a, bindings, []byte{1}, false)
	assert.ErrorContains(t, err, "mapping: certificate: ")
	_, err = mapping.Match(a, bindings, spec{extensions: [][]byte{san(upnName("bob@contoso.com"), upnName("BOB@contoso.com"))}}.make(t), false)
	assert.NoError(t, err, "equal names")
}

func TestUnsupportedBindings(t *testing.T) {
	for _, b := range []mapping.Binding{
		{},
		{Field: mapping.IssuerSerial, Attribute: mapping.UserPrincipalName},
		{Field: mapping.SHA1PublicKey, Attribute: mapping.OnPremisesUserPrincipalName},
		{Field: mapping.IssuerSID, Attribute: mapping.CertificateUserIDs},
		{Field: 99, Attribute: mapping.CertificateUserIDs},
		{Field: mapping.PrincipalName, Attribute: 3},
		{Field: mapping.PrincipalName, Attribute: -1},
	} {
		_, err := mapping.Match(mapping.Account{UPN: "bob@contoso.com"}, []mapping.Binding{{Field: mapping.PrincipalName}, b}, fullCertificate(t), false)
		assert.ErrorIs(t, err, mapping.ErrBinding, "%v to %v", b.Field, b.Attribute)
	}
	assert.Equal(t, "attribute 3", mapping.Attribute(3).String())
	assert.Equal(t, "outcome 0", mapping.Outcome(0).String())
	assert.Equal(t, "outcome 10", mapping.Outcome(10).String())
	seen := map[string]bool{}
	for o := mapping.Dropped; o <= mapping.Malformed; o++ {
		assert.NotContains(t, o.String(), "outcome ")
		assert.False(t, seen[o.String()])
		seen[o.String()] = true
	}
}

func TestStrengthRefusesMalformedFields(t *testing.T) {
	rules := mapping.StrengthPolicy{Default: mapping.MultiFactor, High: true}
	s, high, err := rules.Of(spec{}.make(t))
	require.NoError(t, err)
	assert.Equal(t, "multi-factor", s.String())
	assert.True(t, high)

	many := make([]string, 65)
	for i := range many {
		many[i] = "1.2.3"
	}
	for name, s := range map[string]spec{
		"issuer":                    {issuer: rdns(cn, "\xFF")},
		"policies twice":            {extensions: [][]byte{policies("1.2.3"), policies("1.2.3")}},
		"data after the policies":   {extensions: [][]byte{extension("2.5.29.32", append(sequence(sequence(identifier("1.2.3"))), 5, 0))}},
		"policy is not a sequence":  {extensions: [][]byte{extension("2.5.29.32", sequence(identifier("1.2.3")))}},
		"policy without identifier": {extensions: [][]byte{extension("2.5.29.32", sequence(sequence()))}},
		"truncated policy":          {extensions: [][]byte{extension("2.5.29.32", sequence([]byte{0x30, 5}))}},
		"65 policies":               {extensions: [][]byte{policies(many...)}},
	} {
		t.Run(name, func(t *testing.T) {
			s, high, err := rules.Of(s.make(t))
			assert.ErrorContains(t, err, "mapping: ")
			assert.Equal(t, mapping.SingleFactor, s, "the weaker value")
			assert.False(t, high)
		})
	}
	_, _, err = rules.Of(nil)
	assert.ErrorContains(t, err, "mapping: certificate: ")
}

func TestHigherAffinityOfRules(t *testing.T) {
	der := spec{extensions: [][]byte{policies("1.2.3", "1.2.4")}}.make(t)
	for _, order := range [][]bool{{true, false}, {false, true}} {
		p := mapping.StrengthPolicy{Rules: []mapping.StrengthRule{{Policy: "1.2.3", High: order[0]}, {Policy: "1.2.4", High: order[1]}}}
		_, high, err := p.Of(der)
		require.NoError(t, err)
		assert.True(t, high)
	}
	p := mapping.StrengthPolicy{High: true, Rules: []mapping.StrengthRule{{Policy: "1.2.3"}}}
	_, high, err := p.Of(der)
	require.NoError(t, err)
	assert.False(t, high, "a rule precedes the default")
}
