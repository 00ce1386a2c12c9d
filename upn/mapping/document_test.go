package mapping_test

import (
	"encoding/hex"
	"testing"

	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Numbered cases are those of the documents on Entra's certificate-based
// authentication and on Active Directory's certificate mapping. Only the service
// can decide 19 to 22 (revocation lists) and, of 23, the eleventh value and the
// duplicate in the tenant.

// values returns the spellings of a kind, the preferred one first.
func values(t testing.TB, der []byte, d mapping.Dialect, kind mapping.Kind) []string {
	t.Helper()
	list, err := mapping.Of(der, d)
	require.NoError(t, err)
	var texts []string
	for _, s := range list {
		if s.Kind == kind {
			texts = append(texts, s.String())
		}
	}
	return texts
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestDocumentedStrings(t *testing.T) {
	t.Run("1 serial number in certificateUserIds", func(t *testing.T) {
		der := spec{serial: unhex(t, "48efa06ba8127299499b069f133441b2")}.make(t)
		assert.Equal(t, []string{"X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>b24134139f069b49997212a86ba0ef48"},
			values(t, der, mapping.Entra, mapping.IssuerSerial))
	})
	t.Run("2 serial number in altSecurityIdentities", func(t *testing.T) {
		der := spec{serial: unhex(t, "10e8bd03000000000032"), issuer: rdns(dc, "local", dc, "dod", cn, "SpatDoD Root CA")}.make(t)
		assert.Equal(t, []string{"X509:<I>DC=local,DC=dod,CN=SpatDoD Root CA<SR>32000000000003bde810"},
			values(t, der, mapping.ActiveDirectory, mapping.IssuerSerial))
	})
	t.Run("3 serial number with a leading zero byte", func(t *testing.T) {
		der := spec{serial: unhex(t, "00c1020304")}.make(t)
		assert.Equal(t, []string{"X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>040302c1"},
			values(t, der, mapping.Entra, mapping.IssuerSerial))
	})
	t.Run("4 order of the subject", func(t *testing.T) {
		assert.Equal(t, []string{"X509:<S>DC=com,DC=contoso,OU=UserAccounts,CN=mfatest"},
			values(t, spec{}.make(t), mapping.Entra, mapping.Subject))
	})
	t.Run("23 value of 1,025 characters", func(t *testing.T) {
		const prefix = "X509:<S>CN="
		long := make([]rune, 1024-len(prefix))
		for i := range long {
			long[i] = 'ü'
		}
		fits := spec{subject: rdns(cn, string(long))}.make(t)
		list, err := mapping.Of(fits, mapping.Entra)
		assert.EqualError(t, err, "mapping: IS: longer than the 1024 characters of certificateUserIds")
		assert.Equal(t, mapping.Subject, list[0].Kind)
		assert.Len(t, []rune(list[0].String()), 1024)

		over := spec{subject: rdns(cn, string(long)+"ü")}.make(t)
		list, err = mapping.Of(over, mapping.Entra)
		assert.ErrorContains(t, err, "; S: longer than the 1024 characters of certificateUserIds")
		for _, s := range list {
			assert.NotEqual(t, mapping.Subject, s.Kind)
		}
		assert.NotEmpty(t, values(t, over, mapping.ActiveDirectory, mapping.Subject))
	})
}

const (
	keyID  = "eec6b88788d2770a01e01775ce71f1125cd6ad0f"
	bobSKI = "X509:<SKI>" + keyID
)

func TestDocumentedBindings(t *testing.T) {
	u := mapping.Account{UPN: "bob@contoso.com"}
	withSKI := u
	withSKI.CertificateUserIDs = []string{bobSKI}
	upnBinding := mapping.Binding{Field: mapping.PrincipalName, Attribute: mapping.UserPrincipalName, Priority: 1}
	skiBinding := mapping.Binding{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs, Priority: 2}
	bob := spec{extensions: [][]byte{san(upnName("bob@contoso.com")), ski(keyID)}}.make(t)
	alice := spec{extensions: [][]byte{san(upnName("alice@contoso.com")), ski(keyID)}}.make(t)
	unnamed := spec{extensions: [][]byte{ski(keyID)}}.make(t)

	tests := []struct {
		name     string
		account  mapping.Account
		bindings []mapping.Binding
		der      []byte
		high     bool
		want     string
		err      error
		outcomes []mapping.Outcome
	}{
		{name: "5 prefix in lower case", account: mapping.Account{UPN: u.UPN, CertificateUserIDs: []string{"x509:<ski>" + keyID}},
			bindings: []mapping.Binding{skiBinding}, der: unnamed, err: mapping.ErrNoMatch, outcomes: []mapping.Outcome{mapping.Malformed}},
		{name: "6 SKI bound to the UPN", account: u, bindings: []mapping.Binding{{Field: mapping.SKI, Attribute: mapping.UserPrincipalName}},
			der: bob, err: mapping.ErrBinding},
		{name: "7 name of the account", account: u, bindings: []mapping.Binding{upnBinding}, der: bob, want: "X509:<PN>bob@contoso.com"},
		{name: "8 name of another account", account: u, bindings: []mapping.Binding{upnBinding}, der: alice,
			err: mapping.ErrNoMatch, outcomes: []mapping.Outcome{mapping.Different}},
		{name: "9 no name, key identifier stored", account: withSKI, bindings: []mapping.Binding{skiBinding, upnBinding}, der: unnamed, want: bobSKI},
		{name: "10 name of another account, key identifier stored", account: withSKI, bindings: []mapping.Binding{skiBinding, upnBinding}, der: alice, want: bobSKI},
		{name: "11 high affinity, only a binding of low affinity", account: u, bindings: []mapping.Binding{upnBinding}, der: bob, high: true,
			err: mapping.ErrNoMatch, outcomes: []mapping.Outcome{mapping.Dropped}},
		{name: "12 high affinity, name matches, key identifier not stored", account: u, bindings: []mapping.Binding{upnBinding, skiBinding}, der: bob, high: true,
			err: mapping.ErrNoMatch, outcomes: []mapping.Outcome{mapping.Dropped, mapping.Unset}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mapping.Match(tt.account, tt.bindings, tt.der, tt.high)
			assert.Equal(t, tt.want, m.String())
			if tt.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.err)
			var failed *mapping.MatchError
			if assert.Equal(t, tt.outcomes != nil, assert.ObjectsAreEqual(tt.err, mapping.ErrNoMatch)) && tt.outcomes != nil {
				require.ErrorAs(t, err, &failed)
				var outcomes []mapping.Outcome
				for _, a := range failed.Attempts {
					outcomes = append(outcomes, a.Outcome)
				}
				assert.Equal(t, tt.outcomes, outcomes)
			}
		})
	}
	t.Run("12 affinity of a rule", func(t *testing.T) {
		tenant := mapping.StrengthPolicy{Rules: []mapping.StrengthRule{{Policy: "1.2.3.4", Strength: mapping.MultiFactor, High: true}}}
		der := spec{extensions: [][]byte{san(upnName("bob@contoso.com")), policies("1.2.3.4")}}.make(t)
		_, high, err := tenant.Of(der)
		require.NoError(t, err)
		assert.True(t, high)
		_, err = mapping.Match(u, []mapping.Binding{upnBinding}, der, high)
		assert.ErrorIs(t, err, mapping.ErrNoMatch)
	})
}

func TestDocumentedStrength(t *testing.T) {
	const issuer = "DC=com,DC=contoso,CN=CONTOSO-DC-CA"
	rule := func(issuer, policy string, s mapping.Strength) mapping.StrengthRule {
		return mapping.StrengthRule{Issuer: issuer, Policy: policy, Strength: s}
	}
	tests := []struct {
		name  string
		oids  []string
		rules []mapping.StrengthRule
		def   mapping.Strength
		want  mapping.Strength
	}{
		{"13 policy before issuer", []string{"1.2.3.4"}, []mapping.StrengthRule{rule(issuer, "", mapping.SingleFactor), rule("", "1.2.3.4", mapping.MultiFactor)}, mapping.SingleFactor, mapping.MultiFactor},
		{"14 policy does not cover a longer one", []string{"1.2.3.4.5.6"}, []mapping.StrengthRule{rule("", "1.2.3.4.5", mapping.MultiFactor)}, mapping.SingleFactor, mapping.SingleFactor},
		{"15 weaker of two policies", []string{"1.2.3.4", "1.2.3.5"}, []mapping.StrengthRule{rule("", "1.2.3.4", mapping.MultiFactor), rule("", "1.2.3.5", mapping.SingleFactor)}, mapping.MultiFactor, mapping.SingleFactor},
		{"15 weaker of two policies, other order", []string{"1.2.3.4", "1.2.3.5"}, []mapping.StrengthRule{rule("", "1.2.3.5", mapping.SingleFactor), rule("", "1.2.3.4", mapping.MultiFactor)}, mapping.MultiFactor, mapping.SingleFactor},
		{"16 policy without a rule", []string{"1.2.3.4", "2.9.9"}, []mapping.StrengthRule{rule("", "1.2.3.4", mapping.MultiFactor)}, mapping.SingleFactor, mapping.MultiFactor},
		{"17 issuer and policy before policy", []string{"1.2.3.4"}, []mapping.StrengthRule{rule("", "1.2.3.4", mapping.SingleFactor), rule(issuer, "1.2.3.4", mapping.MultiFactor)}, mapping.SingleFactor, mapping.MultiFactor},
		{"18 issuer matches, policy does not", []string{"1.2.3.4"}, []mapping.StrengthRule{rule(issuer, "1.2.3.9", mapping.MultiFactor)}, mapping.SingleFactor, mapping.SingleFactor},
		{"another issuer", nil, []mapping.StrengthRule{rule("CN=Other", "", mapping.MultiFactor)}, mapping.SingleFactor, mapping.SingleFactor},
		{"issuer only", nil, []mapping.StrengthRule{rule(issuer, "", mapping.MultiFactor)}, mapping.SingleFactor, mapping.MultiFactor},
		{"no rule, default of the tenant", nil, nil, mapping.MultiFactor, mapping.MultiFactor},
		{"no rule, Entra's default", nil, nil, mapping.SingleFactor, mapping.SingleFactor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var x [][]byte
			if tt.oids != nil {
				x = append(x, policies(tt.oids...))
			}
			got, high, err := mapping.StrengthPolicy{Rules: tt.rules, Default: tt.def}.Of(spec{extensions: x}.make(t))
			require.NoError(t, err)
			assert.Equal(t, tt.want.String(), got.String())
			assert.False(t, high)
		})
	}
}

const (
	bobSID   = "S-1-5-21-1-2-3-1105"
	otherSID = "S-1-5-21-1-2-3-500"
)

func TestDocumentedAnswers(t *testing.T) {
	u := mapping.Account{UPN: "bob@contoso.com", SID: bobSID}
	name := san(upnName("bob@contoso.com"))
	pn := mapping.Mapping{Kind: mapping.PrincipalName, Value: "bob@contoso.com"}
	is := "X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<S>DC=com,DC=contoso,OU=UserAccounts,CN=mfatest"
	ca := spec{subject: rdns(dc, "com", dc, "contoso", cn, "CONTOSO-DC-CA")}.make(t)
	policy := []mapping.NameRule{{Issuer: thumbprint(ca), Policies: []string{"1.2.3.4"}, UPNSuffix: "contoso.com"}}

	both := u
	both.AltSecurityIdentities = []string{is, bobSKI}
	sub := mapping.Account{UPN: "bob@x.contoso.com", SID: bobSID}

	tests := []struct {
		name       string
		dc         mapping.Controller
		account    mapping.Account
		extensions [][]byte
		want       mapping.Judgment
		event      int
	}{
		{name: "24 name matches, identifier of the account", account: u, extensions: [][]byte{name, sidExtension(bobSID)},
			want: mapping.Judgment{Answer: mapping.Strong, Mapping: pn, SID: mapping.SID{Extension: bobSID}, By: mapping.BySID}},
		{name: "25 name matches, identifier of another account", account: u, extensions: [][]byte{name, sidExtension(otherSID)},
			want: mapping.Judgment{Answer: mapping.Mismatch, Mapping: pn, SID: mapping.SID{Extension: otherSID}}, event: 41},
		{name: "26 name only", account: u, extensions: [][]byte{name},
			want: mapping.Judgment{Answer: mapping.WeakRefused, Mapping: pn}, event: 39},
		{name: "27 issuer and subject, and key identifier", account: both, extensions: [][]byte{ski(keyID)},
			want: mapping.Judgment{Answer: mapping.Strong, Mapping: mapping.Mapping{Kind: mapping.SKI, Value: keyID}}},
		{name: "28 identifier in a URI", account: u, extensions: [][]byte{san(upnName("bob@contoso.com"), uri(sidURI+bobSID))},
			want: mapping.Judgment{Answer: mapping.Strong, Mapping: pn, SID: mapping.SID{URI: bobSID}, By: mapping.BySID}},
		{name: "28 identifier in a URI, Server 2016", dc: mapping.Controller{Server: mapping.Server2016}, account: u,
			extensions: [][]byte{san(upnName("bob@contoso.com"), uri(sidURI+bobSID))},
			want:       mapping.Judgment{Answer: mapping.WeakRefused, Mapping: pn}, event: 39},
		{name: "29 policy for the suffix", dc: mapping.Controller{NamePolicy: policy}, account: u, extensions: [][]byte{name, policies("1.2.3.4")},
			want: mapping.Judgment{Answer: mapping.Strong, Mapping: pn, By: mapping.ByPolicy}},
		{name: "29 policy for the suffix, UPN of a subdomain", dc: mapping.Controller{NamePolicy: policy}, account: sub,
			extensions: [][]byte{san(upnName("bob@x.contoso.com")), policies("1.2.3.4")},
			want:       mapping.Judgment{Answer: mapping.WeakRefused, Mapping: mapping.Mapping{Kind: mapping.PrincipalName, Value: "bob@x.contoso.com"}}, event: 39},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.dc.Judge(tt.account, spec{extensions: tt.extensions}.make(t), ca)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.event, got.Answer.Event())
			assert.Equal(t, tt.want.Answer == mapping.Strong, got.Answer.Accepted())
		})
	}
}

// 30 to 32 are about the name that Windows sends, see package upn.
func TestDocumentedSignIn(t *testing.T) {
	der := spec{extensions: [][]byte{san(rfc822Name("a@x"), upnName("b@x"))}}.make(t)
	t.Run("30 name before e-mail address", func(t *testing.T) {
		name, err := upn.SignIn{}.Name(upn.Read(der))
		require.NoError(t, err)
		assert.Equal(t, "b@x", name.Value)
	})
	t.Run("30 hint before both", func(t *testing.T) {
		name, err := upn.SignIn{Hint: "c@x"}.Name(upn.Read(der))
		require.NoError(t, err)
		assert.Equal(t, "c@x", name.Value)
	})
	t.Run("31 down-level hint, revision 2022", func(t *testing.T) {
		name, err := upn.SignIn{Hint: `CONTOSO\bob`}.Name(upn.Read(der))
		require.NoError(t, err)
		assert.Equal(t, `CONTOSO\bob`, name.Value)
	})
	t.Run("31 down-level hint, revision 2025", func(t *testing.T) {
		_, err := upn.SignIn{Hint: `CONTOSO\bob`, Revision: upn.Revision2025}.Name(upn.Read(der))
		assert.ErrorIs(t, err, upn.ErrRefused)
	})
	t.Run("32 on-premises UPN", func(t *testing.T) {
		u := mapping.Account{UPN: "user@woodgrove.com", OnPremisesUPN: "user@woodgrove.local"}
		name, err := upn.SignIn{Hybrid: true, ADUPN: "user@woodgrove.local", Revision: upn.Revision2025}.Name(upn.Read(der))
		require.NoError(t, err)
		assert.False(t, upn.Equal(name.Value, u.UPN))
		assert.True(t, upn.Equal(name.Value, u.OnPremisesUPN))

		name, err = upn.SignIn{Hybrid: true, Subsequent: true, ADUPN: "user@woodgrove.local", CachedUPN: u.UPN, Revision: upn.Revision2025}.Name(upn.Read(der))
		require.NoError(t, err)
		assert.Equal(t, u.UPN, name.Value, "name cached at the first sign-in")
	})
}
