package cardapp

import (
	"context"
	"crypto"
	"io"
	"iter"

	"github.com/smartlogon/smartlogon/card"
)

// A Kind is a card application that a Finder looks for.
type Kind struct {
	Name string
	New  func(*card.Card) Application

	// Absent is the error that Entries wraps if the application cannot be
	// selected. With the reach fault.Application the card does not have it; with
	// fault.Object the card leaves that open.
	Absent error
}

// An Application is a card application on one card, which may not have it. It is
// safe for concurrent use. Its errors name the container, not the reader, which
// package card names.
type Application interface {
	// Entries reads the certificates, the default one first. An error that
	// reaches no further than an object is about one entry and does not end the
	// sequence.
	Entries(ctx context.Context) iter.Seq2[*Entry, error]

	// Open opens the key of an entry, which may come from another Application of
	// the same Kind. If the container on this card does not hold the certificate
	// of the entry, the error wraps card.ErrChanged, and ask was not called.
	// public is the public key of the certificate. The key verifies its
	// signatures under it. ctx bounds this call alone.
	Open(ctx context.Context, e *Entry, public crypto.PublicKey, ask card.PINFunc) (Key, error)

	PINStatus(ctx context.Context) (card.PINStatus, error)
	ChangePIN(ctx context.Context, ask card.PINFunc) error
	Unblock(ctx context.Context, ask card.PINFunc) error
}

// Optional methods of an Application.
type (
	// An Identifier reads which card it is, zero if the card has no identity.
	Identifier interface {
		Identity(ctx context.Context) (card.Identity, error)
	}

	// A RootsReader reads the root certificates that Windows keeps on the card: a
	// PKCS #7 store, nil if there is none.
	RootsReader interface {
		Roots(ctx context.Context) ([]byte, error)
	}

	// An AdministratorUnblocker sets the PIN by the administrator's response to a
	// challenge.
	AdministratorUnblocker interface {
		UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error
	}

	// A Prover makes the card prove, with a key that authenticates the card, that
	// the entry was listed on it. It does nothing if the card that was listed has
	// no such key.
	Prover interface {
		Prove(ctx context.Context, e *Entry) error
	}
)

// An Entry is a certificate in an application.
type Entry struct {
	Container string        // the key reference or the file: "9A", "kxc00"
	Name      string        // of the container for Windows programs, if the card has one
	Default   bool          // the container that Windows shows first
	Signature bool          // the key is in the AT_SIGNATURE part of its container
	Assumed   string        // why Signature is assumed; empty if the card states it
	Raw       []byte        // the certificate, DER
	Card      card.Identity // zero if it was not read

	Handle any // for Open: what the application needs to find the key
}

// A Key is an open key. Its Signer may be a crypto.Decrypter, or have the method ECDH
// of ecdh.PrivateKey.
type Key struct {
	crypto.Signer
	bound func(context.Context) Key
	close func() error
}

// NewKey returns k as a Key.
func NewKey[K interface {
	crypto.Signer
	io.Closer
	WithContext(context.Context) K
}](k K) Key {
	return Key{k, func(ctx context.Context) Key { return NewKey(k.WithContext(ctx)) }, k.Close}
}

// WithContext returns the same key, with its uses bounded by ctx.
func (k Key) WithContext(ctx context.Context) Key { return k.bound(ctx) }

// Close closes the key.
func (k Key) Close() error { return k.close() }
