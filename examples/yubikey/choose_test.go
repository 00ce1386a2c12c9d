package main

import (
	"testing"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChooseReader(t *testing.T) {
	const first, second, other = "Yubico YubiKey OTP+FIDO+CCID 00 00", "Yubico Yubikey NEO 01 00", "Reader\x1b 02 00"
	for _, test := range []struct {
		name    string
		readers []string
		want    string
	}{
		{"", []string{other, first}, first},
		{first, []string{first, second, other}, first},
		{second, []string{first, second, other}, second},
	} {
		reader, err := chooseReader(test.readers, test.name)
		require.NoError(t, err, "%+v", test)
		assert.Equal(t, test.want, reader)
	}
	_, err := chooseReader([]string{first, other, second}, "")
	var usage *cli.UsageError
	assert.ErrorAs(t, err, &usage)
	assert.EqualError(t, err, `-reader is required with several YubiKeys: ["`+first+`" "`+second+`"]`)
	_, err = chooseReader([]string{other}, "")
	assert.EqualError(t, err, "no YubiKey is connected")
	for _, name := range []string{second, other, "YubiKey"} {
		_, err = chooseReader([]string{first, other}, name)
		assert.ErrorContains(t, err, "no YubiKey in a reader named", name)
	}
}
