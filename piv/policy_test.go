package piv_test

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/piv"
)

// withPolicy returns a YubiKey with a generated key of that policy.
func withPolicy(t *testing.T, version string, s piv.Slot, o *piv.KeyOptions, options ...cardtest.Option) (soft *cardtest.Card, public crypto.PublicKey) {
	t.Helper()
	soft = yubikey(version, options...)
	alg := piv.TripleDES
	if version >= "5.7" {
		alg = piv.AES192
	}
	public, err := adminOf(t, open(t, soft), alg).Generate(t.Context(), s, piv.P256, o)
	require.NoError(t, err)
	return soft, public
}

// The prompts after opening and after three signatures. A YubiKey reports the PIN
// policy of a key from firmware 5.3 on.
func TestPINPolicy(t *testing.T) {
	for _, test := range []struct {
		name           string
		slot           piv.Slot
		policy         piv.PINPolicy
		opened, signed int
	}{
		{"9A, never", piv.Authentication, piv.PINNever, 0, 0},
		{"9A, once", piv.Authentication, piv.PINOnce, 1, 1},
		{"9A, always", piv.Authentication, piv.PINAlways, 0, 3},
		{"9A, default", piv.Authentication, piv.PINDefault, 1, 1},
		{"9C, never", piv.Signature, piv.PINNever, 0, 0},
		{"9C, once", piv.Signature, piv.PINOnce, 1, 1},
		{"9C, always", piv.Signature, piv.PINAlways, 0, 3},
		{"9C, default", piv.Signature, piv.PINDefault, 0, 3},
		{"9E, once", piv.CardAuthentication, piv.PINOnce, 1, 1},
		{"9E, always", piv.CardAuthentication, piv.PINAlways, 0, 3},
	} {
		for _, version := range []string{"5.3.0", "5.7.1"} {
			t.Run(test.name+", "+version, func(t *testing.T) {
				soft, public := withPolicy(t, version, test.slot, &piv.KeyOptions{PIN: test.policy})
				n := 0
				ask := countPrompts(&n)
				key, err := open(t, soft).Key(t.Context(), test.slot, public, func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
					assert.Equal(t, test.opened == 0, r.EachUse)
					return ask(ctx, r)
				})
				require.NoError(t, err)
				assert.Equal(t, test.opened, n)
				for range 3 {
					_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
					require.NoError(t, err)
				}
				assert.Equal(t, test.signed, n)
				assert.Equal(t, test.signed, soft.PINs())
				require.NoError(t, key.Close())
				assert.False(t, soft.Verified())
			})
		}
	}
}

// A key that never needs the PIN works on a card whose PIN is blocked.
func TestPINPolicyNeverWithBlockedPIN(t *testing.T) {
	soft, public := withPolicy(t, "5.7.1", piv.Authentication, &piv.KeyOptions{PIN: piv.PINNever}, cardtest.RetriesLeft(0))
	key, err := open(t, soft).Key(t.Context(), piv.Authentication, public, noPIN(t))
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.Zero(t, soft.PINs())
}

// A replacingDriver replaces the response to one instruction. Unlike with card.New, the
// card has its answer to reset.
type replacingDriver struct {
	driver.Service
	ins      byte
	response []byte
}

func (d replacingDriver) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c, err := d.Service.Connect(ctx, reader)
	return replacingCard{c, d}, err
}

type replacingCard struct {
	driver.Card
	driver replacingDriver
}

func (c replacingCard) Transmit(command []byte) ([]byte, error) {
	if command[1] == c.driver.ins {
		return c.driver.response, nil
	}
	return c.Card.Transmit(command)
}

// Without metadata the rule of the slot holds: before firmware 5.3, for an empty slot,
// and if the response is malformed.
func TestPINPolicyWithoutMetadata(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	const insMetadata = 0xF7
	for name, test := range map[string]struct {
		card     *cardtest.Card
		response []byte // to GET METADATA; nil for that of the card
	}{
		"firmware 5.2":             {yubikey("5.2.7"), nil},
		"refused":                  {yubikey("5.7.1"), []byte{0x6D, 0x00}},
		"empty slot":               {yubikey("5.7.1"), []byte{0x6A, 0x88}},
		"malformed":                {yubikey("5.7.1"), success([]byte{0x02, 0x05, 1})},
		"no policies":              {yubikey("5.7.1"), success(tlv(0x07, 1))},
		"unknown policy":           {yubikey("5.7.1"), success(tlv(0x02, 9, 9))},
		"no data":                  {yubikey("5.7.1"), success(nil)},
		"not the ATR of a YubiKey": {cardtest.YubiKey("5.2.7", silentATR), nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := replacingDriver{Service: cardtest.NewReaders(test.card.Put("9A", private, nil)).Driver()}
			if test.response != nil {
				d.ins, d.response = insMetadata, test.response
			}
			service := card.NewService(d, nil)
			defer service.Close()
			c, err := service.Card(t.Context(), reader)
			require.NoError(t, err)
			n, asked := 0, false
			ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
				asked = asked || c.INS == insMetadata
			}})
			key, err := piv.New(c).Key(ctx, piv.Authentication, private.Public(), countPrompts(&n))
			require.NoError(t, err)
			defer key.Close()
			assert.True(t, asked, "for metadata")
			assert.Equal(t, 1, n)
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
		})
	}
}

// A card that is removed while the policy is read is an error, not a card without
// metadata.
func TestPolicyOfRemovedCard(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	readers := cardtest.NewReaders(yubikey("5.7.1").Put("9A", private, nil))
	readers.Fault(reader, 2, cardtest.Fault{What: cardtest.Removal})
	_, err := openIn(t, readers).Key(t.Context(), piv.Authentication, private.Public(), noPIN(t))
	assert.ErrorIs(t, err, card.ErrRemoved)
}

// A PINFunc that panics leaves nothing verified or held.
func TestPINFuncPanics(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
		soft := cardtest.PIV().Put(container(s), private, nil)
		p := open(t, soft)
		assert.Panics(t, func() {
			key, err := p.Key(t.Context(), s, private.Public(), func(context.Context, card.PINRequest) (card.PIN, error) {
				panic(errors.New("in the PINFunc"))
			})
			if assert.NoError(t, err) {
				defer key.Close()
				_, _ = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			}
		})
		assert.False(t, soft.Verified())
		require.NoError(t, signTwice(t, p, s, private, card.FixedPIN(cardtest.PIN)))
		assert.False(t, soft.Verified())
	}
}
