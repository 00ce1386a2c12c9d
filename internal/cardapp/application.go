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
	Name   string
	New    func(*card.Card) Application
	Absent error // what Entries wraps if the card does not have the application, or does not say
}

// An Application is a card application on one card, which may not have it. It is
// safe for concurrent use.
type Application interface {
	// Entries reads the certificates in one transaction, the default one first.
	// An error that reaches no further than an object is about one entry and
	// does not end the sequence; one that reaches the application says that
	// the card does not have it (package fault).
	Entries(ctx context.Context) iter.Seq2[*Entry, error]

	// Open opens the key of an entry, which may come from another Application
	// of the same kind: the error wraps card.ErrChanged, before a PIN is asked
	// for, if this card does not have the certificate in the same container.
	// public is the public key of the certificate. ctx bounds this call alone.
	Open(ctx context.Context, e *Entry, public crypto.PublicKey, ask card.PINFunc) (Key, error)

	PINStatus(ctx context.Context) (card.PINStatus, error)
	ChangePIN(ctx context.Context, ask card.PINFunc) error
	Unblock(ctx context.Context, ask card.PINFunc) error
}

// What an Application may also be able to do.
type (
	// An Identifier says which card it is on.
	Identifier interface {
		Identity(ctx context.Context) (card.Identity, error)
	}

	// A RootsReader reads the certificates of authorities that Windows keeps on
	// the card: a PKCS #7 store, nil if there is none.
	RootsReader interface {
		Roots(ctx context.Context) ([]byte, error)
	}

	// An AdministratorUnblocker sets the PIN by the administrator's response to
	// a challenge.
	AdministratorUnblocker interface {
		UnblockByAdministrator(ctx context.Context, answer func(ctx context.Context, challenge []byte) ([]byte, error), ask card.PINFunc) error
	}

	// A Prover has the card prove by a key of its own that it is the one that
	// the entry was listed on. It does nothing if the card has no such key.
	Prover interface {
		Prove(ctx context.Context, e *Entry) error
	}
)

// An Entry is a certificate in an application.
type Entry struct {
	Container string        // the key reference or the file: "9A", "kxc00"
	Name      string        // of the container for Windows programs, if the card has one
	Default   bool          // the container that Windows looks at first
	Signature bool          // the key is in the AT_SIGNATURE part of its container
	Assumed   string        // why Signature is assumed; empty if the card states it
	Raw       []byte        // the certificate, DER
	Card      card.Identity // zero if it is not read with the certificate

	Handle any // of the application that made the entry
}

// A Key is an open key. Its Signer may be a crypto.Decrypter, or have the method
// ECDH of ecdh.PrivateKey.
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
