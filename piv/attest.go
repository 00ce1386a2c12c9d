package piv

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// ErrAttestation means that an attestation is not valid.
var ErrAttestation = fault.New(fault.Object,
	"attestation is not valid",
	"Generate a key on the card, and verify against the root certificates that its maker publishes.",
)

// An Attestation is a YubiKey's statement that it generated a key itself, to be
// verified by [Attestation.Verify].
type Attestation struct {
	Raw    []byte // DER: the certificate of the key, issued by the card
	Issuer []byte // DER: the certificate of the card's attestation key
}

// Attest returns an attestation of the key in a slot, which must have been generated on
// the card. It needs firmware 4.3.
func (y *YubiKey) Attest(ctx context.Context, s Slot) (*Attestation, error) {
	a, err := y.attest(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("piv: attest %v: %w", s, err)
	}
	return a, nil
}

// objectAttestation has the certificate of the attestation key.
const objectAttestation Object = 0x5FFF01

func (y *YubiKey) attest(ctx context.Context, s Slot) (*Attestation, error) {
	if !s.Valid() {
		return nil, errNoSlot
	}
	if err := y.version.needs(firmwareAttest, "attestation"); err != nil {
		return nil, err
	}
	a := &Attestation{}
	err := y.card.read(ctx, func(tx *card.Tx) (err error) {
		if a.Raw, err = tx.Command(card.Command{INS: 0xF9, P1: byte(s), Ne: card.MaxResponse}); err != nil {
			return err
		}
		content, err := y.card.readObject(tx, objectAttestation)
		if err == nil {
			a.Issuer, err = decodeCertificate(content)
		}
		if err != nil {
			return fmt.Errorf("certificate of the attestation key, object %v: %w", objectAttestation, err)
		}
		return nil
	})
	if errors.Is(err, card.StatusWrongData) || errors.Is(err, card.StatusConditionsNotMet) {
		return nil, fmt.Errorf("the slot has no key that was generated on the card: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// An Attested is what an attestation says about a key.
type Attested struct {
	Slot       Slot
	PublicKey  crypto.PublicKey
	PIN        PINPolicy
	Touch      TouchPolicy
	Firmware   Version
	Serial     uint32 // 0 if it is not stated
	FormFactor byte   // Yubico's number for the case
	FIPS, CSPN bool   // certified
}

// Verify returns what is attested if the chain ends at one of o.Roots, which are the
// maker's; none is built in. Else the error wraps [ErrAttestation]. The caller compares
// PublicKey with the key in question, such as that of a certificate request.
func (a *Attestation) Verify(o x509.VerifyOptions) (*Attested, error) {
	attested, err := a.verify(o)
	if err != nil {
		return nil, fmt.Errorf("piv: %w: %w", ErrAttestation, err)
	}
	return attested, nil
}

func (a *Attestation) verify(o x509.VerifyOptions) (*Attested, error) {
	leaf, err := x509.ParseCertificate(a.Raw)
	if err != nil {
		return nil, fmt.Errorf("attestation: %w", err)
	}
	issuer, err := x509.ParseCertificate(a.Issuer)
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	if o.Roots == nil {
		return nil, errors.New("no root certificates") // nil would be the machine's
	}
	if len(o.KeyUsages) == 0 {
		o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	if _, err := issuer.Verify(o); err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	// On old cards the certificate of the attestation key is not marked as one of
	// an authority, so x509 cannot verify the whole chain.
	if string(leaf.RawIssuer) != string(issuer.RawSubject) {
		return nil, errors.New("issuer is another attestation key")
	}
	if err := issuer.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		return nil, fmt.Errorf("attestation: %w", err)
	}
	return readAttested(leaf)
}

// readAttested reads the statements in an attestation: the slot at the end of the
// subject, the rest in extensions that are mostly not DER.
func readAttested(leaf *x509.Certificate) (*Attested, error) {
	// x509 leaves leaf.PublicKey empty for X25519.
	public, err := x509.ParsePKIXPublicKey(leaf.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("attested key: %w", err)
	}
	a := &Attested{PublicKey: public}
	words := strings.Fields(leaf.Subject.CommonName)
	if len(words) == 0 {
		return nil, errors.New("subject names no slot")
	}
	slot, err := strconv.ParseUint(words[len(words)-1], 16, 8)
	if err != nil || !Slot(slot).Valid() {
		return nil, fmt.Errorf("subject names no slot: %.80q", leaf.Subject.CommonName)
	}
	a.Slot = Slot(slot)
	complete := 0
	for _, e := range leaf.Extensions {
		n, ok := strings.CutPrefix(e.Id.String(), "1.3.6.1.4.1.41482.3.")
		if !ok {
			continue
		}
		v := e.Value
		switch {
		case n == "3" && len(v) == 3:
			a.Firmware = Version(v)
			complete++
		case n == "8" && len(v) == 2:
			a.PIN, a.Touch = PINPolicy(v[0]), TouchPolicy(v[1])
			complete++
		case n == "9" && len(v) == 1:
			a.FormFactor = v[0]
		case n == "7":
			if a.Serial, ok = serialNumber(v); !ok {
				return nil, errors.New("malformed serial number")
			}
		case n == "10":
			a.FIPS = true
		case n == "11":
			a.CSPN = true
		}
	}
	if complete != 2 {
		return nil, errors.New("firmware or policies are missing")
	}
	return a, nil
}

// serialNumber reads an INTEGER of up to 32 bits.
func serialNumber(der []byte) (n uint32, ok bool) {
	r := ber.DER(der)
	e, ok := r.Take(ber.Integer)
	if !ok || r.Close() != nil || len(e.Value) == 0 || len(e.Value) > 5 || e.Value[0]&0x80 != 0 {
		return 0, false
	}
	if len(e.Value) == 5 && e.Value[0] != 0 {
		return 0, false
	}
	for _, b := range e.Value {
		n = n<<8 | uint32(b)
	}
	return n, true
}
