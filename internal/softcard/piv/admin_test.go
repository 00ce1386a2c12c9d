package piv_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/elliptic"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

var p256 = testkeys.ECDSA(elliptic.P256(), 0)

var customary = []byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}

// adminKeys are the kinds of keys that an administrator can have.
var adminKeys = map[string]piv.AdminKey{
	"3DES":    {Algorithm: piv.TripleDES, Key: customary},
	"AES-128": {Algorithm: piv.AES128, Key: customary[:16]},
	"AES-192": {Algorithm: piv.AES192, Key: customary},
	"AES-256": {Algorithm: piv.AES256, Key: append(customary[:24:24], customary[:8]...)},
}

// block is the cipher of an administrator's key, on his side.
func block(t testing.TB, key piv.AdminKey) cipher.Block {
	t.Helper()
	newCipher := aes.NewCipher
	if key.Algorithm == piv.TripleDES {
		newCipher = des.NewTripleDESCipher
	}
	b, err := newCipher(key.Key)
	require.NoError(t, err)
	return b
}

func apply(f func(dst, src []byte), src []byte) []byte {
	dst := make([]byte, len(src))
	f(dst, src)
	return dst
}

// asking is a step of the administrator's authentication.
func asking(alg piv.Algorithm, elements ...[]byte) string {
	return command(0x87, byte(alg), 0x9B, tlv(0x7C, elements...))
}

// element takes one element out of a template, which must be all there is.
func element(t testing.TB, answer string, tag ber.Tag) []byte {
	t.Helper()
	require.Equal(t, "9000", status(answer))
	r := ber.DER(unhex(t, answer[:len(answer)-4]))
	outer, ok := r.Take(0x7C)
	require.True(t, ok)
	in := outer.Inside()
	e, ok := in.Take(tag)
	require.True(t, ok)
	require.NoError(t, in.Close())
	return e.Value
}

// becomeAdmin authenticates with the customary key.
func becomeAdmin(c *card) string {
	c.t.Helper()
	challenge := element(c.t, c.say(asking(0x03, tlv(0x81))), 0x81)
	return c.say(asking(0x03, tlv(0x82, apply(block(c.t, adminKeys["3DES"]).Encrypt, challenge))))
}

// isAdmin asks for something that only an administrator may do, and that
// changes nothing.
func isAdmin(c *card) bool {
	c.t.Helper()
	s := c.say(command(0xDB, 0x3F, 0xFF, nil))
	require.Contains(c.t, []string{"6982", "6a80"}, s)
	return s == "6a80"
}

func TestAdministratorAuthenticates(t *testing.T) {
	for name, key := range adminKeys {
		t.Run(name, func(t *testing.T) {
			b := block(t, key)
			c := newCard(t, piv.Config{AdminKey: key})
			mine := make([]byte, b.BlockSize())

			challenge := element(t, c.say(asking(key.Algorithm, tlv(0x81))), 0x81)
			assert.Len(t, challenge, b.BlockSize())
			assert.Equal(t, "9000", c.say(asking(key.Algorithm, tlv(0x82, apply(b.Encrypt, challenge)))))
			assert.True(t, isAdmin(c), "external")

			c.iso.Reset()
			c.say(selectPIV)
			for _, tail := range [][]byte{nil, tlv(0x82)} {
				witness := element(t, c.say(asking(key.Algorithm, tlv(0x80))), 0x80)
				answer := c.say(asking(key.Algorithm, tlv(0x80, apply(b.Decrypt, witness)), tlv(0x81, mine), tail))
				assert.Equal(t, apply(b.Encrypt, mine), element(t, answer, 0x82))
				assert.True(t, isAdmin(c), "mutual")
			}
		})
	}
}

// TestAdministratorsVectors are encryptions under the customary key that are
// known from elsewhere than this program.
func TestAdministratorsVectors(t *testing.T) {
	tests := []struct{ key, in, out string }{
		{"3DES", "0102030405060708", "77a7d6bcf57962b9"},
		{"3DES", "1112131415161718", "5751c8de226285aa"},
		{"3DES", "a1a2a3a4a5a6a7a8", "199fa374705a69eb"},
		{"3DES", "0000000000000000", "b073dc3fb209536d"},
		{"AES-192", "000102030405060708090a0b0c0d0e0f", "3f92e2fce73f9d83187c140d035f7edc"},
		{"AES-192", "101112131415161718191a1b1c1d1e1f", "e2e9a7a05c9d785bb76614546556464c"},
	}
	for _, tt := range tests {
		t.Run(tt.key+" "+tt.in, func(t *testing.T) {
			key := adminKeys[tt.key]
			c := newCard(t, piv.Config{AdminKey: key})
			witness := element(t, c.say(asking(key.Algorithm, tlv(0x80))), 0x80)
			answer := c.say(asking(key.Algorithm, tlv(0x80, apply(block(t, key).Decrypt, witness)), tlv(0x81, unhex(t, tt.in))))
			assert.Equal(t, tt.out, hex.EncodeToString(element(t, answer, 0x82)))
		})
	}
}

func TestAdministratorIsRefused(t *testing.T) {
	enc := func(c *card, b []byte) []byte { return apply(block(c.t, adminKeys["3DES"]).Encrypt, b) }
	dec := func(c *card, b []byte) []byte { return apply(block(c.t, adminKeys["3DES"]).Decrypt, b) }
	challenge := func(c *card) []byte { return element(c.t, c.say(asking(0x03, tlv(0x81))), 0x81) }
	witness := func(c *card) []byte { return element(c.t, c.say(asking(0x03, tlv(0x80))), 0x80) }
	eight := make([]byte, 8)
	tests := []struct {
		name   string
		answer func(c *card) string
		want   string
	}{
		{"response without a challenge", func(c *card) string { return c.say(asking(0x03, tlv(0x82, eight))) }, "6982"},
		{"wrong response", func(c *card) string { challenge(c); return c.say(asking(0x03, tlv(0x82, eight))) }, "6982"},
		{"the challenge itself", func(c *card) string { return c.say(asking(0x03, tlv(0x82, challenge(c)))) }, "6982"},
		{"short response", func(c *card) string { return c.say(asking(0x03, tlv(0x82, enc(c, challenge(c))[:4]))) }, "6982"},
		{"a challenge serves once", func(c *card) string {
			answer := asking(0x03, tlv(0x82, enc(c, challenge(c))))
			c.say(answer)
			return c.say(answer)
		}, "6982"},
		{"a challenge is dropped by another command", func(c *card) string {
			answer := asking(0x03, tlv(0x82, enc(c, challenge(c))))
			c.say(queryPIN)
			return c.say(answer)
		}, "6982"},
		{"and by SELECT", func(c *card) string {
			answer := asking(0x03, tlv(0x82, enc(c, challenge(c))))
			c.say(selectPIV)
			return c.say(answer)
		}, "6982"},
		{"the older of two challenges", func(c *card) string {
			answer := asking(0x03, tlv(0x82, enc(c, challenge(c))))
			challenge(c)
			return c.say(answer)
		}, "6982"},
		{"wrong witness", func(c *card) string { witness(c); return c.say(asking(0x03, tlv(0x80, eight), tlv(0x81, eight))) }, "6982"},
		{"the witness as it came", func(c *card) string { return c.say(asking(0x03, tlv(0x80, witness(c)), tlv(0x81, eight))) }, "6982"},
		{"witness without having asked", func(c *card) string { return c.say(asking(0x03, tlv(0x80, eight), tlv(0x81, eight))) }, "6982"},
		{"a witness is no challenge", func(c *card) string { return c.say(asking(0x03, tlv(0x82, enc(c, dec(c, witness(c)))))) }, "6982"},
		{"a challenge is no witness", func(c *card) string { return c.say(asking(0x03, tlv(0x80, challenge(c)), tlv(0x81, eight))) }, "6982"},
		{"own challenge of another length", func(c *card) string { return c.say(asking(0x03, tlv(0x80, dec(c, witness(c))), tlv(0x81, eight[:4]))) }, "6a80"},
		{"the card encrypts for nobody", func(c *card) string { return c.say(asking(0x03, tlv(0x81, eight), tlv(0x82))) }, "6a80"},
		{"another algorithm", func(c *card) string { return c.say(asking(0x0A, tlv(0x81))) }, "6a86"},
		{"a point", func(c *card) string { return c.say(asking(0x03, tlv(0x81), tlv(0x85))) }, "6a80"},
		{"no template", func(c *card) string { return c.say(command(0x87, 0x03, 0x9B, nil)) }, "6a80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, piv.Config{})
			assert.Equal(t, tt.want, tt.answer(c))
			assert.False(t, isAdmin(c))

			require.Equal(t, "9000", becomeAdmin(c))
			require.True(t, isAdmin(c))
			tt.answer(c)
			assert.False(t, isAdmin(c), "a failed authentication ends what was proved before")
		})
	}
	c := newCard(t, piv.Config{Contactless: true})
	assert.Equal(t, "6982", c.say(asking(0x03, tlv(0x81))), "contactless")
}

func TestFirstStepServesAsARandomSource(t *testing.T) {
	c := newCard(t, piv.Config{})
	seen := map[string]bool{}
	for range 100 {
		answer := c.say("0087009b047c02810000")
		require.Equal(t, "7c0a8108", answer[:8], "P1 00 means 3DES too")
		seen[answer] = true
	}
	assert.Len(t, seen, 100)
}

func TestNewPanicsOverAnAdminKeyOfTheWrongLength(t *testing.T) {
	assert.PanicsWithValue(t, "piv: 16 bytes are no administrator's key for algorithm 03", func() {
		piv.New(piv.Config{AdminKey: piv.AdminKey{Algorithm: piv.TripleDES, Key: make([]byte, 16)}})
	})
}

// adminCard is a card with everything that the access table uses.
func adminCard(t *testing.T, config piv.Config) *card {
	t.Helper()
	config.GlobalPIN = "87654321"
	config.Generate = func(piv.Algorithm) (crypto.PrivateKey, error) { return p256, nil }
	c := newCard(t, config, iso.NewBystander([]byte{0xF1, 1, 2, 3, 4}, []byte("1")))
	c.app.PutObject(0x5FC109, []byte{0xFE, 0x00})
	for _, slot := range []byte{0x9A, 0x9C, 0x9E} {
		require.NoError(t, c.app.Put(slot, p256, nil))
	}
	return c
}

// TestAccess is every command under every security condition.
func TestAccess(t *testing.T) {
	hash := make([]byte, 32)
	commands := []struct{ name, command string }{
		{"read CHUID", getData(0x5FC102)},
		{"read printed information", getData(0x5FC109)},
		{"use 9A", signing(piv.P256, 0x9A, hash)},
		{"use 9C", signing(piv.P256, 0x9C, hash)},
		{"use 9E", signing(piv.P256, 0x9E, hash)},
		{"put", command(0xDB, 0x3F, 0xFF, unhex(t, "5c035fc1015302fe00"))},
		{"generate", command(0x47, 0x00, 0x9A, unhex(t, "ac03800111"))},
		{"change PIN", "0024008010" + pin123456 + pin123456},
		{"change PUK", "0024008110" + puk + puk},
		{"reset PIN", "002c008010" + puk + pin123456},
		{"challenge", asking(0x03, tlv(0x81))},
	}
	const selectOther = "00a4040005f101020304"
	global := func(c *card) { c.say("00200000083837363534333231") }
	tests := []struct {
		name   string
		config piv.Config
		happen func(c *card)
		open   string // 1 where the command of that place succeeds
	}{
		{"nothing", piv.Config{}, func(*card) {}, "10001001111"},
		{"PIN", piv.Config{}, func(c *card) { c.say(verifyPIN) }, "11111001111"},
		{"PIN, then another command", piv.Config{}, func(c *card) { c.say(verifyPIN); c.say(queryPIN) }, "11101001111"},
		{"PIN, then logout", piv.Config{}, func(c *card) { c.say(verifyPIN); c.say(logout) }, "10001001111"},
		{"global PIN", piv.Config{}, global, "11111001111"},
		{"global PIN, then another application", piv.Config{}, func(c *card) { global(c); c.say(selectOther); c.say(selectPIV) }, "11101001111"},
		{"PUK", piv.Config{}, func(c *card) { c.say("0024008110" + puk + puk) }, "10001001111"},
		{"administrator", piv.Config{}, func(c *card) { becomeAdmin(c) }, "10001111111"},
		{"administrator, then PIN", piv.Config{}, func(c *card) { becomeAdmin(c); c.say(verifyPIN) }, "11111111111"},
		{"PIN, then administrator", piv.Config{}, func(c *card) { c.say(verifyPIN); becomeAdmin(c) }, "11101111111"},
		{"administrator, then SELECT", piv.Config{}, func(c *card) { becomeAdmin(c); c.say(selectPIV) }, "10001111111"},
		{"administrator, then another application", piv.Config{}, func(c *card) { becomeAdmin(c); c.say(selectOther); c.say(selectPIV) }, "10001001111"},
		{"administrator, then reset", piv.Config{}, func(c *card) { becomeAdmin(c); c.iso.Reset(); c.say(selectPIV) }, "10001001111"},
		{"administrator, then a first step again", piv.Config{}, func(c *card) { becomeAdmin(c); c.say(asking(0x03, tlv(0x81))) }, "10001001111"},
		{"contactless", piv.Config{Contactless: true}, func(c *card) { c.say(verifyPIN); c.say(asking(0x03, tlv(0x81))) }, "10001000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Len(t, tt.open, len(commands))
			for i, command := range commands {
				c := adminCard(t, tt.config)
				tt.happen(c)
				got := status(c.say(command.command))
				switch {
				case tt.open[i] == '1':
					assert.Equal(t, "9000", got, command.name)
				case tt.config.Contactless && strings.Contains("put, generate, reset PIN", command.name):
					assert.Equal(t, "6a81", got, command.name)
				default:
					assert.Equal(t, "6982", got, command.name)
				}
			}
		})
	}
}
