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

// A Certificate is what a file of a container holds.
type Certificate struct {
	File      string // its name on the card: "kxc00"
	Signature bool   // it is of the container's signature key, else of its key exchange key
	Container Container
	Card      card.Identity // of the card that it was read from
	Raw       []byte        // DER, inflated

	at object
}

// Files of certificates are called kxc or ksc, and a number of two digits.
const (
	exchangePrefix  = "kxc"
	signaturePrefix = "ksc"
	directory       = "mscp"
)

// isCertificate reports whether a file holds one, as its name says.
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

// unpack takes what is in a file, one element of DER: a certificate or a store of
// them. Windows compresses it: 01 00, its size in two bytes, the lower first, and a
// zlib stream; what begins as the element does is taken as it is.
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

// checkCertificate makes sure that a certificate is still where it was listed.
func checkCertificate(tx *card.Tx, listed *Certificate) error {
	now, err := readCertificate(tx, listed.at)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: object %v: %w", card.ErrChanged, listed.at, err)
	case err == nil && !bytes.Equal(now, listed.Raw):
		return fmt.Errorf("%w: object %v holds another certificate", card.ErrChanged, listed.at)
	case err != nil:
		return fmt.Errorf("object %v: %w", listed.at, err)
	}
	return nil
}

func certificateError(name string, at object, err error) error {
	return fmt.Errorf("gids: certificate %s, object %v: %w", name, at, err)
}
