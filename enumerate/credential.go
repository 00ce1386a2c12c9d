package enumerate

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// An Application is what holds a certificate on a card.
type Application string

// The applications that a Finder looks for.
const (
	PIV  Application = "PIV"  // NIST SP 800-73-4
	GIDS Application = "GIDS" // of virtual smart cards, and tokens that speak the same
)

// A Credential is a certificate on a card, and what can be said of it without
// its PIN. It is data: reading it again never touches the card.
type Credential struct {
	Reader      string
	Application Application
	Container   string // of PIV, the key reference: "9A"; of GIDS, the file of the certificate: "kxc00"
	Default     bool   // the container that Windows looks at first
	KeySpec     rules.KeySpec

	// Name is the one by which Windows programs know the container, where the
	// card has a name for it, as GIDS cards do.
	Name string

	Raw      []byte         // the certificate as it was on the card, DER
	Names    upn.Names      // whom it names
	Findings rules.Findings // whether Windows would offer it, by the Finder's policy and clock

	// open opens the key, of which the certificate has that public half.
	open  func(context.Context, crypto.PublicKey, card.PINFunc) (crypto.Signer, error)
	check bool // its signatures, which open does not promise to

	holder holder // nil where the key is not on a card of this module's
}

// judged says of a certificate what can be said without its card.
func (f *Finder) judged(c *card.Card, raw []byte, spec rules.KeySpec) *Credential {
	return &Credential{
		Reader:   c.Reader(),
		KeySpec:  spec,
		Raw:      raw,
		Names:    upn.Read(raw),
		Findings: rules.Check(raw, spec, f.Policy, f.now()),
	}
}

// X509 parses the certificate. Some that Windows shows do not parse.
func (c *Credential) X509() (*x509.Certificate, error) { return x509.ParseCertificate(c.Raw) }

// Check judges the certificate anew, under another policy or at another time.
func (c *Credential) Check(p rules.Policy, at time.Time) rules.Findings {
	return rules.Check(c.Raw, c.KeySpec, p, at)
}

// Title is the text of the tile that Windows shows: the UPN, else the e-mail
// address, else the subject.
func (c *Credential) Title(p rules.Policy) string {
	r, err := rules.Read(c.Raw)
	if err != nil {
		return ""
	}
	return r.Title(p)
}

// Unlock opens the key of the certificate. It makes sure first that the card
// still holds this certificate; if not, the error wraps [card.ErrChanged] and no
// PIN was asked for. Then ask is asked for the PIN, as [piv.Card.Key] says: now,
// or before each use where the container wants that.
//
// The card stays powered until the Key is closed, and every use of it ends when
// ctx ends.
func (c *Credential) Unlock(ctx context.Context, ask card.PINFunc) (*Key, error) {
	key, err := c.unlock(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("enumerate: unlock %s: %w", c.place(), err)
	}
	return key, nil
}

// place says where the credential is, for errors.
func (c *Credential) place() string {
	if c.Reader == "" {
		return "the key of a certificate"
	}
	return fmt.Sprintf("%s in %q", c.Container, c.Reader)
}

func (c *Credential) unlock(ctx context.Context, ask card.PINFunc) (*Key, error) {
	public, err := cert.PublicKey(c.Raw)
	if err != nil {
		return nil, err
	}
	signer, err := c.open(ctx, public, ask)
	if err != nil {
		return nil, err
	}
	return &Key{signer, c.check, c.place()}, nil
}
