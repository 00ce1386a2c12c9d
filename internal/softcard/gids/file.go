package gids

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Kinds of files: the file descriptor byte (ISO/IEC 7816-4, table 14).
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

// Identifiers that commands cannot create files with.
const (
	idApplication = 0x3FFF
	idCurrent     = 0x0000
	idReserved    = 0xFFFF
	idATR         = 0x2F01
)

// maxFiles bounds the files on the card: enough for a key in each container. The
// limit of the GidsApplet is 30.
const maxFiles = 160

// maxParameters bounds the parameters of CREATE FILE.
const maxParameters = 256

// A file has data objects, or a key.
type file struct {
	id         uint16
	kind       byte
	parameters []byte // of CREATE FILE
	rights     rights
	templates  []template // of a key file
	active     bool       // a file that is not activated allows only activation

	tags    []ber.Tag // of the objects, in the order in which they were stored
	objects map[ber.Tag][]byte
	key     key
}

// parameters returns the parameters of CREATE FILE. Templates are those of a key
// file, else nil.
func parameters(kind byte, id uint16, rights rights, templates []byte) []byte {
	b := ber.Append(nil, tagDescriptor, []byte{kind})
	b = ber.Append(b, tagFileID, []byte{byte(id >> 8), byte(id)})
	b = ber.Append(b, tagRights, rights)
	if templates != nil {
		b = ber.Append(b, tagTemplates, templates)
	}
	return ber.Append(nil, tagFCP, b)
}

// newFile returns a file with the parameters of CREATE FILE, and false if they are
// malformed.
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
			f.templates = parseTemplates(e.Value)
		}
	}
	switch f.id {
	case idCurrent, idApplication, idReserved, idATR:
		return nil, false
	}
	supported := f.kind == kindData || f.kind == kindKey && len(f.templates) > 0
	return f, supported && in.Err() == nil && f.rights.wellFormed()
}

// selectFile processes SELECT by file identifier. Without one it selects the
// application. A file returns its control parameters only.
func (a *Application) selectFile(c iso.Command) iso.Response {
	if c.P1 != 0x00 || c.P2&^0x0C != 0 {
		return iso.BadParameters.Response()
	}
	id := uint16(idApplication)
	switch len(c.Data) {
	case 0:
	case 2:
		id = uint16(c.Data[0])<<8 | uint16(c.Data[1])
	default:
		return iso.WrongLength.Response()
	}
	if id == idApplication {
		a.session.current = nil
		properties, _ := a.properties(c.P2)
		return iso.Data(properties)
	}
	f := a.files[id]
	if f == nil {
		return iso.NotFound.Response()
	}
	a.session.current = f
	switch c.P2 {
	case returnNone:
		return iso.OK.Response()
	case returnFCP:
		return iso.Data(f.parameters)
	}
	return iso.BadParameters.Response()
}

// createFile processes CREATE FILE (ISO/IEC 7816-9). The new file becomes the
// current one.
func (a *Application) createFile(c iso.Command) iso.Status {
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters
	}
	f, ok := newFile(c.Data)
	switch {
	case !ok, a.files[f.id] != nil:
		return statusDataInvalid
	case !a.allowed(applicationRights, rightPut):
		return iso.SecurityNotSatisfied
	case len(a.files) >= maxFiles:
		return iso.NoMemory
	}
	a.files[f.id], a.session.current = f, f
	return iso.OK
}

// activateFile processes ACTIVATE FILE for the current file or the application.
// Activating the application requires a PIN, as without one no access condition
// could be met.
func (a *Application) activateFile(c iso.Command) iso.Status {
	if c.P1 != 0 || c.P2 != 0 {
		return iso.BadParameters
	}
	if len(c.Data) != 0 {
		return iso.WrongLength
	}
	if f := a.session.current; f != nil {
		f.active = true
		return iso.OK
	}
	if !a.pin.isSet() {
		return iso.ConditionsNotSatisfied
	}
	a.state = stateOperational
	a.deauthenticate()
	return iso.OK
}

// deleteFile processes DELETE FILE for the current file.
func (a *Application) deleteFile(c iso.Command) iso.Status {
	f := a.session.current
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return iso.BadParameters
	case len(c.Data) != 0:
		return iso.WrongLength
	case f == nil:
		return statusCommandNotAllowed
	case !f.active:
		return iso.ConditionsNotSatisfied
	}
	allowed := a.allowed(applicationRights, rightGet)
	if f.rights.has(rightDelete) {
		allowed = a.allowed(f.rights, rightDelete)
	}
	if !allowed {
		return iso.SecurityNotSatisfied
	}
	delete(a.files, f.id)
	s := &a.session
	s.current, s.authKey, s.environment = nil, nil, environment{}
	return iso.OK
}

// terminate processes TERMINATE DF, which ends the use of the application for
// good.
func (a *Application) terminate(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return iso.BadParameters
	case !a.allowed(applicationRights, rightTerminate):
		return iso.SecurityNotSatisfied
	}
	a.state = stateTerminated
	return iso.OK
}
