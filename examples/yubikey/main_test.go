//go:build linux && cgo && !pcsclite_go

package main

import (
	"bytes"
	"log"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readersOfTest is served for the whole process: libpcsclite reads the name of the
// socket once.
var readersOfTest = cardtest.NewReaders()

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "yubikey")
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("PCSCLITE_CSOCK_NAME", l.Addr().String())
	go readersOfTest.Serve(l)
	code := m.Run()
	readersOfTest.Close()
	os.RemoveAll(dir)
	os.Exit(code)
}

func TestInvalidArguments(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{
		{},
		{"-soft", "-overwrite"},
		{"-reader", "Reader"},
		{"-soft", "-reader", "Reader"},
		{"-soft", "argument"},
		{"-no-such-flag"},
	} {
		assert.ErrorAs(t, run(t.Context(), args, new(bytes.Buffer)), &usage, "%v", args)
	}
}

// With two YubiKeys, the one to overwrite has to be named.
func TestTwoYubiKeys(t *testing.T) {
	const first, second = "Yubico YubiKey OTP+FIDO+CCID 00 00", "Yubico YubiKey OTP+FIDO+CCID 01 00"
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"admin@example.com"}})
	blank, used := cardtest.YubiKey("5.4.3"), cardtest.YubiKey("5.4.3").Put("9A", key, der)
	for name, c := range map[string]*cardtest.Card{first: blank, second: used} {
		readersOfTest.Plug(name, nil)
		readersOfTest.Insert(name, c)
		defer readersOfTest.Unplug(name)
	}
	var out bytes.Buffer
	var usage *cli.UsageError
	err := run(t.Context(), []string{"-overwrite"}, &out)
	require.ErrorAs(t, err, &usage)
	assert.ErrorContains(t, err, first)
	assert.ErrorContains(t, err, second)
	assert.Empty(t, out.String())
	assert.Zero(t, blank.Writes())
	assert.Zero(t, used.Writes())

	// The attestation of a software YubiKey is not Yubico's, so the program stops
	// after it has written to the named YubiKey.
	err = run(t.Context(), []string{"-overwrite", "-reader", first}, &out)
	assert.Error(t, err)
	assert.Contains(t, out.String(), `YubiKey in "`+first+`"`)
	assert.NotZero(t, blank.Writes())
	assert.Zero(t, used.Writes())
}
