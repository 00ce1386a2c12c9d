package cert

import "github.com/smartlogon/smartlogon/internal/ber"

// A Fault is a malformed field of a certificate that Parse accepts.
type Fault struct {
	Field string // version, serialNumber, signature, issuer, subject, signatureAlgorithm or signatureValue
	Err   error  // a *[ber.Error]
}

func (f Fault) Error() string { return f.Field + ": " + f.Err.Error() }

// Unwrap returns Err.
func (f Fault) Unwrap() error { return f.Err }

// Faults returns the malformed fields among those that other methods do not
// decode, in the order of the certificate, or nil. It does not allocate for a
// certificate without faults.
//
// Validity, key and extensions are not among them: see [Certificate.Dates],
// [Certificate.Key] and [Certificate.Extension].
func (c *Certificate) Faults() []Fault {
	var faults []Fault
	add := func(field string, err *ber.Error) {
		if err != nil {
			faults = append(faults, Fault{field, err})
		}
	}
	add("version", c.versionFault())
	add("serialNumber", serialFault(c.Serial))
	inner := algorithmFault(c.Signature)
	add("signature", inner)
	add("issuer", nameFault(c.Issuer))
	add("subject", nameFault(c.Subject))

	r := ber.DER(c.Raw) // Parse has accepted the elements
	outer, _ := r.Next()
	r = outer.Inside()
	r.Next()
	algorithm, _ := r.Next()
	value, _ := r.Next()
	if inner != nil || string(algorithm.Raw) != string(c.Signature.Raw) {
		err := algorithmFault(algorithm)
		if err == nil && inner == nil {
			err = fault(algorithm, "differs from the algorithm in TBSCertificate") // RFC 5280, 4.1.1.2
		}
		add("signatureAlgorithm", err)
	}
	add("signatureValue", signatureFault(value))
	return faults
}

func fault(e ber.Element, reason string) *ber.Error {
	return &ber.Error{Offset: e.Offset, Reason: reason}
}

// encodingFault returns the fault of a Reader that must be at its end.
func encodingFault(r *ber.Reader) *ber.Error {
	err, _ := r.Close().(*ber.Error)
	return err
}

// versionFault checks the version, which is optional: an INTEGER of 0 to 2 in an
// explicit [0] (RFC 5280, 4.1.2.1). Only version 3, which is 2, has extensions
// (4.1.2.9); crypto/x509 ignores those of another version.
func (c *Certificate) versionFault() *ber.Error {
	number := byte(0)
	r := c.TBS.Inside()
	if r.Peek() == tagVersion {
		wrapper, _ := r.Next()
		in := wrapper.Inside()
		version, _ := in.Take(ber.Integer)
		if err := encodingFault(&in); err != nil {
			return err
		}
		if len(version.Value) != 1 || version.Value[0] > 2 {
			return fault(version, "version is not 0, 1 or 2")
		}
		number = version.Value[0]
	}
	if number != 2 && c.extensions.Raw != nil {
		return fault(c.extensions, "extensions without version 3")
	}
	return nil
}

// serialFault checks the encoding of the serial number (X.690, 8.3). Its sign is
// not checked: certificates with a negative one exist.
func serialFault(e ber.Element) *ber.Error {
	v := e.Value
	switch {
	case len(v) == 0:
		return fault(e, "integer is empty")
	case len(v) > 1 && (v[0] == 0 && v[1] < 0x80 || v[0] == 0xFF && v[1] >= 0x80):
		return fault(e, "integer is not in its shortest form")
	}
	return nil
}

// algorithmFault checks an AlgorithmIdentifier: an object identifier and optional
// parameters (RFC 5280, 4.1.1.2).
func algorithmFault(e ber.Element) *ber.Error {
	r := e.Inside()
	offset := r.Offset()
	oid, _ := r.TakeValue(ber.OID)
	r.Next()
	if err := encodingFault(&r); err != nil {
		return err
	}
	if !ValidOID(oid) {
		return &ber.Error{Offset: offset, Reason: "not a valid object identifier"}
	}
	return nil
}

// nameFault checks the structure of a Name as [Attributes] does, without building
// the list.
func nameFault(name ber.Element) *ber.Error {
	err := walkAttributes(name, nil)
	if err == nil {
		return nil
	}
	return err.(*ber.Error)
}

// signatureFault checks that a BIT STRING holds one byte or more and no unused
// bits.
func signatureFault(e ber.Element) *ber.Error {
	switch {
	case len(e.Value) < 2:
		return fault(e, "signature is empty")
	case e.Value[0] != 0:
		return fault(e, "signature is not a whole number of bytes")
	}
	return nil
}
