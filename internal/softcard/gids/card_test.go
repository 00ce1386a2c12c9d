package gids_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Conditions as they stand among the parameters of a file.
func TestConditions(t *testing.T) {
	for _, test := range []struct{ condition, who string }{
		{"00", "nobody holder administrator"},
		{"FF", ""},
		{"10", "holder"},
		{"90", "holder"},
		{"20", "administrator"},
		{"A0", "administrator"},
		{"30", "holder administrator"},
		{"B0", ""},       // both at once
		{"11", "holder"}, // over contacts, which it is
		{"12", ""},       // without contacts
		{"02", ""},
		{"01", "nobody holder administrator"},
	} {
		for _, who := range []string{"nobody", "holder", "administrator"} {
			t.Run(test.condition+" "+who, func(t *testing.T) {
				b := selected(t, gids.Config{})
				b.verify()
				b.is("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 20 8C 02 02 "+test.condition, "9000")
				b.is("00 44 00 00", "9000")
				b.is("00 20 00 82", "9000")
				switch who {
				case "holder":
					b.verify()
				case "administrator":
					b.admin()
				}
				want := "6982"
				if strings.Contains(test.who, who) {
					want = "9000"
				}
				b.is("00 DB A0 20 03 DF 30 00", want)
			})
		}
	}
	b := selected(t, gids.Config{})
	b.verify()
	b.is("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 20 8C 02 02 B0", "9000")
	b.is("00 44 00 00", "9000")
	b.admin()
	b.is("00 DB A0 20 03 DF 30 00", "9000") // the holder and the administrator
	b.is("00 CB A0 20 04 5C 02 DF 30 00", "DF 30 00 9000")
}

func TestWhoMayDelete(t *testing.T) {
	b := selected(t, gids.Config{})
	b.verify()
	b.is("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 20 8C 02 40 FF", "9000")
	b.is("00 E4 00 00", "6985") // not before it is active
	b.is("00 44 00 00", "9000")
	b.is("00 E4 00 00", "6982") // never
	b.is("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 21 8C 02 40 00", "9000")
	b.is("00 44 00 00", "9000")
	b.is("00 20 00 82", "9000")
	b.is("00 DB A0 21 03 DF 30 00", "6982") // what is not mentioned
	b.is("00 E4 00 00", "9000")             // everybody
	b.is("00 A4 00 0C 02 A0 21", "6A82")
}

func TestSettingUpAllowsAllButWhatIsNeverAllowed(t *testing.T) {
	b := selected(t, gids.Config{Blank: true})
	b.is("00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 11 8C 03 03 20 FF", "9000")
	b.is("00 44 00 00", "9000")
	b.is("00 DB A0 11 03 DF 30 00", "9000")
	b.is("00 CB A0 11 04 5C 02 DF 30 00", "6982")
	b.is("00 24 01 80 06 313233343536", "9000")
	b.verify()
	b.is("00 A4 00 0C 01 3F", "6700")
	b.is("00 A4 00 0C", "9000") // the application
	b.is("00 44 00 00", "9000")
	assert.False(t, b.app.Tries().Verified, "it begins without anybody")
}

func TestLockoutOfATPM(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b := selected(t, gids.Config{TPM: true, Lockout: 10 * time.Minute, Now: func() time.Time { return now }})
	right, wrong := "00 20 00 80 08 3132333435363738", "00 20 00 80 08 3030303030303030"
	b.is(right, "9000")
	for _, want := range []string{"63C2", "63C1", "63C0", "6983"} {
		b.is(wrong, want)
	}
	now = now.Add(10*time.Minute - 1)
	b.is(right, "6983")
	b.admin()
	b.is("00 2C 02 80 08 3837363534333231", "9000")
	b.is("00 20 00 80 08 3837363534333231", "6983") // another PIN, the same TPM
	now = now.Add(1)
	b.is("00 20 00 80", "63C1")
	b.is("00 20 00 80 08 3837363534333231", "9000")
	assert.Equal(t, gids.Tries{Left: 3, Spent: 3, Verified: true}, b.app.Tries())
	b.is(wrong, "63C2")
	now = now.Add(1000 * time.Hour)
	assert.Equal(t, 3, b.app.Tries().Left)
	b.app.SetTriesLeft(0)
	b.is(wrong, "6983")
	now = now.Add(20 * time.Minute)
	assert.Equal(t, 2, b.app.Tries().Left)
	b.app.SetTriesLeft(-1)
	assert.Zero(t, b.app.Tries().Left)
}

func TestPINsOfATPM(t *testing.T) {
	b := selected(t, gids.Config{TPM: true})
	b.is("00 20 00 80 07 31323334353637", "63C3") // too short to be one
	b.is("00 24 00 80 87 3132333435363738"+strings.Repeat("41", 127), "9000")
	assert.True(t, b.app.Tries().Verified, "who changes it knows it")
	b.is("00 20 00 80 7F"+strings.Repeat("41", 127), "9000")
	b.is("00 20 00 00 7F"+strings.Repeat("42", 127), "63C2") // the same PIN, as another reference
	b.is("00 20 00 80 80"+strings.Repeat("41", 128), "63C2")
}

func TestQuirks(t *testing.T) {
	b := newBench(t, gids.Config{Quirks: gids.Quirks{ManagementTag: true, EitherDecipher: true, NewPIN: 0x6700}})
	b.is("00 A4 04 00 09 A00000039742544659 00", "64 12 4F 0B A00000039742544659 02 01 73 03 40 01 C0 9000")
	key := testkeys.RSA(1024, 0)
	require.NoError(t, b.app.Put("kxc00", key, nil))
	b.verify()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("secret"))
	require.NoError(t, err)
	b.is("00 22 41 B8 06 80 01 46 84 01 81", "9000")
	b.is(fmt.Sprintf("00 2A 86 80 80 %X 00", sealed), fmt.Sprintf("%X 9000", "secret"))
	b.is("00 24 01 80 03 313233", "6700")

	b = selected(t, gids.Config{Quirks: gids.Quirks{RawOnly: true}})
	require.NoError(t, b.app.Put("kxc00", key, nil))
	b.verify()
	b.all(`00 22 41 B6 06 80 01 16 84 01 81
		00 22 41 B8 06 80 01 06 84 01 81
		00 2A 86 80 01 00 00 -> 6A86
		00 22 41 B6 06 80 01 56 84 01 81 -> 6984
		00 22 41 B8 06 80 01 46 84 01 81 -> 6984`)
	b = selected(t, gids.Config{Quirks: gids.Quirks{PaddedOnly: true}})
	require.NoError(t, b.app.Put("kxc00", key, nil))
	require.NoError(t, b.app.Put("ksc01", testkeys.ECDSA(elliptic.P256(), 0), nil))
	b.verify()
	b.all(`00 22 41 B6 06 80 01 56 84 01 81
		00 22 41 B8 06 80 01 86 84 01 81
		00 22 41 B6 06 80 01 1C 84 01 82
		00 22 41 B6 06 80 01 16 84 01 81 -> 6984
		00 22 41 B8 06 80 01 06 84 01 81 -> 6984`)
}

// A key file with templates that no key can be used by.
func TestWaysThatThereAreNot(t *testing.T) {
	b := selected(t, gids.Config{Generate: func(a gids.Algorithm) (crypto.PrivateKey, error) {
		if a == gids.P256 {
			return testkeys.ECDSA(elliptic.P256(), 0), nil
		}
		return testkeys.RSA(1024, 0), nil
	}})
	b.verify()
	b.all(`00 E0 00 00 28 62 26 82 01 18 83 02 B0 81 8C 05 8F 10 10 10 00 A5 16 B6 09 80 01 46 83 01 81 95 01 40 B8 09 80 01 56 83 01 81 95 01 40
		00 44 00 00
		00 E0 00 00 28 62 26 82 01 18 83 02 B0 82 8C 05 8F 10 10 10 00 A5 16 B6 09 80 01 5C 83 01 82 95 01 40 B8 09 80 01 0C 83 01 82 95 01 40
		00 44 00 00
		00 E0 00 00 1D 62 1B 82 01 18 83 02 B0 83 8C 05 8F 10 10 10 00 A5 0B B6 09 80 01 17 83 01 83 95 01 40
		00 44 00 00
		00 47 00 00 08 AC 06 80 01 07 83 01 83 -> 6F00`) // a key of another length was made
	for _, command := range []string{"00 47 00 00 08 AC 06 80 01 06 83 01 81 00", "00 47 00 00 08 AC 06 80 01 0C 83 01 82 00"} {
		assert.True(t, bytes.HasSuffix(b.send(command), []byte{0x90, 0x00}), command)
	}
	block := strings.Repeat("00", 128)
	b.all(`00 22 41 B6 06 80 01 46 84 01 81
		00 2A 9E 9A 80 ` + block + ` 00 -> 6A81
		00 22 41 B8 06 80 01 56 84 01 81
		00 2A 80 86 80 ` + block + ` 00 -> 6A81
		00 22 41 B6 06 80 01 5C 84 01 82
		00 2A 9E 9A 20 ` + block[:64] + ` 00 -> 6A81
		00 22 41 B8 06 80 01 0C 84 01 82
		00 2A 80 86 20 ` + block[:64] + ` 00 -> 6A81
		00 DB 3F FF 0F 70 0D 84 01 81 A5 08 83 01 01 84 01 00 87 00 -> 6984
		00 DB 3F FF 0F 70 0D 84 01 81 A5 08 83 01 02 84 01 01 87 00 -> 6A81
		00 E0 00 00 0D 62 0B 82 01 18 83 02 B0 84 8C 02 01 00 -> 6984`)
}

func TestEndOfAnAuthentication(t *testing.T) {
	b := selected(t, gids.Config{})
	b.admin()
	b.is("00 DB A0 14 03 DF 24 00", "9000")
	b.is("00 87 00 00 0C 7C 0A 82 08 0000000000000000", "6985") // nothing waits
	b.is("00 DB A0 14 03 DF 25 00", "9000")
	b.send("00 87 00 00 04 7C 02 81 00 00") // whoever begins anew is nobody
	b.is("00 DB A0 14 03 DF 26 00", "6982")

	answer := b.send("00 87 00 00 14 7C 12 81 10 000102030405060708090A0B0C0D0E0F 00")
	proof := append(bytes.Clone(answer[4:20]), decode(t, "000102030405060708090A0B0C0D0E0F 01020304050607 81")...)
	b.is(fmt.Sprintf("00 87 00 00 2C 7C 2A 82 28 %X 00", tripleDES(t, proof, true)), "6982") // the last byte
	assert.Panics(t, func() { gids.New(gids.Config{AdminKey: make([]byte, 16)}) })
}

func TestMemory(t *testing.T) {
	b := selected(t, gids.Config{MaxObjects: 50})
	b.verify()
	most := strings.Repeat("55", 60000)
	put := func(tag int) []byte {
		return b.send(fmt.Sprintf("00 DB A0 10 00 EA65 DF %02X 82 EA60 %s", tag, most))
	}
	taken := 0
	for tag := 0x24; tag < 0x24+40 && bytes.Equal(put(tag), []byte{0x90, 0x00}); tag++ {
		taken++
	}
	assert.Equal(t, 1<<20/60000, taken)
	b.is("00 DB A0 10 04 DF 24 01 00", "9000") // less is always taken
	assert.Equal(t, []byte{0x90, 0x00}, put(0x60))
	plain := selected(t, gids.Config{})
	plain.verify()
	for tag := 0x24; tag < 0x24+27; tag++ {
		plain.is(fmt.Sprintf("00 DB A0 10 03 DF %02X 00", tag), "9000")
	}
	plain.is("00 DB A0 10 03 DF 60 00", "6A84") // 30, as GidsApplet has
}

func TestContentOfAnyKind(t *testing.T) {
	app := gids.New(gids.Config{})
	require.NoError(t, app.PutFile("mscp", "msroots", []byte("any")))
	require.NoError(t, app.PutFile("", "cardid", []byte("other")))
	assert.Equal(t, "any", string(app.File("mscp", "msroots")))
	assert.Equal(t, "any", string(app.Object(0xA010, 0xDF24)))
	assert.Equal(t, "other", string(app.Object(0xA012, 0xDF20)))

	app.PutObject(0xA010, 0xDF24, nil) // the master file names it still
	require.NoError(t, app.PutFile("mscp", "other", []byte("x")))
	assert.Equal(t, "x", string(app.Object(0xA010, 0xDF25)))
	for i := range 90 {
		require.NoError(t, app.Put(fmt.Sprintf("kxc%02X", i), nil, []byte{0x30, byte(i)}))
	}
	assert.NotNil(t, app.Object(0xA010, 0xDF7F))
	assert.Error(t, app.Put("kxc7E", nil, []byte{0x30}), "it is full")
	assert.NoError(t, app.Put("kxc00", nil, []byte{0x31}))

	assert.Error(t, gids.New(gids.Config{Blank: true}).PutFile("mscp", "kxc00", nil))
	app.PutObject(0xB080, 0xDF30, []byte{1}) // in place of the key
	assert.Equal(t, []byte{1}, app.Object(0xB080, 0xDF30))
	assert.Panics(t, func() { app.PutObject(0x3FFF, 0xDF20, nil) })
}

// What the key says of its length goes before the certificate.
func TestLengthOfAKey(t *testing.T) {
	key := testkeys.RSA(1024, 0)
	app := gids.New(gids.Config{})
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	signer := testkeys.ECDSA(elliptic.P384(), 0)
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	require.NoError(t, app.Put("kxc00", nil, certificate))
	assert.Equal(t, decode(t, "03 00 0000 8001"), app.File("mscp", "cmapfile")[80:])
	require.NoError(t, app.Put("kxc00", key, nil))
	require.NoError(t, app.Put("kxc00", nil, certificate))
	assert.Equal(t, decode(t, "03 00 0000 0004"), app.File("mscp", "cmapfile")[80:])
}

func TestAnApplicationThatManyUse(t *testing.T) {
	b := selected(t, gids.Config{})
	key := testkeys.RSA(1024, 0)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			name := fmt.Sprintf("kxc%02X", i)
			assert.NoError(t, b.app.Put(name, key, []byte{0x30, 0x00}))
			b.send("00 CB A0 10 02 5C 00 00")
			b.send("00 20 00 80 06 313233343536")
			b.app.Tries()
			assert.NotEmpty(t, b.app.File("mscp", name))
		})
	}
	group.Wait()
	b.is("00 22 41 B6 06 80 01 56 84 01 84", "9000")
	sum := sha256.Sum256(nil)
	made := b.send(fmt.Sprintf("00 2A 9E 9A 33 %s %X 00", sha256Prefix, sum))
	assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], made[:len(made)-2]))
}
