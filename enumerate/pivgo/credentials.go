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

// Credentials reads the certificates of an open YubiKey: those in the four PIV slots
// and in the retired slots. reader is the name that the YubiKey was opened with. The
// caller closes the YubiKey after the last use of a key.
//
// The key of a slot with the PIN policy "always" calls the PINFunc at each use. Keys
// from one call of Credentials use the YubiKey one at a time; nothing else may use it
// at the same time.
func Credentials(yk *pivgo.YubiKey, reader string) ([]*enumerate.Credential, error) {
	k := &yubiKey{yk: yk, reader: reader}
	k.card = card.New(reader, k)
	var credentials []*enumerate.Credential
	for _, slot := range slots() {
		certificate, err := yk.Certificate(slot)
		switch {
		case errors.Is(err, pivgo.ErrNotFound):
			continue
		case err != nil:
			return credentials, fmt.Errorf("pivgo: certificate %X in %q: %w", slot.Key, reader, err)
		}
		c := enumerate.New(certificate.Raw, func(ctx context.Context, ask card.PINFunc) (crypto.Signer, error) {
			return k.open(ctx, slot, certificate.PublicKey, ask)
		})
		c.Reader, c.Application, c.Container = reader, enumerate.PIV, fmt.Sprintf("%02X", slot.Key)
		c.Default = len(credentials) == 0
		c.KeySpec = rules.KeySpec{Kind: rules.KeyExchange, Assumed: "PIV slot " + c.Container}
		if slot == pivgo.SlotSignature {
			c.KeySpec.Kind = rules.Signature
		}
		credentials = append(credentials, c)
	}
	return credentials, nil
}

// slots returns the slots of a YubiKey, the one to sign in with first.
func slots() []pivgo.Slot {
	list := []pivgo.Slot{pivgo.SlotAuthentication, pivgo.SlotSignature, pivgo.SlotKeyManagement, pivgo.SlotCardAuthentication}
	for key := uint32(0x82); key <= 0x95; key++ {
		if slot, ok := pivgo.RetiredKeyManagementSlot(key); ok {
			list = append(list, slot)
		}
	}
	return list
}

// A yubiKey is a YubiKey that piv-go has opened.
type yubiKey struct {
	yk     *pivgo.YubiKey
	reader string
	card   *card.Card // for its PIN guard; see Transmit

	mu sync.Mutex // serializes use of yk
}

// open opens a key and verifies the PIN if its policy is "once". piv-go itself never
// asks for a PIN.
func (k *yubiKey) open(ctx context.Context, slot pivgo.Slot, public crypto.PublicKey, ask card.PINFunc) (crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	private, err := k.yk.PrivateKey(slot, public, pivgo.KeyAuth{PINPolicy: pivgo.PINPolicyNever})
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a %T does not sign", errors.ErrUnsupported, private)
	}
	s := key{Signer: signer, yubiKey: k}
	switch k.policy(slot) {
	case pivgo.PINPolicyOnce:
		err = k.verify(ctx, false, ask)
	case pivgo.PINPolicyAlways:
		s.before = func() error { return k.verify(context.Background(), true, ask) }
	}
	if err != nil {
		return nil, err
	}
	if d, ok := private.(crypto.Decrypter); ok {
		return decrypter{s, d}, nil
	}
	return s, nil
}

// policy returns the PIN policy of a slot: that of the key, which YubiKeys report from
// firmware 5.3 on, else that of SP 800-73-4.
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
	yubiKey *yubiKey
	before  func() error // called before each use, unless nil
}

func (k key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = k.use(func() error {
		signature, err = k.Signer.Sign(random, digest, opts)
		return err
	})
	return signature, err
}

// use calls f while no other key uses the YubiKey.
func (k key) use(f func() error) error {
	k.yubiKey.mu.Lock()
	defer k.yubiKey.mu.Unlock()
	if k.before != nil {
		if err := k.before(); err != nil {
			return err
		}
	}
	return f()
}

// A decrypter is a key that also decrypts.
type decrypter struct {
	key
	crypto.Decrypter
}

// Public resolves the ambiguity between signer and decrypter.
func (d decrypter) Public() crypto.PublicKey { return d.key.Public() }

func (d decrypter) Decrypt(random io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) (plaintext []byte, err error) {
	err = d.use(func() error {
		plaintext, err = d.Decrypter.Decrypt(random, ciphertext, opts)
		return err
	})
	return plaintext, err
}
