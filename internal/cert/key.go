package cert

import (
	"math/bits"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Object identifiers of keys and curves, encoded (RFC 3279, 2.3; RFC 5480,
// 2.1.1.1).
const (
	OIDRSA  = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01" // 1.2.840.113549.1.1.1
	OIDEC   = "\x2A\x86\x48\xCE\x3D\x02\x01"         // 1.2.840.10045.2.1
	OIDP256 = "\x2A\x86\x48\xCE\x3D\x03\x01\x07"     // 1.2.840.10045.3.1.7
	OIDP384 = "\x2B\x81\x04\x00\x22"                 // 1.3.132.0.34
	OIDP521 = "\x2B\x81\x04\x00\x23"                 // 1.3.132.0.35
)

// A Key describes the public key of a certificate.
type Key struct {
	Algorithm []byte // content of the OBJECT IDENTIFIER
	Curve     []byte // content of the OBJECT IDENTIFIER of a named curve, else nil

	public []byte // content of the BIT STRING
}

// Key decodes the type of the public key. The error is a *[ber.Error].
func (c *Certificate) Key() (Key, error) {
	r := c.SPKI.Inside()
	in, _ := r.Enter(ber.Sequence)
	public, _ := r.TakeValue(ber.BitString)
	if err := r.Close(); err != nil {
		return Key{}, err
	}
	offset := in.Offset()
	oid, _ := in.TakeValue(ber.OID)
	parameters, _ := in.Next()
	if err := in.Close(); err != nil {
		return Key{}, err
	}
	if !ValidOID(oid) {
		return Key{}, &ber.Error{Offset: offset, Reason: "key has no valid algorithm identifier"}
	}
	k := Key{Algorithm: oid, public: public}
	if string(oid) == OIDEC && parameters.Tag == ber.OID && ValidOID(parameters.Value) {
		k.Curve = parameters.Value
	}
	return k, nil
}

// Bits returns the length of the modulus of an RSA key (RFC 8017, A.1.1), or 0 for
// another key and if it is malformed.
func (k Key) Bits() int {
	if string(k.Algorithm) != OIDRSA || len(k.public) == 0 || k.public[0] != 0 {
		return 0
	}
	r := ber.DER(k.public[1:])
	key, _ := r.Take(ber.Sequence)
	in := key.Inside()
	n, _ := in.Take(ber.Integer)
	for i, b := range n.Value {
		if b != 0 {
			return 8*(len(n.Value)-i-1) + bits.Len8(b)
		}
	}
	return 0
}
