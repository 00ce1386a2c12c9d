package piv

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// tagList names the object that GET DATA and PUT DATA mean.
const tagList ber.Tag = 0x5C

// currentFile is P1-P2 of GET DATA and PUT DATA.
const currentFile = 0x3FFF

// getData answers with a whole object; there is no reading in part (SP
// 800-73-4 part 2, 3.1.2). That the PIN is missing is said before whether the
// object is there. What the standard does not know everybody may read.
func (a *Application) getData(c iso.Command) iso.Answer {
	if int(c.P1)<<8|int(c.P2) != currentFile {
		return iso.BadParameters.Answer()
	}
	tag, ok := wantedTag(c.Data)
	if !ok {
		return iso.BadData.Answer()
	}
	r, known := a.rule(tag)
	if !a.readable(r) {
		return iso.SecurityNotSatisfied.Answer()
	}
	value := a.object(tag)
	if len(value) == 0 && !(known && a.config.Quirks.EmptyObjects) {
		return iso.NotFound.Answer()
	}
	return iso.Data(a.appendTLV(nil, wrapper(tag), a.stretched(value)))
}

// wantedTag reads the one tag of a tag list.
func wantedTag(data []byte) (ber.Tag, bool) {
	r := ber.BER(data)
	list, ok := r.Take(tagList)
	if !ok || r.Close() != nil {
		return 0, false
	}
	inner := ber.BER(append(slices.Clone(list.Value), 0)) // a tag alone is no element
	e, ok := inner.Next()
	return e.Tag, ok && inner.Close() == nil
}

// wrapper is the tag around an object's value in an answer.
func wrapper(tag ber.Tag) ber.Tag {
	if tag == tagDiscovery || tag == tagBiometricGroup {
		return tag
	}
	return tagContainer
}

// stretched is the value of an object with the lengths of its elements as long
// as the card writes lengths. What is no sequence of elements stays as it is.
func (a *Application) stretched(value []byte) []byte {
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
