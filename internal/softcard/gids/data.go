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

// maxStored bounds the bytes of all data objects that commands store. It is far more
// than cards have.
const maxStored = 1 << 20

// dataFile is the file that P1 and P2 of a command name, if its rights allow the
// command. It becomes the current one.
func (a *Application) dataFile(c iso.Command, right byte) (*file, iso.Status) {
	id := uint16(c.P1)<<8 | uint16(c.P2)
	f := a.files[id]
	if id == idCurrent {
		f = a.now.current
	}
	switch {
	case id == idReserved:
		return nil, iso.BadParameters
	case f == nil && id != idCurrent:
		return nil, iso.NotFound
	case f == nil, f.kind != kindData:
		return nil, wrongFileType
	}
	s := a.permits(f, right)
	if s == iso.OK {
		a.now.current = f
	}
	return f, s
}

// getData answers GET DATA. P1 and P2 are a file.
func (a *Application) getData(c iso.Command) iso.Answer {
	tags, ok := readTagList(c.Data)
	switch uint16(c.P1)<<8 | uint16(c.P2) {
	case idApplication:
		return a.applicationData(c.Data)
	case idATR:
		if !ok || len(tags) > 0 {
			return dataInvalid.Answer()
		}
		return iso.Data(historical)
	}
	f, s := a.dataFile(c, rightGet)
	switch {
	case s != iso.OK:
		return s.Answer()
	case !ok:
		return dataInvalid.Answer()
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

// maxTags bounds the objects that one command can name.
const maxTags = 16

// readTagList reads tags one after the other. None stand for all objects.
func readTagList(data []byte) ([]ber.Tag, bool) {
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
		rest = rest[len(ber.AppendHeader(nil, tag, 0))-1:] // the header's last byte is the length
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
		return dataInvalid.Answer()
	}
	of := &a.pin
	switch tags[0] {
	case tagPINStatus, tagOtherStatus:
	case tagPUKStatus:
		of = &a.puk
	default:
		return dataInvalid.Answer()
	}
	if a.config.Quirks.NoStatus || of == &a.puk && len(of.digits) == 0 {
		return iso.ReferenceNotFound.Answer()
	}
	return iso.Data(ber.Append(nil, tags[0], a.status(of)))
}

func (a *Application) status(s *secret) []byte {
	left := ber.Tag(0x97)
	if a.config.Quirks.OldTries {
		left = 0x9F17
	}
	b := ber.Append(nil, left, []byte{byte(min(s.left, 0xFF))})
	return ber.Append(b, 0x93, []byte{byte(min(s.most, 0xFF))})
}

// putData answers PUT DATA. P1 and P2 are a file. To empty an empty object removes it.
func (a *Application) putData(c iso.Command) iso.Status {
	if uint16(c.P1)<<8|uint16(c.P2) == idApplication {
		return a.importKey(c.Data)
	}
	f, s := a.dataFile(c, rightPut)
	if s != iso.OK {
		return s
	}
	r := ber.BER(c.Data)
	e, ok := r.Next()
	if !ok || r.Close() != nil {
		return dataInvalid
	}
	old, there := f.objects[e.Tag]
	switch {
	case len(e.Value) == 0 && there && len(old) == 0:
		f.remove(e.Tag)
		return iso.OK
	case !there && len(f.tags) >= a.config.MaxObjects:
		return iso.NoMemory
	case len(e.Value) > len(old) && a.stored()-len(old)+len(e.Value) > maxStored:
		return iso.NoMemory
	}
	f.put(e.Tag, e.Value)
	return iso.OK
}

// stored is how many bytes all data objects have.
func (a *Application) stored() (n int) {
	for _, f := range a.files {
		for _, value := range f.objects {
			n += len(value)
		}
	}
	return n
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
