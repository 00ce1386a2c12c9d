package gids

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// tagList is the tag list that names the objects of GET DATA.
const tagList ber.Tag = 0x5C

// efATR is the content of EF.ATR: card service data, card capabilities, and
// pre-issuing data with the name of the card (ISO/IEC 7816-4, 8.1.1.2).
var efATR = []byte("\x43\x01\xF4\x47\x03\x08\x01\x80\x46\x0CMySmartLogon")

// maxStored bounds the bytes of all data objects that commands store. It is far
// more than a card has.
const maxStored = 1 << 20

// selectDataFile makes the file that P1 and P2 of a command name the current one
// and returns it, if its condition for an access mode is met.
func (a *Application) selectDataFile(c iso.Command, mode byte) (*file, iso.Status) {
	id := c.P1P2()
	f := a.files[id]
	if id == idCurrent {
		f = a.session.current
	}
	switch {
	case id == idReserved:
		return nil, iso.BadParameters
	case f == nil && id != idCurrent:
		return nil, iso.NotFound
	case f == nil, f.kind != kindData:
		return nil, statusWrongFileType
	}
	s := a.checkAccess(f, mode)
	if s == iso.OK {
		a.session.current = f
	}
	return f, s
}

// getData processes GET DATA. P1 and P2 are a file identifier. An empty tag list
// reads all objects of the file.
func (a *Application) getData(c iso.Command) iso.Response {
	tags, ok := parseTagList(c.Data)
	switch c.P1P2() {
	case idApplication:
		return a.applicationData(c.Data)
	case idATR:
		if !ok || len(tags) > 0 {
			return statusDataInvalid.Response()
		}
		return iso.Data(efATR)
	}
	f, s := a.selectDataFile(c, rightGet)
	switch {
	case s != iso.OK:
		return s.Response()
	case !ok:
		return statusDataInvalid.Response()
	}
	if len(tags) == 0 {
		tags = f.tags
	}
	var objects []byte
	for _, tag := range tags {
		value, ok := f.objects[tag]
		if !ok {
			return iso.ReferenceNotFound.Response()
		}
		objects = ber.Append(objects, tag, value)
	}
	return iso.Data(objects)
}

// maxTags bounds the tags of a tag list.
const maxTags = 16

// parseTagList returns the tags of a tag list.
func parseTagList(data []byte) ([]ber.Tag, bool) {
	r := ber.BER(data)
	e, _ := r.Take(tagList)
	if r.Close() != nil {
		return nil, false
	}
	var tags []ber.Tag
	for rest := e.Value; len(rest) > 0; {
		next := ber.BER(rest)
		tag := next.Peek()
		if tag == 0 || len(tags) == maxTags {
			return nil, false
		}
		tags = append(tags, tag)
		rest = rest[len(ber.AppendHeader(nil, tag, 0))-1:] // without the length byte
	}
	return tags, true
}

// Objects of the application.
const (
	tagPINStatus   ber.Tag = 0x7F71
	tagOtherStatus ber.Tag = 0x7F72
	tagPUKStatus   ber.Tag = 0x7F73
	tagKey         ber.Tag = 0x70
)

// applicationData processes GET DATA of the application: a public key, or the
// status of PIN or PUK.
func (a *Application) applicationData(data []byte) iso.Response {
	if request, ok, err := ber.Find(data, tagKey); ok && err == nil {
		return a.publicKey(request)
	}
	tags, ok := parseTagList(data)
	if !ok || len(tags) != 1 {
		return statusDataInvalid.Response()
	}
	s := &a.pin
	switch tags[0] {
	case tagPINStatus, tagOtherStatus:
	case tagPUKStatus:
		s = &a.puk
	default:
		return statusDataInvalid.Response()
	}
	if a.config.Quirks.NoStatus || s == &a.puk && !s.isSet() {
		return iso.ReferenceNotFound.Response()
	}
	return iso.Data(ber.Append(nil, tags[0], a.secretStatus(s)))
}

// secretStatus returns the retry counter of PIN or PUK and its limit.
func (a *Application) secretStatus(s *secret) []byte {
	tagLeft := ber.Tag(0x97)
	if a.config.Quirks.OldTries {
		tagLeft = 0x9F17
	}
	b := ber.Append(nil, tagLeft, []byte{byte(min(s.Left, 0xFF))})
	return ber.Append(b, 0x93, []byte{byte(min(s.Limit, 0xFF))})
}

// putData processes PUT DATA. P1 and P2 are a file identifier. Writing an empty
// value to an empty object removes it.
func (a *Application) putData(c iso.Command) iso.Status {
	if c.P1P2() == idApplication {
		return a.importKey(c.Data)
	}
	f, s := a.selectDataFile(c, rightPut)
	if s != iso.OK {
		return s
	}
	r := ber.BER(c.Data)
	e, ok := r.Next()
	if !ok || r.Close() != nil {
		return statusDataInvalid
	}
	old, exists := f.objects[e.Tag]
	switch {
	case len(e.Value) == 0 && exists && len(old) == 0:
		f.remove(e.Tag)
		return iso.OK
	case !exists && len(f.tags) >= a.config.MaxObjects:
		return iso.NoMemory
	case len(e.Value) > len(old) && a.stored()-len(old)+len(e.Value) > maxStored:
		return iso.NoMemory
	}
	f.put(e.Tag, e.Value)
	return iso.OK
}

// stored returns the number of bytes in all data objects.
func (a *Application) stored() (n int) {
	for _, f := range a.files {
		for _, value := range f.objects {
			n += len(value)
		}
	}
	return n
}

func (f *file) put(tag ber.Tag, value []byte) {
	if _, exists := f.objects[tag]; !exists {
		f.tags = append(f.tags, tag)
	}
	f.objects[tag] = slices.Clone(value)
}

func (f *file) remove(tag ber.Tag) {
	delete(f.objects, tag)
	f.tags = slices.DeleteFunc(f.tags, func(t ber.Tag) bool { return t == tag })
}
