package gids

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Kinds of files, as their descriptor says.
const (
	kindApplication = 0x38
	kindData        = 0x39
	kindKey         = 0x18
)

// Tags of a file control parameter template (ISO/IEC 7816-4, 7.4.3).
const (
	tagFCP        ber.Tag = 0x62
	tagDescriptor ber.Tag = 0x82
	tagFileID     ber.Tag = 0x83
	tagRights     ber.Tag = 0x8C
	tagTemplates  ber.Tag = 0xA5
)

// Identifiers that are no file's.
const (
	idApplication = 0x3FFF
	idCurrent     = 0x0000
	idReserved    = 0xFFFF
	idATR         = 0x2F01
)

// maxFiles bounds how many files commands can make: enough for a key in each
// container. GidsApplet stops at 30.
const maxFiles = 160

// maxParameters bounds the parameters that a file is created with.
const maxParameters = 256

// A file holds data objects, or a key.
type file struct {
	id         uint16
	kind       byte
	parameters []byte // as it was created with them
	rights     rights
	templates  []template // of a key: what it may be used for
	active     bool       // until then nothing but activation is allowed

	tags    []ber.Tag // of the objects, as they were stored
	objects map[ber.Tag][]byte
	key     key
}

// parameters are the ones to create a file with. Templates are a key's.
func parameters(kind byte, id uint16, rights rights, templates []byte) []byte {
	b := ber.Append(nil, tagDescriptor, []byte{kind})
	b = ber.Append(b, tagFileID, []byte{byte(id >> 8), byte(id)})
	b = ber.Append(b, tagRights, rights)
	if templates != nil {
		b = ber.Append(b, tagTemplates, templates)
	}
	return ber.Append(nil, tagFCP, b)
}

// newFile makes a file of its parameters. It reports false where they are no good.
func newFile(data []byte) (*file, bool) {
	r := ber.BER(data)
	outer, ok := r.Take(tagFCP)
	if !ok || r.Close() != nil || len(data) > maxParameters {
		return nil, false
	}
	f := &file{parameters: slices.Clone(data), objects: make(map[ber.Tag][]byte)}
	in := outer.Inside()
	for {
		e, more := in.Next()
		if !more {
			break
		}
		switch {
		case e.Tag == tagDescriptor && len(e.Value) > 0:
			f.kind = e.Value[0]
		case e.Tag == tagFileID && len(e.Value) == 2:
			f.id = uint16(e.Value[0])<<8 | uint16(e.Value[1])
		case e.Tag == tagRights:
			f.rights = slices.Clone(e.Value)
		case e.Tag == tagTemplates:
			f.templates = readTemplates(e.Value)
		}
	}
	switch f.id {
	case idCurrent, idApplication, idReserved, idATR:
		return nil, false
	}
	known := f.kind == kindData || f.kind == kindKey && len(f.templates) > 0
	return f, known && in.Err() == nil && f.rights.wellFormed()
}

// selectFile answers SELECT by file identifier, or by none: the application. What
// the application says of itself no other file does.
func (a *Application) selectFile(c iso.Command) iso.Answer {
	if c.P1 != 0x00 || c.P2&^0x0C != 0 {
		return iso.BadParameters.Answer()
	}
	id := uint16(idApplication)
	switch len(c.Data) {
	case 0:
	case 2:
		id = uint16(c.Data[0])<<8 | uint16(c.Data[1])
	default:
		return iso.WrongLength.Answer()
	}
	if id == idApplication {
		a.now.current = nil
		answer, _ := a.properties(c.P2)
		return iso.Data(answer)
	}
	f := a.files[id]
	if f == nil {
		return iso.NotFound.Answer()
	}
	a.now.current = f
	switch c.P2 {
	case answerNone:
		return iso.OK.Answer()
	case answerFCP:
		return iso.Data(f.parameters)
	}
	return iso.BadParameters.Answer()
}

// create answers CREATE FILE (ISO/IEC 7816-9). The new file is the current one.
func (a *Application) create(c iso.Command) iso.Status {
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters
	}
	f, ok := newFile(c.Data)
	switch {
	case !ok, a.files[f.id] != nil:
		return dataInvalid
	case !a.may(applicationRights, rightPut): // which is to make a file, of the application
		return iso.SecurityNotSatisfied
	case len(a.files) >= maxFiles:
		return iso.NoMemory
	}
	a.files[f.id], a.now.current = f, f
	return iso.OK
}

// activate answers ACTIVATE FILE, for the current file or the application.
func (a *Application) activate(c iso.Command) iso.Status {
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters
	}
	if len(c.Data) != 0 {
		return iso.WrongLength
	}
	if f := a.now.current; f != nil {
		f.active = true
		return iso.OK
	}
	if len(a.pin.digits) == 0 {
		return iso.ConditionsNotSatisfied // nobody could ever do anything again
	}
	a.state = operational
	a.deauthenticate()
	return iso.OK
}

// deleteFile answers DELETE FILE, for the current file.
func (a *Application) deleteFile(c iso.Command) iso.Status {
	f := a.now.current
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return iso.BadParameters
	case len(c.Data) != 0:
		return iso.WrongLength
	case f == nil:
		return commandForbidden
	case !f.active:
		return iso.ConditionsNotSatisfied
	}
	allowed := a.may(applicationRights, rightGet) // which is to delete a file, of the application
	if f.rights.mention(rightDelete) {
		allowed = a.may(f.rights, rightDelete)
	}
	if !allowed {
		return iso.SecurityNotSatisfied
	}
	delete(a.files, f.id)
	a.now.current, a.now.chosen, a.now.environment = nil, nil, environment{}
	return iso.OK
}

// terminate answers TERMINATE DF: the application never answers again.
func (a *Application) terminate(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return iso.BadParameters
	case !a.may(applicationRights, rightTerminate):
		return iso.SecurityNotSatisfied
	}
	a.state = ended
	return iso.OK
}
