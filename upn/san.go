package upn

import (
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

const (
	maxNames = 64   // general names in a certificate; real ones have under ten
	maxName  = 1024 // bytes of a UPN or e-mail address
)

// oidUPN is 1.3.6.1.4.1.311.20.2.3, encoded.
const oidUPN = "\x2B\x06\x01\x04\x01\x82\x37\x14\x02\x03"

// Tags of GeneralName (RFC 5280, 4.2.1.6), class and constructed bit included.
const (
	tagOtherName     ber.Tag = 0xA0
	tagRFC822Name    ber.Tag = 0x81
	tagDNSName       ber.Tag = 0x82
	tagX400Address   ber.Tag = 0xA3
	tagDirectoryName ber.Tag = 0xA4
	tagEDIPartyName  ber.Tag = 0xA5
	tagURI           ber.Tag = 0x86
	tagIPAddress     ber.Tag = 0x87
	tagRegisteredID  ber.Tag = 0x88

	tagExplicit0 ber.Tag = 0xA0 // the value of an otherName
)

// A MalformedError reports a malformed certificate or a malformed name in it.
type MalformedError struct {
	Field  string // certificate, extensions, subjectAltName, userPrincipalName or rfc822Name
	Offset int    // of the fault in the input, in bytes
	Reason string // quotes and truncates values of the certificate
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("upn: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// A sanReader reads general names up to the first fault.
type sanReader struct {
	names Names
	err   *MalformedError
}

// readSAN reads a GeneralNames of size bytes. A fault anywhere discards all names.
func readSAN(r ber.Reader, size int) Names {
	var s sanReader
	if size > cert.MaxSize {
		s.fault("subjectAltName", r.Offset(), fmt.Sprintf("has %d bytes, more than %d", size, cert.MaxSize))
	} else {
		s.generalNames(r)
	}
	if s.err != nil {
		return Names{Err: s.err}
	}
	return s.names
}

func (s *sanReader) generalNames(r ber.Reader) {
	offset := r.Offset()
	in, _ := r.Enter(ber.Sequence)
	if err := r.Close(); err != nil {
		s.encoding("subjectAltName", err)
		return
	}
	if !in.More() {
		s.fault("subjectAltName", offset, "has no name")
	}
	for n := 1; s.err == nil && in.More(); n++ {
		if n > maxNames {
			s.fault("subjectAltName", in.Offset(), fmt.Sprintf("more than %d names", maxNames))
			return
		}
		if e, ok := in.Next(); ok {
			s.generalName(e)
		}
	}
	if err := in.Err(); err != nil {
		s.encoding("subjectAltName", err)
	}
}

func (s *sanReader) generalName(e ber.Element) {
	switch e.Tag {
	case tagOtherName:
		s.otherName(e)
	case tagRFC822Name:
		if reason := emailFault(e.Value); reason != "" {
			s.fault("rfc822Name", e.Offset, reason)
			return
		}
		s.names.Emails = addName(s.names.Emails, e.Value)
	case tagDNSName, tagX400Address, tagDirectoryName, tagEDIPartyName, tagURI, tagIPAddress, tagRegisteredID:
		// Not sign-in names: their content is not checked.
	default:
		s.fault("subjectAltName", e.Offset, "tag "+e.Tag.String()+" is not a general name")
	}
}

// otherName reads a type identifier and one value in an explicit [0].
func (s *sanReader) otherName(e ber.Element) {
	r := e.Inside()
	offset := r.Offset()
	oid, _ := r.TakeValue(ber.OID)
	field := "subjectAltName"
	if string(oid) == oidUPN {
		field = "userPrincipalName"
	}
	wrapper, _ := r.Take(tagExplicit0)
	if err := r.Close(); err != nil {
		s.encoding(field, err)
		return
	}
	if !cert.ValidOID(oid) {
		s.fault(field, offset, "otherName has no valid type identifier")
		return
	}
	in := wrapper.Inside()
	value, ok := in.Next()
	err := in.Close()
	switch {
	case err != nil:
		s.encoding(field, err)
	case !ok:
		s.fault(field, wrapper.Offset, "otherName has no value")
	case field != "userPrincipalName":
	case value.Tag != ber.UTF8String:
		s.fault(field, value.Offset, "tag "+value.Tag.String()+" is not a UTF8String")
	default:
		if reason := upnFault(value.Value); reason != "" {
			s.fault(field, value.Offset, reason)
			return
		}
		s.names.UPNs = addName(s.names.UPNs, value.Value)
	}
}

// addName appends a name unless the list has an equal one.
func addName(list []string, value []byte) []string {
	name := string(value)
	for _, other := range list {
		if Equal(other, name) {
			return list
		}
	}
	return append(list, name)
}

func (s *sanReader) fault(field string, offset int, reason string) {
	s.err = &MalformedError{Field: field, Offset: offset, Reason: reason}
}

func (s *sanReader) encoding(field string, err error) { s.err = encodingFault(field, err) }

// encodingFault returns the MalformedError of a field whose DER is malformed.
func encodingFault(field string, err error) *MalformedError {
	fault := &MalformedError{Field: field, Reason: err.Error()}
	var at *ber.Error
	if errors.As(err, &at) {
		fault.Offset, fault.Reason = at.Offset, at.Reason
	}
	return fault
}
