//go:build cgo

// Pivgo does the jobs with piv-go. It reads the slots whose certificates the card
// has: piv-go lists none, its callers name the slots.
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"strconv"
	"strings"

	"github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/internal/bench/internal/job"
)

func main() {
	job.Main(map[string]func() error{
		job.List: list,
		job.Sign: func() error { return sign(1) },
		job.Ten:  func() error { return sign(10) },
	})
}

// slots returns the first n slots; BENCH_CERTIFICATES holds n.
func slots() []piv.Slot {
	s := []piv.Slot{piv.SlotAuthentication, piv.SlotSignature, piv.SlotKeyManagement, piv.SlotCardAuthentication}
	for key := uint32(0x82); key <= 0x95; key++ {
		retired, _ := piv.RetiredKeyManagementSlot(key)
		s = append(s, retired)
	}
	n, err := strconv.Atoi(os.Getenv("BENCH_CERTIFICATES"))
	if err != nil {
		panic(err)
	}
	return s[:n]
}

func certificates(yk *piv.YubiKey) (list []*x509.Certificate, err error) {
	for _, slot := range slots() {
		c, err := yk.Certificate(slot)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// list lists the cards one after the other: piv-go has no other way, and its callers
// rarely write one. A YubiKey that stays open is held exclusively.
func list() error {
	names, err := piv.Cards()
	if err != nil {
		return err
	}
	var open []*piv.YubiKey
	n := 0
	for _, name := range names {
		if !strings.Contains(strings.ToLower(name), "yubikey") {
			continue
		}
		yk, err := piv.Open(name)
		if err != nil {
			return err
		}
		defer yk.Close()
		open = append(open, yk)
		found, err := certificates(yk)
		if err != nil {
			return err
		}
		n += len(found)
	}
	if err := job.Mark("list", n); err != nil {
		return err
	}
	n = 0
	for _, yk := range open {
		found, err := certificates(yk)
		if err != nil {
			return err
		}
		n += len(found)
	}
	return job.Mark("again", n)
}

func sign(times int) error {
	names, err := piv.Cards()
	if err != nil {
		return err
	}
	yk, err := piv.Open(names[0])
	if err != nil {
		return err
	}
	found, err := certificates(yk)
	if err != nil {
		return err
	}
	key, err := yk.PrivateKey(piv.SlotAuthentication, found[0].PublicKey, piv.KeyAuth{PIN: "123456"})
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("text"))
	for range times {
		if _, err := key.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			return err
		}
	}
	if err := yk.Close(); err != nil {
		return err
	}
	return job.Mark("sign", times)
}
