package piv_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// fixedKey makes keys for tests in no time.
func fixedKey(alg piv.Algorithm) (crypto.PrivateKey, error) {
	switch alg {
	case piv.RSA1024:
		return testkeys.RSA(1024, 0), nil
	case piv.RSA2048:
		return testkeys.RSA(2048, 0), nil
	case piv.RSA3072:
		return testkeys.RSA(3072, 0), nil
	case piv.RSA4096:
		return testkeys.RSA(4096, 0), nil
	case piv.P384:
		return testkeys.ECDSA(elliptic.P384(), 0), nil
	case piv.Ed25519:
		return testkeys.Ed25519(), nil
	case piv.X25519:
		return testkeys.X25519(), nil
	}
	return p256, nil
}

func newYubiKey(t testing.TB, firmware string, config piv.Config) *card {
	t.Helper()
	v, err := piv.ParseVersion(firmware)
	require.NoError(t, err)
	config.Firmware = v
	config.Serial = 11409355
	config.FormFactor = 1
	if config.Generate == nil {
		config.Generate = fixedKey
	}
	return newCard(t, config)
}

// administer authenticates with the key that the firmware comes with.
func administer(c *card, firmware string) {
	c.t.Helper()
	name := "3DES"
	if firmware >= "5.7" {
		name = "AES-192"
	}
	key := adminKeys[name]
	challenge := element(c.t, c.say(asking(key.Algorithm, tlv(0x81))), 0x81)
	require.Equal(c.t, "9000", c.say(asking(key.Algorithm, tlv(0x82, apply(block(c.t, key).Encrypt, challenge)))))
}

func making(slot byte, alg piv.Algorithm, policies ...byte) string {
	return command(0x47, 0x00, slot, tlv(0xAC, tlv(0x80, []byte{byte(alg)}), policies))
}

func TestParseVersion(t *testing.T) {
	v, err := piv.ParseVersion("5.7.4")
	require.NoError(t, err)
	assert.Equal(t, piv.Version{5, 7, 4}, v)
	assert.Equal(t, "5.7.4", v.String())
	for _, s := range []string{"", "5", "5.7", "5.7.4.1", "5.7.400", "a.b.c", "5.7.4x"} {
		_, err := piv.ParseVersion(s)
		assert.EqualError(t, err, fmt.Sprintf("piv: %q is no firmware version", s))
	}
}

func TestFirmwareKnowsWhatItsVersionDoes(t *testing.T) {
	const x25519 = 0xE1
	probes := []struct{ name, command string }{
		{"version", "00fd0000"},
		{"serial number", "00f80000"},
		{"metadata", "00f70080"},
		{"attestation", "00f99a00"},
		{"moving keys", "00f6829a"},
		{"AES for the administrator", "00ffffff" + "13" + "089b10" + strings.Repeat("01", 16)},
		{"logout", logout},
		{"P-384", making(0x9A, piv.P384)},
		{"RSA 1024", making(0x9A, piv.RSA1024)},
		{"RSA 3072", making(0x9A, piv.RSA3072)},
		{"RSA 4096", making(0x9A, piv.RSA4096)},
		{"Ed25519", making(0x9A, piv.Ed25519)},
		{"X25519", making(0x9A, x25519)},
		{"policies", making(0x9A, piv.P256, 0xAA, 1, 2, 0xAB, 1, 1)},
		{"retired keys", making(0x82, piv.P256)},
	}
	tests := []struct{ firmware, known string }{
		{"1.0.4", "1000000" + "01000000"},
		{"4.3.5", "1001000" + "11000011"},
		{"5.2.7", "1101000" + "11000011"},
		{"5.3.1", "1111000" + "11000011"},
		{"5.4.3", "1111011" + "11000011"},
		{"5.7.4", "1111111" + "11111111"},
	}
	for _, tt := range tests {
		t.Run(tt.firmware, func(t *testing.T) {
			require.Len(t, tt.known, len(probes))
			for i, p := range probes {
				c := newYubiKey(t, tt.firmware, piv.Config{})
				administer(c, tt.firmware)
				c.say(making(0x9A, piv.P256))
				got := status(c.say(p.command))
				if tt.known[i] == '1' {
					assert.Contains(t, []string{"9000", "6102"}, strings.Replace(got, "6100", "9000", 1)[:4], p.name)
				} else {
					assert.Contains(t, []string{"6d00", "6a80", "6a86"}, got, p.name)
				}
			}
		})
	}
}

func TestYubiKeyDiffers(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{})
	assert.Equal(t, "61114f0600001000010079074f05a0000003089000", c.say(selectPIV))
	assert.Equal(t, "0507049000", c.say("00fd0000"))
	assert.Equal(t, "00ae17cb9000", c.say("00f80000"))
	assert.Equal(t, "6a80", c.say(signing(piv.P256, 0x9A, make([]byte, 32))), "an empty slot")
	assert.Equal(t, "63c2", c.say("0020008008ffffffffffffffff"), "no PIN is badly formatted")
	assert.Equal(t, "6a80", c.say(asking(piv.TripleDES, tlv(0x81))), "the administrator's key is AES-192")
	assert.Equal(t, "7e124f0ba0000003080000100001005f2f0240009000", c.say(getData(0x7E)))

	require.NoError(t, c.app.Put(0x9E, p256, nil))
	short := make([]byte, 20)
	assert.True(t, ecdsa.VerifyASN1(&p256.PublicKey, short, response(t, c.say(signing(piv.P256, 0x9E, short)))), "a short hash is filled up")
	assert.Equal(t, "6a80", c.say(signing(piv.P256, 0x9E, make([]byte, 33))))
	point := p256.PublicKey
	peer, err := point.Bytes()
	require.NoError(t, err)
	assert.Len(t, response(t, c.say(agreeing(piv.P256, 0x9E, peer))), 32, "key agreement in every slot")

	require.NoError(t, c.app.Put(0x82, nil, []byte{0x30, 0x00}))
	assert.Equal(t, "6a82", c.say(getData(0x5FC10C)), "the key history is what was written")
	administer(c, "5.7.4")
	assert.Equal(t, "9000", c.say(command(0xDB, 0x3F, 0xFF, unhex(t, "5c035fff005302fe00"))), "any tag of three bytes from 5F0000 on")
	assert.Equal(t, "5302fe009000", c.say(getData(0x5FFF00)))
	assert.Equal(t, "6a82", c.say(command(0xDB, 0x3F, 0xFF, unhex(t, "5c027f625302fe00"))))
	assert.Equal(t, "6a84", c.say(command(0xDB, 0x3F, 0xFF, append(unhex(t, "5c035fc101"), tlv(0x53, make([]byte, 3053))...))))

	neo := newYubiKey(t, "1.0.4", piv.Config{})
	assert.Equal(t, "6302", neo.say(wrongPIN), "a NEO counts in the whole byte")

	plain := newCard(t, piv.Config{})
	for _, ins := range []string{"f6", "f7", "f8", "f9", "fa", "fb", "fd", "fe", "ff"} {
		assert.Equal(t, "6d00", plain.say("00"+ins+"0000"), "a plain card knows none of it")
	}
	assert.Equal(t, "6884", plain.say("10fe070100"))
	assert.EqualError(t, plain.app.Put(0xF9, p256, nil), "piv: there is no slot F9")
}

func TestYubiKeyRefusesShortPINs(t *testing.T) {
	const short = "3132333435ffffff"
	c := newYubiKey(t, "5.4.3", piv.Config{})
	c.say(wrongPIN)
	assert.Equal(t, "6985", c.say("0024008010"+pin123456+short))
	assert.Equal(t, "63c1", c.say("0024008010"+pin999999+short), "a wrong old PIN counts first")
	assert.Equal(t, "9000", c.say("0024008010"+pin123456+noPIN), "letters are fine")
	assert.Equal(t, "6985", c.say("0024008110"+puk+short))
	assert.Equal(t, "6985", c.say("002c008010"+puk+short))
	assert.Equal(t, "63c2", c.say("002c008010"+strings.Repeat("ff", 16)), "how clients use the PUK up")
}

func TestMetadata(t *testing.T) {
	c := newYubiKey(t, "5.4.3", piv.Config{})
	require.NoError(t, c.app.Put(0x9C, testkeys.RSA(2048, 0), nil))
	administer(c, "5.4.3")
	require.Equal(t, "9000", status(c.say(making(0x9A, piv.P256, 0xAA, 1, 3, 0xAB, 1, 2))))
	point, err := p256.PublicKey.Bytes()
	require.NoError(t, err)

	assert.Equal(t, "0101110202030203010104438641"+hex.EncodeToString(point)+"9000", c.say("00f7009a"))
	modulus := hex.EncodeToString(testkeys.RSA(2048, 0).N.Bytes())
	assert.Equal(t, "0101070202030103010204820109"+"81820100"+modulus+"8203010001"+"9000", c.say(command(0xF7, 0, 0x9C, nil)))
	assert.Equal(t, "0101030202000105"+"0101"+"9000", c.say("00f7009b"))
	assert.Equal(t, "0101ff05010106020303"+"9000", c.say("00f70080"))
	assert.Equal(t, "0101ff05010106020303"+"9000", c.say("00f70081"))
	assert.Equal(t, "0101070202020103010204820109", c.say(command(0xF7, 0, 0xF9, nil))[:28])
	assert.Equal(t, "6a88", c.say("00f7009d"))
	assert.Equal(t, "6a88", c.say("00f70096"), "no biometrics")

	c.say(wrongPIN)
	c.say("0024008110" + puk + otherPUK)
	assert.Equal(t, "0101ff05010106020302"+"9000", c.say("00f70080"))
	assert.Equal(t, "0101ff05010006020303"+"9000", c.say("00f70081"))
	assert.Equal(t, "0101030202000105"+"0101"+"9000", c.say("00f7009b"))
	assert.Equal(t, "01010a020200010501019000", newYubiKey(t, "5.7.4", piv.Config{}).say("00f7009b"))
}

func TestSetManagementKey(t *testing.T) {
	c := newYubiKey(t, "5.4.3", piv.Config{})
	set := func(touch string, alg piv.Algorithm, key []byte) string {
		return fmt.Sprintf("00ffff%s%02x%02x9b%02x%x", touch, len(key)+3, byte(alg), len(key), key)
	}
	assert.Equal(t, "6982", c.say(set("ff", piv.TripleDES, customary)))
	for name, key := range adminKeys {
		administer(c, "5.4.3")
		require.Equal(t, "9000", c.say(set("ff", key.Algorithm, key.Key)), name)
		b := block(t, key)
		challenge := element(t, c.say(asking(key.Algorithm, tlv(0x81))), 0x81)
		require.Equal(t, "9000", c.say(asking(key.Algorithm, tlv(0x82, apply(b.Encrypt, challenge)))), name)
		require.Equal(t, "9000", c.say(set("ff", piv.TripleDES, customary)), name)
	}
	tests := []struct{ name, command, answer string }{
		{"a length that is not the key's", set("ff", piv.AES128, customary), "6a80"},
		{"no such algorithm", set("ff", piv.P256, customary), "6a80"},
		{"no such touch policy", set("fc", piv.TripleDES, customary), "6a86"},
		{"another reference", strings.Replace(set("ff", piv.TripleDES, customary), "9b", "9a", 1), "6a80"},
		{"cut short", "00ffffff02039b", "6a80"},
		{"a length that does not add up", "00ffffff04039b1801", "6a80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			administer(c, "5.4.3")
			assert.Equal(t, tt.answer, c.say(tt.command))
		})
	}
	administer(c, "5.4.3")
	require.Equal(t, "9000", c.say(set("fe", piv.TripleDES, customary)))
	assert.Equal(t, "0101030202000205"+"0101"+"9000", c.say("00f7009b"), "touch always")
}

func TestSetRetries(t *testing.T) {
	c := newYubiKey(t, "5.4.3", piv.Config{PIN: "654321", PUK: "87654321"})
	assert.Equal(t, "6982", c.say("00fa0505"))
	administer(c, "5.4.3")
	assert.Equal(t, "6982", c.say("00fa0505"), "the PIN too")
	c.say("0020008008" + pin654321)
	assert.Equal(t, "6a86", c.say("00fa0005"))
	assert.Equal(t, "6a86", c.say("00fa0500"))
	assert.Equal(t, "9000", c.say("00fa0afe"))
	assert.Equal(t, piv.Tries{Left: 10, Limit: 10, Sent: 1}, c.app.Tries(0x80))
	assert.Equal(t, piv.Tries{Left: 254, Limit: 254}, c.app.Tries(0x81))
	assert.Equal(t, "9000", c.say(verifyPIN), "PIN and PUK are those of a new one")
	assert.Equal(t, "9000", c.say("0024008110"+puk+otherPUK))
}

func TestFactoryReset(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{PIN: "654321"})
	require.NoError(t, c.app.Put(0x9A, p256, []byte{0x30, 0x00}))
	administer(c, "5.7.4")
	before := c.app.Object(0x5FFF01)
	assert.Equal(t, "6985", c.say("00fb0000"))
	c.app.SetTriesLeft(0x80, 0)
	assert.Equal(t, "6985", c.say("00fb0000"), "the PUK has to be blocked too")
	c.app.SetTriesLeft(0x81, 0)
	assert.Equal(t, "9000", c.say("00fb0000"))
	assert.Equal(t, "6a82", c.say(getData(0x5FC105)))
	assert.Equal(t, "6a88", c.say("00f7009a"))
	assert.False(t, isAdmin(c))
	assert.Equal(t, "9000", c.say(verifyPIN))
	assert.Equal(t, before, c.app.Object(0x5FFF01), "the attestation key stays")
	assert.Equal(t, "9000", status(c.say(command(0xF7, 0, 0xF9, nil))))
}

func TestMoveKey(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{})
	require.NoError(t, c.app.Put(0x9A, p256, []byte{0x30, 0x00}))
	require.NoError(t, c.app.Put(0x9C, p256, nil))
	assert.Equal(t, "6982", c.say("00f6829a"))
	administer(c, "5.7.4")
	tests := []struct{ name, command, answer string }{
		{"to a slot in use", "00f69c9a", "6a80"},
		{"from an empty slot", "00f6829d", "6a88"},
		{"to no slot", "00f6809a", "6a86"},
		{"the attestation key", "00f682f9", "6a86"},
		{"to a retired slot", "00f6829a", "9000"},
		{"it is gone where it was", "00f6839a", "6a88"},
		{"deleted", "00f6ff82", "9000"},
		{"deleted twice", "00f6ff82", "6a88"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.answer, c.say(tt.command)) })
	}
	assert.NotEmpty(t, c.app.Object(0x5FC105), "the certificate stays")
}

func TestOTPTellsTheSerialNumber(t *testing.T) {
	card := iso.New(iso.Config{}, piv.New(piv.Config{}), piv.OTP{Firmware: piv.Version{4, 3, 5}, Serial: 11409355})
	say := func(s string) string { return hex.EncodeToString(card.Transmit(unhex(t, s))) }
	assert.Equal(t, "0403050000009000", say("00a4040008a000000527200101"))
	assert.Equal(t, "00ae17cb9000", say("00011000"))
	assert.Equal(t, "6a86", say("00010000"))
	assert.Equal(t, "6d00", say("00020000"))
	assert.Equal(t, "6884", say("100110000100"))
	assert.Equal(t, "9000", status(say(selectPIV)))
	card.Reset()
	assert.Equal(t, "6d00", say("00011000"))
}
