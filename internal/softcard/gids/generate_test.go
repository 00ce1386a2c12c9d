package gids_test

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
)

const exchangeKey = `62 47 82 01 18 83 02 B0 81 8C 05 8F 10 10 10 00 A5 37
	B8 09 80 01 07 83 01 81 95 01 40  B8 09 80 01 87 83 01 81 95 01 40  B8 09 80 01 47 83 01 81 95 01 40
	B6 09 80 01 17 83 01 81 95 01 40  B6 09 80 01 57 83 01 81 95 01 40`

func TestGenerate(t *testing.T) {
	f := newSelected(t, gids.Config{Generate: func(a gids.Algorithm) (crypto.PrivateKey, error) {
		if a != gids.RSA2048 {
			return nil, assert.AnError
		}
		return testkeys.RSA(2048, 1), nil
	}})
	f.expect("00 47 00 00 08 AC 06 80 01 07 83 01 81", "6984") // missing key file
	f.verifyPIN()
	f.expect("00 E0 00 00 49 "+exchangeKey, "9000")
	f.expect("00 44 00 00", "9000")
	f.expect("00 47 00 01 08 AC 06 80 01 07 83 01 81", "6A86")
	f.expect("00 47 00 00 02 AD 00", "6984")
	f.expect("00 47 00 00 05 AC 03 80 01 07", "6984")
	f.expect("00 47 00 00 08 AC 06 80 01 03 83 01 81", "6A81")
	f.expect("00 47 00 00 08 AC 06 80 01 06 83 01 81", "6984")
	assert.True(t, bytes.Contains(f.send("00 47 00 00 08 AC 06 80 01 07 83 01 81 00"), testkeys.RSA(2048, 1).N.Bytes()[:200]))
	f.expect("00 20 00 82", "9000")
	f.expect("00 47 00 00 08 AC 06 80 01 07 83 01 81", "6982")
	random := newSelected(t, gids.Config{})
	random.verifyPIN()
	random.expect("00 E0 00 00 28 62 26 82 01 18 83 02 B0 82 8C 05 8F 10 10 10 00 A5 16 B6 09 80 01 1C 83 01 82 95 01 40 B6 09 80 01 1C 83 01 82 95 01 40", "9000")
	random.expect("00 47 00 00 08 AC 06 80 01 0C 83 01 82 00", "6985") // not activated
	random.expect("00 44 00 00", "9000")
	assert.Equal(t, []byte{0x7F, 0x49}, random.send("00 47 00 00 08 AC 06 80 01 0C 83 01 82 00")[:2])
}
