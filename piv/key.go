package piv

import (
	"context"
	"crypto"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A Key is a private key on the card. It is a [crypto.Signer]; with RSA a
// [crypto.Decrypter], too; with Ed25519 it signs messages, not digests. It is
// safe for concurrent use.
type Key struct {
	card      *Card
	slot      Slot
	public    crypto.PublicKey
	algorithm Algorithm
	ask       card.PINFunc
	held      *cardapp.Held
}

// Key opens the key in a slot, of which the caller knows the public half, from
// the certificate most often. Where the slot wants the PIN once it is verified
// now, so a wrong PIN shows here; where it wants it each time it is asked for at
// each use. Without ask the key works as far as the PIN is verified already.
//
// The card stays powered until Close is called, without keeping other programs
// from using it. Every later use ends when ctx ends.
func (c *Card) Key(ctx context.Context, s Slot, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	k, err := c.openKey(ctx, s, public, ask)
	if err != nil {
		return nil, fmt.Errorf("piv: open key %v: %w", s, err)
	}
	return k, nil
}

func (c *Card) openKey(ctx context.Context, s Slot, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	alg, err := algorithmOf(public)
	if err != nil {
		return nil, err
	}
	if !s.Valid() {
		return nil, ErrNotFound
	}
	k := &Key{card: c, slot: s, public: public, algorithm: alg, ask: ask}
	if k.held, err = cardapp.Hold(ctx, c.card); err != nil {
		return nil, err
	}
	if s.pinRule() != never {
		_, err = c.pinReference(ctx)
	}
	if err == nil && s.pinRule() == once && ask != nil {
		err = k.verified(ctx, func(*card.Tx) error { return nil })
	}
	if err != nil {
		k.held.Close()
		return nil, err
	}
	return k, nil
}

// Public is the public half that the key was opened with.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Close lets go of the card. With the last key that is open on it, the PIN is
// logged out.
func (k *Key) Close() error { return k.held.Close() }

// verified runs f in a section in which the PIN has just been verified.
func (k *Key) verified(ctx context.Context, f func(*card.Tx) error) error {
	ref, err := k.card.pinReference(ctx)
	if err != nil {
		return err
	}
	v := k.card.verification("use the key "+k.slot.String(), k.ask, ref)
	v.Always = k.ask != nil
	return k.card.card.DoWithPIN(ctx, v, f)
}

// use runs f, which uses the key, with the PIN as the slot wants it.
func (k *Key) use(f func(*card.Tx) error) error {
	switch {
	case k.slot.pinRule() == always:
		return k.held.UseVerified(f, k.verified)
	case k.ask == nil:
		return k.held.Use(k.card.enter, f, nil)
	}
	return k.held.Use(k.card.enter, f, k.verified)
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
