package gids

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A Key is a private key on the card. It is a [crypto.Signer] and, with RSA, a
// [crypto.Decrypter]. It is safe for concurrent use.
type Key struct {
	ctx       context.Context // bounds each use
	card      *Card
	name      string // of the file of its certificate
	reference byte
	public    crypto.PublicKey
	algorithm byte
	ask       card.PINFunc
	held      *cardapp.Held
}

// Key opens the key of a certificate; public is the certificate's public key. If the
// card no longer holds the certificate, the error wraps [card.ErrChanged], and ask
// is not called. The PIN is verified now, so that a wrong one is reported by this
// call. If ask is nil, the key works only while the PIN is verified by other means.
//
// The card stays powered until Close is called; other programs can use it in
// between. ctx bounds this call alone; [Key.WithContext] bounds a use.
func (c *Card) Key(ctx context.Context, listed *Certificate, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	k, err := c.openKey(ctx, listed, public, ask)
	if err != nil {
		return nil, fmt.Errorf("gids: open the key of %s: %w", listed.File, err)
	}
	return k, nil
}

func (c *Card) openKey(ctx context.Context, listed *Certificate, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	algorithm, err := algorithmOf(public)
	if err != nil {
		return nil, err
	}
	k := &Key{
		ctx: context.WithoutCancel(ctx), card: c, name: listed.File, reference: listed.Container.reference,
		public: public, algorithm: algorithm, ask: ask, held: cardapp.NewHeld(c.card),
	}
	if err := k.held.Open(func() error { return k.open(ctx, listed) }); err != nil {
		return nil, err
	}
	return k, nil
}

// open checks the certificate and the identity of the card in one transaction, then
// verifies the PIN.
func (k *Key) open(ctx context.Context, listed *Certificate) error {
	check := func(tx *card.Tx) error {
		if err := k.card.checkCertificate(tx, listed); err != nil {
			return err
		}
		k.held.Hold(tx)
		return nil
	}
	if k.ask == nil {
		return k.card.card.Do(ctx, func(tx *card.Tx) error {
			if err := k.card.ensureSelected(tx); err != nil {
				return err
			}
			return check(tx)
		})
	}
	v := k.verification()
	v.Prepare = func(tx *card.Tx, _ *card.Verification) error { return check(tx) }
	return k.card.card.DoWithPIN(ctx, v, func(*card.Tx) error { return nil })
}

// Public returns the public key that the key was opened with.
func (k *Key) Public() crypto.PublicKey { return k.public }

// WithContext returns the same key, with its uses bounded by ctx. Closing one closes
// both.
func (k *Key) WithContext(ctx context.Context) *Key {
	bounded := *k
	bounded.ctx = ctx
	return &bounded
}

// Close closes the key. When the last key on the card is closed, the PIN is logged
// out.
func (k *Key) Close() error { return k.held.Close() }

func (k *Key) verification() card.Verification {
	v := k.card.verification("use the key of "+k.name, k.ask)
	v.Always = true // the card does not report whether the PIN is verified
	return v
}

// withPIN runs f in a transaction in which the PIN has just been verified.
func (k *Key) withPIN(ctx context.Context, f func(*card.Tx) error) error {
	return k.card.card.DoWithPIN(ctx, k.verification(), f)
}

// use runs f, which uses the key, in a transaction.
func (k *Key) use(f func(*card.Tx) error) error {
	var withPIN cardapp.WithPIN
	if k.ask != nil {
		withPIN = k.withPIN
	}
	return k.held.Use(k.ctx, k.card.ensureSelected, f, withPIN)
}

// Algorithm identifiers of keys, without the padding.
const (
	rsa1024 = 0x06
	rsa2048 = 0x07
	rsa3072 = 0x08
	rsa4096 = 0x09
	p256    = 0x0C
	p384    = 0x0D
	p521    = 0x0E
)

// algorithmOf returns the algorithm identifier of a key.
func algorithmOf(public crypto.PublicKey) (byte, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 1024:
			return rsa1024, nil
		case 2048:
			return rsa2048, nil
		case 3072:
			return rsa3072, nil
		case 4096:
			return rsa4096, nil
		}
		return 0, fmt.Errorf("%w: RSA keys of %d bits", errors.ErrUnsupported, k.N.BitLen())
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return p256, nil
		case elliptic.P384():
			return p384, nil
		case elliptic.P521():
			return p521, nil
		}
	}
	return 0, fmt.Errorf("%w: keys of type %T", errors.ErrUnsupported, public)
}

// Paddings, which are added to the algorithm identifier. To sign and to decrypt have
// values of their own.
const (
	hostPads = 0x10 // to sign: the card gets the padded block
	cardPads = 0x50 // to sign: PKCS #1 v1.5

	hostUnpads     = 0x00 // to decrypt: the card returns the padded block
	cardUnpads     = 0x40 // to decrypt: PKCS #1 v1.5
	cardUnpadsOAEP = 0x80 // to decrypt: OAEP with SHA-1 and no label
)

// Tags of the control reference templates (ISO/IEC 7816-4, 10.3).
const (
	operationSign    = 0xB6
	operationDecrypt = 0xB8
)

// maxPart is the most data in one APDU to a key: what Windows sends, and what virtual
// smart cards accept.
const maxPart = 240

// setEnvironment selects the key, and the padding, of the next operation (MANAGE
// SECURITY ENVIRONMENT).
func (k *Key) setEnvironment(tx *card.Tx, operation, padding byte) error {
	data := ber.Append(nil, 0x80, []byte{padding + k.algorithm})
	data = ber.Append(data, 0x84, []byte{k.reference})
	_, err := tx.Command(card.Command{INS: 0x22, P1: 0x41, P2: operation, Data: data, Secret: true})
	return err
}

// perform sends PERFORM SECURITY OPERATION.
func (k *Key) perform(tx *card.Tx, operation byte, data []byte) ([]byte, error) {
	c := card.Command{INS: 0x2A, P1: 0x9E, P2: 0x9A, Data: data, Ne: maxShort, Part: maxPart, Secret: true}
	if operation == operationDecrypt {
		c.P1, c.P2 = 0x80, 0x86
	}
	return tx.Command(c)
}

// An attempt is data for one operation under one padding.
type attempt struct {
	padding byte
	data    []byte
}

// errCardUnpad says that the card did not remove the padding: the ciphertext may be
// invalid.
var errCardUnpad = errors.New("card refused to remove the padding")

// useFirst performs the first attempt that the card supports, and returns its padding.
// An attempt is unsupported if either command fails with a status other than the one
// that asks for the PIN.
func (k *Key) useFirst(operation byte, attempts ...attempt) (response []byte, padding byte, err error) {
	err = k.use(func(tx *card.Tx) error {
		var unsupported, failed error // from the first and the second command
		for _, a := range attempts {
			err := k.setEnvironment(tx, operation, a.padding)
			supported := err == nil
			if supported {
				response, err = k.perform(tx, operation, a.data)
			}
			var status card.Status
			switch {
			case err == nil:
				padding = a.padding
				return nil
			case !errors.As(err, &status) || status == card.StatusNotPermitted:
				return err
			case !supported:
				unsupported = err
			case failed == nil && (a.padding == cardUnpads || a.padding == cardUnpadsOAEP):
				failed = fmt.Errorf("%w: %w", errCardUnpad, err)
			case failed == nil:
				failed = err
			}
		}
		if failed != nil {
			return failed
		}
		return unsupported
	})
	return response, padding, err
}
