package piv_test

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/piv"
)

func TestSetManagementKey(t *testing.T) {
	for alg, size := range managementAlgorithms {
		for _, touch := range []piv.TouchPolicy{piv.TouchDefault, piv.TouchNever, piv.TouchAlways, piv.TouchCached} {
			soft := yubikey("5.7.1")
			p := open(t, soft)
			a := adminOf(t, p, piv.AES192)
			secret := bytes.Repeat([]byte{0x51, 0x7A, 0x25}, 11)[:size]
			require.NoError(t, a.SetManagementKey(t.Context(), managementKey(t, alg, secret), touch), alg)
			require.NoError(t, a.Check(t.Context()), "the Admin uses the new key")
			assert.ErrorIs(t, adminOf(t, p, piv.AES192).Check(t.Context()), piv.ErrManagementKey)

			y, err := p.YubiKey(t.Context())
			require.NoError(t, err)
			m, err := y.Metadata(t.Context(), 0x9B)
			require.NoError(t, err)
			want := touch
			if touch == piv.TouchDefault {
				want = piv.TouchNever
			}
			assert.Equal(t, &piv.Metadata{Algorithm: alg, Touch: want}, m)
		}
	}
}

func TestSetRetries(t *testing.T) {
	soft := yubikey("5.7.1")
	p := open(t, soft)
	a := adminOf(t, p, piv.AES192)
	n := 0
	require.NoError(t, a.SetRetries(t.Context(), 5, 7, countPrompts(&n)))
	assert.Equal(t, 1, n)
	assert.Equal(t, 5, soft.RetriesLeft())
	assert.Zero(t, soft.Spent())
	assert.False(t, soft.Verified())
	y, err := p.YubiKey(t.Context())
	require.NoError(t, err)
	for reference, tries := range map[byte]int{0x80: 5, 0x81: 7} {
		m, err := y.Metadata(t.Context(), reference)
		require.NoError(t, err)
		assert.Equal(t, &piv.Metadata{Algorithm: 0xFF, Default: true, Tries: tries, Retries: tries}, m)
	}
}

// SetRetries asks for the PIN even if it is verified.
func TestSetRetriesWhileVerified(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	p := open(t, yubikey("5.7.1").Put("9A", private, nil))
	a := adminOf(t, p, piv.AES192)
	_, err := p.YubiKey(t.Context()) // the first call ends the verification
	require.NoError(t, err)
	key, err := p.Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	n := 0
	require.NoError(t, a.SetRetries(t.Context(), 5, 7, countPrompts(&n)))
	assert.Equal(t, 1, n)
	require.NoError(t, a.SetRetries(t.Context(), 6, 7, countPrompts(&n)))
	assert.Equal(t, 2, n)
}

// The management key is checked before the user is asked, and a wrong PIN changes
// nothing.
func TestSetRetriesErrors(t *testing.T) {
	soft := yubikey("5.7.1")
	p := open(t, soft)
	wrong := p.Admin(managementKey(t, piv.AES192, make([]byte, 24)))
	assert.ErrorIs(t, wrong.SetRetries(t.Context(), 5, 5, noPIN(t)), piv.ErrManagementKey)
	err := adminOf(t, p, piv.AES192).SetRetries(t.Context(), 5, 5, card.FixedPIN("000000"))
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Equal(t, 1, soft.Spent())
	assert.Equal(t, 2, soft.RetriesLeft())
	assert.Zero(t, soft.Writes())
}

func TestMoveAndDeleteKeys(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := yubikey("5.7.1").Put("9A", private, anyCertificate()).Put("9C", cardtest.Key(cardtest.P384, 0), nil)
	p := open(t, soft)
	a := adminOf(t, p, piv.AES192)
	assert.ErrorIs(t, a.MoveKey(t.Context(), piv.Authentication, piv.Signature), card.StatusWrongData, "the slot is not empty")
	require.NoError(t, a.MoveKey(t.Context(), piv.Authentication, piv.Retired(3)))
	checkKey(t, p, piv.Retired(3), private.Public())
	_, err := p.Certificate(t.Context(), piv.Authentication)
	assert.NoError(t, err, "the certificate stays")
	assert.ErrorIs(t, a.MoveKey(t.Context(), piv.Authentication, piv.Retired(4)), piv.ErrNotFound)
	require.NoError(t, a.DeleteKey(t.Context(), piv.Retired(3)))
	assert.ErrorIs(t, a.DeleteKey(t.Context(), piv.Retired(3)), piv.ErrNotFound)
}

func TestReset(t *testing.T) {
	for _, version := range []string{"4.3.5", "5.7.1"} {
		soft := yubikey(version).Put("9A", cardtest.Key(cardtest.P256, 0), anyCertificate())
		p := open(t, soft)
		y, err := p.YubiKey(t.Context())
		require.NoError(t, err)
		before, err := p.CHUID(t.Context())
		require.NoError(t, err)
		assert.NotZero(t, before.GUID)
		require.NoError(t, y.Reset(t.Context()))
		assert.Equal(t, 3, soft.RetriesLeft())
		after, err := p.CHUID(t.Context())
		assert.ErrorIs(t, err, piv.ErrNotFound, "a new YubiKey has none")
		assert.Nil(t, after)
		listed, errs := list(t.Context(), p, piv.ScanAll)
		assert.Empty(t, listed)
		assert.Empty(t, errs)
	}
}

func TestResetErrors(t *testing.T) {
	for name, r := range map[string]struct {
		ins      byte
		response []byte
		want     string
	}{
		"padding is accepted as a PIN": {0x20, []byte{0x90, 0x00}, "block the PIN: malformed"},
		"the PIN is never blocked":     {0x20, []byte{0x63, 0xC3}, "retry counter does not reach 0"},
		"the PIN format is refused":    {0x20, []byte{0x6A, 0x80}, "block the PIN"},
		"there is no PUK":              {0x2C, []byte{0x6D, 0x00}, "PIN is blocked; block the PUK"},
		"the reset is refused":         {0xFB, []byte{0x69, 0x85}, "conditions of use not satisfied"},
	} {
		y, err := piv.New(card.New("test", replaceResponse{yubikey("5.4.3"), r.ins, r.response})).YubiKey(t.Context())
		require.NoError(t, err)
		err = y.Reset(t.Context())
		assert.ErrorContains(t, err, r.want, name)
		assert.ErrorContains(t, err, "piv: reset: ", name)
	}
}

func TestYubiKey(t *testing.T) {
	for _, version := range []softpiv.Version{{4, 3, 5}, {5, 2, 7}, {5, 4, 3}, {5, 7, 1}} {
		config := firmware5
		config.Firmware = version
		_, p := newCard(config)
		y, err := p.YubiKey(t.Context())
		require.NoError(t, err)
		assert.Equal(t, piv.Version(version), y.Firmware())
		serial, err := y.Serial(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 11409355, serial)
		_, err = p.Discovery(t.Context())
		require.NoError(t, err, "PIV is selected")
	}
	assert.False(t, piv.Version{5, 7, 0}.Less(piv.Version{5, 7, 0}))
	assert.True(t, piv.Version{5, 7, 0}.Less(piv.Version{5, 10, 0}))
	assert.Equal(t, "5.10.1", piv.Version{5, 10, 1}.String())
}

func TestMetadata(t *testing.T) {
	_, p := newCard(firmware5)
	y, err := p.YubiKey(t.Context())
	require.NoError(t, err)
	_, err = y.Metadata(t.Context(), byte(piv.Authentication))
	assert.ErrorIs(t, err, piv.ErrNotFound)
	a := adminOf(t, p, piv.AES192)
	for _, alg := range keyAlgorithms {
		public, err := a.Generate(t.Context(), piv.Signature, alg, nil)
		require.NoError(t, err)
		m, err := y.Metadata(t.Context(), byte(piv.Signature))
		require.NoError(t, err)
		assert.Equal(t, &piv.Metadata{Algorithm: alg, PIN: piv.PINAlways, Touch: piv.TouchNever, Generated: true, PublicKey: public}, m)
	}
	m, err := y.Metadata(t.Context(), 0x9B)
	require.NoError(t, err)
	assert.Equal(t, &piv.Metadata{Algorithm: piv.AES192, Touch: piv.TouchNever, Default: true}, m)

	old, err := open(t, yubikey("5.2.7")).YubiKey(t.Context())
	require.NoError(t, err)
	_, err = old.Metadata(t.Context(), 0x80)
	assert.ErrorContains(t, err, "metadata needs firmware 5.3.0, the card has 5.2.7")
}

func TestMalformedYubicoResponses(t *testing.T) {
	read := func(ins byte, response []byte) error {
		y, err := piv.New(card.New("test", replaceResponse{yubikey("5.7.1"), ins, response})).YubiKey(t.Context())
		if err != nil {
			return err
		}
		if _, err = y.Serial(t.Context()); err != nil {
			return err
		}
		_, err = y.Metadata(t.Context(), 0x80)
		return err
	}
	for name, err := range map[string]error{
		"a serial number of 3 bytes":     read(0xF8, success([]byte{1, 2, 3})),
		"truncated metadata":             read(0xF7, success([]byte{1})),
		"a long algorithm":               read(0xF7, success(tlv(1, 1, 1))),
		"policies of one byte":           read(0xF7, success(tlv(2, 1))),
		"an empty origin":                read(0xF7, success(tlv(3))),
		"a public key without algorithm": read(0xF7, success(tlv(4, 1))),
		"a default of two bytes":         read(0xF7, success(tlv(5, 1, 1))),
		"retries of three bytes":         read(0xF7, success(tlv(6, 1, 2, 3))),
		"a truncated point":              read(0xF7, success(join(tlv(1, 0x11), tlv(4, tlv(0x86, 4)...)))),
	} {
		assert.ErrorIs(t, err, card.ErrMalformed, name)
	}
	assert.NoError(t, read(0xF7, success(join(tlv(7, 1), tlv(8, 1)))), "unknown elements are ignored")
	assert.ErrorIs(t, read(0xF7, []byte{0x6D, 0}), card.StatusUnknownINS)
	assert.ErrorIs(t, read(0xFD, []byte{0x6D, 0}), card.StatusUnknownINS)
	assert.ErrorIs(t, read(0xF8, []byte{0x6D, 0}), card.StatusUnknownINS)
}

// The first Card.YubiKey ends the verification of the PIN. An open key asks again.
func TestYubiKeyBesideOpenKey(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := yubikey("5.7.1").Put("9A", private, nil)
	p := open(t, soft)
	n := 0
	key, err := p.Key(t.Context(), piv.Authentication, private.Public(), countPrompts(&n))
	require.NoError(t, err)
	defer key.Close()
	_, err = p.YubiKey(t.Context())
	require.NoError(t, err)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	_, err = p.YubiKey(t.Context())
	require.NoError(t, err)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, 2, n, "read once")
}
