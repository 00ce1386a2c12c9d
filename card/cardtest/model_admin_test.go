package cardtest_test

import (
	"crypto/des"
	"slices"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/require"
)

// authenticate authenticates the administrator.
func (m *subject) authenticate() { m.authenticateWith(nil) }

// authenticateWith performs a mutual authentication of the administrator. The second
// step ends with more. It returns the last response.
func (m *subject) authenticateWith(more []byte) []byte {
	m.t.Helper()
	response, sw := m.fetch(bytesOf("0087039B 04 7C02 8000 00"))
	require.Equal(m.t, "9000", sw)
	block, err := des.NewTripleDESCipher([]byte(cardtest.AdminKey))
	require.NoError(m.t, err)
	witness := make([]byte, 8)
	block.Decrypt(witness, response[4:])
	content := slices.Concat([]byte{0x80, 8}, witness, bytesOf("8108 0102030405060708"), more)
	response, sw = m.fetch(apdu(0x0087039B, append([]byte{0x7C, byte(len(content))}, content...)))
	require.Equal(m.t, "9000", sw)
	return response
}

// put writes an object of n bytes with a chained command. It returns the number of
// parts sent and the last status word.
func (m *subject) put(n int) (parts int, sw string) {
	m.t.Helper()
	data := append(bytesOf("5C035FC105 5382"), byte(n>>8), byte(n))
	data = append(data, slices.Repeat([]byte{0x70}, n)...)
	for len(data) > 255 {
		parts++
		command := append([]byte{0x10, 0xDB, 0x3F, 0xFF, 255}, data[:255]...)
		if _, sw = m.send(command); sw != "9000" {
			return parts, sw
		}
		data = data[255:]
	}
	_, sw = m.send(append([]byte{0x00, 0xDB, 0x3F, 0xFF, byte(len(data))}, data...))
	return parts + 1, sw
}
