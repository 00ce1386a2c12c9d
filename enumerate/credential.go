package enumerate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

// An Application is the card application that holds a certificate.
type Application string

// The applications that a Finder looks for.
const (
	PIV  Application = "PIV"  // NIST SP 800-73-4
	GIDS Application = "GIDS" // of virtual smart cards, and of tokens that speak the same
)

// A Credential is a certificate on a card, and all that is known of it without its
// PIN. It is data: reading it never touches the card.
type Credential struct {
	Reader      string
	Card        card.Identity // zero if not known; see Finder.Identify
	Application Application
	Container   string // PIV: the key reference, "9A"; GIDS: the file of the certificate, "kxc00"
	Default     bool   // the container that Windows looks at first
	KeySpec     rules.KeySpec

	// Name is the name of the container for Windows programs, if the card has
	// one, as GIDS cards do.
	Name string

	Raw      []byte         // the certificate as it was on the card, DER
	Names    upn.Names      // the user names in it
	Findings rules.Findings // whether Windows would offer it, by the Finder's policy and clock

	certificate *rules.Certificate // Raw, inspected once
	policy      rules.Policy       // of the Finder

	// One of the two says where the key is.
	on  *location
	key func(context.Context, card.PINFunc) (crypto.Signer, error)
}

// inspected returns the certificate for rules, even of a Credential that was not
// made by this package.
func (c *Credential) inspected() *rules.Certificate {
	if c.certificate == nil {
		return rules.Inspect(c.Raw)
	}
	return c.certificate
}

// String returns what identifies the credential for people, such as
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

// X509 parses the certificate. Some that Windows shows do not parse.
func (c *Credential) X509() (*x509.Certificate, error) { return x509.ParseCertificate(c.Raw) }

// Public returns the public key of the certificate, nil if it cannot be read.
func (c *Credential) Public() crypto.PublicKey {
	public, err := c.inspected().PublicKey()
	if err != nil {
		return nil
	}
	return public
}

// Check judges the certificate again, under another policy or at another time.
func (c *Credential) Check(p rules.Policy, at time.Time) rules.Findings {
	return c.inspected().Check(c.KeySpec, p, at)
}

// Title returns the text of the tile that Windows shows under the policy of the
// Finder: the UPN, else the e-mail address, else the subject.
func (c *Credential) Title() string { return c.TitleUnder(c.policy) }

// TitleUnder returns the text of the tile under another policy.
func (c *Credential) TitleUnder(p rules.Policy) string { return c.inspected().Title(p) }

// Chain returns the certificate and those of issuers that lead from it towards a
// root, DER, as [crypto/tls.Certificate] has them: the leaf first, the root left
// out. Each is the issuer of the one before by name and signature. No card is used.
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

func issuerOf(c *x509.Certificate, list []*x509.Certificate) *x509.Certificate {
	for _, issuer := range list {
		if bytes.Equal(c.RawIssuer, issuer.RawSubject) && c.CheckSignatureFrom(issuer) == nil {
			return issuer
		}
	}
	return nil
}

// Roots reads the certificates of authorities that Windows keeps on the card, in the
// application of the credential: a PKCS #7 store, nil if there is none.
func (c *Credential) Roots(ctx context.Context) ([]byte, error) {
	m := c.PIN()
	store, err := m.roots(ctx)
	if err != nil {
		return nil, m.fail("read authorities", err)
	}
	return store, nil
}

// fail returns an error that names the credential and its reader, once.
func (c *Credential) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	var named *card.Error
	switch {
	case errors.As(err, &named) && named.Reader == c.Reader:
		return fmt.Errorf("enumerate: %s: %w", op, err)
	case c.on != nil: // the application names the container
		return fmt.Errorf("enumerate: reader %q: %s: %w", c.Reader, op, err)
	case c.Reader != "":
		return fmt.Errorf("enumerate: reader %q: %s %s: %w", c.Reader, op, c.Container, err)
	}
	return fmt.Errorf("enumerate: %s: %w", op, err)
}
