package piv

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// KeyOptions are the policies of a new key. Nil and the zero value are the slot's by
// the standard; others need a YubiKey.
type KeyOptions struct {
	PIN   PINPolicy
	Touch TouchPolicy
}

// The elements of the policies in GENERATE and IMPORT.
const (
	tagPINPolicy   ber.Tag = 0xAA
	tagTouchPolicy ber.Tag = 0xAB
)

// append appends the policies that are not the default.
func (o *KeyOptions) append(dst []byte) []byte {
	if o != nil && o.PIN != PINDefault {
		dst = ber.Append(dst, tagPINPolicy, []byte{byte(o.PIN)})
	}
	if o != nil && o.Touch != TouchDefault {
		dst = ber.Append(dst, tagTouchPolicy, []byte{byte(o.Touch)})
	}
	return dst
}

// check checks the values.
func (o *KeyOptions) check() error {
	if o != nil && (o.PIN > PINMatchAlways || o.Touch > TouchCached) {
		return fmt.Errorf("PIN policy %d or touch policy %d does not exist", o.PIN, o.Touch)
	}
	return nil
}

var errNoImport = fmt.Errorf("%w: the card does not import keys", errors.ErrUnsupported)

var errPolicies = fmt.Errorf("%w: policies of keys need a YubiKey", errors.ErrUnsupported)

// needsYubiKey reports whether there is a policy that is not the default.
func (o *KeyOptions) needsYubiKey() bool { return len(o.append(nil)) > 0 }

// supports returns an error if the firmware does not support a key in a slot.
func (v Version) supports(s Slot, a Algorithm, o *KeyOptions) error {
	var needs []error
	if s.retired() {
		needs = append(needs, v.needs(firmware4, "a retired slot"))
	}
	switch a {
	case P384:
		needs = append(needs, v.needs(firmware4, a.String()))
	case RSA3072, RSA4096, Ed25519, X25519:
		needs = append(needs, v.needs(firmware57, a.String()))
	}
	if o.needsYubiKey() {
		needs = append(needs, v.needs(firmware4, "a policy"))
	}
	if o != nil && o.Touch == TouchCached {
		needs = append(needs, v.needs(firmwareAttest, "a cached touch"))
	}
	return errors.Join(needs...)
}

// Generate generates a key in a slot and returns its public key. A key that was in the
// slot is lost; the certificate of that key stays until it is replaced.
//
// YubiKeys with firmware 4.2.0 to 4.3.4 generate weak RSA keys (CVE-2017-15361), which
// is refused. RSA may take half a minute.
func (a *Admin) Generate(ctx context.Context, s Slot, alg Algorithm, o *KeyOptions) (crypto.PublicKey, error) {
	key, err := a.generate(ctx, s, alg, o)
	if err != nil {
		return nil, fmt.Errorf("piv: generate %v in %v: %w", alg, s, err)
	}
	return key, nil
}

func (a *Admin) generate(ctx context.Context, s Slot, alg Algorithm, o *KeyOptions) (crypto.PublicKey, error) {
	if err := checkKey(s, alg, o); err != nil {
		return nil, err
	}
	control := o.append(ber.Append(nil, 0x80, []byte{byte(alg)}))
	response, err := a.do(ctx, change{
		check: func(tx *card.Tx) error {
			v, is, err := a.card.yubiKey(tx)
			switch {
			case err != nil:
				return err
			case !is && o.needsYubiKey():
				return errPolicies
			case !is:
				return nil // the card decides
			case alg.rsaBits() > 0 && !v.Less(firmwareROCA) && v.Less(firmwareSoundRSA):
				return fmt.Errorf("%w: RSA keys of firmware %v are weak (CVE-2017-15361)", errors.ErrUnsupported, v)
			}
			return v.supports(s, alg, o)
		},
		// A large Ne could try an extended length first, and generate twice.
		command: card.Command{INS: 0x47, P2: byte(s), Data: ber.Append(nil, 0xAC, control), Ne: 256},
		explain: func(err error) error { return explainAlgorithm(err, alg) },
	})
	if err != nil {
		return nil, err
	}
	template, ok, err := ber.Find(response, 0x7F49)
	if err == nil && !ok {
		err = errors.New("no template 7F49")
	}
	if err != nil {
		err = malformed(err)
	}
	var key crypto.PublicKey
	if err == nil {
		key, err = decodePublicKey(alg, template)
	}
	if err != nil {
		err = &card.Error{Reader: a.card.card.Reader(), Op: "GENERATE ASYMMETRIC KEY PAIR", Err: err}
		return nil, &InterruptedError{Changed, err}
	}
	return key, nil
}

// errAlgorithm means that a card lacks an algorithm. Nothing else in the command can be
// what the status is about.
var errAlgorithm = fault.New(fault.Object,
	"card does not support the algorithm",
	"Choose another algorithm: most cards support RSA 2048 and P-256.",
)

// explainAlgorithm adds errAlgorithm to the refusal of a new key.
func explainAlgorithm(err error, alg Algorithm) error {
	if errors.Is(err, card.StatusWrongData) || errors.Is(err, card.StatusWrongParameters) || errors.Is(err, card.StatusNotSupported) {
		return fmt.Errorf("%w: %w: %v: %w", errAlgorithm, errors.ErrUnsupported, alg, err)
	}
	return err
}

// checkKey checks the arguments of a new key.
func checkKey(s Slot, a Algorithm, o *KeyOptions) error {
	switch a {
	case P256, P384, Ed25519, X25519:
	default:
		if a.rsaBits() == 0 {
			return fmt.Errorf("%v is not an algorithm of keys in slots", a)
		}
	}
	if !s.Valid() {
		return errNoSlot
	}
	return o.check()
}

// Import stores a private key in a slot: an *[rsa.PrivateKey] of two primes and
// exponent 65537, *[ecdsa.PrivateKey], [ed25519.PrivateKey], or *[ecdh.PrivateKey] on
// X25519. A key that was in the slot is lost; its certificate stays. Copies of an
// imported key can exist outside of the card.
//
// The command is Yubico's; the standard has none. Other applications have it, too, so it
// is sent to any card that has the management key. One that does not take it fails with
// errors.ErrUnsupported.
func (a *Admin) Import(ctx context.Context, s Slot, key crypto.PrivateKey, o *KeyOptions) error {
	if err := a.importKey(ctx, s, key, o); err != nil {
		return fmt.Errorf("piv: import into %v: %w", s, err)
	}
	return nil
}

func (a *Admin) importKey(ctx context.Context, s Slot, key crypto.PrivateKey, o *KeyOptions) error {
	alg, data, err := encodePrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(data)
	if err := checkKey(s, alg, o); err != nil {
		return err
	}
	public := publicOf(key)
	data = o.append(data)
	defer clear(data)
	_, err = a.do(ctx, change{
		check: func(tx *card.Tx) error {
			v, is, err := a.card.yubiKey(tx)
			switch {
			case err != nil:
				return err
			case is:
				return v.supports(s, alg, o)
			case o.needsYubiKey():
				return errPolicies
			}
			return nil // the card decides
		},
		command: card.Command{INS: 0xFE, P1: byte(alg), P2: byte(s), Data: data, Secret: true},
		explain: func(err error) error {
			if errors.Is(err, card.StatusUnknownINS) || errors.Is(err, card.StatusUnknownCLA) {
				return fmt.Errorf("%w: %w", errNoImport, err)
			}
			return explainAlgorithm(err, alg)
		},
		look: func(ctx context.Context) State {
			return a.card.readState(ctx, byte(s), func(m *Metadata) bool {
				return m != nil && isSameKey(public, m.PublicKey)
			})
		},
	})
	return err
}

func publicOf(key crypto.PrivateKey) crypto.PublicKey {
	switch k := key.(type) {
	case *ecdh.PrivateKey:
		return k.PublicKey()
	case crypto.Signer:
		return k.Public()
	}
	return nil
}

// encodePrivateKey encodes a private key for IMPORT ASYMMETRIC KEY: for RSA the
// numbers of the Chinese remainder theorem, else one octet string, each in the length
// of the algorithm.
func encodePrivateKey(key crypto.PrivateKey) (Algorithm, []byte, error) {
	var tag ber.Tag
	var secret []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return encodeRSA(k)
	case *ecdsa.PrivateKey:
		tag = 0x06
		secret, err = k.Bytes()
	case ed25519.PrivateKey:
		if len(k) != ed25519.PrivateKeySize {
			return 0, nil, fmt.Errorf("Ed25519 key of %d bytes", len(k))
		}
		tag, secret = 0x07, k.Seed()
	case *ecdh.PrivateKey:
		if k.Curve() != ecdh.X25519() {
			return 0, nil, fmt.Errorf("%w: import of an ECDH key on %v; use an *ecdsa.PrivateKey", errors.ErrUnsupported, k.Curve())
		}
		tag, secret = 0x08, k.Bytes()
	default:
		return 0, nil, fmt.Errorf("%w: import of a %T", errors.ErrUnsupported, key)
	}
	if err != nil {
		return 0, nil, err
	}
	defer clear(secret)
	alg, err := algorithmOf(publicOf(key))
	if err != nil {
		return 0, nil, err
	}
	return alg, ber.Append(nil, tag, secret), nil
}

func encodeRSA(k *rsa.PrivateKey) (Algorithm, []byte, error) {
	alg, err := algorithmOf(&k.PublicKey)
	if err != nil {
		return 0, nil, err
	}
	// Validate of Go 1.25 trusts precomputed values, so it gets the key without.
	bare := rsa.PrivateKey{PublicKey: k.PublicKey, D: k.D, Primes: k.Primes}
	if err := bare.Validate(); err != nil {
		return 0, nil, err
	}
	half := alg.rsaBits() / 16
	if k.E != 65537 || len(k.Primes) != 2 || k.Primes[0].BitLen() != 8*half || k.Primes[1].BitLen() != 8*half {
		return 0, nil, fmt.Errorf("%w: RSA keys other than of two primes of %d bits and exponent 65537", errors.ErrUnsupported, 8*half)
	}
	one := big.NewInt(1)
	p, q := k.Primes[0], k.Primes[1]
	numbers := []*big.Int{
		p, q,
		new(big.Int).Mod(k.D, new(big.Int).Sub(p, one)),
		new(big.Int).Mod(k.D, new(big.Int).Sub(q, one)),
		new(big.Int).ModInverse(q, p),
	}
	data := make([]byte, 0, 5*(half+4)+6) // large enough: growing would leave a copy behind
	for i, n := range numbers {
		value := n.FillBytes(make([]byte, half))
		data = ber.Append(data, ber.Tag(i+1), value)
		clear(value)
	}
	return alg, data, nil
}
