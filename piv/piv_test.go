package piv_test

import (
	"bytes"
	"context"
	"crypto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/piv"
)

const reader = "Software Reader 00"

// noPIN is for what must not ask for a PIN.
func noPIN(t *testing.T) card.PINFunc {
	return func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		t.Errorf("asked for a PIN to %s", r.Purpose)
		return card.PIN{}, context.Canceled
	}
}

// asked counts how often it is asked for the PIN, which it knows.
func asked(n *int) card.PINFunc {
	return func(context.Context, card.PINRequest) (card.PIN, error) {
		*n++
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}
}

// open puts a card into a reader of its own.
func open(t *testing.T, c *cardtest.Card) *piv.Card {
	t.Helper()
	return openIn(t, cardtest.NewReaders(c))
}

// openIn opens the card in the first reader.
func openIn(t *testing.T, readers *cardtest.Readers) *piv.Card {
	t.Helper()
	service := readers.Service()
	t.Cleanup(func() {
		assert.NoError(t, service.Close())
		assert.NoError(t, readers.Close())
	})
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	return piv.New(c)
}

// scripted is a card that has one answer for each command, by its first bytes;
// the longest that fits counts.
type scripted map[string][]byte

func (s scripted) Transmit(command []byte) ([]byte, error) {
	best := ""
	for start := range s {
		if bytes.HasPrefix(command, []byte(start)) && len(start) >= len(best) {
			best = start
		}
	}
	if answer, ok := s[best]; ok {
		return bytes.Clone(answer), nil
	}
	return []byte{0x6A, 0x82}, nil
}

// done adds the status word of success.
func done(answer []byte) []byte { return append(bytes.Clone(answer), 0x90, 0x00) }

const selects = "\x00\xA4\x04\x00"

// tlv makes one element.
func tlv(tag ber.Tag, value ...byte) []byte { return ber.Append(nil, tag, value) }

// join puts elements after each other.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// yubikey is a software YubiKey that answers to reset as those of the 5 series.
func yubikey(version string, options ...cardtest.Option) *cardtest.Card {
	atr := append([]byte{0x3B, 0xFD, 0x13, 0, 0, 0x81, 0x31, 0xFE, 0x15, 0x80, 0x73, 0xC0, 0x21, 0xC0, 0x57}, "YubiKey@"...)
	return cardtest.YubiKey(version, append(options, cardtest.ATR(atr))...)
}

// logon is a certificate for a key; who differs gets another one.
func logon(key crypto.Signer, who string) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: key, UPNs: []string{who}})
	return der
}

func TestSelect(t *testing.T) {
	for _, test := range []struct {
		name         string
		options      []cardtest.Option
		first, again int // exchanges for one object
	}{
		{"by nine bytes of the identifier", nil, 2, 2},
		{"by the whole identifier where the card wants that, and then at once", []cardtest.Option{cardtest.FullAID}, 3, 2},
		{"answered without the registered part", []cardtest.Option{cardtest.PIVShortAID}, 2, 2},
		{"answered with lengths of four bytes", []cardtest.Option{cardtest.PIVLongLengths}, 2, 2},
		{"of an application that is selected already", []cardtest.Option{cardtest.Implicit}, 2, 2},
		{"that forgets the PIN", []cardtest.Option{cardtest.PIVSelectClears}, 2, 2},
		{"over T=0, where answers are fetched", []cardtest.Option{cardtest.T0}, 4, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV(test.options...)
			p := open(t, soft)
			for _, want := range []int{test.first, test.again} {
				before := soft.Exchanges().Commands
				_, err := p.CCC(t.Context())
				require.NoError(t, err)
				assert.Equal(t, want, soft.Exchanges().Commands-before)
			}
		})
	}
}

func TestNotPIV(t *testing.T) {
	property := func(aid ...byte) []byte { return done(tlv(0x61, tlv(0x4F, aid...)...)) }
	for _, test := range []struct {
		name string
		card card.Transmitter
	}{
		{"no such application", cardtest.PIV(cardtest.PIVMissing)},
		{"no such application, and the whole identifier wanted", cardtest.PIV(cardtest.PIVMissing, cardtest.FullAID)},
		{"instruction not known", scripted{selects: {0x6D, 0x00}}},
		{"class not known", scripted{selects: {0x6E, 0x00}}},
		{"another application answers", scripted{selects: property(0xA0, 0, 0, 0x03, 0x97, 0x42)}},
		{"an application with a longer name answers", scripted{selects: property(0xA0, 0, 0, 3, 8, 0, 0, 0x10, 7, 1, 0)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := piv.New(card.New("test", test.card))
			_, err := p.CHUID(t.Context())
			assert.ErrorIs(t, err, piv.ErrNotPIV)
			assert.NotErrorIs(t, err, piv.ErrNotFound)
			assert.Contains(t, card.Hint(err), "Insert a PIV card")
			_, err = p.Key(t.Context(), piv.Authentication, cardtest.Key(cardtest.P256, 0).Public(), noPIN(t))
			assert.ErrorIs(t, err, piv.ErrNotPIV)
			_, err = p.PINStatus(t.Context())
			assert.ErrorIs(t, err, piv.ErrNotPIV)
			n := 0
			for cert, err := range p.Certificates(t.Context(), piv.ScanAll) {
				n++
				assert.Nil(t, cert)
				assert.ErrorIs(t, err, piv.ErrNotPIV)
			}
			assert.Equal(t, 1, n)
		})
	}
}

// What a card says of itself is not always well formed; if it took the
// identifier, that is enough.
func TestSelectTrustsWhoSaysNothing(t *testing.T) {
	for name, answer := range map[string][]byte{
		"nothing":            {},
		"no template":        tlv(0x4F, 1, 2, 3),
		"template, no name":  tlv(0x61, tlv(0x50, 'x')...),
		"an empty name":      tlv(0x61, tlv(0x4F)...),
		"a template cut off": {0x61, 0x20, 0x4F},
		"the beginning":      tlv(0x61, tlv(0x4F, 0xA0, 0, 0, 3, 8)...),
		"another version":    tlv(0x61, tlv(0x4F, 0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 2, 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			p := piv.New(card.New("test", scripted{selects: done(answer)}))
			_, err := p.CHUID(t.Context())
			assert.ErrorIs(t, err, piv.ErrNotFound)
		})
	}
}

// certify is a certificate for a key that is on a card.
func certify(public crypto.PublicKey) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: publicOnly{public: public}, UPNs: []string{"alice@example.com"}})
	return der
}

// publicOnly is a key whose private half is elsewhere.
type publicOnly struct {
	crypto.Signer
	public crypto.PublicKey
}

func (k publicOnly) Public() crypto.PublicKey { return k.public }
