package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runProvision runs the command without readers.
func runProvision(t *testing.T, stdout io.Writer, args ...string) error {
	t.Helper()
	env := &cli.Env{Stdout: stdout, Service: func() *card.Service { return cardtest.NewService() }}
	return newProvision(env).Execute(t.Context(), args)
}

func TestProvision(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, runProvision(t, &out, "-softcard", "-upn", "bob@example.com"))
	assert.Contains(t, out.String(), "management key accepted")
	assert.Contains(t, out.String(), `for "bob@example.com".`)
	assert.Contains(t, out.String(), "9A: tile \"bob@example.com\", offered: true\n")

	out.Reset()
	require.NoError(t, runProvision(t, &out, "-softcard", "-json"))
	list := decodeLines[struct {
		Title   string
		Offered bool
	}](t, out.String())
	require.Len(t, list, 1)
	assert.Equal(t, "alice@example.com", list[0].Title)
	assert.True(t, list[0].Offered)
}

func TestWrongManagementKey(t *testing.T) {
	t.Setenv("TEST_KEY", "000000000000000000000000000000000000000000000000")
	var out bytes.Buffer
	err := runProvision(t, &out, "-softcard", "-key-env", "TEST_KEY")
	assert.Error(t, err)
	assert.Empty(t, out.String())

	t.Setenv("TEST_KEY", "0101010101010101010101010101010101010101010101ff")
	err = runProvision(t, &out, "-softcard", "-key-env", "TEST_KEY")
	assert.ErrorIs(t, err, piv.ErrManagementKey)
	assert.NotEmpty(t, card.Hint(err))
	assert.Empty(t, out.String())
}

func TestInvalidProvision(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{
		nil, // without -reader
		{"-softcard", "-reader", reader},
		{"-softcard", "-overwrite"},
		{"-softcard", "-aes"},
		{"-reader", "another"},
		{"-no-such-flag"},
		{"argument"},
	} {
		assert.ErrorAs(t, runProvision(t, io.Discard, args...), &usage, "%v", args)
	}
}

const reader = "Software Reader 00"

func TestOccupiedSlot(t *testing.T) {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"boss\x1b[2J@example.com"}})
	keyOnly := cardtest.YubiKey("5.4.3")
	for name, test := range map[string]struct {
		card *cardtest.Card
		err  string
	}{
		"key and certificate":     {cardtest.Logon("boss@example.com"), `slot 9A holds the certificate of "boss@example.com"`},
		"certificate without key": {cardtest.PIV().Put("9A", nil, der), `slot 9A holds the certificate of "CN=boss\\1B[2J"`},
		"malformed certificate":   {cardtest.PIV().Put("9A", nil, []byte{0x30, 0}), "slot 9A holds a malformed certificate"},
		"key without certificate": {keyOnly.Put("9A", cardtest.Key(cardtest.P256, 0), nil), "slot 9A holds a key without a certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o := provisionOptions{reader: reader, user: "alice@example.com"}
			err := provision(t.Context(), cardtest.NewService(test.card), o, &cli.Env{Stdout: &out})
			assert.ErrorContains(t, err, test.err)
			assert.Contains(t, card.Hint(err), "-overwrite")
			assert.Empty(t, out.String())
			assert.Zero(t, test.card.Writes())
		})
	}
}

func TestOverwrite(t *testing.T) {
	c := cardtest.Logon("boss@example.com")
	var out bytes.Buffer
	o := provisionOptions{overwrite: true, reader: reader, user: "alice@example.com"}
	require.NoError(t, provision(t.Context(), cardtest.NewService(c), o, &cli.Env{Stdout: &out}))
	assert.Contains(t, out.String(), "9A: tile \"alice@example.com\", offered: true\n")
	assert.NotZero(t, c.Writes())
}

// Faults of the other readers do not matter.
func TestOtherReaders(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV(), nil, cardtest.PIV(cardtest.PIVMissing))
	defer readers.Close()
	var out bytes.Buffer
	o := provisionOptions{reader: reader, user: "alice@example.com"}
	require.NoError(t, provision(t.Context(), readers.Service(), o, &cli.Env{Stdout: &out}))
	assert.Contains(t, out.String(), "9A: tile \"alice@example.com\", offered: true\n")
}

func TestEmptySlot(t *testing.T) {
	for name, c := range map[string]*cardtest.Card{
		"PIV":                       cardtest.PIV(),
		"YubiKey without metadata":  cardtest.YubiKey("5.2.7"),
		"YubiKey with metadata":     cardtest.YubiKey("5.4.3"),
		"key in another slot alone": cardtest.YubiKey("5.4.3").Put("9C", cardtest.Key(cardtest.P256, 0), nil),
	} {
		service := cardtest.NewService(c)
		inReader, err := service.Card(t.Context(), reader)
		require.NoError(t, err, name)
		assert.NoError(t, checkEmpty(t.Context(), piv.New(inReader)), name)
		require.NoError(t, service.Close())
	}
}

// Cards of several vendors: CanoKeys and PIVKeys forget the PIN at SELECT, a new
// YubiKey has an AES key, and others take short commands only.
func TestOtherCards(t *testing.T) {
	for name, test := range map[string]struct {
		card *cardtest.Card
		aes  bool
	}{
		"YubiKey 5.4":      {cardtest.YubiKey("5.4.3"), false},
		"YubiKey 5.7":      {cardtest.YubiKey("5.7.1"), true},
		"as CanoKey":       {cardtest.PIV(cardtest.PIVShortAID, cardtest.PIVSelectClears, cardtest.ShortLengths), false},
		"as PIVKey":        {cardtest.PIV(cardtest.PIVNoDiscovery, cardtest.PIVSelectClears, cardtest.PIVEmptyVerifyHides), false},
		"as a card of T=0": {cardtest.PIV(cardtest.T0, cardtest.PIVEmptyObjects), false},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o := provisionOptions{aes: test.aes, reader: reader, user: "alice@example.com"}
			require.NoError(t, provision(t.Context(), cardtest.NewService(test.card), o, &cli.Env{Stdout: &out}))
			assert.Contains(t, out.String(), "9A: tile \"alice@example.com\", offered: true\n")
			err := provision(t.Context(), cardtest.NewService(test.card), o, &cli.Env{Stdout: &out})
			assert.ErrorContains(t, err, "slot 9A holds the certificate of", "the second time")
		})
	}
}

func TestAESKeyOfOtherLength(t *testing.T) {
	t.Setenv("TEST_KEY", "00112233445566778899aabbccddeeff")
	_, err := managementKey("TEST_KEY", true)
	var usage *cli.UsageError
	assert.ErrorAs(t, err, &usage)
}

func TestNoKeyInVariable(t *testing.T) {
	assert.ErrorContains(t, runProvision(t, io.Discard, "-softcard", "-key-env", "NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE")
}
