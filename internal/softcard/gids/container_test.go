package gids_test

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"math/big"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPutContainer(t *testing.T) {
	app := gids.New(gids.Config{})
	key := testkeys.RSA(2048, 0)
	for _, name := range []string{"kxc00", "ksc02"} {
		require.NoError(t, app.Put(name, key, []byte{0x30, 0x03, 0x02, 0x01, 0x05}))
	}
	file := app.File("mscp", "kxc00")
	assert.Equal(t, decode(t, "01 00 05 00 78 DA"), file[:6])
	for _, compressed := range [][]byte{file[4:], decode(t, "78 DA 33 60 66 62 64 05 00 01 0E 00 3C")} { // as Windows compresses it
		z, err := zlib.NewReader(bytes.NewReader(compressed))
		require.NoError(t, err)
		plain, err := io.ReadAll(z)
		require.NoError(t, err)
		assert.Equal(t, []byte{0x30, 0x03, 0x02, 0x01, 0x05}, plain)
	}
	m := app.File("mscp", "cmapfile")
	require.Len(t, m, 3*86)
	assert.Equal(t, decode(t, "03 00 0000 0008"), m[80:86])
	assert.Equal(t, make([]byte, 86), m[86:172], "a gap")
	assert.Equal(t, decode(t, "01 00 0008 0000"), m[172+80:])
	assert.Equal(t, decode(t, "01 01000000 07 9A 81B0 FFFF 0000 00000000 00 00 FFFF FFFF 0000 01000000 07 9C 83B0 FFFF 0000"), app.Object(0xA000, 0xDF20))
	assert.Equal(t, decode(t, "00 00 0200 0200"), app.File("", "cardcf"))
	require.NoError(t, app.SetDefault("ksc02"))
	m = app.File("mscp", "cmapfile")
	assert.Equal(t, []byte{1, 3}, []byte{m[80], m[172+80]})

	for _, test := range []struct {
		name string
		key  crypto.PrivateKey
	}{{"kxc", key}, {"abc00", key}, {"kxc7F", key}, {"kxcXX", key}, {"kxc00", testkeys.Ed25519()}, {"kxc00", 7}} {
		assert.Error(t, app.Put(test.name, test.key, nil), test)
	}
	assert.Error(t, app.SetDefault("kxc55"))
	assert.Error(t, app.SetDefault("kxc01"), "a gap")
	assert.Error(t, app.SetDefault("x"))
	assert.Error(t, gids.New(gids.Config{Blank: true}).Put("kxc00", key, nil))

	decimal := gids.New(gids.Config{Quirks: gids.Quirks{DecimalNames: true, PlainCertificates: true, NoKeyMap: true}})
	require.NoError(t, decimal.Put("kxc0A", nil, []byte{0x30, 0x00}))
	require.NoError(t, decimal.Put("kxc0A", key, nil))
	assert.Equal(t, []byte{0x30, 0x00}, decimal.File("mscp", "kxc10"))
	assert.Nil(t, decimal.Object(0xA000, 0xDF20))
	assert.Nil(t, decimal.File("mscp", "kxc0A"))
	decimal.PutObject(0xA000, 0xDF1F, nil)
	assert.Nil(t, decimal.File("mscp", "kxc10"))
	decimal.PutObject(0xA099, 0xDF1F, []byte{1})
	assert.Equal(t, []byte{1}, decimal.Object(0xA099, 0xDF1F))
	assert.Nil(t, decimal.Object(0xA098, 0xDF1F))
	assert.True(t, bytes.Equal(decimal.AID(), app.AID()))
}

// TestKeyLength prefers the length of the key to that of the certificate.
func TestKeyLength(t *testing.T) {
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
