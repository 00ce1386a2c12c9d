package piv_test

import (
	"context"
	"crypto"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/piv"
)

func TestPINStatus(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []cardtest.Option
		want    card.PINStatus
	}{
		{"three retries left", nil, card.PINStatus{Retries: 3}},
		{"one retry left", []cardtest.Option{cardtest.RetriesLeft(1)}, card.PINStatus{Retries: 1}},
		{"more than fifteen retries", []cardtest.Option{cardtest.MaxRetries(20)}, card.PINStatus{Retries: 15}},
		{"blocked", []cardtest.Option{cardtest.RetriesLeft(0)}, card.PINStatus{Blocked: true}},
		{"reported as 630X", []cardtest.Option{cardtest.PlainRetries}, card.PINStatus{Retries: 3}},
		{"refused", []cardtest.Option{cardtest.EmptyVerifyRefused}, card.PINStatus{Retries: -1}},
		{"with a global PIN that is not preferred", []cardtest.Option{cardtest.PIVGlobalPIN("654321")}, card.PINStatus{Retries: 3}},
		{"contactless, with the ATR of a card with contacts", []cardtest.Option{cardtest.PIVContactless}, card.PINStatus{Retries: -1}},
		{"no discovery object", []cardtest.Option{cardtest.PIVNoDiscovery}, card.PINStatus{Retries: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV(test.options...)
			got, err := open(t, soft).PINStatus(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Zero(t, soft.Spent())
		})
	}
}

func TestPINStatusErrors(t *testing.T) {
	const verifyPrefix = "\x00\x20"
	p := piv.New(card.New("test", scripted{selectPrefix: {0x90, 0x00}, verifyPrefix: {0x69, 0x84}}))
	_, err := p.PINStatus(t.Context())
	assert.ErrorIs(t, err, card.StatusDataUnusable, "the PIN was never set")
	assert.ErrorContains(t, err, "piv: PIN status")
}

// The number of prompts after opening and after two signatures, by the rule of each
// slot (SP 800-73-4 part 1, table 5).
func TestPINRules(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, s := range slots() {
		opened, signed := 1, 1
		switch s {
		case piv.Signature:
			opened, signed = 0, 2
		case piv.CardAuthentication:
			opened, signed = 0, 0
		}
		t.Run(s.String(), func(t *testing.T) {
			soft := cardtest.PIV().Put(container(s), private, nil)
			n := 0
			key, err := open(t, soft).Key(t.Context(), s, private.Public(), countPrompts(&n))
			require.NoError(t, err)
			assert.Equal(t, opened, n)
			assert.Equal(t, opened > 0, soft.Verified())
			for range 2 {
				_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
			}
			assert.Equal(t, signed, n)
			require.NoError(t, key.Close())
			assert.False(t, soft.Verified(), "logged out")
			assert.Zero(t, soft.Spent())
			assert.Zero(t, soft.Writes())
		})
	}
}

func TestKeyWithoutPINFunc(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV().Put("9A", private, nil).Put("9C", private, nil)
	p := open(t, soft)
	silent, err := p.Key(t.Context(), piv.Authentication, private.Public(), nil)
	require.NoError(t, err)
	defer silent.Close()
	_, err = silent.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, card.StatusNotPermitted)

	each, err := p.Key(t.Context(), piv.Signature, private.Public(), nil)
	require.NoError(t, err)
	defer each.Close()
	_, err = each.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, card.ErrPINRequired)

	// It works once the PIN was verified for another key.
	asking, err := p.Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer asking.Close()
	_, err = silent.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.NoError(t, err)
	assert.Zero(t, soft.Spent())
}

func TestWrongPIN(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV().Put("9A", private, nil)
	p := open(t, soft)
	var requests []card.PINRequest
	answers := []string{"111111", "111111", "12345", "12345a", "123456789"}
	key, err := p.Key(t.Context(), piv.Authentication, private.Public(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		requests = append(requests, r)
		if len(requests) > len(answers) {
			return card.NewPIN([]byte(cardtest.PIN)), nil
		}
		return card.NewPIN([]byte(answers[len(requests)-1])), nil
	})
	require.NoError(t, err)
	defer key.Close()
	assert.Equal(t, 1, soft.Spent(), "a refused PIN is not sent twice, a malformed one never")
	require.Len(t, requests, 6)
	first := requests[0]
	assert.Equal(t, "use the key 9A (PIV Authentication)", first.Purpose)
	assert.Equal(t, piv.ApplicationPIN, first.Reference)
	assert.Equal(t, reader, first.Reader)
	assert.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-4", first.Card)
	assert.Equal(t, card.PINFormat{Min: 6, Max: 8, Digits: true, Padded: true}, first.Format)
	assert.Equal(t, 3, first.Retries)
	assert.NoError(t, first.Refused)
	for i, want := range []error{card.ErrWrongPIN, card.ErrRefusedBefore, card.ErrPINFormat, card.ErrPINFormat, card.ErrPINFormat} {
		assert.ErrorIs(t, requests[i+1].Refused, want, "answer %d", i)
		assert.Equal(t, 2, requests[i+1].Retries)
	}
}

func TestYubiKeyPINWithLetters(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := yubikey("5.4.3").Put("9A", private, nil)
	_, err := open(t, soft).Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN("abcdef"))
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Equal(t, 1, soft.Spent())
}

// The label of the card in the prompt.
func TestCardLabel(t *testing.T) {
	fascn := append([]byte{0xD4}, make([]byte, 24)...)
	for name, test := range map[string]struct {
		chuid []byte
		want  string
	}{
		"by its UUID":   {tlv(0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), "01020304-0506-0708-090a-0b0c0d0e0f10"},
		"by its FASC-N": {join(tlv(0x30, fascn...), tlv(0x34, make([]byte, 16)...)), "D4000000"},
		"unknown":       {nil, "unknown card"},
		"by its bytes":  {[]byte{0x30}, "CHUID 5FECEB66"},
	} {
		t.Run(name, func(t *testing.T) {
			private := cardtest.Key(cardtest.P256, 0)
			soft := cardtest.PIV().Put("9A", private, nil).PutObject(tagCHUID, test.chuid)
			var got string
			_, err := open(t, soft).Key(t.Context(), piv.Authentication, private.Public(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				got = r.Card.String()
				return card.PIN{}, context.Canceled
			})
			assert.ErrorIs(t, err, context.Canceled)
			assert.Contains(t, got, test.want)
		})
	}
}

func TestGlobalPIN(t *testing.T) {
	const global = "654321"
	private := cardtest.Key(cardtest.P256, 0)
	for _, test := range []struct {
		name   string
		second byte // of the PIN usage policy
		want   card.Reference
		pin    string
	}{
		{"preferred", 0x20, piv.GlobalPIN, global},
		{"not preferred", 0x10, piv.ApplicationPIN, cardtest.PIN},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV(cardtest.PIVGlobalPIN(global)).Put("9A", private, nil).Put("9C", private, nil).
				PutObject(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x60, test.second)))
			p := open(t, soft)
			for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
				key, err := p.Key(t.Context(), s, private.Public(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
					assert.Equal(t, test.want, r.Reference)
					return card.NewPIN([]byte(test.pin)), nil
				})
				require.NoError(t, err)
				_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
				require.NoError(t, key.Close())
			}
			assert.Zero(t, soft.Spent())
		})
	}
}

// A chip is a software card that package cardtest cannot configure.
type chip struct{ *iso.Card }

func (c chip) Transmit(command []byte) ([]byte, error) { return c.Card.Transmit(command), nil }

// A card may need the PIN where the rule of the slot does not. It is asked for after
// the refusal.
func TestCardStricterThanSlot(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, s := range []piv.Slot{piv.CardAuthentication, piv.Authentication} {
		for _, policy := range []softpiv.PINPolicy{softpiv.PINOnce, softpiv.PINAlways} {
			t.Run(fmt.Sprint(s, " with policy ", policy), func(t *testing.T) {
				app := softpiv.New(softpiv.Config{Firmware: softpiv.Version{5, 7, 1}, GlobalPIN: "654321"})
				require.NoError(t, app.Put(byte(s), private, nil))
				require.True(t, app.SetPolicy(byte(s), policy, softpiv.TouchNever))
				p := piv.New(card.New("test", chip{iso.New(iso.Config{}, app)}))
				n := 0
				key, err := p.Key(t.Context(), s, private.Public(), countPrompts(&n))
				require.NoError(t, err)
				for range 2 {
					_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
					require.NoError(t, err)
				}
				require.NoError(t, key.Close())
				assert.Zero(t, app.Tries(0x80).Spent)
				assert.Zero(t, app.Tries(0x00).Spent)
				assert.Equal(t, n, app.Tries(0x80).Sent)
			})
		}
	}
}

// With each quirk of a card its keys are usable and no try is lost, or the error says
// why.
func TestQuirks(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	errs := map[cardtest.Quirk]error{
		cardtest.NoCommandChaining:   nil, // extended length is used
		cardtest.NoResponseChaining:  nil,
		cardtest.PIVContactless:      card.ErrLastTry, // the retry counter is not reported
		cardtest.EmptyVerifyRefused:  card.ErrLastTry, // the retry counter is not reported
		cardtest.PIVEmptyVerifyCosts: card.ErrLastTry,
		cardtest.PIVMissing:          piv.ErrNotPIV,
	}
	var quirks []cardtest.Quirk
	for q := cardtest.T0; q <= cardtest.NoLogout; q++ {
		quirks = append(quirks, q)
	}
	for q := cardtest.PIVMissing; q <= cardtest.PIVBadFormatCosts; q++ {
		quirks = append(quirks, q)
	}
	for _, q := range quirks {
		for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
			t.Run(fmt.Sprintf("%v in %v", q, s), func(t *testing.T) {
				soft := cardtest.PIV(q).Put(container(s), private, nil)
				err := signTwice(t, openDriver(t, withHabit(soft, nil)), s, private, card.FixedPIN(cardtest.PIN))
				if want := errs[q]; want != nil {
					require.ErrorIs(t, err, want)
				} else {
					require.NoError(t, err)
					assert.Equal(t, 3, soft.RetriesLeft())
				}
				assert.False(t, soft.Verified())
				assert.Zero(t, soft.Writes())
				if q != cardtest.PIVEmptyVerifyCosts {
					assert.Zero(t, soft.Spent())
				}
			})
		}
	}
}

// signTwice opens a key and signs with it.
func signTwice(t *testing.T, p *piv.Card, s piv.Slot, private crypto.Signer, ask card.PINFunc) error {
	key, err := p.Key(t.Context(), s, private.Public(), ask)
	if err != nil {
		return err
	}
	defer key.Close()
	for range 2 {
		if _, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// On a card that clears the PIN at SELECT it is asked for once: a selected application
// is not selected again.
func TestSelectedApplicationIsNotSelectedAgain(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV(cardtest.PIVSelectClears).Put("9A", private, nil)
	n := 0
	require.NoError(t, signTwice(t, open(t, soft), piv.Authentication, private, countPrompts(&n)))
	assert.Equal(t, 1, n)
}

func TestQuirksWithShortLengths(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	soft := cardtest.PIV(cardtest.ShortLengths, cardtest.NoCommandChaining).Put("9A", private, nil)
	err := signTwice(t, open(t, soft), piv.Authentication, private, card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.Status(0x6884), "2,048 bits do not fit into one command")
	soft = cardtest.PIV(cardtest.ShortLengths, cardtest.NoResponseChaining).Put("9A", private, nil)
	err = signTwice(t, open(t, soft), piv.Authentication, private, card.FixedPIN(cardtest.PIN))
	assert.Error(t, err, "the response does not fit into one")
	assert.Zero(t, soft.Spent())
}

func TestPINOverContactless(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV(cardtest.PIVContactless, cardtest.ATR([]byte{0x3B, 0x80, 0x80, 0x01, 0x01})).Put("9A", private, nil).Put("9E", private, nil)
	p := open(t, soft)
	_, err := p.Key(t.Context(), piv.Authentication, private.Public(), noPIN(t))
	assert.ErrorContains(t, err, "contactless")
	assert.Contains(t, card.Hint(err), "reader with contacts")
	_, err = p.PINStatus(t.Context())
	assert.ErrorContains(t, err, "contactless")
	assert.NoError(t, signTwice(t, p, piv.CardAuthentication, private, noPIN(t)))
}

// On a card that does not report its retry counter, or counts the query as a wrong
// PIN, the PIN is sent only with consent, and queries do not block it.
func TestConsentWithUnknownRetries(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, q := range map[string]cardtest.Quirk{"refused": cardtest.EmptyVerifyRefused, "costs": cardtest.PIVEmptyVerifyCosts} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.PIV(q).Put("9A", private, nil)
			var last []bool
			err := signTwice(t, open(t, soft), piv.Authentication, private, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				last = append(last, r.Last)
				pin := card.NewPIN([]byte(cardtest.PIN))
				if r.Last {
					pin = pin.AllowLastTry()
				}
				return pin, nil
			})
			require.NoError(t, err)
			assert.True(t, slices.Contains(last, true))
			assert.Equal(t, 3, soft.RetriesLeft())
			if q == cardtest.PIVEmptyVerifyCosts {
				assert.Equal(t, 2, soft.Spent(), "the second query shows it; there is no third")
			}
		})
	}
}
