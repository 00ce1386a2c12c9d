package cert

import "github.com/smartlogon/smartlogon/internal/ber"

// DigitalSignature is bit 0 of [Certificate.KeyUsage].
const DigitalSignature = 1 << 0

// keyUsageNames are the names of RFC 5280, 4.2.1.3, from bit 0. Of the two names
// of bit 1, this is the newer one.
var keyUsageNames = [...]string{
	"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement",
	"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
}

// KeyUsageNames returns the names of the bits in a key usage, bit 0 first.
func KeyUsageNames(usage uint16) []string {
	names := []string{}
	for i, name := range keyUsageNames {
		if usage&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// KeyUsage returns the bits of the key usage extension and reports whether the
// extension is present. Bit 0 is the least significant. The error is a
// *[ber.Error]: the extension is malformed or occurs twice.
func (c *Certificate) KeyUsage() (usage uint16, ok bool, err error) {
	x, err := c.extension(OIDKeyUsage)
	if x == nil {
		return 0, false, err
	}
	r := x.Value.Inside()
	e, _ := r.Take(ber.BitString)
	if err := r.Close(); err != nil {
		return 0, false, err
	}
	fault := func(reason string) (uint16, bool, error) {
		return 0, false, &ber.Error{Offset: e.Offset, Reason: reason}
	}
	if len(e.Value) == 0 {
		return fault("bit string without its count of unused bits")
	}
	unused, body := int(e.Value[0]), e.Value[1:]
	switch {
	case unused > 7 || unused > 0 && len(body) == 0:
		return fault("bit string has more unused bits than bits")
	case len(body) > 0 && body[len(body)-1]&(1<<unused-1) != 0:
		return fault("bit string has an unused bit that is set")
	}
	for i := range keyUsageNames {
		if i/8 < len(body) && body[i/8]&(0x80>>(i%8)) != 0 {
			usage |= 1 << i
		}
	}
	return usage, true, nil
}

// Purposes iterates over the object identifiers of an extended key usage.
type Purposes struct{ r ber.Reader }

// ExtendedKeyUsage returns an iterator over the extended key usage extension and
// reports whether the extension is present. The error is a *[ber.Error]: the
// extension is malformed, empty (RFC 5280, 4.2.1.12) or occurs twice.
func (c *Certificate) ExtendedKeyUsage() (p Purposes, ok bool, err error) {
	x, err := c.extension(OIDExtendedKeyUsage)
	if x == nil {
		return Purposes{}, false, err
	}
	r := x.Value.Inside()
	offset := r.Offset()
	list, _ := r.Enter(ber.Sequence)
	if err := r.Close(); err != nil {
		return Purposes{}, false, err
	}
	if !list.More() {
		return Purposes{}, false, &ber.Error{Offset: offset, Reason: "extended key usage names no purpose"}
	}
	for check := list; check.More(); {
		offset := check.Offset()
		oid, ok := check.TakeValue(ber.OID)
		if !ok {
			return Purposes{}, false, check.Err()
		}
		if !ValidOID(oid) {
			return Purposes{}, false, &ber.Error{Offset: offset, Reason: "purpose is not a valid object identifier"}
		}
	}
	return Purposes{list}, true, nil
}

// Next returns the content of the next object identifier.
func (p *Purposes) Next() ([]byte, bool) {
	return p.r.TakeValue(ber.OID)
}
