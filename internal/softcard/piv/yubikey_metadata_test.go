package piv_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestMetadata(t *testing.T) {
	c := newYubiKey(t, "5.4.3", piv.Config{})
	require.NoError(t, c.app.Put(0x9C, testkeys.RSA(2048, 0), nil))
	authenticateFirmwareKey(c, "5.4.3")
	require.Equal(t, "9000", status(c.send(generateCommand(0x9A, piv.P256, 0xAA, 1, 3, 0xAB, 1, 2))))
	point, err := p256.PublicKey.Bytes()
	require.NoError(t, err)

	assert.Equal(t, "0101110202030203010104438641"+hex.EncodeToString(point)+"9000", c.send("00f7009a"))
	modulus := hex.EncodeToString(testkeys.RSA(2048, 0).N.Bytes())
	assert.Equal(t, "0101070202030103010204820109"+"81820100"+modulus+"8203010001"+"9000", c.send(command(0xF7, 0, 0x9C, nil)))
	assert.Equal(t, "0101030202000105"+"0101"+"9000", c.send("00f7009b"))
	assert.Equal(t, "0101ff05010106020303"+"9000", c.send("00f70080"))
	assert.Equal(t, "0101ff05010106020303"+"9000", c.send("00f70081"))
	assert.Equal(t, "0101070202020103010204820109", c.send(command(0xF7, 0, 0xF9, nil))[:28])
	assert.Equal(t, "6a88", c.send("00f7009d"))
	assert.Equal(t, "6a88", c.send("00f70096"), "biometrics")

	c.send(wrongPIN)
	c.send("0024008110" + puk + otherPUK)
	assert.Equal(t, "0101ff05010106020302"+"9000", c.send("00f70080"))
	assert.Equal(t, "0101ff05010006020303"+"9000", c.send("00f70081"))
	assert.Equal(t, "0101030202000105"+"0101"+"9000", c.send("00f7009b"))
	assert.Equal(t, "01010a020200010501019000", newYubiKey(t, "5.7.4", piv.Config{}).send("00f7009b"))
}
