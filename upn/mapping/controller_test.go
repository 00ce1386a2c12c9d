package mapping_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	caName      = "DC=com,DC=contoso,CN=CONTOSO-DC-CA"
	subjectName = "DC=com,DC=contoso,OU=UserAccounts,CN=mfatest"
)

func TestJudge(t *testing.T) {
	name := san(upnName("bob@contoso.com"))
	full := [][]byte{san(upnName("bob@contoso.com"), rfc822Name("bob@mail.example"), uri(sidURI+bobSID)), ski(keyID), sidExtension(bobSID)}
	key := spki(t)
	fullDER := spec{extensions: full}.make(t)

	tests := []struct {
		name       string
		dc         mapping.Controller
		stored     []string
		sid        string // of the account; bob's if empty
		upn        string // of the account; bob's if empty
		extensions [][]byte
		want       mapping.Answer
		by         string // the mapping that decided
		upgrade    mapping.Upgrade
	}{
		{name: "no mapping", upn: "eve@contoso.com", extensions: full, want: mapping.NoMapping},
		{name: "values that are malformed or of Entra", upn: "eve@contoso.com", stored: []string{"x509:<SKI>" + keyID, "bob", "X509:<PN>bob@contoso.com"}, extensions: full, want: mapping.NoMapping},
		{name: "key identifier", upn: "eve@contoso.com", stored: []string{bobSKI}, extensions: full, want: mapping.Strong, by: bobSKI},
		{name: "key hash", upn: "eve@contoso.com", stored: []string{"X509:<SHA1-PUKEY>" + sha1Hex(key[len(key)-65:])}, extensions: full, want: mapping.Strong, by: "X509:<SHA1-PUKEY>" + sha1Hex(key[len(key)-65:])},
		{name: "hash of key and algorithm", upn: "eve@contoso.com", stored: []string{"X509:<SHA1-PUKEY>" + sha1Hex(key)}, extensions: full, want: mapping.Strong, by: "X509:<SHA1-PUKEY>" + sha1Hex(key)},
		{name: "thumbprint", upn: "eve@contoso.com", stored: []string{"X509:<SHA1-PUKEY>" + strings.ToUpper(sha1Hex(fullDER))}, extensions: full, want: mapping.Strong, by: "X509:<SHA1-PUKEY>" + sha1Hex(fullDER)},
		{name: "issuer and serial number", upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<SR>01"}, extensions: full, want: mapping.Strong, by: "X509:<I>" + caName + "<SR>01"},
		{name: "issuer and identifier", upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<SID>" + bobSID}, extensions: full, want: mapping.Strong, by: "X509:<I>" + caName + "<SID>" + bobSID},
		{name: "issuer and identifier, Server 2022", dc: mapping.Controller{Server: mapping.Server2022}, upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<SID>" + bobSID}, extensions: full, want: mapping.Strong, by: "X509:<I>" + caName + "<SID>" + bobSID},
		{name: "issuer and identifier, Server 2019", dc: mapping.Controller{Server: mapping.Server2019}, upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<SID>" + bobSID}, extensions: full, want: mapping.NoMapping},
		{name: "issuer and identifier, Server 2016", dc: mapping.Controller{Server: mapping.Server2016}, upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<SID>" + bobSID}, extensions: full, want: mapping.NoMapping},
		{name: "issuer and identifier of another account", upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<SID>" + otherSID}, extensions: full, want: mapping.NoMapping},

		{name: "issuer and subject, no identifier", upn: "eve@contoso.com", stored: []string{"X509:<I>" + caName + "<S>" + subjectName}, extensions: [][]byte{name}, want: mapping.WeakRefused, by: "X509:<I>" + caName + "<S>" + subjectName},
		{name: "subject, identifier of the account", upn: "eve@contoso.com", stored: []string{"X509:<S>" + subjectName}, extensions: full, want: mapping.Strong, by: "X509:<S>" + subjectName, upgrade: mapping.BySID},
		{name: "subject, identifier of another account", upn: "eve@contoso.com", sid: otherSID, stored: []string{"X509:<S>" + subjectName}, extensions: full, want: mapping.Mismatch, by: "X509:<S>" + subjectName},
		{name: "e-mail address", upn: "eve@contoso.com", stored: []string{"X509:<RFC822>BOB@mail.example"}, extensions: full, want: mapping.Strong, by: "X509:<RFC822>bob@mail.example", upgrade: mapping.BySID},
		{name: "account without an identifier", sid: "none", extensions: full, want: mapping.Mismatch, by: "X509:<PN>bob@contoso.com"},
		{name: "strong mapping before an identifier of another account", sid: otherSID, stored: []string{bobSKI}, extensions: full, want: mapping.Strong, by: bobSKI},
		{name: "URI with an identifier of another account", sid: otherSID, extensions: [][]byte{san(upnName("bob@contoso.com"), uri(sidURI+bobSID))}, want: mapping.Mismatch, by: "X509:<PN>bob@contoso.com"},
		{name: "extension before the URI", extensions: [][]byte{san(upnName("bob@contoso.com"), uri(sidURI+otherSID)), sidExtension(bobSID)}, want: mapping.Strong, by: "X509:<PN>bob@contoso.com", upgrade: mapping.BySID},
		{name: "URI, Server 2019", dc: mapping.Controller{Server: mapping.Server2019}, extensions: [][]byte{san(upnName("bob@contoso.com"), uri(sidURI+bobSID))}, want: mapping.Strong, by: "X509:<PN>bob@contoso.com", upgrade: mapping.BySID},

		{name: "names ignored: e-mail address", dc: mapping.Controller{IgnoreSAN: true}, stored: []string{"X509:<RFC822>bob@mail.example"}, extensions: full, want: mapping.NoMapping},
		{name: "names ignored: several different names", dc: mapping.Controller{IgnoreSAN: true}, stored: []string{bobSKI}, extensions: [][]byte{san(upnName("a@b"), upnName("c@d")), ski(keyID)}, want: mapping.Strong, by: bobSKI},
		{name: "names ignored: identifier", dc: mapping.Controller{IgnoreSAN: true}, stored: []string{"X509:<S>" + subjectName}, extensions: full, want: mapping.WeakRefused, by: "X509:<S>" + subjectName},
		{name: "names ignored: issuer and identifier", dc: mapping.Controller{IgnoreSAN: true}, stored: []string{"X509:<I>" + caName + "<SID>" + bobSID}, extensions: full, want: mapping.Strong, by: "X509:<I>" + caName + "<SID>" + bobSID},

		{name: "compatibility: weak", dc: mapping.Controller{Compatibility: true}, extensions: [][]byte{name}, want: mapping.Weak, by: "X509:<PN>bob@contoso.com"},
		{name: "compatibility: identifier of another account", dc: mapping.Controller{Compatibility: true}, sid: otherSID, extensions: full, want: mapping.Mismatch, by: "X509:<PN>bob@contoso.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := mapping.Account{UPN: "bob@contoso.com", SID: bobSID, AltSecurityIdentities: tt.stored}
			if tt.sid != "" {
				a.SID = strings.TrimPrefix(tt.sid, "none")
			}
			if tt.upn != "" {
				a.UPN = tt.upn
			}
			j, err := tt.dc.Judge(a, spec{extensions: tt.extensions}.make(t), nil)
			require.NoError(t, err)
			assert.Equal(t, tt.want.String(), j.Answer.String())
			assert.Equal(t, tt.by, j.Mapping.String())
			assert.Equal(t, tt.upgrade, j.By)
		})
	}
}

func TestCompatibilityComparesAge(t *testing.T) {
	a := mapping.Account{UPN: "bob@contoso.com"}
	tests := []struct {
		name       string
		created    time.Time
		backdating time.Duration
		want       mapping.Answer
	}{
		{"account of unknown age", time.Time{}, 0, mapping.Weak},
		{"account of the same second", day, 0, mapping.Weak},
		{"account a second younger", day.Add(time.Second), 0, mapping.Backdated},
		{"a second within the allowance", day.Add(time.Hour), time.Hour, mapping.Weak},
		{"a second over the allowance", day.Add(time.Hour + time.Second), time.Hour, mapping.Backdated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dc := mapping.Controller{Compatibility: true, Backdating: tt.backdating}
			a.Created = tt.created
			j, err := dc.Judge(a, spec{extensions: [][]byte{san(upnName("bob@contoso.com"))}}.make(t), nil)
			require.NoError(t, err)
			assert.Equal(t, tt.want.String(), j.Answer.String())

			dc.Compatibility = false
			j, err = dc.Judge(a, spec{extensions: [][]byte{san(upnName("bob@contoso.com"))}}.make(t), nil)
			require.NoError(t, err)
			assert.Equal(t, mapping.WeakRefused, j.Answer)
		})
	}
}

func TestJudgmentReportsConflict(t *testing.T) {
	der := spec{extensions: [][]byte{san(upnName("bob@contoso.com"), uri(sidURI+otherSID)), sidExtension(bobSID)}}.make(t)
	j, err := mapping.Controller{}.Judge(mapping.Account{UPN: "bob@contoso.com", SID: bobSID}, der, nil)
	require.NoError(t, err)
	assert.True(t, j.SID.Conflict())
}

func TestJudgeRefusesMalformedFields(t *testing.T) {
	a := mapping.Account{UPN: "bob@contoso.com", SID: bobSID, AltSecurityIdentities: []string{"X509:<S>CN=a", "X509:<RFC822>a@b", bobSKI}}
	ca := spec{subject: rdns(dc, "com", dc, "contoso", cn, "CONTOSO-DC-CA")}.make(t)
	policy := mapping.Controller{NamePolicy: []mapping.NameRule{{Issuer: thumbprint(ca), Policies: []string{"1.2.3"}, UPNSuffix: "contoso.com"}}}
	name := san(upnName("bob@contoso.com"))
	tests := []struct {
		name   string
		dc     mapping.Controller
		s      spec
		issuer []byte
		want   string
	}{
		{"names", mapping.Controller{}, spec{extensions: [][]byte{san(upnName("a@b@c"))}}, nil, "mapping: upn: "},
		{"several names", mapping.Controller{}, spec{extensions: [][]byte{san(upnName("a@b"), upnName("b@b"))}}, nil, "several different names"},
		{"several addresses and a mapping by address", mapping.Controller{}, spec{extensions: [][]byte{san(rfc822Name("a@b"), rfc822Name("b@b"), upnName("eve@contoso.com"))}}, nil, "mapping: RFC822: certificate has several different names"},
		{"subject and a mapping by subject", mapping.Controller{}, spec{subject: rdns(cn, "\xFF")}, nil, "mapping: S: subject: "},
		{"identifier", mapping.Controller{}, spec{extensions: [][]byte{name, sidExtension("bob")}}, nil, "mapping: SID extension: "},
		{"policies", policy, spec{extensions: [][]byte{name, extension("2.5.29.32", []byte{5, 0})}}, ca, "mapping: certificate policies: "},
		{"certificate of the issuer", policy, spec{extensions: [][]byte{name}}, []byte{1}, "mapping: certificate of the issuer: "},
		{"certificate of another issuer", policy, spec{extensions: [][]byte{name}}, spec{}.make(t), "mapping: certificate of the issuer: subject is not"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j, err := tt.dc.Judge(a, tt.s.make(t), tt.issuer)
			assert.ErrorContains(t, err, tt.want)
			assert.Zero(t, j)
		})
	}
	_, err := mapping.Controller{}.Judge(a, nil, nil)
	assert.ErrorContains(t, err, "mapping: certificate: ")
}

func TestNamePolicy(t *testing.T) {
	ca := spec{subject: rdns(dc, "com", dc, "contoso", cn, "CONTOSO-DC-CA")}.make(t)
	rule := mapping.NameRule{Issuer: thumbprint(ca), Policies: []string{"1.2.9", "1.2.3"}, UPNSuffix: "Contoso.com", IssuerSubject: true}
	is := "X509:<I>" + caName + "<S>" + subjectName
	tests := []struct {
		name   string
		server mapping.Server
		edit   func(*mapping.NameRule)
		stored []string
		names  []byte
		oids   []string
		want   mapping.Answer
	}{
		{name: "suffix in another case", want: mapping.Strong},
		{name: "Server 2019", server: mapping.Server2019, want: mapping.Strong},
		{name: "Server 2016 does not support the policy", server: mapping.Server2016, want: mapping.WeakRefused},
		{name: "another issuer", edit: func(r *mapping.NameRule) { r.Issuer[0] ^= 1 }, want: mapping.WeakRefused},
		{name: "another policy", oids: []string{"1.2.3.4"}, want: mapping.WeakRefused},
		{name: "suffix of the suffix", edit: func(r *mapping.NameRule) { r.UPNSuffix = "ontoso.com" }, want: mapping.WeakRefused},
		{name: "no suffix", edit: func(r *mapping.NameRule) { r.UPNSuffix = "" }, want: mapping.WeakRefused},
		{name: "issuer and subject", names: san(uri("a")), stored: []string{is}, want: mapping.Strong},
		{name: "issuer and subject, not in the rule", edit: func(r *mapping.NameRule) { r.IssuerSubject = false }, names: san(uri("a")), stored: []string{is}, want: mapping.WeakRefused},
		{name: "subject alone", names: san(uri("a")), stored: []string{"X509:<S>" + subjectName}, want: mapping.WeakRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rule
			if tt.edit != nil {
				tt.edit(&r)
			}
			if tt.names == nil {
				tt.names = san(upnName("bob@contoso.com"))
			}
			if tt.oids == nil {
				tt.oids = []string{"1.2.3"}
			}
			a := mapping.Account{UPN: "bob@contoso.com", SID: bobSID, AltSecurityIdentities: tt.stored}
			der := spec{extensions: [][]byte{tt.names, policies(tt.oids...)}}.make(t)
			dc := mapping.Controller{Server: tt.server, NamePolicy: []mapping.NameRule{r}}
			j, err := dc.Judge(a, der, ca)
			require.NoError(t, err)
			assert.Equal(t, tt.want.String(), j.Answer.String())

			j, err = dc.Judge(a, der, nil)
			require.NoError(t, err)
			assert.Equal(t, mapping.WeakRefused, j.Answer, "no certificate of the issuer")
		})
	}
}

func TestParseNameRules(t *testing.T) {
	text := hash40 + "; 1.2.3, 2.5.29.32.0 ; UpnSuffix=contoso.com\r\n\r\n" +
		strings.ToUpper(keyID) + ";1.2.3;IssuerSubject,UpnSuffix=corp.example\n"
	rules, err := mapping.ParseNameRules(text)
	require.NoError(t, err)
	require.Len(t, rules, 2)
	assert.Equal(t, hash40, fmt.Sprintf("%x", rules[0].Issuer))
	assert.Equal(t, []string{"1.2.3", "2.5.29.32.0"}, rules[0].Policies)
	assert.Equal(t, "contoso.com", rules[0].UPNSuffix)
	assert.False(t, rules[0].IssuerSubject)
	assert.Equal(t, keyID, fmt.Sprintf("%x", rules[1].Issuer))
	assert.Equal(t, "corp.example", rules[1].UPNSuffix)
	assert.True(t, rules[1].IssuerSubject)

	rules, err = mapping.ParseNameRules("\n")
	assert.NoError(t, err)
	assert.Empty(t, rules)
}

func TestParseNameRulesRefuses(t *testing.T) {
	valid := hash40 + ";1.2.3;IssuerSubject"
	tests := []struct{ name, text, want string }{
		{"two sections", hash40 + ";1.2.3", "line 1: 2 sections, not 3"},
		{"four sections", valid + ";", "line 1: 4 sections, not 3"},
		{"short thumbprint", valid[2:], "line 1: thumbprint is not 40 hexadecimal digits"},
		{"thumbprint with a space", "ed 91" + valid[4:], "line 1: thumbprint is not 40 hexadecimal digits"},
		{"thumbprint twice", valid + "\n\n" + strings.ToUpper(hash40) + ";1.2;IssuerSubject", "line 3: thumbprint occurs in an earlier line"},
		{"no identifier", hash40 + ";;IssuerSubject", `line 1: "" is not an object identifier`},
		{"identifier of one number", hash40 + ";1;IssuerSubject", `line 1: "1" is not an object identifier`},
		{"identifier with letters", hash40 + ";1.2.x;IssuerSubject", `line 1: "1.2.x" is not an object identifier`},
		{"identifier with a leading zero", hash40 + ";1.02;IssuerSubject", `line 1: "1.02" is not an object identifier`},
		{"unknown method", hash40 + ";1.2;Subject", `line 1: "Subject" is not UpnSuffix=domain or IssuerSubject`},
		{"no method", hash40 + ";1.2;", `line 1: "" is not UpnSuffix=domain or`},
		{"method twice", valid + ",IssuerSubject", `line 1: "IssuerSubject" is not UpnSuffix=domain or IssuerSubject, or occurs twice`},
		{"empty suffix", hash40 + ";1.2;UpnSuffix=", `line 1: "UpnSuffix=" is not UpnSuffix=domain or`},
		{"suffix with an at sign", hash40 + ";1.2;UpnSuffix=@contoso.com", `line 1: "UpnSuffix=@contoso.com" is not UpnSuffix=domain or`},
		{"too many identifiers", hash40 + ";" + strings.Repeat("1.2,", 256) + "1.2;IssuerSubject", "line 1: more than 256 object identifiers"},
		{"long thumbprint", hash40 + "00;1.2;IssuerSubject", "line 1: thumbprint is not 40 hexadecimal digits"},
		{"order of sections", "1.2.3;" + hash40 + ";IssuerSubject", "line 1: thumbprint is not 40 hexadecimal digits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := mapping.ParseNameRules(tt.text)
			assert.ErrorContains(t, err, "mapping: name-based mappings, "+tt.want)
			assert.Nil(t, rules)
		})
	}
}

func TestParseNameRulesRefusesLongText(t *testing.T) {
	_, err := mapping.ParseNameRules(strings.Repeat("\n", 16<<20))
	assert.NoError(t, err)
	_, err = mapping.ParseNameRules(strings.Repeat("\n", 16<<20+1))
	assert.EqualError(t, err, "mapping: name-based mappings: 16777217 bytes, more than 16777216")
}

func TestEveryAnswerHasText(t *testing.T) {
	seen := map[string]bool{}
	for a := mapping.Strong; a <= mapping.NoMapping; a++ {
		text := a.String()
		assert.NotEmpty(t, text)
		assert.NotContains(t, text, "answer ")
		assert.False(t, seen[text])
		seen[text] = true
		assert.Equal(t, a == mapping.Strong || a == mapping.Weak, a.Accepted())
	}
	assert.Equal(t, "answer 0", mapping.Answer(0).String())
	assert.Zero(t, mapping.Answer(0).Event())
	assert.False(t, mapping.Answer(0).Accepted())
}
