package piv_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Responses to SELECT of real cards.
func TestSelectResponsesOfRealCards(t *testing.T) {
	for name, response := range map[string]string{
		"Giesecke+Devrient SCE7":            "610F4F060010000100007905A000000308",
		"YubiKey":                           "61114F0600001000010079074F05A000000308",
		"Pico Keys, outer length missing":   "61004F0201007909A00000030800001000500D5069636F204B65797320504956",
		"PivApplet 0.8.2, malformed length": "61814F0600001000010079074F05A000000308",
		"old PivApplet, malformed length":   "61804F0BA00000030800001000010079074F05A000000308",
		"Gemalto and NIST":                  "",
	} {
		t.Run(name, func(t *testing.T) {
			p := openDriver(t, withHabit(cardtest.PIV(), respondTo(0xA4, nil, success(unhex(response)))))
			_, err := p.CHUID(t.Context())
			assert.NotErrorIs(t, err, piv.ErrNotPIV)
		})
	}
}

// A discovery object that is malformed, or of another form, counts as missing: the
// application PIN is used.
func TestMalformedDiscovery(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, response := range map[string]string{
		"Pico Keys, tag 53 and two more bytes": "53144F0BA0000003080000100001005F2F024010ABCD9000",
		"CanoKey, data with 6A82":              "7E124F0BA0000003080000100001005F2F0240106A82",
		"truncated":                            "7E054F0BA09000",
		"policy of one byte":                   "7E045F2F01409000",
		"NEO":                                  "6A80",
		"no data":                              "9000",
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.PIV().Put("9A", private, nil)
			p := openDriver(t, withHabit(soft, respondTo(0xCB, []byte{0x5C, 0x01, 0x7E}, unhex(response))))
			status, err := p.PINStatus(t.Context())
			require.NoError(t, err)
			assert.Equal(t, card.PINStatus{Retries: 3}, status)
			n := 0
			require.NoError(t, signTwice(t, p, piv.Authentication, private, countPrompts(&n)))
			assert.Equal(t, 1, n)
		})
	}
}

// A missing object has many statuses. None is an error of a list.
func TestMissingObjects(t *testing.T) {
	for name, response := range map[string]string{
		"Gemalto, G&D": "6A80", "Oberthur": "9000", "Nitrokey": "6400", "GIDS": "6A88",
		"record not found": "6A83", "the standard": "6A82", "empty element": "53009000",
	} {
		t.Run(name, func(t *testing.T) {
			soft := withCertificates(cardtest.PIV(), piv.Authentication)
			p := openDriver(t, withHabit(soft, insteadOfMissing(unhex(response))))
			for range 2 {
				listed, errs := list(t.Context(), p, piv.ScanAll)
				assert.Empty(t, errs)
				assert.Equal(t, []piv.Slot{piv.Authentication}, listed)
			}
			_, err := p.Certificate(t.Context(), piv.Signature)
			assert.ErrorIs(t, err, piv.ErrNotFound)
			_, err = p.Roots(t.Context())
			assert.ErrorIs(t, err, piv.ErrNotFound)
		})
	}
	for name, response := range map[string]string{
		"PIN required": "6982", "half-read response": "6985", "memory failure": "6581", "not supported": "6A81", "parameters": "6A86",
	} {
		t.Run(name, func(t *testing.T) {
			p := openDriver(t, withHabit(cardtest.PIV(), insteadOfMissing(unhex(response))))
			_, err := p.Certificate(t.Context(), piv.Signature)
			assert.Error(t, err)
			assert.NotErrorIs(t, err, piv.ErrNotFound)
		})
	}
}

// A status after a part of an object is not about the object.
func TestBrokenOffObject(t *testing.T) {
	for name, first := range map[string]string{"with data": "53820100006110", "without data": "6110"} {
		p := openDriver(t, withHabit(cardtest.PIV(cardtest.ShortLengths), func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
			switch command[1] {
			case 0xCB:
				return unhex(first), nil
			case 0xC0:
				return unhex("6A80"), nil
			}
			return send(command)
		}))
		_, err := p.Certificate(t.Context(), piv.Authentication)
		assert.ErrorIs(t, err, card.StatusWrongData, name)
		assert.NotErrorIs(t, err, piv.ErrNotFound, name)
	}
}

// A HID Crescendo refuses GET DATA of objects that are not the standard's with 6D00.
func TestMissingVendorObject(t *testing.T) {
	p := openDriver(t, withHabit(cardtest.PIV(), respondTo(0xCB, []byte{0x5F, 0xFF}, unhex("6D00"))))
	_, err := p.Containers(t.Context())
	assert.ErrorIs(t, err, piv.ErrNotFound)
	_, err = p.FindContainer(t.Context(), "no such container")
	assert.ErrorIs(t, err, piv.ErrNotFound)
}

// A missing object is asked for once, whatever its status, when the form of commands is
// known.
func TestMissingObjectsAreAskedForOnce(t *testing.T) {
	soft := withCertificates(cardtest.PIV(silentATR), piv.Authentication)
	d := withHabit(soft, insteadOfMissing(unhex("6A80")))
	_, errs := list(t.Context(), openDriver(t, d), piv.ScanPrimary)
	require.Empty(t, errs)
	assert.Equal(t, 4, d.count(0xCB))
}

// The application is missing, whatever the status.
func TestMissingApplication(t *testing.T) {
	for _, status := range []string{"6A82", "6999", "6D00", "6E00", "6A81", "6A86", "6A88", "6B00"} {
		p := openDriver(t, withHabit(cardtest.PIV(), respondTo(0xA4, nil, unhex(status))))
		_, err := p.CHUID(t.Context())
		assert.ErrorIs(t, err, piv.ErrNotPIV, status)
		assert.Equal(t, piv.ReachOf(piv.ErrNotPIV), piv.ReachOf(err), "%s: the card does not have the application", status)
	}
	for _, status := range []string{"6F00", "6283", "6985", "6581"} {
		p := openDriver(t, withHabit(cardtest.PIV(), respondTo(0xA4, nil, unhex(status))))
		_, err := p.CHUID(t.Context())
		assert.ErrorIs(t, err, piv.ErrNotPIV, status)
		assert.NotEqual(t, piv.ReachOf(piv.ErrNotPIV), piv.ReachOf(err), "%s: it may have", status)
	}
}

// forgetful is a card as PIVKey's and dual CACs: it has no discovery object, clears the
// PIN at SELECT, and never reports it as verified.
func forgetful(options ...cardtest.Option) *cardtest.Card {
	return cardtest.PIV(append(options, cardtest.PIVNoDiscovery, cardtest.PIVSelectClears, cardtest.PIVEmptyVerifyHides)...)
}

// On a card that clears the PIN at SELECT, ten signatures take one prompt and one
// exchange each.
func TestCardThatForgetsAtSelect(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := withCertificates(forgetful(), slots()[:4]...).Put("9A", private, nil).Put("9C", private, nil)
	d := withHabit(soft, nil)
	p := openDriver(t, d)
	n := 0
	key, err := p.Key(t.Context(), piv.Authentication, private.Public(), countPrompts(&n))
	require.NoError(t, err)
	before := len(d.commands)
	for range 10 {
		_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
	assert.Equal(t, 10, len(d.commands)-before)
	assert.Equal(t, 1, n)

	// A list, the retry counter and a key with a policy of its own do not end the
	// verification.
	_, errs := list(t.Context(), p, piv.ScanPrimary)
	assert.Empty(t, errs)
	_, err = p.PINStatus(t.Context())
	require.NoError(t, err)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	other := 0
	require.NoError(t, signTwice(t, p, piv.Signature, private, countPrompts(&other)))
	assert.Equal(t, 2, other)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, key.Close())
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified())
	assert.Zero(t, soft.Spent())
}

// Another program selects another application on such a card. The PIN is asked for
// again and goes to PIV.
func TestForgetfulCardAfterAnotherApplication(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, withCHUID := range map[string]bool{"CHUID": true, "no CHUID": false} {
		t.Run(name, func(t *testing.T) {
			neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999")
			soft := forgetful(neighbor).Put("9A", private, nil)
			if !withCHUID {
				soft.PutObject(tagCHUID, nil)
			}
			readers := cardtest.NewReaders(soft)
			defer readers.Close()
			service := readers.Service()
			defer service.Close()
			c, err := service.Card(t.Context(), reader)
			require.NoError(t, err)
			n := 0
			key, err := piv.New(c).Key(t.Context(), piv.Authentication, private.Public(), countPrompts(&n))
			require.NoError(t, err)
			defer key.Close()
			for i := range 3 {
				require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
					_, err := tx.Select(neighbor.AID())
					return err
				}))
				for range 2 {
					_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
					require.NoError(t, err)
				}
				assert.Equal(t, i+2, n)
			}
			assert.Zero(t, neighbor.Spent())
			assert.Zero(t, soft.Spent())
		})
	}
}

// The secret of a key agreement cannot be verified, so PIV is known to be current
// before.
func TestKeyAgreementOnForgetfulCard(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	d := withHabit(forgetful().Put("9D", private, nil), nil)
	n := 0
	key, err := openDriver(t, d).Key(t.Context(), piv.KeyManagement, private.Public(), countPrompts(&n))
	require.NoError(t, err)
	defer key.Close()
	peer, err := private.Public().(*ecdsa.PublicKey).ECDH()
	require.NoError(t, err)
	selects := d.count(0xA4)
	for range 3 {
		before := len(d.commands)
		_, err := key.ECDH(peer)
		require.NoError(t, err)
		assert.Equal(t, 2, len(d.commands)-before, "the CHUID, and the key")
	}
	assert.Equal(t, selects, d.count(0xA4))
	assert.Equal(t, 1, n)
}

// The card refuses the key for a reason that is not the PIN: it is not asked again.
func TestForgetfulCardRefusesKey(t *testing.T) {
	soft := forgetful().Put("9A", cardtest.Key(cardtest.P256, 0), nil)
	d := withHabit(soft, nil)
	n := 0
	key, err := openDriver(t, d).Key(t.Context(), piv.Authentication, cardtest.Key(cardtest.RSA1024, 0).Public(), countPrompts(&n))
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, card.StatusWrongParameters)
	assert.ErrorContains(t, err, "does not support RSA 1024")
	assert.NotEmpty(t, card.Hint(err))
	assert.Equal(t, 1, n)
	assert.Equal(t, 1, d.count(0x87))
}

// Mutual authentication has no element 82 in what the host sends: OpenFIPS201 takes it
// for the other kind.
func TestMutualAuthenticationTemplates(t *testing.T) {
	d := withHabit(cardtest.PIV(), nil)
	require.NoError(t, adminOf(t, openDriver(t, d), piv.TripleDES).Check(t.Context()))
	var templates [][]byte
	for _, c := range d.commands {
		if c[1] == 0x87 {
			templates = append(templates, c[5:len(c)-1])
		}
	}
	require.Len(t, templates, 3, "the last one ends the authentication")
	assert.Equal(t, unhex("7C028000"), templates[0])
	assert.Equal(t, unhex("7C148008"), templates[1][:4])
	assert.Equal(t, unhex("8108"), templates[1][12:14])
	assert.Len(t, templates[1], 22)
}

// The statuses of real cards for a wrong management key, in the second step. It is not
// sent again.
func TestWrongManagementKeyOnRealCards(t *testing.T) {
	for name, status := range map[string]string{
		"YubiKey": "6982", "PivApplet": "6A80", "counted": "63C2", "verification failed": "6300",
		"blocked": "6983", "conditions": "6985", "other": "6F00",
	} {
		t.Run(name, func(t *testing.T) {
			d := withHabit(cardtest.PIV(), func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
				if command[1] == 0x87 && command[4] == 22 {
					return unhex(status), nil
				}
				return send(command)
			})
			a := adminOf(t, openDriver(t, d), piv.TripleDES)
			for range 2 {
				err := a.Check(t.Context())
				assert.ErrorIs(t, err, piv.ErrManagementKey)
				assert.Contains(t, card.Hint(err), "management key")
			}
			assert.Equal(t, 2, d.count(0x87), "not sent again")
		})
	}
}

// A card that accepts the management key and returns nothing has proved nothing, and a
// wrong proof is none. The authentication is ended.
func TestManagementKeyWithoutProof(t *testing.T) {
	for name, test := range map[string]struct {
		response []byte
		wrongKey bool
	}{
		"Identiv: no data": {unhex("9000"), false},
		"wrong proof":      {success(tlv(0x7C, tlv(0x82, make([]byte, 8)...)...)), true},
		"no proof":         {success(tlv(0x7C, tlv(0x80, make([]byte, 8)...)...)), false},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.PIV()
			d := withHabit(soft, func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
				response, err := send(command)
				if command[1] == 0x87 && command[4] == 22 {
					return test.response, nil
				}
				return response, err
			})
			p := openDriver(t, d)
			err := adminOf(t, p, piv.TripleDES).PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 1))
			require.Error(t, err)
			assert.Equal(t, test.wrongKey, errors.Is(err, piv.ErrManagementKey), err)
			assert.NotEmpty(t, card.Hint(err))
			assert.Zero(t, soft.Writes())
			assert.Equal(t, 3, d.count(0x87), "the last one ends the authentication")
		})
	}
}

// A storingCard stores the parts of PUT DATA as they come, up to a size, as CanoKeys do.
func storingCard(soft *cardtest.Card, size int) *habitCard {
	var received []byte
	return withHabit(soft, func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		if command[1] != 0xDB {
			return send(command)
		}
		received = append(received, command[5:5+int(command[4])]...)
		header := 5 + 2 // the tag list, tag and length of the object
		if received[6]&0x80 != 0 {
			header += int(received[6] & 0x7F)
		}
		content := received[header:]
		if len(received) > size {
			soft.PutObject(0x5FC105, content[:min(len(content), size)])
			received = nil
			return unhex("6700"), nil
		}
		if command[0] == 0x10 {
			return unhex("9000"), nil
		}
		soft.PutObject(0x5FC105, content)
		received = nil
		return unhex("9000"), nil
	})
}

// longCertificate returns a certificate of about n bytes that compresses well, or not
// at all.
func longCertificate(n int, compressible bool) []byte {
	filler := make([]byte, n)
	if !compressible {
		rand.Read(filler)
	}
	return tlv(0x30, filler...)
}

// A certificate that is longer than every card must accept is compressed before it is
// sent, and a refusal after an accepted part says what became of the old certificate.
func TestLongCertificateOnCardThatStoresParts(t *testing.T) {
	put := func(der []byte) (*cardtest.Card, error) {
		soft := cardtest.PIV(cardtest.ShortLengths).Put("9A", nil, anyCertificate())
		p := openDriver(t, storingCard(soft, 3000))
		return soft, adminOf(t, p, piv.TripleDES).PutCertificate(t.Context(), piv.Authentication, der)
	}
	soft, err := put(longCertificate(6800, true))
	require.NoError(t, err, "compressed, it fits")
	got, err := open(t, soft).Certificate(t.Context(), piv.Authentication)
	require.NoError(t, err)
	assert.Equal(t, longCertificate(6800, true), got.Raw)

	_, err = put(longCertificate(6800, false))
	var damaged *piv.InterruptedError
	require.ErrorAs(t, err, &damaged)
	assert.Equal(t, piv.Damaged, damaged.State)
	assert.ErrorIs(t, err, card.StatusWrongLength)
	assert.ErrorContains(t, err, "the old content is lost")
	assert.Contains(t, card.Hint(err), "old content")
}

// A card that keeps the old object until the chain is complete: the refusal is just a
// refusal.
func TestLongCertificateOnCardThatKeepsTheOld(t *testing.T) {
	soft := cardtest.PIV(cardtest.ShortLengths).Put("9A", nil, anyCertificate())
	old := soft.Object(0x5FC105)
	d := withHabit(soft, func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		if command[1] == 0xDB && command[0] == 0 {
			return unhex("6A84"), nil
		}
		return send(command)
	})
	err := adminOf(t, openDriver(t, d), piv.TripleDES).PutCertificate(t.Context(), piv.Authentication, longCertificate(1500, true))
	assert.ErrorIs(t, err, card.StatusNotEnoughMemory)
	assert.False(t, errors.As(err, new(*piv.InterruptedError)))
	assert.Equal(t, old, soft.Object(0x5FC105))
}

func TestCompressedFirst(t *testing.T) {
	for _, test := range []struct {
		name string
		card *cardtest.Card
		size int
		info byte
	}{
		{"within the standard", cardtest.PIV(), 1800, 0},
		{"beyond the standard", cardtest.PIV(), 1900, 1},
		{"within a YubiKey's objects", yubikey("5.4.3"), 2900, 0},
		{"beyond a YubiKey's objects", yubikey("5.4.3"), 3100, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := withHabit(test.card, nil)
			p := openDriver(t, d)
			_, errs := list(t.Context(), p, piv.ScanPrimary) // learns the form of commands
			require.Empty(t, errs)
			require.NoError(t, adminOf(t, p, piv.TripleDES).PutCertificate(t.Context(), piv.Authentication, longCertificate(test.size, true)))
			info, ok, err := ber.Find(test.card.Object(0x5FC105), 0x71)
			require.NoError(t, err)
			require.True(t, ok)
			assert.Equal(t, []byte{test.info}, info)
			assert.Equal(t, 1, d.count(0xDB), "stored at once")
		})
	}
}

// Results of the private-key operation that prove nothing about the certificate.
func TestUnusableResults(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	for name, test := range map[string]struct {
		response []byte
		want     error
	}{
		"no data":           {unhex("9000"), card.ErrMalformed},
		"an empty element":  {success(tlv(0x7C, tlv(0x82)...)), card.ErrMalformed},
		"a short element":   {success(tlv(0x7C, tlv(0x82, 1, 2, 3)...)), card.ErrMalformed},
		"a long element":    {success(tlv(0x7C, tlv(0x82, bytes.Repeat([]byte{1}, 300)...)...)), card.ErrMalformed},
		"another signature": {success(tlv(0x7C, tlv(0x82, bytes.Repeat([]byte{1}, 256)...)...)), piv.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.PIV().Put("9A", private, nil)
			p := openDriver(t, withHabit(soft, respondTo(0x87, nil, test.response)))
			key, err := p.Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			defer key.Close()
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			assert.ErrorIs(t, err, test.want)
			assert.Equal(t, test.want == piv.ErrMismatch, errors.Is(err, piv.ErrMismatch))
			assert.NotEmpty(t, card.Hint(err))
			_, err = key.Decrypt(nil, make([]byte, 256), nil)
			assert.ErrorIs(t, err, test.want)
		})
	}
}

// A card may leave out the leading zeros of the result of an RSA operation.
func TestResultsWithoutLeadingZeros(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	public := private.Public().(*rsa.PublicKey)
	soft := cardtest.PIV().Put("9A", private, nil)
	trimmed := 0
	d := withHabit(soft, func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		response, err := send(command)
		template, _, _ := ber.Find(response[:len(response)-2], 0x7C)
		value, _, _ := ber.Find(template, 0x82)
		if err != nil || command[1] != 0x87 || len(value) < 200 {
			return response, err
		}
		if value[0] == 0 {
			trimmed++
		}
		return success(tlv(0x7C, tlv(0x82, bytes.TrimLeft(value, "\x00")...)...)), nil
	})
	key, err := openDriver(t, d).Key(t.Context(), piv.Authentication, public, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("secret"))
	require.NoError(t, err)
	plain, err := key.Decrypt(nil, sealed, nil)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
	assert.Equal(t, 1, trimmed, "a padded block begins with zero")
	for i := 0; trimmed < 2; i++ { // one signature in 256 does
		sum := crypto.SHA256.New()
		fmt.Fprint(sum, i)
		_, err := key.Sign(nil, sum.Sum(nil), crypto.SHA256)
		require.NoError(t, err)
	}
}

// A CanoKey signs 32 bytes with Ed25519, whatever the message. That is not the fault of
// the certificate.
func TestEd25519OfFixedLength(t *testing.T) {
	private := testkeys.Ed25519()
	soft := yubikey("5.7.1").Put("9A", private, nil)
	d := withHabit(soft, func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		if command[1] != 0x87 {
			return send(command)
		}
		template, _, _ := ber.Find(command[5:], 0x7C)
		message, _, _ := ber.Find(template, 0x81)
		fixed := make([]byte, 32)
		copy(fixed, message)
		return success(tlv(0x7C, tlv(0x82, ed25519.Sign(private, fixed)...)...)), nil
	})
	key, err := openDriver(t, d).Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	for _, n := range []int{31, 33, 100} {
		_, err = key.Sign(nil, make([]byte, n), crypto.Hash(0))
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.NotErrorIs(t, err, piv.ErrMismatch)
		assert.ErrorContains(t, err, "32 bytes")
		assert.NotEmpty(t, card.Hint(err))
	}
	_, err = key.Sign(nil, make([]byte, 32), crypto.Hash(0))
	assert.NoError(t, err)
}

// Metadata of real keys that differ from a YubiKey's.
func TestMetadataOfRealCards(t *testing.T) {
	bio, err := piv.DecodeMetadata(unhex("070101060103080100"))
	require.NoError(t, err)
	assert.Equal(t, 3, bio.Retries)
	assert.Zero(t, bio.Tries)
	swissbit, err := piv.DecodeMetadata(unhex("01011602027F02030116"))
	require.NoError(t, err)
	assert.Equal(t, piv.RSA4096, swissbit.Algorithm)
	assert.Nil(t, swissbit.PublicKey)
	nothing, err := piv.DecodeMetadata(nil)
	require.NoError(t, err)
	assert.Zero(t, *nothing)
}

// Other cards than YubiKeys report policies, too. One that does not is asked once.
func TestPoliciesOfOtherCards(t *testing.T) {
	soft := cardtest.YubiKey("5.7.1", silentATR)
	p := open(t, soft)
	public, err := adminOf(t, p, piv.AES192).Generate(t.Context(), piv.Authentication, piv.P256, &piv.KeyOptions{PIN: piv.PINNever, Touch: piv.TouchAlways})
	require.NoError(t, err)
	key, err := p.Key(t.Context(), piv.Authentication, public, noPIN(t))
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		touches, prompts, err := signSlowly(t, soft, piv.Authentication, public, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.NoResponse})
		assert.ErrorContains(t, err, "waiting for a touch")
		assert.Equal(t, []int{1, 0}, []int{touches, prompts})
	})

	private := cardtest.Key(cardtest.P256, 0)
	d := withHabit(cardtest.PIV(cardtest.PIVShortAID).Put("9A", private, nil), nil) // as HID's
	p = openDriver(t, d)
	for range 3 {
		require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN(cardtest.PIN)))
	}
	assert.Equal(t, 1, d.count(0xF7))
}

// The firmware version of a Swissbit key has four bytes: it is no YubiKey's.
func TestFirmwareVersionOfOtherLength(t *testing.T) {
	for _, version := range []string{"01020304", "0507", ""} {
		p := openDriver(t, withHabit(yubikey("5.7.1"), respondTo(0xFD, nil, success(unhex(version)))))
		_, err := p.YubiKey(t.Context())
		assert.ErrorIs(t, err, errors.ErrUnsupported, version)
		_, err = adminOf(t, p, piv.AES192).Generate(t.Context(), piv.Authentication, piv.P256, nil)
		assert.NoError(t, err, "generating needs no YubiKey")
	}
}

// vendorCard returns a card with Yubico's instructions and none of Yubico's
// applications, as PivApplet and CanoKey are.
func vendorCard() (*softpiv.Application, *piv.Card) {
	app := softpiv.New(softpiv.Config{Firmware: softpiv.Version{5, 7, 0}, Quirks: softpiv.Quirks{SelectWithPIX: true}})
	return app, piv.New(card.New("test", chip{iso.New(iso.Config{}, app)}))
}

func TestImportIntoOtherCards(t *testing.T) {
	app, p := vendorCard()
	a := adminOf(t, p, piv.AES192)
	private := cardtest.Key(cardtest.P256, 0)
	require.NoError(t, a.Import(t.Context(), piv.Authentication, private, nil))
	require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN(cardtest.PIN)))
	assert.ErrorIs(t, a.Import(t.Context(), piv.Authentication, private, &piv.KeyOptions{PIN: piv.PINNever}), errors.ErrUnsupported)
	assert.Zero(t, app.Tries(0x80).Spent)

	// A card of that form without the instruction.
	d := withHabit(cardtest.PIV(cardtest.PIVShortAID), respondTo(0xFE, nil, unhex("6D00")))
	err := adminOf(t, openDriver(t, d), piv.TripleDES).Import(t.Context(), piv.Authentication, private, nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, "does not import keys")
	assert.Equal(t, 1, d.count(0xFE))
}

// An algorithm that the card lacks is named.
func TestAlgorithmThatTheCardLacks(t *testing.T) {
	for _, status := range []string{"6A80", "6A86", "6A81"} {
		d := withHabit(cardtest.PIV(), respondTo(0x47, nil, unhex(status)))
		_, err := adminOf(t, openDriver(t, d), piv.TripleDES).Generate(t.Context(), piv.Authentication, piv.Ed25519, nil)
		assert.ErrorIs(t, err, errors.ErrUnsupported, status)
		assert.ErrorContains(t, err, "Ed25519", status)
		assert.Contains(t, card.Hint(err), "algorithm", status)
	}
}

func TestWrongPUK(t *testing.T) {
	soft := cardtest.PIV()
	asked := 0
	err := open(t, soft).Holder().Unblock(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		if r.Refused != nil {
			return card.PIN{}, r.Refused
		}
		asked++
		return card.NewPIN([]byte("87654321")).AllowLastTry(), nil
	})
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.ErrorContains(t, err, "PUK is wrong (retries left: 2)")
	assert.Contains(t, card.Hint(err), "PUK")
	assert.Equal(t, 2, asked)
}

// PINs of four digits, which other programs set, are verified where the application is
// not the standard's. A new PIN has six.
func TestShortPINs(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for name, test := range map[string]struct {
		options  []cardtest.Option
		response string // to SELECT
		accepted bool
	}{
		"the standard": {nil, "", false},
		"CanoKey":      {[]cardtest.Option{cardtest.PIVShortAID}, "", true},
		"PivApplet":    {nil, "613D4F0BA000000308000010000100790D4F0BA0000003080000100001005009" + hex.EncodeToString([]byte("PivApplet")), true},
		"OpenFIPS201":  {nil, "61224F0BA00000030800001000010079074F05A000000308500B" + hex.EncodeToString([]byte("OpenFIPS201")), true},
	} {
		t.Run(name, func(t *testing.T) {
			d := withHabit(cardtest.PIV(test.options...).Put("9A", private, nil), func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
				if bytes.Equal(command, unhex("0020008008"+"31323334FFFFFFFF")) { // the card has this PIN
					command = unhex("0020008008" + "313233343536FFFF")
				}
				response, err := send(command)
				if command[1] == 0xA4 && test.response != "" {
					return success(unhex(test.response)), err
				}
				return response, err
			})
			p := openDriver(t, d)
			var format card.PINFormat
			err := signTwice(t, p, piv.Authentication, private, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				format = r.Format
				return card.NewPIN([]byte("1234")), r.Refused
			})
			if !test.accepted {
				assert.ErrorIs(t, err, card.ErrPINFormat)
				assert.Equal(t, 6, format.Min)
				return
			}
			assert.NoError(t, err)
			assert.Equal(t, 4, format.Min)
			err = p.Holder().ChangePIN(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				if r.New {
					assert.Equal(t, 6, r.Format.Min)
				}
				return card.NewPIN([]byte("1234")), r.Refused
			})
			assert.ErrorIs(t, err, card.ErrNewPIN)
		})
	}
}

// The discovery object prefers the global PIN, which the card does not have.
func TestPreferredPINIsMissing(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV().Put("9A", private, nil).
		PutObject(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x60, 0x20)))
	p := open(t, soft)
	status, err := p.PINStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, card.PINStatus{Retries: 3}, status)
	require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN(cardtest.PIN)))
	assert.Zero(t, soft.Spent())
}

// A contactless card refuses certificates. The remedy is not a touch.
func TestCertificateOverContactless(t *testing.T) {
	contactless := cardtest.ATR([]byte{0x3B, 0x80, 0x80, 0x01, 0x01})
	for _, status := range []string{"6982", "6A81"} {
		p := openDriver(t, withHabit(cardtest.PIV(contactless), respondTo(0xCB, nil, unhex(status))))
		_, err := p.Certificate(t.Context(), piv.Authentication)
		assert.ErrorContains(t, err, "contactless", status)
		assert.Contains(t, card.Hint(err), "reader with contacts", status)
		_, errs := list(t.Context(), p, piv.ScanPrimary)
		require.Len(t, errs, 4, status)
		assert.Contains(t, card.Hint(errs[0]), "reader with contacts", status)
	}
}

// A card that does not report its retry counter is usable with explicit consent.
func TestRetryCounterNotReported(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, status := range []string{"6A88", "6700", "6A80", "6A86", "6D00"} {
		h := func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
			if len(command) == 4 && command[1] == 0x20 && command[2] == 0 {
				return unhex(status), nil
			}
			return send(command)
		}
		p := openDriver(t, withHabit(cardtest.PIV().Put("9A", private, nil), h))
		s, err := p.PINStatus(t.Context())
		require.NoError(t, err, status)
		assert.Equal(t, card.PINStatus{Retries: -1}, s)
		err = signTwice(t, p, piv.Authentication, private, card.FixedPIN(cardtest.PIN))
		assert.ErrorIs(t, err, card.ErrLastTry, status)
		assert.ErrorContains(t, err, "not known", status)
		assert.NoError(t, signTwice(t, p, piv.Authentication, private, card.AllowUnknownRetries(card.FixedPIN(cardtest.PIN))), status)
	}
}

// Another program enters a wrong PIN between the first two queries of the retry
// counter. The user is told how many retries are left, and needs no consent.
func TestWrongPINOfAnotherProgramBetweenQueries(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, retries := range []int{3, 5} {
		soft := cardtest.PIV(cardtest.MaxRetries(retries)).Put("9A", private, nil)
		var requests []card.PINRequest
		err := signTwice(t, open(t, soft), piv.Authentication, private, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			requests = append(requests, r)
			if len(requests) == 1 {
				transmit(t, soft, append([]byte{0, 0x20, 0, 0x80, 8}, "111111\xFF\xFF"...)...)
			}
			return card.NewPIN([]byte(cardtest.PIN)), nil
		})
		require.NoError(t, err)
		require.Len(t, requests, 2)
		assert.Equal(t, []int{retries, retries - 1}, []int{requests[0].Retries, requests[1].Retries})
		assert.False(t, requests[1].Last)
		assert.ErrorIs(t, requests[1].Refused, card.ErrFewerRetries)
		assert.Equal(t, 1, soft.Spent(), "the other program's")
	}
}

// A card on which each query costs a try, with any counter: queries never block the
// PIN, and the PIN needs consent as soon as the counter is not known.
func TestQueriesThatCost(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for retries := 3; retries <= 8; retries++ {
		soft := cardtest.PIV(cardtest.PIVEmptyVerifyCosts, cardtest.MaxRetries(retries)).Put("9A", private, nil)
		unknown := false
		require.NoError(t, signTwice(t, open(t, soft), piv.Authentication, private, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			unknown = unknown || r.Retries < 0
			assert.Positive(t, soft.RetriesLeft())
			pin := card.NewPIN([]byte(cardtest.PIN))
			if r.Last {
				pin = pin.AllowLastTry()
			}
			return pin, nil
		}))
		assert.True(t, unknown, "%d retries", retries)
		assert.LessOrEqual(t, soft.Spent(), 3)
	}
}

// On a reader that refuses commands above 255 bytes, every signature of a long key is
// made, with one prompt, and no command is sent twice.
func TestReaderThatRefusesLongCommands(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	soft := yubikey("5.4.3").Put("9A", private, certificateFor(private, "alice@example.com"))
	d := &sizelessReader{withHabit(soft, func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		if len(command) > 261 {
			return nil, driver.NotTransacted
		}
		return send(command)
	})}
	p := openDriver(t, d)
	cert, err := p.Certificate(t.Context(), piv.Authentication)
	require.NoError(t, err)
	n := 0
	key, err := p.KeyFor(t.Context(), cert, countPrompts(&n))
	require.NoError(t, err)
	defer key.Close()
	for range 10 {
		_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, n)
	assert.Equal(t, 20, d.count(0x87), "two parts each")
	assert.Equal(t, 10, soft.KeyUses())
}

// A sizelessReader does not report its properties.
type sizelessReader struct{ *habitCard }

func (r *sizelessReader) Connect(ctx context.Context, name string) (driver.Card, error) {
	c, err := r.habitCard.Connect(ctx, name)
	return struct{ driver.Card }{c}, err
}
