package upn_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	bothNames  = upn.Names{UPNs: []string{"b@x.com"}, Emails: []string{"a@x.com"}}
	emailOnly  = upn.Names{Emails: []string{"a@x.com"}}
	noNames    = upn.Names{}
	subjectAll = upn.Names{Subject: "E=alice@example.com"}
	malformed  = upn.Names{Err: &upn.MalformedError{Field: "subjectAltName", Reason: "test"}}
)

// TestSignIn has a row for each cell and sentence of the sign-in document. Rows
// with a number are cases of other documents.
func TestSignIn(t *testing.T) {
	tests := []struct {
		name     string
		in       upn.SignIn
		names    upn.Names
		want     string
		source   upn.Source
		err      error
		sentence string // part of it
	}{
		{name: "joined: UPN before e-mail", names: bothNames, want: "b@x.com", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},
		{name: "joined: e-mail without UPN", names: emailOnly, want: "a@x.com", source: upn.FromRFC822, sentence: "sends the SAN RFC822 Name"},
		{name: "joined: neither", names: noNames, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "With neither"},
		{name: "joined: E= or CN= is never sent, revision 2022 states it", names: subjectAll, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "E= or CN= in the subject"},
		{name: "joined: E= or CN= is never sent, revision 2025 does not mention it", in: upn.SignIn{Revision: upn.Revision2025}, names: subjectAll, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "With neither"},
		{name: "joined: malformed names, no fallback", names: malformed, source: upn.Malformed, err: malformed.Err, sentence: "cannot be read"},
		{name: "joined: hint before UPN and e-mail", in: upn.SignIn{Hint: "c@x.com"}, names: bothNames, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "joined: hint before malformed names", in: upn.SignIn{Hint: "c@x.com"}, names: malformed, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "joined: hint without a name", in: upn.SignIn{Hint: "c@x.com"}, names: noNames, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "joined: hint domain\\user is sent, revision 2022", in: upn.SignIn{Hint: `CONTOSO\bob`}, names: bothNames, want: `CONTOSO\bob`, source: upn.FromHint, sentence: "always sent"},
		{name: "joined: hint domain\\user is refused, revision 2025", in: upn.SignIn{Hint: `CONTOSO\bob`, Revision: upn.Revision2025}, names: bothNames, source: upn.Refused, err: upn.ErrRefused, sentence: "must be a UPN"},
		{name: "joined: hint user@domain, revision 2025", in: upn.SignIn{Hint: "c@x.com", Revision: upn.Revision2025}, names: bothNames, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "joined, later: UPN", in: upn.SignIn{Subsequent: true}, names: bothNames, want: "b@x.com", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},
		{name: "joined, later: e-mail", in: upn.SignIn{Subsequent: true}, names: emailOnly, want: "a@x.com", source: upn.FromRFC822, sentence: "sends the SAN RFC822 Name"},
		{name: "joined, later: cached name is not used", in: upn.SignIn{Subsequent: true, CachedUPN: "d@x.com", ADUPN: "e@x.com"}, names: noNames, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "With neither"},
		{name: "joined: cloud-only user, routable name", in: upn.SignIn{CloudOnly: true}, names: bothNames, want: "b@x.com", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},
		{name: "joined: cloud-only user, name not routable", in: upn.SignIn{CloudOnly: true}, names: upn.Names{UPNs: []string{"user@woodgrove.local"}}, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "cloud-only"},
		{name: "joined: cloud-only user, e-mail not routable", in: upn.SignIn{CloudOnly: true}, names: upn.Names{Emails: []string{"user@woodgrove"}}, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "cloud-only"},
		{name: "joined: cloud-only user with a hint", in: upn.SignIn{CloudOnly: true, Hint: "c@x.com"}, names: upn.Names{UPNs: []string{"user@woodgrove.local"}}, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "joined: cloud-only user, name not routable, revision 2025", in: upn.SignIn{CloudOnly: true, Revision: upn.Revision2025}, names: upn.Names{UPNs: []string{"user@woodgrove.local"}}, want: "user@woodgrove.local", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},
		{name: "joined: synchronized user, name not routable", names: upn.Names{UPNs: []string{"user@woodgrove.local"}}, want: "user@woodgrove.local", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},

		{name: "hybrid, first: UPN of Active Directory", in: upn.SignIn{Hybrid: true, ADUPN: "e@x.com"}, names: bothNames, want: "e@x.com", source: upn.FromADUPN, sentence: "sends the UPN that it learns there"},
		{name: "hybrid, first: hint before UPN", in: upn.SignIn{Hybrid: true, ADUPN: "e@x.com", Hint: "c@x.com"}, names: bothNames, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "hybrid, first: hint domain\\user is sent, revision 2025", in: upn.SignIn{Hybrid: true, Hint: `CONTOSO\bob`, Revision: upn.Revision2025}, names: bothNames, want: `CONTOSO\bob`, source: upn.FromHint, sentence: "always sent"},
		{name: "hybrid, first: names of the certificate are not used", in: upn.SignIn{Hybrid: true}, names: bothNames, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "never a name of the certificate"},
		{name: "hybrid, first: malformed names do not matter", in: upn.SignIn{Hybrid: true, ADUPN: "e@x.com"}, names: malformed, want: "e@x.com", source: upn.FromADUPN, sentence: "sends the UPN that it learns there"},
		{name: "hybrid, first: cached name is not used", in: upn.SignIn{Hybrid: true, CachedUPN: "d@x.com"}, names: bothNames, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "never a name of the certificate"},
		{name: "hybrid, first: suffix not routable, revision 2022", in: upn.SignIn{Hybrid: true, ADUPN: "user@woodgrove.local"}, names: bothNames, want: "user@woodgrove.local", source: upn.FromADUPN, sentence: "the domain hint finds the tenant"},
		{name: "hybrid, first: suffix not routable, revision 2025", in: upn.SignIn{Hybrid: true, ADUPN: "user@woodgrove.local", Revision: upn.Revision2025}, names: bothNames, want: "user@woodgrove.local", source: upn.FromADUPN, sentence: "only if that fails"},
		{name: "hybrid, later: cached name", in: upn.SignIn{Hybrid: true, Subsequent: true, CachedUPN: "d@x.com", ADUPN: "e@x.com"}, names: bothNames, want: "d@x.com", source: upn.FromCachedUPN, sentence: "has cached"},
		{name: "hybrid, later: hint before cached name", in: upn.SignIn{Hybrid: true, Subsequent: true, CachedUPN: "d@x.com", Hint: "c@x.com"}, names: bothNames, want: "c@x.com", source: upn.FromHint, sentence: "always sent"},
		{name: "hybrid, later: no cached name", in: upn.SignIn{Hybrid: true, Subsequent: true, ADUPN: "e@x.com"}, names: bothNames, want: "e@x.com", source: upn.FromADUPN, sentence: "sends the UPN that it learns there"},
		{name: "hybrid, later: no name", in: upn.SignIn{Hybrid: true, Subsequent: true}, names: bothNames, source: upn.HintRequired, err: upn.ErrHintRequired, sentence: "never a name of the certificate"},

		{name: "30 joined device, SAN e-mail a@x and UPN b@x: sends b@x", names: upn.Names{UPNs: []string{"b@x"}, Emails: []string{"a@x"}}, want: "b@x", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},
		{name: "30 joined device, SAN e-mail a@x and UPN b@x, hint c@x: sends c@x", in: upn.SignIn{Hint: "c@x"}, names: upn.Names{UPNs: []string{"b@x"}, Emails: []string{"a@x"}}, want: "c@x", source: upn.FromHint, sentence: "always sent"},
		{name: `31 hint CONTOSO\bob to Entra, revision 2025: error, hint must be a UPN`, in: upn.SignIn{Hint: `CONTOSO\bob`, Revision: upn.Revision2025}, source: upn.Refused, err: upn.ErrRefused, sentence: "must be a UPN"},
		{name: `31 hint CONTOSO\bob to Entra, revision 2022: sent as given`, in: upn.SignIn{Hint: `CONTOSO\bob`, Revision: upn.Revision2022}, want: `CONTOSO\bob`, source: upn.FromHint, sentence: "always sent"},
		{name: "32 hybrid, AD UPN user@woodgrove.local, revision 2025: compared with the Entra UPN, then onPremisesUserPrincipalName", in: upn.SignIn{Hybrid: true, ADUPN: "user@woodgrove.local", Revision: upn.Revision2025}, want: "user@woodgrove.local", source: upn.FromADUPN, sentence: "only if that fails, with onPremisesUserPrincipalName"},
		{name: "32 hybrid, later: the Entra UPN that was cached", in: upn.SignIn{Hybrid: true, Subsequent: true, ADUPN: "user@woodgrove.local", CachedUPN: "user@woodgrove.com", Revision: upn.Revision2025}, want: "user@woodgrove.com", source: upn.FromCachedUPN, sentence: "has cached"},

		{name: "user in Staged Rollout", in: upn.SignIn{User: upn.StagedRollout}, names: bothNames, want: "b@x.com", source: upn.FromUPN, sentence: "sends the SAN Principal Name"},
		{name: "federated user", in: upn.SignIn{User: upn.Federated}, names: bothNames, source: upn.Refused, err: upn.ErrRefused, sentence: "managed domain or in Staged Rollout"},
		{name: "federated user with a hint", in: upn.SignIn{User: upn.Federated, Hint: "c@x.com"}, names: bothNames, source: upn.Refused, err: upn.ErrRefused, sentence: "managed domain or in Staged Rollout"},
		{name: "federated user, hybrid", in: upn.SignIn{User: upn.Federated, Hybrid: true, ADUPN: "e@x.com"}, names: bothNames, source: upn.Refused, err: upn.ErrRefused, sentence: "managed domain or in Staged Rollout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.in.Name(tt.names)
			assert.Equal(t, tt.want, got.Value)
			assert.Equal(t, tt.source, got.Source)
			assert.Equal(t, tt.err, err)
			assert.Contains(t, got.Sentence(), tt.sentence)
		})
	}
}

func TestNameIsAmbiguous(t *testing.T) {
	for _, tt := range []struct {
		names upn.Names
		want  bool
	}{
		{upn.Names{UPNs: []string{"a@x", "b@x"}}, true},
		{upn.Names{Emails: []string{"a@x", "b@x"}}, true},
		{upn.Names{UPNs: []string{"a@x"}, Emails: []string{"b@x", "c@x"}}, false},
	} {
		got, err := upn.SignIn{}.Name(tt.names)
		require.NoError(t, err)
		assert.Equal(t, "a@x", got.Value)
		assert.Equal(t, tt.want, got.Ambiguous)
	}
	got, err := upn.SignIn{Hint: "c@x"}.Name(upn.Names{UPNs: []string{"a@x", "b@x"}})
	require.NoError(t, err)
	assert.False(t, got.Ambiguous, "a hint is not ambiguous")
}

func TestAccount(t *testing.T) {
	const entra, onPremises = "userPrincipalName", "onPremisesUserPrincipalName"
	tests := []struct {
		name       string
		in         upn.SignIn
		want       []string
		domainHint bool
	}{
		{"joined", upn.SignIn{}, []string{entra}, false},
		{"hint", upn.SignIn{Hint: "c@x.com"}, []string{entra}, false},
		{"cached", upn.SignIn{Hybrid: true, Subsequent: true, CachedUPN: "d@x.com"}, []string{entra}, false},
		{"hybrid, routable, revision 2022", upn.SignIn{Hybrid: true, ADUPN: "e@x.com"}, []string{entra}, false},
		{"hybrid, not routable, revision 2022", upn.SignIn{Hybrid: true, ADUPN: "user@woodgrove.local"}, []string{onPremises}, true},
		{"hybrid, not routable, revision 2025", upn.SignIn{Hybrid: true, ADUPN: "user@woodgrove.local", Revision: upn.Revision2025}, []string{entra, onPremises}, false},
		{"hybrid, one label, revision 2022", upn.SignIn{Hybrid: true, ADUPN: "user@corp"}, []string{onPremises}, true},
		{"hybrid, reserved top level in capitals, revision 2022", upn.SignIn{Hybrid: true, ADUPN: "user@x.INTERNAL"}, []string{onPremises}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, err := tt.in.Name(bothNames)
			require.NoError(t, err)
			got, domainHint := name.Account()
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.domainHint, domainHint)
			got[0] = "changed"
			again, _ := name.Account()
			assert.Equal(t, tt.want, again)
		})
	}
	none, _ := upn.SignIn{}.Name(noNames)
	attributes, domainHint := none.Account()
	assert.Empty(t, attributes)
	assert.False(t, domainHint)
}

func TestSignInRefusesMalformedInput(t *testing.T) {
	tests := []struct {
		name string
		in   upn.SignIn
		want string
	}{
		{"hint without @", upn.SignIn{Hint: "alice"}, `upn: hint: "alice" has not exactly one "@"`},
		{"hint with two @", upn.SignIn{Hint: "a@b@c"}, `upn: hint: "a@b@c" has not exactly one "@"`},
		{"hint without a domain", upn.SignIn{Hint: `\bob`}, `upn: hint: "\\bob" has nothing on one side of its "\"`},
		{"hint without a user", upn.SignIn{Hint: `CONTOSO\`}, `upn: hint: "CONTOSO\\" has nothing on one side of its "\"`},
		{"hint with two backslashes", upn.SignIn{Hint: `A\B\c`}, `upn: hint: "A\\B\\c" has more than one "\"`},
		{"hint with @ and backslash", upn.SignIn{Hint: `A\b@c`}, `upn: hint: "A\\b@c" has both "@" and "\"`},
		{"hint with a line feed", upn.SignIn{Hint: "A\\b\nc"}, `upn: hint: "A\\b\nc" has the character U+000A, which cannot be shown`},
		{"hint with a trailing space", upn.SignIn{Hint: "a@b "}, `upn: hint: "a@b " begins or ends with a space`},
		{"Active Directory UPN without a suffix", upn.SignIn{Hybrid: true, ADUPN: "a@"}, `upn: Active Directory UPN: "a@" has nothing after its "@"`},
		{"cached UPN without a user", upn.SignIn{Hybrid: true, CachedUPN: "@b"}, `upn: cached UPN: "@b" has nothing before its "@"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.in.Name(bothNames)
			assert.Zero(t, got)
			var form *upn.FormError
			require.ErrorAs(t, err, &form)
			assert.EqualError(t, err, tt.want)
			_, err = tt.in.Matrix(bothNames)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestSignInRefusesUnsupportedRevision(t *testing.T) {
	_, err := upn.SignIn{Revision: 2023}.Name(bothNames)
	assert.EqualError(t, err, "upn: unsupported revision 2023 of the sign-in document: want 2022 or 2025")
}

func TestMatrix(t *testing.T) {
	got, err := upn.SignIn{ADUPN: "e@x.com", CachedUPN: "d@x.com"}.Matrix(bothNames)
	require.NoError(t, err)
	text, err := json.Marshal(got)
	require.NoError(t, err)
	const certificate = `{"name":"b@x.com","source":"upn","sentence":"An Azure AD joined machine sends the SAN Principal Name of the certificate."}`
	assert.JSONEq(t, `{
		"joined": {"first": `+certificate+`, "subsequent": `+certificate+`},
		"hybrid": {
			"first": {"name":"e@x.com","source":"ad-upn","sentence":"A hybrid joined machine signs in to Active Directory and sends the UPN that it learns there."},
			"subsequent": {"name":"d@x.com","source":"cached-upn","sentence":"After the first sign-in, a hybrid joined machine sends the Azure AD UPN that it has cached."}
		}
	}`, string(text))

	got, err = upn.SignIn{}.Matrix(upn.Names{UPNs: []string{"a@x", "b@x"}})
	require.NoError(t, err)
	text, err = json.Marshal(got.Joined.First)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"ambiguous":true`)
	assert.Equal(t, upn.HintRequired, got.Hybrid.First.Source)
}

func TestPlatforms(t *testing.T) {
	tests := []struct {
		name            string
		build, revision int
		update          string
		supported       bool
	}{
		{"1809 with the update", 17763, 3469, "KB5017379", true},
		{"1809 before the update", 17763, 3468, "KB5017379", false},
		{"20H1, no update stated", 19041, 0, "", true},
		{"20H2 with the update", 19042, 2075, "KB5017380", true},
		{"20H2 before the update", 19042, 2074, "KB5017380", false},
		{"21H1 with the update", 19043, 2075, "KB5017380", true},
		{"21H1 before the update", 19043, 2074, "KB5017380", false},
		{"21H2 with the update", 19044, 2075, "KB5017380", true},
		{"21H2 before the update", 19044, 2074, "KB5017380", false},
		{"Server 2022 with the update", 20348, 1070, "KB5017381", true},
		{"Server 2022 before the update", 20348, 1069, "KB5017381", false},
		{"Windows 11 21H2 with the update", 22000, 1042, "KB5017383", true},
		{"Windows 11 21H2 before the update", 22000, 1041, "KB5017383", false},
		{"Windows 11 22H2, no update stated", 22621, 0, "", true},
		{"later than the table", 26100, 1, "", true},
		{"between two rows", 18363, 9999, "", false},
		{"before the table", 14393, 9999, "", false},
	}
	listed := map[int]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, supported := upn.PlatformOf(tt.build, tt.revision)
			assert.Equal(t, tt.build, got.Build)
			assert.Equal(t, tt.update, got.Update)
			assert.Equal(t, tt.supported, supported)
		})
		listed[tt.build] = true
	}
	for _, p := range upn.Platforms() {
		assert.True(t, listed[p.Build], "%s has no row here", p.Name)
		assert.NotEmpty(t, p.Name)
	}
}

func TestSignInReturnsMalformedError(t *testing.T) {
	_, err := upn.SignIn{}.Name(upn.Read(nil))
	var fault *upn.MalformedError
	assert.True(t, errors.As(err, &fault))
	assert.Equal(t, "certificate", fault.Field)
}
