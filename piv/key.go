package piv

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// A Key is an open private key on a card. It is a [crypto.Signer]; with RSA also a
// [crypto.Decrypter]; with Ed25519 it signs messages, not digests. It is safe for
// concurrent use.
type Key struct {
	ctx       context.Context // bounds each use
	card      *Card
	slot      Slot
	public    crypto.PublicKey
	algorithm Algorithm
	policy    policy
	ask       card.PINFunc
	held      *cardapp.Held
	closed    *sync.Once // shared by the copies of WithContext
	retries   *retryQuery
}

// KeyFor opens the key of a certificate that was read before. If the slot holds
// another certificate by now, the error wraps [card.ErrChanged], and the PIN is not
// asked for.
//
// A key that needs the PIN once asks for it now, so a wrong PIN is an error of this
// call; one that needs it for each use asks then. If ask is nil, the key works only
// while the PIN is verified already.
//
// The card stays powered until Close is called; other programs can use it in
// between. ctx bounds this call alone; [Key.WithContext] bounds a use.
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

// Key opens the key in a slot, as [Card.KeyFor] does, for a caller that knows its
// public key. The certificate in the slot is not compared.
func (c *Card) Key(ctx context.Context, s Slot, public crypto.PublicKey, ask card.PINFunc) (*Key, error) {
	k, err := c.openKey(ctx, s, nil, public, ask)
	if err != nil {
		return nil, fmt.Errorf("piv: open key %v: %w", s, err)
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
		ask: ask, held: cardapp.NewHeld(c.card), closed: new(sync.Once), retries: newRetryQuery(),
	}
	if err := k.held.Open(func() error { return k.open(ctx, listed) }); err != nil {
		return nil, err
	}
	c.countKeys(+1)
	return k, nil
}

func (c *Card) countKeys(more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys += more
}

// open prepares the key, and verifies the PIN if the key needs it once.
func (k *Key) open(ctx context.Context, listed *Certificate) error {
	prepare := func(tx *card.Tx) error { return k.prepare(tx, listed) }
	err := k.card.card.Do(ctx, prepare)
	if errors.Is(err, card.ErrReset) { // it only reads
		err = k.card.card.Do(ctx, prepare)
	}
	if err == nil && k.ask != nil && k.policy.pin == once {
		err = k.card.card.DoWithPIN(ctx, k.verification(), func(*card.Tx) error { return nil })
	}
	return err
}

// prepare does in one transaction what comes before the PIN: it checks the
// certificate, reads the policy, identifies the card and reads the retry counter,
// which the first prompt goes by. The card is held from then on.
func (k *Key) prepare(tx *card.Tx, listed *Certificate) error {
	err := k.card.ensureSelected(tx)
	if err == nil && listed != nil {
		err = k.card.checkCertificate(tx, listed)
	}
	if err == nil {
		err = k.tryLong(tx)
	}
	if err == nil {
		k.policy, err = k.card.readPolicy(tx, k.slot, k.public)
	}
	if err != nil {
		return err
	}
	k.held.Hold(tx)
	if k.ask == nil || k.policy.pin == never {
		_, err := tx.Identify(application, k.card.readIdentity)
		return err
	}
	v := k.verification()
	v.Select = func(*card.Tx) error { return nil } // it is selected
	_, err = tx.PINStatus(v)
	return err
}

// checkCertificate makes sure that a slot holds the certificate that was listed.
func (c *Card) checkCertificate(tx *card.Tx, listed *Certificate) error {
	now, err := c.readCertificate(tx, listed.Slot)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: certificate: %w", card.ErrChanged, err)
	case err == nil && !bytes.Equal(now.Raw, listed.Raw):
		return fmt.Errorf("%w: the slot holds another certificate", card.ErrChanged)
	case err != nil:
		return fmt.Errorf("certificate: %w", err)
	}
	c.noteCertificate(tx, now)
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

// Close stops holding the card. With the last key that is open on it, the PIN is
// logged out.
func (k *Key) Close() error {
	defer k.closed.Do(func() { k.card.countKeys(-1) })
	return k.held.Close()
}

func (k *Key) verification() card.Verification {
	v := k.card.verification("use the key "+k.slot.String(), k.retries, k.ask)
	v.Always = k.ask != nil
	v.EachUse = k.policy.pin == always
	return v
}

// The elements of a dynamic authentication template (SP 800-73-4 part 2, table 7).
const (
	tagTemplate       ber.Tag = 0x7C
	tagChallenge      ber.Tag = 0x81 // what a key signs or decrypts
	tagResponse       ber.Tag = 0x82
	tagExponentiation ber.Tag = 0x85 // the peer's point
)

// authenticationTemplate returns the data of the command that applies a key to data.
func authenticationTemplate(tag ber.Tag, data []byte) []byte {
	template := ber.Append(nil, tagResponse, nil)
	return ber.Append(nil, tagTemplate, ber.Append(template, tag, data))
}

// tryLong makes sure that the reader carries the commands that use the key, before the
// PIN is verified: after the loss of one it may not be sent again. The command that is
// tried asks for objects that no card has.
func (k *Key) tryLong(tx *card.Tx) error {
	const missing = 0x5FC1FF
	size := len(authenticationTemplate(tagChallenge, make([]byte, k.algorithm.rsaBits()/8)))
	tags := bytes.Repeat([]byte{missing >> 16, missing >> 8 & 0xFF, missing & 0xFF}, size/3)
	return tx.TryLong(size, card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: ber.Append(nil, 0x5C, tags), Ne: 256})
}

// authenticate applies the key to data by GENERAL AUTHENTICATE (SP 800-73-4 part 2,
// 3.2.4), with the PIN as its policy requires.
func (k *Key) authenticate(tag ber.Tag, data []byte) ([]byte, error) {
	command := card.Command{
		INS: 0x87, P1: byte(k.algorithm), P2: byte(k.slot),
		Data:   authenticationTemplate(tag, data),
		Ne:     256,
		Secret: true,
		Touch:  k.policy.touch,
	}
	if len(command.Data) > 255 { // the response is as long
		command.Ne = card.MaxResponse
	}
	var response []byte
	var untouched error
	use := func(tx *card.Tx) (err error) {
		start := time.Now()
		response, err = tx.Command(command)
		if err != nil && (k.policy.touch || k.card.isYubiKey()) {
			err = explainTouch(err, k.policy, time.Since(start))
			if errors.As(err, new(touchError)) {
				untouched = err
			}
		}
		return k.explain(err)
	}
	probably := false
	ensureSame := func(tx *card.Tx) error {
		// The secret of ECDH cannot be verified.
		probably = tag != tagExponentiation && k.card.isProbablySelected(tx)
		if !probably {
			return k.card.ensureSame(tx)
		}
		_, err := tx.Identify(application, k.card.readIdentity)
		return err
	}
	useSelected := func(tx *card.Tx) error {
		err := use(tx)
		if !probably || !isObjectError(err) {
			return err
		}
		switch current, failed := k.card.isSelected(tx); {
		case failed != nil:
			return failed
		case current:
			return err
		}
		// Another program has selected another application, which has refused
		// the command.
		if err := k.card.sendSelect(tx); err != nil {
			return err
		}
		return use(tx)
	}
	withPIN := func(ctx context.Context, f func(*card.Tx) error) error {
		if untouched != nil { // the PIN is not what was missing
			return untouched
		}
		return k.card.card.DoWithPIN(ctx, k.verification(), f)
	}
	var err error
	switch {
	case k.policy.pin == always:
		err = k.held.UseWithPIN(k.ctx, use, withPIN)
	case k.ask == nil:
		err = k.held.Use(k.ctx, ensureSame, useSelected, nil)
	default:
		err = k.held.Use(k.ctx, ensureSame, useSelected, func(ctx context.Context, _ func(*card.Tx) error) error {
			return withPIN(ctx, use)
		})
	}
	if err != nil {
		return nil, err
	}
	return inTemplate(response, tagResponse)
}

// explain names what a key lacks that the card refuses to use: SP 800-73-4 has one
// status for all that can be wrong with GENERAL AUTHENTICATE.
func (k *Key) explain(err error) error {
	switch {
	case errors.Is(err, card.StatusWrongData), errors.Is(err, card.StatusWrongParameters):
		return fmt.Errorf("%w: card has no such key, or does not support %v: %w", errUnusable, k.algorithm, err)
	case errors.Is(err, card.StatusReferenceNotFound):
		return fmt.Errorf("%w: slot has no key: %w", errUnusable, err)
	}
	return k.card.explainContactless(err)
}

var errUnusable = fault.New(fault.Object,
	"key is not usable",
	"Compare the keys and algorithms of the card with the certificate; the key may have been replaced.",
)

// errEmptyResponse reports a response to GENERAL AUTHENTICATE without data.
var errEmptyResponse = malformed("response to GENERAL AUTHENTICATE is empty")

// inTemplate returns the value of an element in the response to GENERAL
// AUTHENTICATE.
func inTemplate(response []byte, want ber.Tag) ([]byte, error) {
	if len(response) == 0 {
		return nil, errEmptyResponse
	}
	template, ok, err := ber.Find(response, tagTemplate)
	if err != nil || !ok {
		return nil, malformed(fmt.Sprintf("response to GENERAL AUTHENTICATE has no template %v", tagTemplate))
	}
	value, ok, err := ber.Find(template, want)
	if err != nil || !ok {
		return nil, malformed(fmt.Sprintf("response to GENERAL AUTHENTICATE has no element %v", want))
	}
	return value, nil
}
