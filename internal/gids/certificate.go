package gids

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/inflate"
)

// A Certificate is the certificate in a file of a container.
type Certificate struct {
	File      string // the name of the file as it is on the card: "kxc00"
	Signature bool   // it is of the container's signature key, not of its key exchange key
	Container Container
	Card      card.Identity // of the card that it was read from
	Raw       []byte        // DER, inflated

	at object
}

// Files of certificates are named kxc or ksc and a number of two digits.
const (
	exchangePrefix  = "kxc"
	signaturePrefix = "ksc"
	directory       = "mscp"
)

// isCertificate reports whether the name of a file is that of a certificate.
func (f file) isCertificate() bool {
	if f.dir != directory || len(f.name) != 5 {
		return false
	}
	if !strings.HasPrefix(f.name, exchangePrefix) && !strings.HasPrefix(f.name, signaturePrefix) {
		return false
	}
	_, err := strconv.ParseUint(f.number(), 16, 8)
	return err == nil
}

func (f file) number() string  { return f.name[3:] }
func (f file) signature() bool { return strings.HasPrefix(f.name, signaturePrefix) }

// readCertificate reads the certificate in a file.
func readCertificate(tx *card.Tx, at object) ([]byte, error) {
	content, err := readObject(tx, at)
	if err != nil {
		return nil, err
	}
	return unpack(content)
}

// unpack returns the content of a file that holds one DER element: a certificate or
// a PKCS #7 store. Windows compresses it: 01 00, the size in two bytes, little
// endian, and a zlib stream.
func unpack(content []byte) ([]byte, error) {
	if len(content) == 0 {
		return nil, ErrNotFound
	}
	der := content
	if !bytes.HasPrefix(content, []byte{byte(ber.Sequence)}) {
		var err error
		if der, err = inflate.Certificate(content); err != nil {
			return nil, malformed("%w", err)
		}
	}
	r := ber.BER(der)
	r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, malformed("content: %w", err)
	}
	return der, nil
}

// checkCertificate verifies that the card still holds a listed certificate. It does
// not read the certificate again if it is cached and the counters of changes are the
// same.
func (c *Card) checkCertificate(tx *card.Tx, listed *Certificate) error {
	cached, err := c.unchanged(tx)
	if err != nil || cached.has(listed) {
		return err
	}
	raw, err := readCertificate(tx, listed.at)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: object %v: %w", card.ErrChanged, listed.at, err)
	case err != nil:
		return fmt.Errorf("object %v: %w", listed.at, err)
	case !bytes.Equal(raw, listed.Raw):
		return fmt.Errorf("%w: object %v holds another certificate", card.ErrChanged, listed.at)
	}
	return nil
}
