package cardtest_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnCommand(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV())
	defer readers.Close()
	name := readers.Names()[0]
	d := readers.Driver()
	defer d.Close()
	c, err := d.Connect(t.Context(), name)
	require.NoError(t, err)
	selectPIV := []byte{0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08, 0x00}
	var got []string
	readers.OnCommand(func(reader string, command []byte) {
		got = append(got, fmt.Sprintf("%s %X", reader, command))
		if len(got) == 2 {
			readers.Remove(name)
		}
	})
	_, err = c.Transmit(selectPIV)
	require.NoError(t, err)
	_, err = c.Transmit(selectPIV)
	require.Error(t, err, "the card was removed before the command")
	want := name + " 00A4040005A00000030800"
	assert.Equal(t, []string{want, want}, got)

	readers.OnCommand(nil)
	_, err = c.Transmit(selectPIV)
	require.Error(t, err)
	assert.Len(t, got, 2)
}
