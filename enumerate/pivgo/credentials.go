//go:build windows || (cgo && !pcsclite_go)

package pivgo

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"sync"

	pivgo "github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
)

// Credentials reads the certificates of an open YubiKey: those of the four slots
// of PIV and of the retired ones. The name of its reader is what piv-go opened it
// by. The YubiKey stays the caller's, who closes it when no key is used any more.
//
// An unlocked key of a slot that wants the PIN each time asks for it at each use.
// A YubiKey is used by one goroutine at a time; keys of one YubiKey wait for each
// other if they come from one call of Credentials.
func Credentials(yk *pivgo.YubiKey, reader string) ([]*enumerate.Credential, error) {
	k := &yubiKey{yk: yk, reader: reader}
	k.card = card.New(reader, k)
	var found []*enumerate.Credential
	for _, slot := range slots() {
		certificate, err := yk.Certificate(slot)
		switch {
		case errors.Is(err, pivgo.ErrNotFound):
			continue
		case err != nil:
			return found, fmt.Errorf("pivgo: certificate %X in %q: %w", slot.Key, reader, err)
		}
		c := enumerate.New(certificate.Raw, func(ctx context.Context, ask card.PINFunc) (crypto.Signer, error) {
			return k.open(ctx, slot, certificate.PublicKey, ask)
		})
		c.Reader, c.Application, c.Container = reader, enumerate.PIV, fmt.Sprintf("%02X", slot.Key)
		c.Default = len(found) == 0
		c.KeySpec = rules.KeySpec{Kind: rules.KeyExchange, Assumed: "PIV slot " + c.Container}
		if slot == pivgo.SlotSignature {
			c.KeySpec.Kind = rules.Signature
		}
		found = append(found, c)
	}
	return found, nil
}

// slots are all of a YubiKey, the one to sign in with first.
func slots() []pivgo.Slot {
	list := []pivgo.Slot{pivgo.SlotAuthentication, pivgo.SlotSignature, pivgo.SlotKeyManagement, pivgo.SlotCardAuthentication}
	for key := uint32(0x82); key <= 0x95; key++ {
		if slot, ok := pivgo.RetiredKeyManagementSlot(key); ok {
			list = append(list, slot)
		}
	}
	return list
}

// A yubiKey is one that piv-go holds.
type yubiKey struct {
	yk     *pivgo.YubiKey
	reader string
	card   *card.Card // whose PIN guard is used; see Transmit

	mu sync.Mutex // one goroutine at a time
}

// open opens a key, for which piv-go itself never asks for a PIN.
func (k *yubiKey) open(ctx context.Context, slot pivgo.Slot, public crypto.PublicKey, ask card.PINFunc) (crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	opened, err := k.yk.PrivateKey(slot, public, pivgo.KeyAuth{PINPolicy: pivgo.PINPolicyNever})
	if err != nil {
		return nil, err
	}
	signer, ok := opened.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a %T does not sign", errors.ErrUnsupported, opened)
	}
	s := key{Signer: signer, in: k}
	switch k.policy(slot) {
	case pivgo.PINPolicyOnce:
		err = k.verify(ctx, false, ask)
	case pivgo.PINPolicyAlways:
		s.before = func() error { return k.verify(context.Background(), true, ask) }
	}
	if err != nil {
		return nil, err
	}
	if d, ok := opened.(crypto.Decrypter); ok {
		return decrypter{s, d}, nil
	}
	return s, nil
}

// policy says when a slot wants the PIN: as the YubiKey tells, from firmware 5.3
// on, else as the standard has it.
func (k *yubiKey) policy(slot pivgo.Slot) pivgo.PINPolicy {
	if info, err := k.yk.KeyInfo(slot); err == nil && info.PINPolicy != 0 {
		return info.PINPolicy
	}
	switch slot {
	case pivgo.SlotSignature:
		return pivgo.PINPolicyAlways
	case pivgo.SlotCardAuthentication:
		return pivgo.PINPolicyNever
	}
	return pivgo.PINPolicyOnce
}

// A key is a private key on the YubiKey.
type key struct {
	crypto.Signer
	in     *yubiKey
	before func() error // runs before each use, unless it is nil
}

func (k key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = k.use(func() error {
		signature, err = k.Signer.Sign(random, digest, opts)
		return err
	})
	return signature, err
}

func (k key) use(f func() error) error {
	k.in.mu.Lock()
	defer k.in.mu.Unlock()
	if k.before != nil {
		if err := k.before(); err != nil {
			return err
		}
	}
	return f()
}

type decrypter struct {
	key
	crypto.Decrypter
}

// Public is the signer's; the decrypter says the same.
func (d decrypter) Public() crypto.PublicKey { return d.key.Public() }

func (d decrypter) Decrypt(random io.Reader, sealed []byte, opts crypto.DecrypterOpts) (opened []byte, err error) {
	err = d.use(func() error {
		opened, err = d.Decrypter.Decrypt(random, sealed, opts)
		return err
	})
	return opened, err
}
