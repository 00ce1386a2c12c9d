package piv

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/inflate"
)

// A Certificate is the certificate in a slot.
type Certificate struct {
	Slot Slot
	Raw  []byte // DER as on the card, decompressed
}

// X509 parses the certificate. Some certificates that are in use do not parse.
func (c *Certificate) X509() (*x509.Certificate, error) { return x509.ParseCertificate(c.Raw) }

// Certificate reads the certificate in a slot. The error wraps [ErrNotFound] if
// there is none.
func (c *Card) Certificate(ctx context.Context, s Slot) (*Certificate, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("piv: slot %v: %w", s, ErrNotFound)
	}
	var cert *Certificate
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		if cert, err = c.readCertificate(tx, s); err == nil {
			c.noteCertificate(tx, cert)
		}
		return err
	})
	if err != nil {
		return nil, certificateError(s, err)
	}
	return cert, nil
}

func certificateError(s Slot, err error) error {
	return fmt.Errorf("piv: certificate %v, object %v: %w", s, s.Object(), err)
}

func (c *Card) readCertificate(tx *card.Tx, s Slot) (*Certificate, error) {
	content, err := c.readObject(tx, s.Object())
	if err != nil {
		return nil, err
	}
	der, err := decodeCertificate(content)
	if err != nil {
		return nil, err
	}
	return &Certificate{Slot: s, Raw: der}, nil
}

// decodeCertificate returns the certificate of an object (SP 800-73-4 part 1,
// appendix A, table 10 and on): tag 70 is the certificate, tag 71 its compression.
// Tags 72 and FE are not needed.
func decodeCertificate(content []byte) ([]byte, error) {
	var der, info []byte
	err := fields(content, func(e ber.Element) error {
		switch e.Tag {
		case 0x70:
			der = e.Value
		case 0x71:
			info = e.Value
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(der) == 0:
		return nil, ErrNotFound
	case len(info) > 1:
		return nil, malformed(fmt.Sprintf("CertInfo of %d bytes", len(info)))
	}
	switch {
	case len(info) == 0 || info[0] == 0x00:
	case info[0] == 0x01 || info[0] == 0x80: // 80: by cards that number bits from the other end
		if der, err = inflate.Certificate(der); err != nil {
			return nil, malformed(err)
		}
	default:
		return nil, malformed(fmt.Sprintf("CertInfo %02X", info[0]))
	}
	r := ber.BER(der)
	r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, malformed(fmt.Errorf("certificate in tag 70: %w", err))
	}
	return der, nil
}
