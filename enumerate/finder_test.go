package enumerate_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// finder returns a Finder on readers with these cards; nil is an empty reader.
func finder(t *testing.T, cards ...*cardtest.Card) *enumerate.Finder {
	t.Helper()
	return finderOn(t, cardtest.NewReaders(cards...), nil)
}

// finderOn returns a Finder on readers and closes both at the end of the test.
func finderOn(t *testing.T, readers *cardtest.Readers, o *card.Options) *enumerate.Finder {
	t.Helper()
	service := card.NewService(readers.Driver(), o)
	t.Cleanup(func() {
		require.NoError(t, service.Close())
		require.NoError(t, readers.Close())
	})
	return &enumerate.Finder{Service: service}
}

// all returns what f.All yields.
func all(t *testing.T, f *enumerate.Finder) (credentials []*enumerate.Credential, errs []error) {
	t.Helper()
	for c, err := range f.All(t.Context()) {
		if err != nil {
			assert.Nil(t, c)
			errs = append(errs, err)
		} else {
			credentials = append(credentials, c)
		}
	}
	return credentials, errs
}

// put puts a new key and certificate into a container.
func put(c *cardtest.Card, container string, l cardtest.Leaf) *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(l)
	return c.Put(container, key, certificate)
}

func TestCredentialFields(t *testing.T) {
	c := put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), Emails: []string{"a@example.com"}})
	credentials, errs := all(t, finder(t, c))
	require.Empty(t, errs)
	require.Len(t, credentials, 2)

	first := credentials[0]
	assert.Equal(t, "Software Reader 00", first.Reader)
	assert.Equal(t, enumerate.PIV, first.Application)
	assert.Equal(t, "9A", first.Container)
	assert.True(t, first.Default)
	assert.Equal(t, rules.KeySpec{Kind: rules.KeyExchange, Assumed: "PIV slot 9A"}, first.KeySpec)
	assert.Equal(t, upn.Names{UPNs: []string{"alice@example.com"}}, first.Names)
	assert.True(t, first.Findings.Offered())
	assert.Equal(t, "alice@example.com", first.Title())
	parsed, err := first.X509()
	require.NoError(t, err)
	assert.Equal(t, first.Raw, parsed.Raw)

	second := credentials[1]
	assert.Equal(t, "9C", second.Container)
	assert.False(t, second.Default)
	assert.Equal(t, rules.KeySpec{Kind: rules.Signature, Assumed: "PIV slot 9C"}, second.KeySpec)
	assert.Equal(t, upn.Names{Emails: []string{"a@example.com"}}, second.Names)
	assert.False(t, second.Findings.Offered())
	assert.True(t, second.Check(rules.Policy{AllowSignatureOnlyKeys: true, EnumerateECCCerts: true}, time.Now()).Offered())
}

func TestFinderPolicyAndNow(t *testing.T) {
	f := finder(t, cardtest.Logon("alice@example.com"))
	f.Now = func() time.Time { return time.Now().AddDate(20, 0, 0) }
	offered, err := f.Offered(t.Context())
	assert.ErrorIs(t, err, enumerate.ErrNotOffered)
	assert.Empty(t, offered, "long expired")
	f.Policy.AllowTimeInvalidCertificates = true
	offered, err = f.Offered(t.Context())
	require.NoError(t, err)
	assert.Len(t, offered, 1)
}

func TestOfferedOrder(t *testing.T) {
	first := cardtest.PIV()
	put(first, "9E", cardtest.Leaf{UPNs: []string{"three@example.com"}, Template: "Three"})
	put(first, "9D", cardtest.Leaf{UPNs: []string{"two@example.com"}, Template: "Two"})
	put(first, "9A", cardtest.Leaf{UPNs: []string{"one@example.com"}, Template: "One"})
	offered, err := finder(t, first, nil, cardtest.Logon("four@example.com")).Offered(t.Context())
	require.NoError(t, err)
	var titles []string
	for _, c := range offered {
		titles = append(titles, c.TitleUnder(rules.Policy{}))
	}
	require.Len(t, titles, 4)
	assert.Equal(t, "one@example.com", titles[0])
	assert.ElementsMatch(t, []string{"one@example.com", "two@example.com", "three@example.com", "four@example.com"}, titles)
}

func TestOfferedDuplicates(t *testing.T) {
	c := put(cardtest.PIV(), "9A", cardtest.Leaf{UPNs: []string{"a@example.com"}, Template: "1.3.6.1.4.1.311.21.8.1"})
	put(c, "9D", cardtest.Leaf{UPNs: []string{"a@example.com"}, Template: "1.3.6.1.4.1.311.21.8.1", NotAfter: time.Now().AddDate(3, 0, 0)})
	f := finder(t, c)
	offered, err := f.Offered(t.Context())
	require.NoError(t, err)
	assert.Len(t, offered, 2)
	f.Policy.FilterDuplicateCerts = true
	offered, err = f.Offered(t.Context())
	require.NoError(t, err)
	require.Len(t, offered, 1)
	assert.Equal(t, "9A", offered[0].Container, "the default container's")
}

func TestUnreadableCard(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.Logon("a@example.com"), cardtest.Logon("b@example.com"), cardtest.Logon("c@example.com"))
	readers.Fault("Software Reader 01", 1, cardtest.Fault{What: cardtest.NoResponse, Times: -1})
	f := finderOn(t, readers, nil)
	credentials, errs := all(t, f)
	assert.Len(t, credentials, 2)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], card.ErrNoResponse)
	assert.ErrorContains(t, errs[0], `"Software Reader 01"`)

	offered, err := f.Offered(t.Context())
	assert.Len(t, offered, 2)
	assert.ErrorIs(t, err, card.ErrNoResponse)
}

func TestUnreadableCertificate(t *testing.T) {
	c := put(cardtest.Logon("a@example.com"), "9D", cardtest.Leaf{UPNs: []string{"b@example.com"}})
	c.PutObject(0x5FC10A, []byte{0x70, 0x82, 0xFF, 0xFF, 0x30}) // truncated
	credentials, errs := all(t, finder(t, c))
	assert.Len(t, credentials, 2)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], card.ErrMalformed)
	assert.ErrorContains(t, errs[0], "9C")
	assert.ErrorContains(t, errs[0], "Software Reader 00")
}

func TestMalformedCertificateIsAFinding(t *testing.T) {
	c := cardtest.PIV().Put("9A", nil, []byte{0x30, 3, 2, 1, 1})
	f := finder(t, c)
	credentials, errs := all(t, f)
	assert.Empty(t, errs)
	require.Len(t, credentials, 1)
	assert.Error(t, credentials[0].Findings.Err())
	assert.Error(t, credentials[0].Names.Err)
	assert.Empty(t, credentials[0].TitleUnder(rules.Policy{}))
	_, err := credentials[0].X509()
	assert.Error(t, err)
	_, err = credentials[0].Unlock(t.Context(), mustNotAsk(t))
	assert.Error(t, err)
	offered, err := f.Offered(t.Context())
	assert.ErrorIs(t, err, enumerate.ErrNotOffered)
	assert.Empty(t, offered)
}

// TestErrorsWithoutCredentials checks that each reason for an empty list has its own
// error and hint.
func TestErrorsWithoutCredentials(t *testing.T) {
	stopped := cardtest.NewReaders(cardtest.Logon("a@example.com"))
	stopped.Stop()
	busy := cardtest.NewReaders(cardtest.Logon("a@example.com"))
	busy.Fault("Software Reader 00", 1, cardtest.Fault{What: cardtest.Busy, Times: -1})
	cases := []struct {
		name    string
		readers *cardtest.Readers
		want    error
	}{
		{"no service", stopped, card.ErrNoService},
		{"no reader", cardtest.NewReaders(), card.ErrNoReader},
		{"no card", cardtest.NewReaders(nil, nil), card.ErrNoCard},
		{"unsupported card", cardtest.NewReaders(unsupportedCard()), enumerate.ErrNoApplication},
		{"reader busy", busy, card.ErrBusy},
	}
	hints := map[string]string{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			credentials, errs := all(t, finderOn(t, c.readers, &card.Options{BusyTimeout: 20 * time.Millisecond}))
			assert.Empty(t, credentials)
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], c.want)
			for _, other := range cases {
				if other.want != c.want {
					assert.NotErrorIs(t, errs[0], other.want)
				}
			}
			hint := card.Hint(errs[0])
			assert.NotEmpty(t, hint)
			assert.Empty(t, hints[hint], "the same hint")
			hints[hint] = c.name
		})
	}
	assert.Len(t, hints, len(cases))
}

// unsupportedCard returns a card with an application that is neither PIV nor GIDS.
func unsupportedCard() *cardtest.Card {
	return cardtest.PIV(cardtest.PIVMissing, cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999"))
}

func TestCanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := finder(t, cardtest.Logon("a@example.com"))
	_, err := f.Offered(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	for c, err := range f.All(ctx) {
		assert.Nil(t, c)
		assert.ErrorIs(t, err, context.Canceled)
	}
}

func TestBreakReleasesCards(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.Logon("a@example.com"), cardtest.Logon("b@example.com"))
	f := finderOn(t, readers, nil)
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		require.NotNil(t, c)
		break
	}
	other := readers.Driver()
	defer other.Close()
	for _, name := range readers.Names() {
		k, err := other.Connect(t.Context(), name)
		require.NoError(t, err)
		assert.NoError(t, k.Begin(t.Context()))
		assert.NoError(t, k.End(false))
		assert.NoError(t, k.Close(false))
	}
}

func TestListingAndSigningWriteNothing(t *testing.T) {
	c := cardtest.Logon("alice@example.com", cardtest.ReadOnly)
	f := finder(t, c)
	offered, err := f.Offered(t.Context())
	require.NoError(t, err)
	require.Len(t, offered, 1)
	key, err := offered[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	assertSigns(t, key, offered[0])
	require.NoError(t, key.Close())
	assert.Zero(t, c.Writes())
}

// TestPublishedCards uses the PIV test cards that GSA publishes.
func TestPublishedCards(t *testing.T) {
	expected := vectors.ExpectedNames(t)
	signatures := 0
	for _, dir := range vectors.Cards(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			var description struct {
				Objects []struct {
					KeyReference string `json:"key_reference"`
					File, P12    string
					Certificate  bool
					Matches      bool `json:"p12_key_matches_certificate"`
				}
			}
			vectors.Read(t, "piv-cards/"+name+"/card.json", &description)
			type content struct {
				der   []byte
				names vectors.Names
				key   bool
			}
			want := map[string]content{}
			for _, o := range description.Objects {
				if !o.Certificate {
					continue
				}
				der, err := vectors.DER(filepath.Join(dir, o.File))
				require.NoError(t, err)
				n, ok := expected["piv-cards/"+name+"/"+o.File]
				require.True(t, ok)
				want[o.KeyReference] = content{der, n, o.P12 != "" && o.Matches}
			}
			require.NotEmpty(t, want)

			soft, err := cardtest.Load(dir)
			require.NoError(t, err)
			credentials, errs := all(t, finder(t, soft))
			require.Empty(t, errs)
			assert.Len(t, credentials, len(want))
			for _, c := range credentials {
				w, ok := want[strings.ToLower(c.Container)]
				require.True(t, ok, c.Container)
				assert.Equal(t, w.der, c.Raw)
				assert.Equal(t, w.names, vectors.Names{UPNs: c.Names.UPNs, Emails: c.Names.Emails})
				if !w.key || c.Container == "9D" || c.Container[0] == '8' {
					continue // no key, or one that decrypts
				}
				key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
				require.NoError(t, err, c.Container)
				assertSigns(t, key, c)
				require.NoError(t, key.Close())
				signatures++
			}
			assert.Zero(t, soft.Spent())
		})
	}
	assert.NotZero(t, signatures)
	t.Logf("%d signatures", signatures)
}

func TestScan(t *testing.T) {
	c := put(cardtest.Logon("alice@example.com"), "95", cardtest.Leaf{UPNs: []string{"old@example.com"}})
	f := finder(t, c)
	f.Scan = piv.ScanPrimary
	credentials, errs := all(t, f)
	assert.Empty(t, errs)
	assert.Len(t, credentials, 1)
	f.Scan = piv.ScanAll
	credentials, errs = all(t, f)
	assert.Empty(t, errs)
	require.Len(t, credentials, 2)
	assert.Equal(t, "95", credentials[1].Container)
}

func TestHints(t *testing.T) {
	assert.NotEmpty(t, card.Hint(errors.Join(errors.New("x"), enumerate.ErrNoApplication)))
	assert.NotEmpty(t, enumerate.ErrNoApplication.Error())
}
