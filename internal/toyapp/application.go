// Package toyapp is a card application that exists only in tests: a software card and
// the code that uses it. It shows what an application needs so that a Finder can use
// it, and that package enumerate depends on no particular one.
//
// The card has P-256 keys with certificates, and one PIN for all, of 6 to
// 8 digits, padded with FF:
//
//	SELECT    F0 54 4F 59 01
//	GET DATA  00 CA 00 00     5A: the serial number of the card
//	GET DATA  00 CA 01 n      53: certificate n
//	VERIFY    00 20 00 01     the PIN; without data, the retry counter
//	VERIFY    00 20 FF 01     log out
//	CHANGE    00 24 00 01     the old and the new PIN
//	SIGN      00 2A 00 n      a digest; the response is 53: a signature in ASN.1
package toyapp

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/signature"
)

const aid, name = "\xF0TOY\x01", "TOY"

// Kind is the application for a Finder.
var Kind = cardapp.Kind{
	Name:   name,
	New:    func(c *card.Card) cardapp.Application { return application{c} },
	Absent: errAbsent,
}

var errAbsent = fault.New(fault.Application, "card has no toy application", "Insert a toy card.")

// An application is the toy application on a card.
type application struct{ card *card.Card }

// ensureSelected selects the application and identifies the card.
func (a application) ensureSelected(tx *card.Tx) error {
	if _, err := tx.Select([]byte(aid)); err != nil {
		return cardapp.SelectError(errAbsent, err)
	}
	_, err := tx.Identify(name, readIdentity)
	return err
}

func readIdentity(tx *card.Tx) (card.Identity, error) {
	serial, err := getData(tx, 0, 0, 0x5A)
	return card.NewIdentity("toy serial", serial, string(serial)), err
}

func getData(tx *card.Tx, p1, p2 byte, tag ber.Tag) ([]byte, error) {
	return send(tx, card.Command{INS: 0xCA, P1: p1, P2: p2, Ne: card.MaxResponse}, tag)
}

// send sends a command whose response is one element.
func send(tx *card.Tx, c card.Command, tag ber.Tag) ([]byte, error) {
	response, err := tx.Command(c)
	if err != nil {
		return nil, err
	}
	value, ok, err := ber.Find(response, tag)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: no element %v", card.ErrMalformed, tag)
	}
	return value, nil
}

func (a application) Entries(ctx context.Context) iter.Seq2[*cardapp.Entry, error] {
	return func(yield func(*cardapp.Entry, error) bool) {
		var list []*cardapp.Entry
		err := cardapp.Read(ctx, a.card, a.ensureSelected, func(tx *card.Tx) error {
			list = nil
			id, err := tx.Identify(name, readIdentity)
			for n := byte(0); n < 4 && err == nil; n++ {
				var raw []byte
				if raw, err = getData(tx, 1, n, 0x53); err == nil {
					list = append(list, &cardapp.Entry{Container: strconv.Itoa(int(n)), Default: n == 0, Raw: raw, Card: id, Handle: n})
				}
			}
			if errors.Is(err, card.StatusNotFound) {
				return nil // after the last one
			}
			return err
		})
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("toy: read certificates: %w", err))
		}
	}
}

func (a application) verification(purpose string, ask card.PINFunc) card.Verification {
	return card.Verification{
		Application: name,
		Purpose:     purpose,
		Reference:   1,
		Format:      card.PINFormat{Min: 6, Max: 8, Digits: true, Padded: true},
		Select:      a.ensureSelected,
		Identity:    readIdentity,
		Status:      pinStatus,
		Verify:      func(pin []byte) card.Command { return card.Command{INS: 0x20, P2: 1, Data: pin} },
		Logout:      a.logout,
		Always:      true,
		PIN:         ask,
	}
}

func (a application) logout(tx *card.Tx) error {
	if err := a.ensureSelected(tx); err != nil {
		return err
	}
	response, err := tx.Command(card.Command{INS: 0x20, P1: 0xFF, P2: 1})
	if err == nil && len(response) > 0 {
		err = card.ErrMalformed // not a response to this command
	}
	return err
}

func pinStatus(tx *card.Tx) (card.PINStatus, error) {
	_, err := tx.Command(card.Command{INS: 0x20, P2: 1})
	var status card.Status
	errors.As(err, &status)
	if n, ok := status.Retries(); ok {
		return card.PINStatus{Retries: n, Blocked: n == 0}, nil
	}
	return card.PINStatus{Retries: -1}, err
}

func (a application) PINStatus(ctx context.Context) (status card.PINStatus, err error) {
	err = cardapp.Read(ctx, a.card, a.ensureSelected, func(tx *card.Tx) error {
		status, err = pinStatus(tx)
		return err
	})
	return status, err
}

func (a application) ChangePIN(ctx context.Context, ask card.PINFunc) error {
	v := a.verification("change the PIN", ask)
	return a.card.ChangePIN(ctx, card.PINChange{
		Verification: v,
		New:          1,
		NewFormat:    v.Format,
		Replace: func(old, new []byte) card.Command {
			return card.Command{INS: 0x24, P2: 1, Data: append(bytes.Clone(old), new...)}
		},
	})
}

// Unblock fails: the card has no PUK.
func (a application) Unblock(context.Context, card.PINFunc) error {
	return fmt.Errorf("toy: %w: the card has no PUK", errors.ErrUnsupported)
}

type key struct {
	ctx    context.Context // bounds each use
	app    application
	n      byte
	public crypto.PublicKey
	ask    card.PINFunc
	held   *cardapp.Held
}

// Open opens a key and verifies the PIN.
func (a application) Open(ctx context.Context, e *cardapp.Entry, public crypto.PublicKey, ask card.PINFunc) (cardapp.Key, error) {
	k := &key{context.WithoutCancel(ctx), a, e.Handle.(byte), public, ask, cardapp.NewHeld(a.card)}
	v := a.verification(k.purpose(), ask)
	v.Prepare = func(tx *card.Tx, _ *card.Verification) error {
		raw, err := getData(tx, 1, k.n, 0x53)
		if errors.Is(err, card.StatusNotFound) || err == nil && !bytes.Equal(raw, e.Raw) {
			err = fmt.Errorf("%w: another certificate", card.ErrChanged)
		}
		if err == nil {
			k.held.Hold(tx)
		}
		return err
	}
	err := k.held.Open(func() error { return a.card.DoWithPIN(ctx, v, func(*card.Tx) error { return nil }) })
	if err != nil {
		return cardapp.Key{}, fmt.Errorf("toy: open key %d: %w", k.n, err)
	}
	return cardapp.NewKey(k), nil
}

func (k *key) purpose() string          { return fmt.Sprintf("use key %d", k.n) }
func (k *key) Public() crypto.PublicKey { return k.public }
func (k *key) Close() error             { return k.held.Close() }

func (k *key) WithContext(ctx context.Context) *key {
	bounded := *k
	bounded.ctx = ctx
	return &bounded
}

func (k *key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	var sig []byte
	sign := func(tx *card.Tx) (err error) {
		sig, err = send(tx, card.Command{INS: 0x2A, P2: k.n, Data: digest, Ne: 256}, 0x53)
		return err
	}
	withPIN := func(ctx context.Context, f func(*card.Tx) error) error {
		return k.app.card.DoWithPIN(ctx, k.app.verification(k.purpose(), k.ask), f)
	}
	err := k.held.Use(k.ctx, k.app.ensureSelected, sign, withPIN)
	if err == nil {
		err = signature.Verify(k.public, digest, sig, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("toy: sign with key %d: %w", k.n, err)
	}
	return sig, nil
}
