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

// maxFiles bounds how many files there can be.
const maxFiles = 160

// A file holds data objects, or a key.
type file struct {
	id     uint16
	kind   byte
	rights rights
	active bool // until then nothing but activation is allowed

	tags    []ber.Tag // of the objects, as they were stored
	objects map[ber.Tag][]byte

	templates []template
	key       key
}

// selectFile answers SELECT by file identifier.
func (a *Application) selectFile(c iso.Command) iso.Answer {
	if c.P1 != 0x00 || c.P2&^0x0C != 0 {
		return iso.BadParameters.Answer()
	}
	if len(c.Data) != 2 {
		return iso.WrongLength.Answer()
	}
	id := uint16(c.Data[0])<<8 | uint16(c.Data[1])
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
	if c.P2 == answerNone {
		return iso.OK.Answer()
	}
	b := ber.Append(nil, tagDescriptor, []byte{f.kind})
	b = ber.Append(b, tagFileID, []byte{byte(id >> 8), byte(id)})
	if f.rights != nil {
		b = ber.Append(b, tagRights, f.rights)
	}
	return iso.Data(ber.Append(nil, tagFCP, b))
}

// create answers CREATE FILE (ISO/IEC 7816-9). The new file is the current one.
func (a *Application) create(c iso.Command) iso.Status {
	fcp, ok, err := ber.Find(c.Data, tagFCP)
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return iso.BadParameters
	case err != nil || !ok:
		return iso.BadData
	case !a.may(applicationRights, rightPut): // which is to make a file, of the application
		return iso.SecurityNotSatisfied
	}
	f := &file{objects: make(map[ber.Tag][]byte)}
	r := ber.BER(fcp)
	for {
		e, more := r.Next()
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
	switch {
	case r.Err() != nil, f.kind != kindData && f.kind != kindKey, !f.rights.wellFormed():
		return dataInvalid
	case f.id == idCurrent, f.id == idApplication, f.id == idReserved, f.id == idATR:
		return dataInvalid
	case a.files[f.id] != nil:
		return iso.Status(0x6A89) // file exists
	case len(a.files) >= maxFiles:
		return iso.NoMemory
	}
	a.add(f)
	a.now.current = f
	return iso.OK
}

func (a *Application) add(f *file) {
	a.files[f.id] = f
	a.order = append(a.order, f.id)
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
	case !a.may(applicationRights, rightGet): // which is to delete a file, of the application
		return iso.SecurityNotSatisfied
	}
	delete(a.files, f.id)
	a.order = slices.DeleteFunc(a.order, func(id uint16) bool { return id == f.id })
	a.now.current, a.now.environment = nil, environment{}
	return iso.OK
}

// terminate answers TERMINATE DF: the application never answers again.
func (a *Application) terminate(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return iso.BadParameters
	case a.now.current != nil:
		return commandForbidden
	case !a.may(applicationRights, rightGet):
		return iso.SecurityNotSatisfied
	}
	a.state = ended
	return iso.OK
}

// file is the one that P1 and P2 of a command mean.
func (a *Application) file(c iso.Command) *file {
	id := uint16(c.P1)<<8 | uint16(c.P2)
	if id == idCurrent {
		return a.now.current
	}
	return a.files[id]
}
