package enumerate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/upn"
)

// An Application is the card application that holds a certificate.
type Application string

// The applications that a Finder looks for.
const (
	PIV  Application = "PIV"  // NIST SP 800-73-4
	GIDS Application = "GIDS" // of virtual smart cards and some tokens
)

// A Credential is a certificate on a card and what can be read of it without a PIN.
// Its fields, and the methods without a context, do not use the card.
type Credential struct {
	Reader      string        // of the card when it was listed
	Card        card.Identity // zero if it was not read; see Finder.Identify
	Application Application
	Container   string // PIV: the slot, "9A"; GIDS: the file of the certificate, "kxc00"
	Default     bool   // the container that Windows shows first
	KeySpec     rules.KeySpec

	// Name is the name of the container for Windows programs. Only GIDS cards
	// have one.
	Name string

	Raw      []byte         // the certificate as it is on the card, DER
	Names    upn.Names      // the user names in it; upn.SignIn selects one
	Findings rules.Findings // the verdict of each rule, under the Finder's policy and clock

	certificate *rules.Certificate // Raw, inspected once
	policy      rules.Policy       // of the Finder

	// Where the key is: on a card, or opened by a function of the caller.
	on  *location
	key func(context.Context, card.PINFunc) (crypto.Signer, error)
}

// inspected returns the inspected certificate, also of a Credential that the caller
// made without New.
func (c *Credential) inspected() *rules.Certificate {
	if c.certificate == nil {
		return rules.Inspect(c.Raw)
	}
	return c.certificate
}

// String returns the title and the place of the credential, such as
// alice@example.com (PIV 9A in "Reader 0").
func (c *Credential) String() string {
	title := c.Title()
	if title == "" {
		title = "unnamed certificate"
	}
	if c.Reader == "" {
		return title
	}
	return fmt.Sprintf("%s (%s %s in %q)", title, c.Application, c.Container, c.Reader)
}

// X509 parses the certificate. crypto/x509 refuses some that Windows accepts.
func (c *Credential) X509() (*x509.Certificate, error) { return x509.ParseCertificate(c.Raw) }

// Public returns the public key of the certificate, nil if it cannot be parsed.
func (c *Credential) Public() crypto.PublicKey {
	public, err := c.inspected().PublicKey()
	if err != nil {
		return nil
	}
	return public
}

// Check applies the rules again, under another policy or at another time.
func (c *Credential) Check(p rules.Policy, at time.Time) rules.Findings {
	return c.inspected().Check(c.KeySpec, p, at)
}

// Title returns what Windows shows for the certificate under the policy of the
// Finder: the UPN, else the e-mail address, else the subject.
func (c *Credential) Title() string { return c.TitleUnder(c.policy) }

// TitleUnder returns the title under another policy.
func (c *Credential) TitleUnder(p rules.Policy) string { return c.inspected().Title(p) }

// Chain returns the certificate and its chain among issuers, in DER, for
// [crypto/tls.Certificate]: the leaf first, each next one the issuer of the one
// before by name and signature, without the root.
func (c *Credential) Chain(issuers []*x509.Certificate) [][]byte {
	chain := [][]byte{c.Raw}
	last, err := c.X509()
	for err == nil && len(chain) <= len(issuers) {
		issuer := issuerOf(last, issuers)
		if issuer == nil || bytes.Equal(issuer.RawSubject, issuer.RawIssuer) {
			break
		}
		chain = append(chain, issuer.Raw)
		last = issuer
	}
	return chain
}

// issuerOf returns the issuer of c in list, nil if there is none.
func issuerOf(c *x509.Certificate, list []*x509.Certificate) *x509.Certificate {
	for _, issuer := range list {
		if bytes.Equal(c.RawIssuer, issuer.RawSubject) && c.CheckSignatureFrom(issuer) == nil {
			return issuer
		}
	}
	return nil
}

// Roots reads the root certificates that Windows keeps on the card, in the
// application of the credential: a PKCS #7 store, nil if there is none.
func (c *Credential) Roots(ctx context.Context) ([]byte, error) {
	app, err := c.on.application()
	if err != nil {
		return nil, c.fail("read root certificates", err)
	}
	r, ok := app.(cardapp.RootsReader)
	if !ok {
		return nil, nil
	}
	store, err := r.Roots(ctx)
	return store, inReader(c.Reader, err)
}

// fail returns an error of this package with op, the reader and the container. Errors
// of an application have the operation and the container; see inReader.
func (c *Credential) fail(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.Reader == "":
		return fmt.Errorf("enumerate: %s: %w", op, err)
	}
	return fmt.Errorf("enumerate: reader %q: %s: %s: %w", c.Reader, c.Container, op, err)
}
