package gids_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSelect(t *testing.T) {
	f := newFixture(t, gids.Config{})
	f.expect("00 A4 04 00 09 A00000039742544659 00", "61 12 4F 0B A00000039742544659 02 01 73 03 40 01 C0 9000")
	f.expect("00 A4 04 04 09 A00000039742544659 00", "62 08 82 01 38 8C 03 03 30 30 9000")
	f.expect("00 A4 04 08 09 A00000039742544659 00", "64 09 5F 2F 01 60 7F 65 02 80 00 9000")
	f.expect("00 A4 04 0C 09 A00000039742544659", "9000")
	f.expect("00 A4 04 01 09 A00000039742544659", "6A86")
	f.expect("00 A4 00 0C 02 3F FF", "9000")
	f.expect("00 A4 00 04 02 A0 10 00", "62 0C 82 01 39 83 02 A0 10 8C 03 03 30 00 9000")
	f.expect("00 A4 00 0C 02 B0 81", "6A82")
	f.expect("00 A4 00 0C 03 B0 81 00", "6700")
	f.expect("00 A4 01 0C 02 B0 80", "6A86")
	tpm := newFixture(t, gids.Config{TPM: true})
	tpm.expect("00 A4 04 00 09 A00000039742544659 00", "61 12 4F 0B A00000039742544659 04 01 73 03 40 01 C0 9000")
	quiet := newFixture(t, gids.Config{Quirks: gids.Quirks{NoProperties: true}})
	quiet.expect("00 A4 04 00 09 A00000039742544659 00", "9000")
}

func TestNewCard(t *testing.T) {
	f := newSelected(t, gids.Config{CardID: [16]byte{0: 0x11, 15: 0xFF}})
	f.expect("00 CB A0 00 04 5C 02 DF 1F 00", `DF 1F 81 8D 01
		6D7363700000000000 000000000000000000 0000 00000000 00A00000
		000000000000000000 636172646964000000 0000 20DF0000 12A00000
		000000000000000000 636172646170707300 0000 21DF0000 10A00000
		000000000000000000 636172646366000000 0000 22DF0000 10A00000
		6D7363700000000000 636D617066696C6500 0000 23DF0000 10A00000 9000`)
	f.expect("00 CB A0 10 04 5C 02 DF 21 00", "DF 21 08 6D 73 63 70 00 00 00 00 9000")
	f.expect("00 CB A0 10 04 5C 02 DF 22 00", "DF 22 06 00 00 00 00 00 00 9000")
	f.expect("00 CB A0 10 04 5C 02 DF 23 00", "DF 23 00 9000")
	f.expect("00 CB A0 12 04 5C 02 DF 20 00", "DF 20 10 11 000000000000000000000000 0000 FF 9000")
	f.expect("00 CB 3F FF 04 5C 02 7F 71 00", "7F 71 06 97 01 03 93 01 03 9000")
	f.expect("00 CB 3F FF 04 5C 02 7F 72 00", "7F 72 06 97 01 03 93 01 03 9000")
	f.expect("00 CB 3F FF 04 5C 02 7F 73 00", "6A88")
	// EF.ATR as VirtualCable/uds-client has it from a GidsApplet under Windows.
	f.expect("00 CB 2F 01 02 5C 00 00", fmt.Sprintf("43 01 F4 47 03 08 01 80 46 0C %X 9000", "MySmartLogon"))
	f.expect("00 CB A0 10 02 5C 00 00", "DF 21 08 6D 73 63 70 00 00 00 00 DF 22 06 00 00 00 00 00 00 DF 23 00 9000")
}

func TestSecurityStatusEnds(t *testing.T) {
	f := newSelected(t, gids.Config{})
	for _, event := range []func(){f.Reset, func() { f.expect("00 20 00 82", "9000") }} {
		f.verifyPIN()
		f.authenticateAdmin()
		event()
		f.expect("00 A4 04 0C 09 A00000039742544659", "9000")
		f.expect("00 DB A0 10 03 DF 24 00", "6982")
		f.expect("00 DB A0 14 03 DF 24 00", "6982")
	}
}

func TestQuirks(t *testing.T) {
	f := newFixture(t, gids.Config{Quirks: gids.Quirks{ManagementTag: true, EitherDecipher: true, NewPIN: 0x6700}})
	f.expect("00 A4 04 00 09 A00000039742544659 00", "64 12 4F 0B A00000039742544659 02 01 73 03 40 01 C0 9000")
	key := testkeys.RSA(1024, 0)
	require.NoError(t, f.app.Put("kxc00", key, nil))
	f.verifyPIN()
	ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("secret"))
	require.NoError(t, err)
	f.expect("00 22 41 B8 06 80 01 46 84 01 81", "9000")
	f.expect(fmt.Sprintf("00 2A 86 80 80 %X 00", ciphertext), fmt.Sprintf("%X 9000", "secret"))
	f.expect("00 24 01 80 03 313233", "6700")

	f = newSelected(t, gids.Config{Quirks: gids.Quirks{RawOnly: true}})
	require.NoError(t, f.app.Put("kxc00", key, nil))
	f.verifyPIN()
	f.expectAll(`00 22 41 B6 06 80 01 16 84 01 81
		00 22 41 B8 06 80 01 06 84 01 81
		00 2A 86 80 01 00 00 -> 6A86
		00 22 41 B6 06 80 01 56 84 01 81 -> 6984
		00 22 41 B8 06 80 01 46 84 01 81 -> 6984`)
	f = newSelected(t, gids.Config{Quirks: gids.Quirks{PaddedOnly: true}})
	require.NoError(t, f.app.Put("kxc00", key, nil))
	require.NoError(t, f.app.Put("ksc01", testkeys.ECDSA(elliptic.P256(), 0), nil))
	f.verifyPIN()
	f.expectAll(`00 22 41 B6 06 80 01 56 84 01 81
		00 22 41 B8 06 80 01 86 84 01 81
		00 22 41 B6 06 80 01 1C 84 01 82
		00 22 41 B6 06 80 01 16 84 01 81 -> 6984
		00 22 41 B8 06 80 01 06 84 01 81 -> 6984`)
}

func TestConcurrentUse(t *testing.T) {
	f := newSelected(t, gids.Config{})
	key := testkeys.RSA(1024, 0)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			name := fmt.Sprintf("kxc%02X", i)
			assert.NoError(t, f.app.Put(name, key, []byte{0x30, 0x00}))
			f.send("00 CB A0 10 02 5C 00 00")
			f.send("00 20 00 80 06 313233343536")
			f.app.Tries()
			assert.NotEmpty(t, f.app.File("mscp", name))
		})
	}
	group.Wait()
	f.expect("00 22 41 B6 06 80 01 56 84 01 84", "9000")
	sum := sha256.Sum256(nil)
	signature := f.send(fmt.Sprintf("00 2A 9E 9A 33 %s %X 00", sha256Prefix, sum))
	assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature[:len(signature)-2]))
}
