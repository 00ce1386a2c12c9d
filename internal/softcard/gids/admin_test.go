package gids_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTripleDESVectors(t *testing.T) {
	assert.Equal(t, decode(t, "6C5E94DCADD39F1D"), tripleDES(t, decode(t, "1122334455667788"), true))
	host := decode(t, "101112131415161718191A1B1C1D1E1F 000102030405060708090A0B0C0D0E0F 21222324252627 80")
	assert.Equal(t, decode(t, "76E690BEE82E547B6FE744F89AB23604D16EE897925362D01BD69EADC6D49DECA3F246E83EA377B8"), tripleDES(t, host, true))
}

func TestMutualAuthentication(t *testing.T) {
	f := newSelected(t, gids.Config{})
	f.expect("00 22 C1 A4 03 83 01 80", "9000")
	r1 := decode(t, "000102030405060708090A0B0C0D0E0F")
	answer := f.send(fmt.Sprintf("00 87 00 00 14 7C 12 81 10 %X 00", r1))
	require.Len(t, answer, 4+16+2)
	r2 := answer[4:20]
	proof := bytes.Join([][]byte{r2, r1, {1, 2, 3, 4, 5, 6, 7, 0x80}}, nil)
	answer = f.send(fmt.Sprintf("00 87 00 00 2C 7C 2A 82 28 %X 00", tripleDES(t, proof, true)))
	require.Len(t, answer, 4+40+2)
	plain := tripleDES(t, answer[4:44], false)
	assert.Equal(t, append(bytes.Clone(r1), r2...), plain[:32], "proof of the card")
	assert.Equal(t, byte(0x80), plain[39])
	f.expect("00 DB A0 14 03 DF 24 00", "9000")
}

func TestAuthenticationErrors(t *testing.T) {
	f := newSelected(t, gids.Config{})
	f.expect("00 87 00 00 04 7C 02 81 00 00", "6985") // no key selected
	f.expect("00 22 81 A4 03 83 01 81", "6984")
	f.expect("00 22 81 A4 03 84 01 80", "6984")
	f.expect("00 22 81 A4 03 83 01 80", "9000")
	f.expect("00 87 00 00 0C 7C 0A 82 08 0000000000000000", "6985") // no challenge
	f.expect("00 87 00 01 04 7C 02 81 00 00", "6A86")
	f.expect("00 87 00 00 04 7D 02 81 00 00", "6984")
	f.expect("00 87 00 00 04 7C 02 83 00 00", "6984")
	f.expect("00 87 00 00 06 7C 04 81 02 00 00 00", "6984")
	challenge := f.send("00 87 00 00 04 7C 02 81 00 00")[4:12]
	f.expect("00 87 00 00 0C 7C 0A 82 08 0000000000000000", "6982")
	f.expect(fmt.Sprintf("00 87 00 00 0C 7C 0A 82 08 %X", tripleDES(t, challenge, true)), "6985") // second response
	f.send("00 87 00 00 14 7C 12 81 10 000102030405060708090A0B0C0D0E0F 00")
	f.expect("00 87 00 00 05 7C 03 82 01 00", "6982")
	f.send("00 87 00 00 14 7C 12 81 10 000102030405060708090A0B0C0D0E0F 00")
	f.expect(fmt.Sprintf("00 87 00 00 2C 7C 2A 82 28 %080X", 7), "6982")
	f.expect("00 DB A0 14 03 DF 24 00", "6982")
}

func TestAuthenticationEnds(t *testing.T) {
	f := newSelected(t, gids.Config{})
	f.authenticateAdmin()
	f.expect("00 DB A0 14 03 DF 24 00", "9000")
	f.expect("00 87 00 00 0C 7C 0A 82 08 0000000000000000", "6985") // no challenge
	f.expect("00 DB A0 14 03 DF 25 00", "9000")
	f.send("00 87 00 00 04 7C 02 81 00 00") // a new challenge ends the authentication
	f.expect("00 DB A0 14 03 DF 26 00", "6982")

	answer := f.send("00 87 00 00 14 7C 12 81 10 000102030405060708090A0B0C0D0E0F 00")
	proof := append(bytes.Clone(answer[4:20]), decode(t, "000102030405060708090A0B0C0D0E0F 01020304050607 81")...)
	f.expect(fmt.Sprintf("00 87 00 00 2C 7C 2A 82 28 %X 00", tripleDES(t, proof, true)), "6982") // wrong padding
	assert.Panics(t, func() { gids.New(gids.Config{AdminKey: make([]byte, 16)}) })
}
