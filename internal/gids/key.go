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
	name      string // of its certificate
	reference byte
	public    crypto.PublicKey
	algorithm byte
	ask       card.PINFunc
	held      *cardapp.Held
}

// Key opens the key of a certificate, which has that public key. If the card does
// not hold that certificate any more, the error wraps [card.ErrChanged], and the
// PIN was not asked for. The PIN is verified now, so a wrong one shows here. Without
// ask the key works as far as the PIN is verified already.
//
// The card stays powered until Close is called, and other programs can use it in
// between. ctx bounds this call alone; [Key.WithContext] bounds a use.
func (c *Card) Key(ctx context.Context, listed *Certificate, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	k, err := c.openKey(ctx, listed, public, ask)
	if err != nil {
		return nil, fmt.Errorf("gids: open the key of %s: %w", listed.File, err)
	}
	return k, nil
}

func (c *Card) openKey(ctx context.Context, listed *Certificate, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	alg, err := algorithmOf(public)
	if err != nil {
		return nil, err
	}
	k := &Key{
		ctx: context.WithoutCancel(ctx), card: c, name: listed.File, reference: listed.Container.reference,
		public: public, algorithm: alg, ask: ask, held: cardapp.NewHeld(c.card),
	}
	opened := false
	defer func() { // a PINFunc may panic
		if !opened {
			k.held.Close()
		}
	}()
	if err := k.open(ctx, listed); err != nil {
		return nil, err
	}
	opened = true
	return k, nil
}

// open checks the certificate and the identity of the card, and verifies the PIN.
// All of that but the PIN takes one transaction.
func (k *Key) open(ctx context.Context, listed *Certificate) error {
	check := func(tx *card.Tx, _ *card.Verification) error {
		if err := checkCertificate(tx, listed); err != nil {
			return err
		}
		k.held.Hold(tx)
		return nil
	}
	if k.ask != nil {
		v := k.verification()
		v.Prepare = check
		return k.card.card.DoWithPIN(ctx, v, func(*card.Tx) error { return nil })
	}
	return k.card.card.Do(ctx, func(tx *card.Tx) error {
		if err := k.card.ensureSelected(tx); err != nil {
			return err
		}
		return check(tx, nil)
	})
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

// Close lets go of the card. With the last key that is open on it, the PIN is
// logged out.
func (k *Key) Close() error { return k.held.Close() }

func (k *Key) verification() card.Verification {
	v := k.card.verification("use the key of "+k.name, k.ask)
	v.Always = k.ask != nil
	return v
}

// withPIN runs f in a transaction in which the PIN has just been verified.
func (k *Key) withPIN(ctx context.Context, f func(*card.Tx) error) error {
	return k.card.card.DoWithPIN(ctx, k.verification(), f)
}

// use runs f, which uses the key.
func (k *Key) use(f func(*card.Tx) error) error {
	if k.ask == nil {
		return k.held.Use(k.ctx, k.card.ensureSelected, f, nil)
	}
	return k.held.Use(k.ctx, k.card.ensureSelected, f, k.withPIN)
}

// Algorithm identifiers of keys. What is done with a key is added to them.
const (
	rsa1024 = 0x06
	rsa2048 = 0x07
	rsa3072 = 0x08
	rsa4096 = 0x09
	p256    = 0x0C
	p384    = 0x0D
	p521    = 0x0E
)

// algorithmOf is the identifier for a key, by its public half.
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
		return 0, fmt.Errorf("%w: GIDS has no RSA keys of %d bits", errors.ErrUnsupported, k.N.BitLen())
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
	return 0, fmt.Errorf("%w: GIDS has no keys of type %T", errors.ErrUnsupported, public)
}

// Ways to use a key: who pads, and how. To sign and to decrypt have ways of their
// own.
const (
	hostPads = 0x10 // to sign: the block as it is
	cardPads = 0x50 // to sign: PKCS #1 v1.5

	hostUnpads     = 0x00 // to decrypt: the block as it is
	cardUnpads     = 0x40 // to decrypt: PKCS #1 v1.5
	cardUnpadsOAEP = 0x80 // to decrypt: OAEP with SHA-1 and no label
)

// Control reference templates of the two operations.
const (
	signs    = 0xB6
	decrypts = 0xB8
)

// part is how much data goes in one APDU to a key: what Windows sends, and the most
// that virtual smart cards take.
const part = 240

// prepare chooses the key, and the way to use it, for the next operation (MANAGE
// SECURITY ENVIRONMENT).
func (k *Key) prepare(tx *card.Tx, operation, way byte) error {
	data := ber.Append(nil, 0x80, []byte{way + k.algorithm})
	data = ber.Append(data, 0x84, []byte{k.reference})
	_, err := tx.Command(card.Command{INS: 0x22, P1: 0x41, P2: operation, Data: data, Secret: true})
	return err
}

// perform has the key do it (PERFORM SECURITY OPERATION).
func (k *Key) perform(tx *card.Tx, operation byte, data []byte) ([]byte, error) {
	c := card.Command{INS: 0x2A, P1: 0x9E, P2: 0x9A, Data: data, Ne: maxShort, Part: part, Secret: true}
	if operation == decrypts {
		c.P1, c.P2 = 0x80, 0x86
	}
	return tx.Command(c)
}

// An attempt is one way to have the key do something.
type attempt struct {
	way  byte
	data []byte
}

// errInput says that the card found nothing that it could unpad.
var errInput = errors.New("card refused to unpad")

// try uses the key in the first of some ways that the card takes, and says which it
// was. Cards need not have all. A way is refused by any status other than the one
// that asks for the PIN.
func (k *Key) try(operation byte, attempts ...attempt) (answer []byte, way byte, err error) {
	err = k.use(func(tx *card.Tx) error {
		var refused, failed error // of a way; of what was to be done in it
		for _, a := range attempts {
			err := k.prepare(tx, operation, a.way)
			taken := err == nil
			if taken {
				answer, err = k.perform(tx, operation, a.data)
			}
			var status card.Status
			switch {
			case err == nil:
				way = a.way
				return nil
			case !errors.As(err, &status) || status == card.StatusNotPermitted:
				return err
			case !taken:
				refused = err
			case failed == nil && (a.way == cardUnpads || a.way == cardUnpadsOAEP):
				failed = fmt.Errorf("%w: %w", errInput, err)
			case failed == nil:
				failed = err
			}
		}
		if failed != nil {
			return failed
		}
		return refused
	})
	return answer, way, err
}
