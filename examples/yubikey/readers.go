//go:build windows || (cgo && !pcsclite_go)

package main

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
)

// readers opens the machine's readers, or a software reader with a YubiKey.
type readers struct {
	service func() *card.Service
	close   func()
}

// open opens the readers. It returns the roots for the attestations of the keys in
// them; nil stands for Yubico's.
func open(soft bool) (readers, *x509.CertPool, error) {
	if !soft {
		return readers{func() *card.Service { return pcsc.System(nil) }, func() {}}, nil, nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return readers{}, nil, errors.New("-soft needs pcscd's protocol, which piv-go does not use on this system")
	}
	dir, err := os.MkdirTemp("", "yubikey")
	if err != nil {
		return readers{}, nil, err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "pcscd.comm"))
	if err != nil {
		return readers{}, nil, err
	}
	yubikeys := cardtest.NewReaders()
	const name = "Yubico YubiKey OTP+FIDO+CCID 00 00"
	yubikeys.Plug(name, cardtest.YubiKey("5.7.1"))
	go yubikeys.Serve(l)
	os.Setenv("PCSCLITE_CSOCK_NAME", l.Addr().String())

	root, err := x509.ParseCertificate(cardtest.AttestationRoot())
	if err != nil {
		return readers{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return readers{yubikeys.Service, func() {
		yubikeys.Close()
		os.RemoveAll(dir)
	}}, pool, nil
}
