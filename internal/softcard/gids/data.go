package gids

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// tagList is what GET DATA names objects by.
const tagList ber.Tag = 0x5C

// historical is what the card says of itself in EF.ATR: initial access data, card
// capabilities, and a name.
var historical = []byte("\x43\x01\xF4\x47\x03\x08\x01\x80\x46\x0Asmartlogon")

// getData answers GET DATA. P1 and P2 are a file.
func (a *Application) getData(c iso.Command) iso.Answer {
	switch uint16(c.P1)<<8 | uint16(c.P2) {
	case idReserved:
		return iso.BadParameters.Answer()
	case idApplication:
		return a.applicationData(c.Data)
	case idATR:
		return iso.Data(historical)
	}
	f := a.file(c)
	switch {
	case f == nil:
		return iso.NotFound.Answer()
	case f.kind != kindData:
		return wrongFileType.Answer()
	case !f.active:
		return commandForbidden.Answer()
	case !a.may(f.rights, rightGet):
		return iso.SecurityNotSatisfied.Answer()
	}
	tags, ok := readTagList(c.Data)
	if !ok {
		return iso.BadData.Answer()
	}
	if len(tags) == 0 {
		tags = f.tags
	}
	var answer []byte
	for _, tag := range tags {
		value, ok := f.objects[tag]
		if !ok {
			return iso.ReferenceNotFound.Answer()
		}
		answer = ber.Append(answer, tag, value)
	}
	return iso.Data(answer)
}

// readTagList reads tags one after the other.
func readTagList(data []byte) ([]ber.Tag, bool) {
	r := ber.BER(data)
	e, _ := r.Take(tagList)
	if r.Close() != nil {
		return nil, false
	}
	var tags []ber.Tag
	for b := e.Value; len(b) > 0; {
		tag, n := ber.Tag(b[0]), 1
		if b[0]&0x1F == 0x1F {
			if len(b) < 2 || b[1]&0x80 != 0 {
				return nil, false
			}
			tag, n = tag<<8|ber.Tag(b[1]), 2
		}
		tags, b = append(tags, tag), b[n:]
		if len(tags) > 16 {
			return nil, false
		}
	}
	return tags, true
}

// Objects of the application.
const (
	tagPINStatus   ber.Tag = 0x7F71
	tagOtherStatus ber.Tag = 0x7F72
	tagPUKStatus   ber.Tag = 0x7F73
	tagPublicKey   ber.Tag = 0x7F49
	tagKey         ber.Tag = 0x70
)

// applicationData answers for the application's own objects.
func (a *Application) applicationData(data []byte) iso.Answer {
	if request, ok, err := ber.Find(data, tagKey); ok && err == nil {
		return a.publicKey(request)
	}
	tags, ok := readTagList(data)
	if !ok || len(tags) != 1 {
		return iso.BadData.Answer()
	}
	switch {
	case a.config.Quirks.NoStatus:
	case tags[0] == tagPINStatus, tags[0] == tagOtherStatus:
		return iso.Data(ber.Append(nil, tags[0], a.status(a.pin)))
	case tags[0] == tagPUKStatus && len(a.puk.digits) > 0:
		return iso.Data(ber.Append(nil, tags[0], a.status(a.puk)))
	}
	return iso.ReferenceNotFound.Answer()
}

func (a *Application) status(s secret) []byte {
	left := ber.Tag(0x97)
	if a.config.Quirks.OldTries {
		left = 0x9F17
	}
	b := ber.Append(nil, left, []byte{byte(min(s.left, 0xFF))})
	return ber.Append(b, 0x93, []byte{byte(min(s.most, 0xFF))})
}

// putData answers PUT DATA. P1 and P2 are a file.
func (a *Application) putData(c iso.Command) iso.Status {
	switch uint16(c.P1)<<8 | uint16(c.P2) {
	case idReserved:
		return iso.BadParameters
	case idApplication:
		return a.importKey(c.Data)
	}
	f := a.file(c)
	switch {
	case f == nil:
		return iso.NotFound
	case f.kind != kindData:
		return wrongFileType
	case !f.active:
		return commandForbidden
	case !a.may(f.rights, rightPut):
		return iso.SecurityNotSatisfied
	}
	r := ber.BER(c.Data)
	e, ok := r.Next()
	if !ok || r.Close() != nil {
		return dataInvalid
	}
	old, there := f.objects[e.Tag]
	switch {
	case len(e.Value) == 0 && there && len(old) == 0: // emptied twice
		f.remove(e.Tag)
		return iso.OK
	case !there && len(f.tags) >= a.config.MaxObjects:
		return iso.NoMemory
	}
	f.put(e.Tag, e.Value)
	return iso.OK
}

func (f *file) put(tag ber.Tag, value []byte) {
	if _, there := f.objects[tag]; !there {
		f.tags = append(f.tags, tag)
	}
	f.objects[tag] = slices.Clone(value)
}

func (f *file) remove(tag ber.Tag) {
	delete(f.objects, tag)
	f.tags = slices.DeleteFunc(f.tags, func(t ber.Tag) bool { return t == tag })
}
