package cert

import (
	"bytes"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// MaxExtensions is the limit of extensions in a certificate. Real ones have about
// ten.
const MaxExtensions = 256

// Object identifiers of extensions, encoded.
const (
	OIDSubjectAltName   = "\x55\x1D\x11" // 2.5.29.17
	OIDKeyUsage         = "\x55\x1D\x0F" // 2.5.29.15
	OIDExtendedKeyUsage = "\x55\x1D\x25" // 2.5.29.37
)

// An Extension is one entry of the extension list.
type Extension struct {
	OID      []byte // content of the OBJECT IDENTIFIER
	Critical bool
	Value    ber.Element // OCTET STRING with the value
}

// Extensions iterates over the extension list.
type Extensions struct {
	r   ber.Reader
	n   int
	err error
}

// Extensions returns an iterator over the extension list, which is empty if the
// certificate has no list.
func (c *Certificate) Extensions() Extensions {
	if c.extensions.Raw == nil {
		return Extensions{}
	}
	outer := c.extensions.Inside()
	list, _ := outer.Enter(ber.Sequence)
	return Extensions{r: list, err: outer.Close()}
}

// Next returns the next extension. It returns false at the end of the list and at
// a fault; [Extensions.Err] distinguishes them.
func (x *Extensions) Next() (e Extension, ok bool) {
	ok = x.next(&e)
	return e, ok
}

// next does what Next does, without copying the Extension.
func (x *Extensions) next(e *Extension) bool {
	if x.err != nil || !x.r.More() {
		return false
	}
	if x.n++; x.n > MaxExtensions {
		x.err = &ber.Error{Offset: x.r.Offset(), Reason: fmt.Sprintf("more than %d extensions", MaxExtensions)}
		return false
	}
	entry, ok := x.r.Enter(ber.Sequence)
	if !ok {
		x.err = x.r.Err()
		return false
	}
	if x.err = e.read(entry); x.err != nil {
		*e = Extension{}
		return false
	}
	return true
}

// Err returns the fault of the list, a *[ber.Error], or nil.
func (x *Extensions) Err() error { return x.err }

// read reads an entry of the list.
func (e *Extension) read(r ber.Reader) error {
	offset := r.Offset() // of the object identifier
	e.OID, _ = r.TakeValue(ber.OID)
	e.Critical = false
	if r.Peek() == ber.Boolean {
		// DER omits FALSE (X.690, 11.5), but certificates with it exist.
		critical, _ := r.TakeValue(ber.Boolean)
		e.Critical = !bytes.Equal(critical, []byte{0})
	}
	e.Value, _ = r.Take(ber.OctetString)
	if err := r.Close(); err != nil {
		return err
	}
	if !ValidOID(e.OID) {
		return &ber.Error{Offset: offset, Reason: "extension has no valid object identifier"}
	}
	return nil
}

// Extension returns the extension with an encoded object identifier and reports
// whether it is present. The error is a *[ber.Error]: the extension occurs twice,
// or the list is malformed, so that another extension with the same identifier may
// follow.
func (c *Certificate) Extension(oid string) (Extension, bool, error) {
	x, err := c.extension(oid)
	if x == nil {
		return Extension{}, false, err
	}
	return *x, true, nil
}

// extension does what Extension does, and returns nil for an extension that is not
// present.
func (c *Certificate) extension(oid string) (*Extension, error) {
	if c.index.fault != nil {
		return nil, c.index.fault
	}
	entry := c.index.entry(oid)
	if entry == nil {
		entry = &indexEntry{}
		list := c.Extensions()
		for x, more := list.Next(); more; x, more = list.Next() {
			if string(x.OID) == oid {
				entry.add(&x)
			}
		}
	}
	switch {
	case entry.again != 0:
		return nil, &ber.Error{Offset: entry.again, Reason: "a second extension " + DottedOID([]byte(oid))}
	case entry.first.OID == nil:
		return nil, nil
	}
	return &entry.first, nil
}

// An index caches the extensions that every check needs, so that the list is read
// once.
type index struct {
	fault                error // of the list
	san, usage, purposes indexEntry
}

type indexEntry struct {
	first Extension
	again int // offset of the value of the second extension with the same identifier, 0 if there is none
}

func (n *index) fill(list Extensions) {
	var x Extension
	for list.next(&x) {
		if entry := n.entry(string(x.OID)); entry != nil {
			entry.add(&x)
		}
	}
	n.fault = list.Err()
}

func (n *index) entry(oid string) *indexEntry {
	switch oid {
	case OIDSubjectAltName:
		return &n.san
	case OIDKeyUsage:
		return &n.usage
	case OIDExtendedKeyUsage:
		return &n.purposes
	}
	return nil
}

func (e *indexEntry) add(x *Extension) {
	switch {
	case e.first.OID == nil:
		e.first = *x
	case e.again == 0:
		e.again = x.Value.Offset
	}
}

// DuplicateExtension returns the object identifier of the first extension that
// occurs more than once, which RFC 5280, 4.2 forbids, or nil. The error is that of
// [Extensions.Err].
func (c *Certificate) DuplicateExtension() ([]byte, error) {
	seen := make(map[string]bool)
	list := c.Extensions()
	for {
		e, more := list.Next()
		if !more {
			return nil, list.Err()
		}
		if seen[string(e.OID)] {
			return e.OID, nil
		}
		seen[string(e.OID)] = true
	}
}
