package piv

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// A Key is a private key on the card. It is a [crypto.Signer]; with RSA also a
// [crypto.Decrypter]; with Ed25519 it signs messages, not digests. It is safe for
// concurrent use.
type Key struct {
	ctx       context.Context // bounds each use
	card      *Card
	slot      Slot
	public    crypto.PublicKey
	algorithm Algorithm
	ask       card.PINFunc
	held      *cardapp.Held
	retries   *retryQuery
}

// Key opens the key in a slot. The caller knows its public key, from the
// certificate most often; [Card.KeyFor] also makes sure that the slot still holds
// the certificate. If the slot wants the PIN once, it is verified now, so a wrong
// PIN shows here; if it wants it each time, it is asked for at each use. Without
// ask the key works as far as the PIN is verified already.
//
// The card stays powered until Close is called, and other programs can use it in
// between. ctx bounds this call alone; [Key.WithContext] bounds a use.
func (c *Card) Key(ctx context.Context, s Slot, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	k, err := c.openKey(ctx, s, nil, public, ask)
	if err != nil {
		return nil, fmt.Errorf("piv: open key %v: %w", s, err)
	}
	return k, nil
}

// KeyFor opens the key of a certificate that was read before, as [Card.Key] does.
// If the slot does not hold that certificate any more, the error wraps
// [card.ErrChanged], and the PIN was not asked for.
func (c *Card) KeyFor(ctx context.Context, listed *Certificate, ask card.PINFunc) (*Key, error) {
	public, err := cert.PublicKey(listed.Raw)
	var k *Key
	if err == nil {
		k, err = c.openKey(ctx, listed.Slot, listed, public, ask)
	}
	if err != nil {
		return nil, fmt.Errorf("piv: open key %v: %w", listed.Slot, err)
	}
	return k, nil
}

func (c *Card) openKey(ctx context.Context, s Slot, listed *Certificate, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	alg, err := algorithmOf(public)
	if err != nil {
		return nil, err
	}
	if !s.Valid() {
		return nil, ErrNotFound
	}
	k := &Key{
		ctx: context.WithoutCancel(ctx), card: c, slot: s, public: public, algorithm: alg,
		ask: ask, held: cardapp.NewHeld(c.card), retries: newRetryQuery(),
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

// open checks the certificate and the identity of the card, and verifies the PIN if
// the slot wants it once. All of that but the PIN takes one transaction.
func (k *Key) open(ctx context.Context, listed *Certificate) error {
	check := func(tx *card.Tx) error {
		if listed != nil {
			if err := checkCertificate(tx, listed); err != nil {
				return err
			}
		}
		k.held.Hold(tx)
		return nil
	}
	v := k.verification()
	learn := v.Prepare
	v.Prepare = func(tx *card.Tx, v *card.Verification) error {
		if err := check(tx); err != nil {
			return err
		}
		if learn == nil {
			return nil
		}
		return learn(tx, v)
	}
	switch rule := k.slot.pinRule(); {
	case rule == once && k.ask != nil:
		return k.card.card.DoWithPIN(ctx, v, func(*card.Tx) error { return nil })
	case rule == always:
		// The first prompt goes by this status.
		return k.card.card.Do(ctx, func(tx *card.Tx) error {
			_, err := tx.PINStatus(v)
			return err
		})
	}
	return k.card.card.Do(ctx, func(tx *card.Tx) error {
		if err := k.card.ensureSelected(tx); err != nil {
			return err
		}
		if err := check(tx); err != nil {
			return err
		}
		_, err := tx.Identify(application, k.card.readIdentity)
		return err
	})
}

// checkCertificate makes sure that a slot holds the certificate that was listed.
func checkCertificate(tx *card.Tx, listed *Certificate) error {
	now, err := readCertificate(tx, listed.Slot)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: certificate: %w", card.ErrChanged, err)
	case err == nil && !bytes.Equal(now.Raw, listed.Raw):
		return fmt.Errorf("%w: the slot holds another certificate", card.ErrChanged)
	case err != nil:
		return fmt.Errorf("certificate: %w", err)
	}
	return nil
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
	v := k.card.verification("use the key "+k.slot.String(), k.retries, k.ask)
	v.Always = k.ask != nil
	v.EachUse = k.slot.pinRule() == always
	return v
}

// withPIN runs f in a transaction in which the PIN has just been verified.
func (k *Key) withPIN(ctx context.Context, f func(*card.Tx) error) error {
	return k.card.card.DoWithPIN(ctx, k.verification(), f)
}

// use runs f, which uses the key, with the PIN as the slot wants it.
func (k *Key) use(f func(*card.Tx) error) error {
	switch {
	case k.slot.pinRule() == always:
		return k.held.UseWithPIN(k.ctx, f, k.withPIN)
	case k.ask == nil:
		return k.held.Use(k.ctx, k.card.ensureSame, f, nil)
	}
	return k.held.Use(k.ctx, k.card.ensureSame, f, k.withPIN)
}

// The elements of a dynamic authentication template (SP 800-73-4 part 2, table 7).
const (
	tagTemplate       ber.Tag = 0x7C
	tagChallenge      ber.Tag = 0x81 // what a key signs or decrypts
	tagResponse       ber.Tag = 0x82
	tagExponentiation ber.Tag = 0x85 // the other side's point
)

// authenticate has the key work on data, by GENERAL AUTHENTICATE (SP 800-73-4
// part 2, 3.2.4).
func (k *Key) authenticate(tag ber.Tag, data []byte) ([]byte, error) {
	template := ber.Append(nil, tagResponse, nil)
	template = ber.Append(template, tag, data)
	command := card.Command{
		INS: 0x87, P1: byte(k.algorithm), P2: byte(k.slot),
		Data:   ber.Append(nil, tagTemplate, template),
		Ne:     256,
		Secret: true,
		Touch:  k.card.isYubiKey(), // keys of others do not ask for it
	}
	if len(command.Data) > 255 { // as long an answer
		command.Ne = card.MaxResponse
	}
	var answer []byte
	err := k.use(func(tx *card.Tx) (err error) {
		answer, err = tx.Command(command)
		return err
	})
	if err != nil {
		return nil, err
	}
	return inTemplate(answer, tagResponse)
}

// inTemplate takes an element out of the answer of GENERAL AUTHENTICATE.
func inTemplate(answer []byte, want ber.Tag) ([]byte, error) {
	template, ok, err := ber.Find(answer, tagTemplate)
	if err != nil || !ok {
		return nil, malformed(fmt.Sprintf("answer of GENERAL AUTHENTICATE has no template %v", tagTemplate))
	}
	value, ok, err := ber.Find(template, want)
	if err != nil || !ok {
		return nil, malformed(fmt.Sprintf("answer of GENERAL AUTHENTICATE has no element %v", want))
	}
	return value, nil
}
