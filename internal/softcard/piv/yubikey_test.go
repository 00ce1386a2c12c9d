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

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// fixedKey implements Config.Generate without the time to generate a key.
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

// authenticateFirmwareKey authenticates with the default key of a firmware.
func authenticateFirmwareKey(c *card, firmware string) {
	c.t.Helper()
	name := "3DES"
	if firmware >= "5.7" {
		name = "AES-192"
	}
	key := adminKeys[name]
	challenge := element(c.t, c.send(adminCommand(key.Algorithm, tlv(0x81))), 0x81)
	require.Equal(c.t, "9000", c.send(adminCommand(key.Algorithm, tlv(0x82, apply(block(c.t, key).Encrypt, challenge)))))
}

// generateCommand returns a GENERATE ASYMMETRIC KEY PAIR.
func generateCommand(slot byte, alg piv.Algorithm, policies ...byte) string {
	return command(0x47, 0x00, slot, tlv(0xAC, tlv(0x80, []byte{byte(alg)}), policies))
}

func TestParseVersion(t *testing.T) {
	v, err := piv.ParseVersion("5.7.4")
	require.NoError(t, err)
	assert.Equal(t, piv.Version{5, 7, 4}, v)
	assert.Equal(t, "5.7.4", v.String())
	for _, s := range []string{"", "5", "5.7", "5.7.4.1", "5.7.400", "a.b.c", "5.7.4x"} {
		_, err := piv.ParseVersion(s)
		assert.EqualError(t, err, fmt.Sprintf("piv: firmware version %q: malformed", s))
	}
}

// TestATR compares with the ATRs of real YubiKeys: a NEO 3.3.7 and a YubiKey 4.3.7
// (OpenSC/OpenSC issues 570 and 576), and a YubiKey 5.4.3 (OpenSC's fuzzing
// corpus). OpenSC recognizes the models by them.
func TestATR(t *testing.T) {
	for version, want := range map[piv.Version]string{
		{1, 0, 4}: "3bfc1300008131fe15597562696b65794e454f7233e1",
		{3, 3, 7}: "3bfc1300008131fe15597562696b65794e454f7233e1",
		{4, 3, 7}: "3bf81300008131fe15597562696b657934d4",
		{5, 4, 3}: "3bfd1300008131fe158073c021c057597562694b657940",
		{5, 7, 4}: "3bfd1300008131fe158073c021c057597562694b657940",
	} {
		assert.Equal(t, want, hex.EncodeToString(version.ATR()), version)
	}
}

func TestFirmwareFeatures(t *testing.T) {
	const x25519 = 0xE1
	probes := []struct{ name, command string }{
		{"version", "00fd0000"},
		{"serial number", "00f80000"},
		{"metadata", "00f70080"},
		{"attestation", "00f99a00"},
		{"MOVE KEY", "00f6829a"},
		{"AES key of the administrator", "00ffffff" + "13" + "089b10" + strings.Repeat("01", 16)},
		{"logout", logout},
		{"P-384", generateCommand(0x9A, piv.P384)},
		{"RSA 1024", generateCommand(0x9A, piv.RSA1024)},
		{"RSA 3072", generateCommand(0x9A, piv.RSA3072)},
		{"RSA 4096", generateCommand(0x9A, piv.RSA4096)},
		{"Ed25519", generateCommand(0x9A, piv.Ed25519)},
		{"X25519", generateCommand(0x9A, x25519)},
		{"policies", generateCommand(0x9A, piv.P256, 0xAA, 1, 2, 0xAB, 1, 1)},
		{"retired keys", generateCommand(0x82, piv.P256)},
	}
	tests := []struct{ firmware, supported string }{ // 1 for each supported probe
		{"1.0.4", "1000000" + "01000000"},
		{"4.3.5", "1001000" + "11000011"},
		{"5.2.7", "1101000" + "11000011"},
		{"5.3.1", "1111000" + "11000011"},
		{"5.4.3", "1111011" + "11000011"},
		{"5.7.4", "1111111" + "11111111"},
	}
	for _, tt := range tests {
		t.Run(tt.firmware, func(t *testing.T) {
			require.Len(t, tt.supported, len(probes))
			for i, p := range probes {
				c := newYubiKey(t, tt.firmware, piv.Config{})
				authenticateFirmwareKey(c, tt.firmware)
				c.send(generateCommand(0x9A, piv.P256))
				got := status(c.send(p.command))
				if tt.supported[i] == '1' {
					assert.Contains(t, []string{"9000", "6102"}, strings.Replace(got, "6100", "9000", 1)[:4], p.name)
				} else {
					assert.Contains(t, []string{"6d00", "6a80", "6a86"}, got, p.name)
				}
			}
		})
	}
}

func TestYubiKeyDeviations(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{})
	assert.Equal(t, "61114f0600001000010079074f05a0000003089000", c.send(selectPIV))
	assert.Equal(t, "0507049000", c.send("00fd0000"))
	assert.Equal(t, "00ae17cb9000", c.send("00f80000"))
	assert.Equal(t, "6a80", c.send(signCommand(piv.P256, 0x9A, make([]byte, 32))), "empty slot")
	assert.Equal(t, "63c2", c.send("0020008008ffffffffffffffff"), "any eight bytes are a PIN")
	assert.Equal(t, "6a80", c.send(adminCommand(piv.TripleDES, tlv(0x81))), "the administrator's key is AES-192")
	assert.Equal(t, "7e124f0ba0000003080000100001005f2f0240009000", c.send(getDataCommand(0x7E)))

	require.NoError(t, c.app.Put(0x9E, p256, nil))
	short := make([]byte, 20)
	assert.True(t, ecdsa.VerifyASN1(&p256.PublicKey, short, responseElement(t, c.send(signCommand(piv.P256, 0x9E, short)))), "a short hash is padded")
	assert.Equal(t, "6a80", c.send(signCommand(piv.P256, 0x9E, make([]byte, 33))))
	point := p256.PublicKey
	peer, err := point.Bytes()
	require.NoError(t, err)
	assert.Len(t, responseElement(t, c.send(agreeCommand(piv.P256, 0x9E, peer))), 32, "key agreement in every slot")

	require.NoError(t, c.app.Put(0x82, nil, []byte{0x30, 0x00}))
	assert.Equal(t, "6a82", c.send(getDataCommand(0x5FC10C)), "the key history is not computed")
	authenticateFirmwareKey(c, "5.7.4")
	assert.Equal(t, "9000", c.send(command(0xDB, 0x3F, 0xFF, unhex(t, "5c035fff005302fe00"))), "tag from 5F0000 to 5FFFFF")
	assert.Equal(t, "5302fe009000", c.send(getDataCommand(0x5FFF00)))
	assert.Equal(t, "6a82", c.send(command(0xDB, 0x3F, 0xFF, unhex(t, "5c027f625302fe00"))))
	assert.Equal(t, "6a84", c.send(command(0xDB, 0x3F, 0xFF, append(unhex(t, "5c035fc101"), tlv(0x53, make([]byte, 3053))...))))

	neo := newYubiKey(t, "1.0.4", piv.Config{})
	assert.Equal(t, "6302", neo.send(wrongPIN), "NEO: 630X")

	plain := newCard(t, piv.Config{})
	for _, ins := range []string{"f6", "f7", "f8", "f9", "fa", "fb", "fd", "fe", "ff"} {
		assert.Equal(t, "6d00", plain.send("00"+ins+"0000"), "standard card")
	}
	assert.Equal(t, "6884", plain.send("10fe070100"))
	assert.EqualError(t, plain.app.Put(0xF9, p256, nil), "piv: no slot F9")
}

// TestMissingProtectedObject compares with a YubiKey 4.2.6 (OpenSC/OpenSC pull
// request 624): without the PIN, a missing object is not found and an existing one
// is refused.
func TestMissingProtectedObject(t *testing.T) {
	c := newYubiKey(t, "4.2.6", piv.Config{})
	c.app.PutObject(0x5FC109, []byte{0xFE, 0x00})
	assert.Equal(t, "6a82", c.send(getDataCommand(0x5FC103)))
	assert.Equal(t, "6982", c.send(getDataCommand(0x5FC109)))
	c.app.PutObject(0x5FC109, nil)
	assert.Equal(t, "6a82", c.send(getDataCommand(0x5FC109)))

	standard := newCard(t, piv.Config{})
	assert.Equal(t, "6982", standard.send(getDataCommand(0x5FC103)))
}

func TestYubiKeyAlgorithms(t *testing.T) {
	c := newCard(t, piv.Config{Firmware: piv.Version{5, 7, 4}})
	authenticateFirmwareKey(c, "5.7.4")
	for alg, head := range map[piv.Algorithm]string{
		piv.RSA1024: "7f498188818180", piv.P384: "7f4963866104", piv.Ed25519: "7f49228620", piv.X25519: "7f49228620",
	} {
		resp := c.send(generateCommand(0x9E, alg))
		assert.Equal(t, "9000", status(resp))
		assert.Equal(t, head, resp[:len(head)], "%02X", byte(alg))
	}
}
