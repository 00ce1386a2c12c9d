package piv

import (
	"cmp"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// tagList is the tag list that names the object of GET DATA and PUT DATA.
const tagList ber.Tag = 0x5C

// currentFile is P1-P2 of GET DATA and PUT DATA.
const currentFile = 0x3FFF

// getData processes GET DATA, which reads a whole object (SP 800-73-4 part 2,
// 3.1.2). The access rule is checked before the existence of the object, unless
// Quirks.AbsentFirst is set. An object without an access rule is readable without a PIN.
func (a *Application) getData(c iso.Command) iso.Response {
	if c.P1P2() != currentFile {
		return iso.BadParameters.Response()
	}
	tag, ok := parseTagList(c.Data)
	if !ok {
		return iso.BadData.Response()
	}
	r, defined := a.rule(tag)
	value := a.object(tag)
	missing := len(value) == 0 && !(defined && a.config.Quirks.EmptyObjects)
	switch {
	case missing && a.config.Quirks.AbsentFirst:
		return a.absentStatus(tag).Response()
	case !a.readable(r):
		return iso.SecurityNotSatisfied.Response()
	case missing:
		return a.absentStatus(tag).Response()
	case tag == tagDiscovery && a.config.Discovery != nil:
		return iso.Data(a.config.Discovery)
	}
	return iso.Data(a.appendTLV(nil, wrapperTag(tag), a.withLongLengths(value)))
}

// absentStatus returns the status for a missing object.
func (a *Application) absentStatus(tag ber.Tag) iso.Status {
	status := cmp.Or(a.config.Quirks.Absent, iso.NotFound)
	if tag == tagDiscovery {
		status = cmp.Or(a.config.Quirks.AbsentDiscovery, status)
	}
	return status
}

// parseTagList parses a tag list with exactly one tag.
func parseTagList(data []byte) (ber.Tag, bool) {
	r := ber.BER(data)
	list, ok := r.Take(tagList)
	if !ok || r.Close() != nil {
		return 0, false
	}
	inner := ber.BER(append(slices.Clone(list.Value), 0)) // add a length, as ber reads whole elements
	e, ok := inner.Next()
	return e.Tag, ok && inner.Close() == nil
}

// wrapperTag returns the tag around an object's value in GET DATA and PUT DATA.
func wrapperTag(tag ber.Tag) ber.Tag {
	if tag == tagDiscovery || tag == tagBiometricGroup {
		return tag
	}
	return tagContainer
}

// withLongLengths encodes the elements of an object again if Quirks.LongLengths
// is set. A value that is not a sequence of elements stays unchanged.
func (a *Application) withLongLengths(value []byte) []byte {
	if !a.config.Quirks.LongLengths {
		return value
	}
	var b []byte
	r := ber.BER(value)
	for r.More() {
		e, ok := r.Next()
		if !ok {
			return value
		}
		b = a.appendTLV(b, e.Tag, e.Value)
	}
	return b
}
