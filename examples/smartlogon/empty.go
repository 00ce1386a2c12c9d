package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/piv"
)

// An occupiedError reports what is in slot 9A.
type occupiedError struct{ contents string }

func (e *occupiedError) Error() string { return "slot 9A holds " + e.contents }

func (e *occupiedError) Hint() string {
	return "Use -overwrite to replace the key and the certificate in slot 9A."
}

// checkEmpty returns an error if slot 9A is in use. Only a YubiKey with firmware 5.3
// or newer reports a key without a certificate.
func checkEmpty(ctx context.Context, c *piv.Card) error {
	certificate, err := c.Certificate(ctx, piv.Authentication)
	if err == nil {
		cert, err := rules.Read(certificate.Raw)
		if err != nil {
			return &occupiedError{"a malformed certificate"}
		}
		return &occupiedError{fmt.Sprintf("the certificate of %q", cert.Title(rules.Policy{}))}
	}
	if !errors.Is(err, piv.ErrNotFound) {
		return err
	}
	yk, err := c.YubiKey(ctx)
	if err == nil {
		_, err = yk.Metadata(ctx, byte(piv.Authentication))
	}
	switch {
	case err == nil:
		return &occupiedError{"a key without a certificate"}
	case errors.Is(err, piv.ErrNotFound), errors.Is(err, errors.ErrUnsupported):
		return nil
	}
	return err
}
