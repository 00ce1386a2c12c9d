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
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/piv"
)

const reader = "Software Reader 00"

// noPIN returns a PINFunc that must not be called.
func noPIN(t *testing.T) card.PINFunc {
	return func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		t.Errorf("asked for a PIN to %s", r.Purpose)
		return card.PIN{}, context.Canceled
	}
}

// countPrompts returns a PINFunc that counts its calls and returns the PIN.
func countPrompts(n *int) card.PINFunc {
	return func(context.Context, card.PINRequest) (card.PIN, error) {
		*n++
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}
}

// open returns the PIV application of a card in a new reader.
func open(t *testing.T, c *cardtest.Card) *piv.Card {
	t.Helper()
	return openIn(t, cardtest.NewReaders(c))
}

// openIn returns the PIV application of the card in the first reader.
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

// openDriver returns the PIV application of the card in the first reader of a driver.
func openDriver(t *testing.T, d driver.Service) *piv.Card {
	t.Helper()
	service := card.NewService(d, nil)
	t.Cleanup(func() { assert.NoError(t, service.Close()) })
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	return piv.New(c)
}

// scripted is a card with a response for each prefix of a command; the longest prefix
// wins.
type scripted map[string][]byte

func (s scripted) Transmit(command []byte) ([]byte, error) {
	best := ""
	for prefix := range s {
		if bytes.HasPrefix(command, []byte(prefix)) && len(prefix) >= len(best) {
			best = prefix
		}
	}
	if response, ok := s[best]; ok {
		return bytes.Clone(response), nil
	}
	return []byte{0x6A, 0x82}, nil
}

// success appends the status word 9000.
func success(response []byte) []byte { return append(bytes.Clone(response), 0x90, 0x00) }

const selectPrefix = "\x00\xA4\x04\x00"

// tlv encodes one element.
func tlv(tag ber.Tag, value ...byte) []byte { return ber.Append(nil, tag, value) }

// join concatenates elements.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// yubikey returns a software YubiKey with the ATR of the 5 series.
func yubikey(version string, options ...cardtest.Option) *cardtest.Card {
	atr := append([]byte{0x3B, 0xFD, 0x13, 0, 0, 0x81, 0x31, 0xFE, 0x15, 0x80, 0x73, 0xC0, 0x21, 0xC0, 0x57}, "YubiKey@"...)
	return cardtest.YubiKey(version, append(options, cardtest.ATR(atr))...)
}

// certificateFor returns a certificate for a key and a user.
func certificateFor(key crypto.Signer, upn string) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: key, UPNs: []string{upn}})
	return der
}

func TestSelect(t *testing.T) {
	for _, test := range []struct {
		name         string
		options      []cardtest.Option
		first, again int // exchanges for one object
	}{
		{"by nine bytes of the identifier", nil, 2, 2},
		{"by the full identifier, the second time at once", []cardtest.Option{cardtest.FullAID}, 3, 2},
		{"response without the registered part", []cardtest.Option{cardtest.PIVShortAID}, 2, 2},
		{"response with lengths of four bytes", []cardtest.Option{cardtest.PIVLongLengths}, 2, 2},
		{"of an application that is selected already", []cardtest.Option{cardtest.Implicit}, 2, 2},
		{"that clears the PIN", []cardtest.Option{cardtest.PIVSelectClears}, 2, 2},
		{"over T=0, where responses are fetched", []cardtest.Option{cardtest.T0}, 4, 4},
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
	property := func(aid ...byte) []byte { return success(tlv(0x61, tlv(0x4F, aid...)...)) }
	for _, test := range []struct {
		name string
		card card.Transmitter
	}{
		{"no such application", cardtest.PIV(cardtest.PIVMissing)},
		{"no such application, full identifier only", cardtest.PIV(cardtest.PIVMissing, cardtest.FullAID)},
		{"unknown instruction", scripted{selectPrefix: {0x6D, 0x00}}},
		{"unknown class", scripted{selectPrefix: {0x6E, 0x00}}},
		{"another application", scripted{selectPrefix: property(0xA0, 0, 0, 0x03, 0x97, 0x42)}},
		{"another application of the same authority", scripted{selectPrefix: property(0xA0, 0, 0, 3, 8, 0, 0, 0x10, 7, 1, 0)}},
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

// A response to SELECT that names no other application counts as PIV.
func TestSelectResponseWithoutIdentifier(t *testing.T) {
	for name, response := range map[string][]byte{
		"nothing":              {},
		"no template":          tlv(0x4F, 1, 2, 3),
		"no identifier":        tlv(0x61, tlv(0x50, 'x')...),
		"an empty identifier":  tlv(0x61, tlv(0x4F)...),
		"a truncated template": {0x61, 0x20, 0x4F},
		"the beginning":        tlv(0x61, tlv(0x4F, 0xA0, 0, 0, 3, 8)...),
		"another version":      tlv(0x61, tlv(0x4F, 0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 2, 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			p := piv.New(card.New("test", scripted{selectPrefix: success(response)}))
			_, err := p.CHUID(t.Context())
			assert.ErrorIs(t, err, piv.ErrNotFound)
		})
	}
}

// certify returns a certificate for a public key.
func certify(public crypto.PublicKey) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: publicOnly{public: public}, UPNs: []string{"alice@example.com"}})
	return der
}

// publicOnly is a Signer that only has a public key.
type publicOnly struct {
	crypto.Signer
	public crypto.PublicKey
}

func (k publicOnly) Public() crypto.PublicKey { return k.public }
