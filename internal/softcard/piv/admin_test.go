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

var defaultKey = []byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}

// adminKeys are administrator's keys of every algorithm.
var adminKeys = map[string]piv.AdminKey{
	"3DES":    {Algorithm: piv.TripleDES, Key: defaultKey},
	"AES-128": {Algorithm: piv.AES128, Key: defaultKey[:16]},
	"AES-192": {Algorithm: piv.AES192, Key: defaultKey},
	"AES-256": {Algorithm: piv.AES256, Key: append(defaultKey[:24:24], defaultKey[:8]...)},
}

// block returns the cipher of an administrator's key.
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

// adminCommand returns one step of an authentication of the administrator.
func adminCommand(alg piv.Algorithm, elements ...[]byte) string {
	return command(0x87, byte(alg), 0x9B, tlv(0x7C, elements...))
}

// element returns an element of a template without other elements.
func element(t testing.TB, resp string, tag ber.Tag) []byte {
	t.Helper()
	require.Equal(t, "9000", status(resp))
	r := ber.DER(unhex(t, resp[:len(resp)-4]))
	outer, ok := r.Take(0x7C)
	require.True(t, ok)
	in := outer.Inside()
	e, ok := in.Take(tag)
	require.True(t, ok)
	require.NoError(t, in.Close())
	return e.Value
}

// authenticateAdmin authenticates with the default 3DES key.
func authenticateAdmin(c *card) string {
	c.t.Helper()
	challenge := element(c.t, c.send(adminCommand(0x03, tlv(0x81))), 0x81)
	return c.send(adminCommand(0x03, tlv(0x82, apply(block(c.t, adminKeys["3DES"]).Encrypt, challenge))))
}

// adminAuthenticated sends a PUT DATA without data, whose status depends on the
// authentication.
func adminAuthenticated(c *card) bool {
	c.t.Helper()
	s := c.send(command(0xDB, 0x3F, 0xFF, nil))
	require.Contains(c.t, []string{"6982", "6a80"}, s)
	return s == "6a80"
}

func TestAdminAuthentication(t *testing.T) {
	for name, key := range adminKeys {
		t.Run(name, func(t *testing.T) {
			b := block(t, key)
			c := newCard(t, piv.Config{AdminKey: key})
			hostChallenge := make([]byte, b.BlockSize())

			challenge := element(t, c.send(adminCommand(key.Algorithm, tlv(0x81))), 0x81)
			assert.Len(t, challenge, b.BlockSize())
			assert.Equal(t, "9000", c.send(adminCommand(key.Algorithm, tlv(0x82, apply(b.Encrypt, challenge)))))
			assert.True(t, adminAuthenticated(c), "external")

			c.iso.Reset()
			c.send(selectPIV)
			for _, tail := range [][]byte{nil, tlv(0x82)} {
				witness := element(t, c.send(adminCommand(key.Algorithm, tlv(0x80))), 0x80)
				resp := c.send(adminCommand(key.Algorithm, tlv(0x80, apply(b.Decrypt, witness)), tlv(0x81, hostChallenge), tail))
				assert.Equal(t, apply(b.Encrypt, hostChallenge), element(t, resp, 0x82))
				assert.True(t, adminAuthenticated(c), "mutual")
			}
		})
	}
}

// TestAdminVectors compares with encryptions under the default key by other
// programs.
func TestAdminVectors(t *testing.T) {
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
			witness := element(t, c.send(adminCommand(key.Algorithm, tlv(0x80))), 0x80)
			resp := c.send(adminCommand(key.Algorithm, tlv(0x80, apply(block(t, key).Decrypt, witness)), tlv(0x81, unhex(t, tt.in))))
			assert.Equal(t, tt.out, hex.EncodeToString(element(t, resp, 0x82)))
		})
	}
}

func TestAdminAuthenticationErrors(t *testing.T) {
	enc := func(c *card, b []byte) []byte { return apply(block(c.t, adminKeys["3DES"]).Encrypt, b) }
	dec := func(c *card, b []byte) []byte { return apply(block(c.t, adminKeys["3DES"]).Decrypt, b) }
	challenge := func(c *card) []byte { return element(c.t, c.send(adminCommand(0x03, tlv(0x81))), 0x81) }
	witness := func(c *card) []byte { return element(c.t, c.send(adminCommand(0x03, tlv(0x80))), 0x80) }
	eight := make([]byte, 8)
	tests := []struct {
		name    string
		attempt func(c *card) string
		want    string
	}{
		{"response without a challenge", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x82, eight))) }, "6982"},
		{"wrong response", func(c *card) string { challenge(c); return c.send(adminCommand(0x03, tlv(0x82, eight))) }, "6982"},
		{"response equal to the challenge", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x82, challenge(c)))) }, "6982"},
		{"short response", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x82, enc(c, challenge(c))[:4]))) }, "6982"},
		{"second response to a challenge", func(c *card) string {
			resp := adminCommand(0x03, tlv(0x82, enc(c, challenge(c))))
			c.send(resp)
			return c.send(resp)
		}, "6982"},
		{"command between challenge and response", func(c *card) string {
			resp := adminCommand(0x03, tlv(0x82, enc(c, challenge(c))))
			c.send(queryPIN)
			return c.send(resp)
		}, "6982"},
		{"SELECT between challenge and response", func(c *card) string {
			resp := adminCommand(0x03, tlv(0x82, enc(c, challenge(c))))
			c.send(selectPIV)
			return c.send(resp)
		}, "6982"},
		{"response to the older of two challenges", func(c *card) string {
			resp := adminCommand(0x03, tlv(0x82, enc(c, challenge(c))))
			challenge(c)
			return c.send(resp)
		}, "6982"},
		{"wrong witness", func(c *card) string {
			witness(c)
			return c.send(adminCommand(0x03, tlv(0x80, eight), tlv(0x81, eight)))
		}, "6982"},
		{"witness not decrypted", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x80, witness(c)), tlv(0x81, eight))) }, "6982"},
		{"witness without a request", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x80, eight), tlv(0x81, eight))) }, "6982"},
		{"witness used as a challenge", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x82, enc(c, dec(c, witness(c)))))) }, "6982"},
		{"challenge used as a witness", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x80, challenge(c)), tlv(0x81, eight))) }, "6982"},
		{"host challenge of another length", func(c *card) string {
			return c.send(adminCommand(0x03, tlv(0x80, dec(c, witness(c))), tlv(0x81, eight[:4])))
		}, "6a80"},
		{"INTERNAL AUTHENTICATE", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x81, eight), tlv(0x82))) }, "6a80"},
		{"another algorithm", func(c *card) string { return c.send(adminCommand(0x0A, tlv(0x81))) }, "6a86"},
		{"exponentiation element", func(c *card) string { return c.send(adminCommand(0x03, tlv(0x81), tlv(0x85))) }, "6a80"},
		{"no template", func(c *card) string { return c.send(command(0x87, 0x03, 0x9B, nil)) }, "6a80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, piv.Config{})
			assert.Equal(t, tt.want, tt.attempt(c))
			assert.False(t, adminAuthenticated(c))

			require.Equal(t, "9000", authenticateAdmin(c))
			require.True(t, adminAuthenticated(c))
			tt.attempt(c)
			assert.False(t, adminAuthenticated(c), "a failed authentication ends an earlier one")
		})
	}
	c := newCard(t, piv.Config{Contactless: true})
	assert.Equal(t, "6982", c.send(adminCommand(0x03, tlv(0x81))), "contactless")
}

func TestChallengesAreRandom(t *testing.T) {
	c := newCard(t, piv.Config{})
	seen := map[string]bool{}
	for range 100 {
		resp := c.send("0087009b047c02810000")
		require.Equal(t, "7c0a8108", resp[:8], "P1 00 means 3DES")
		seen[resp] = true
	}
	assert.Len(t, seen, 100)
}

func TestNewPanicsOnAdminKeyLength(t *testing.T) {
	assert.PanicsWithValue(t, "piv: administrator key: 16 bytes do not fit algorithm 03", func() {
		piv.New(piv.Config{AdminKey: piv.AdminKey{Algorithm: piv.TripleDES, Key: make([]byte, 16)}})
	})
}

// accessCard returns a card with all that TestAccess uses.
func accessCard(t *testing.T, config piv.Config) *card {
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

// TestAccess sends every command under every security condition.
func TestAccess(t *testing.T) {
	hash := make([]byte, 32)
	commands := []struct{ name, command string }{
		{"read CHUID", getDataCommand(0x5FC102)},
		{"read printed information", getDataCommand(0x5FC109)},
		{"use 9A", signCommand(piv.P256, 0x9A, hash)},
		{"use 9C", signCommand(piv.P256, 0x9C, hash)},
		{"use 9E", signCommand(piv.P256, 0x9E, hash)},
		{"put", command(0xDB, 0x3F, 0xFF, unhex(t, "5c035fc1015302fe00"))},
		{"generate", command(0x47, 0x00, 0x9A, unhex(t, "ac03800111"))},
		{"change PIN", "0024008010" + pin123456 + pin123456},
		{"change PUK", "0024008110" + puk + puk},
		{"reset PIN", "002c008010" + puk + pin123456},
		{"challenge", adminCommand(0x03, tlv(0x81))},
	}
	const selectOther = "00a4040005f101020304"
	global := func(c *card) { c.send("00200000083837363534333231") }
	tests := []struct {
		name    string
		config  piv.Config
		event   func(c *card)
		allowed string // 1 for each command that succeeds
	}{
		{"no event", piv.Config{}, func(*card) {}, "10001001111"},
		{"PIN", piv.Config{}, func(c *card) { c.send(verifyPIN) }, "11111001111"},
		{"PIN, then another command", piv.Config{}, func(c *card) { c.send(verifyPIN); c.send(queryPIN) }, "11101001111"},
		{"PIN, then logout", piv.Config{}, func(c *card) { c.send(verifyPIN); c.send(logout) }, "10001001111"},
		{"global PIN", piv.Config{}, global, "11111001111"},
		{"global PIN, then another application", piv.Config{}, func(c *card) { global(c); c.send(selectOther); c.send(selectPIV) }, "11101001111"},
		{"PUK", piv.Config{}, func(c *card) { c.send("0024008110" + puk + puk) }, "10001001111"},
		{"administrator", piv.Config{}, func(c *card) { authenticateAdmin(c) }, "10001111111"},
		{"administrator, then PIN", piv.Config{}, func(c *card) { authenticateAdmin(c); c.send(verifyPIN) }, "11111111111"},
		{"PIN, then administrator", piv.Config{}, func(c *card) { c.send(verifyPIN); authenticateAdmin(c) }, "11101111111"},
		{"administrator, then SELECT", piv.Config{}, func(c *card) { authenticateAdmin(c); c.send(selectPIV) }, "10001111111"},
		{"administrator, then another application", piv.Config{}, func(c *card) { authenticateAdmin(c); c.send(selectOther); c.send(selectPIV) }, "10001001111"},
		{"administrator, then reset", piv.Config{}, func(c *card) { authenticateAdmin(c); c.iso.Reset(); c.send(selectPIV) }, "10001001111"},
		{"administrator, then another challenge", piv.Config{}, func(c *card) { authenticateAdmin(c); c.send(adminCommand(0x03, tlv(0x81))) }, "10001001111"},
		{"contactless", piv.Config{Contactless: true}, func(c *card) { c.send(verifyPIN); c.send(adminCommand(0x03, tlv(0x81))) }, "10001000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Len(t, tt.allowed, len(commands))
			for i, command := range commands {
				c := accessCard(t, tt.config)
				tt.event(c)
				got := status(c.send(command.command))
				switch {
				case tt.allowed[i] == '1':
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
