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

// ErrAttestation says that an attestation does not prove what it says.
var ErrAttestation = fault.New(fault.Object,
	"attestation does not prove that the key was made on a card of the given maker",
	"Have the card make a key of its own, and check against the certificates that its maker publishes.",
)

// An Attestation says that a YubiKey made a key itself. [Attestation.Verify] finds
// out whether that is true.
type Attestation struct {
	Raw    []byte // DER: the certificate of the key, issued by the card
	Issuer []byte // DER: the certificate of the card's attestation key
}

// Attest has the card attest the key in a slot, which it does if it made the key.
// It needs firmware 4.3.
func (y *YubiKey) Attest(ctx context.Context, s Slot) (*Attestation, error) {
	a, err := y.attest(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("piv: attest %v: %w", s, err)
	}
	return a, nil
}

// objectAttestation has the certificate of the key that attests.
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
		content, err := readObject(tx, objectAttestation)
		if err == nil {
			a.Issuer, err = decodeCertificate(content)
		}
		if err != nil {
			return fmt.Errorf("certificate of the attestation key, object %v: %w", objectAttestation, err)
		}
		return nil
	})
	if errors.Is(err, card.StatusWrongData) || errors.Is(err, card.StatusConditionsNotMet) {
		return nil, fmt.Errorf("the slot has no key that the card made: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// An Attested is what a YubiKey attests of a key.
type Attested struct {
	Slot       Slot
	PublicKey  crypto.PublicKey
	PIN        PINPolicy
	Touch      TouchPolicy
	Firmware   Version
	Serial     uint32 // 0 where the card does not tell
	FormFactor byte   // Yubico's number for the case
	FIPS, CSPN bool   // certified
}

// Verify reports what is attested, if the chain ends at one of o.Roots: those of
// the maker, of which none is built in. The error wraps [ErrAttestation] where it
// does not. Whoever wants to know more, such as that it is the key of a request
// for a certificate, compares it with PublicKey.
func (a *Attestation) Verify(o x509.VerifyOptions) (*Attested, error) {
	told, err := a.verify(o)
	if err != nil {
		return nil, fmt.Errorf("piv: %w: %w", ErrAttestation, err)
	}
	return told, nil
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
		return nil, errors.New("there are no roots to trust") // not the machine's
	}
	if len(o.KeyUsages) == 0 {
		o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	if _, err := issuer.Verify(o); err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	// The certificate of the attestation key need not be marked as one of an
	// authority: old cards have it without.
	if string(leaf.RawIssuer) != string(issuer.RawSubject) {
		return nil, errors.New("attestation is of another attestation key")
	}
	if err := issuer.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		return nil, fmt.Errorf("attestation: %w", err)
	}
	return attested(leaf)
}

// attested reads what Yubico put into the certificate: the slot at the end of the
// subject, the rest in extensions of mostly bare bytes.
func attested(leaf *x509.Certificate) (*Attested, error) {
	// The certificate itself has no key where it is one for X25519.
	public, err := x509.ParsePKIXPublicKey(leaf.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("attested key: %w", err)
	}
	told := &Attested{PublicKey: public}
	words := strings.Fields(leaf.Subject.CommonName)
	if len(words) == 0 {
		return nil, errors.New("attestation names no slot")
	}
	slot, err := strconv.ParseUint(words[len(words)-1], 16, 8)
	if err != nil || !Slot(slot).Valid() {
		return nil, fmt.Errorf("attestation names no slot: %.80q", leaf.Subject.CommonName)
	}
	told.Slot = Slot(slot)
	complete := 0
	for _, e := range leaf.Extensions {
		n, ok := strings.CutPrefix(e.Id.String(), "1.3.6.1.4.1.41482.3.")
		if !ok {
			continue
		}
		v := e.Value
		switch {
		case n == "3" && len(v) == 3:
			told.Firmware = Version(v)
			complete++
		case n == "8" && len(v) == 2:
			told.PIN, told.Touch = PINPolicy(v[0]), TouchPolicy(v[1])
			complete++
		case n == "9" && len(v) == 1:
			told.FormFactor = v[0]
		case n == "7":
			if told.Serial, ok = serialNumber(v); !ok {
				return nil, errors.New("attestation has a serial number that is none")
			}
		case n == "10":
			told.FIPS = true
		case n == "11":
			told.CSPN = true
		}
	}
	if complete != 2 {
		return nil, errors.New("attestation does not tell firmware and policies")
	}
	return told, nil
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
