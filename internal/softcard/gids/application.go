package gids

import (
	"sync"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Instructions of the application.
const (
	insVerify         = 0x20
	insManageSecurity = 0x22
	insChange         = 0x24
	insPerform        = 0x2A
	insResetRetry     = 0x2C
	insActivate       = 0x44
	insGenerate       = 0x47
	insAuthenticate   = 0x87
	insSelect         = 0xA4
	insGetData        = 0xCB
	insPutData        = 0xDB
	insCreate         = 0xE0
	insDelete         = 0xE4
	insTerminate      = 0xE6
)

// Status words that this application gives beside the common ones.
const (
	terminated       iso.Status = 0x6285
	wrongFileType    iso.Status = 0x6981
	dataInvalid      iso.Status = 0x6984
	commandForbidden iso.Status = 0x6986
)

// The application identifier up to its version.
const prefix = "\xA0\x00\x00\x03\x97\x42\x54\x46\x59"

// Versions that follow it.
const (
	versionApplet = 0x02
	versionTPM    = 0x04
)

// An Application is a GIDS card application for an [iso.Card]. Its methods are safe
// for concurrent use, also while the card is in use.
type Application struct {
	config Config

	mu       sync.Mutex // guards what follows
	files    map[uint16]*file
	state    state
	pin, puk secret // the second has no digits where the card has none
	now      session
}

// A state is the one of the application in its life (ISO/IEC 7816-4, 7.4.10).
type state int

const (
	settingUp state = iota // everything is allowed
	operational
	ended
)

// A session is what is forgotten when the application is left.
type session struct {
	current     *file // nil is the application itself
	environment environment

	admin     bool   // the administrator has proved to be it
	chosen    *file  // whose key is to be proved
	challenge []byte // that waits for an answer
	mutual    []byte // the other side's challenge; nil where only it proves itself
}

// New makes the application. It panics over a key of the administrator that is no
// 3DES key.
func New(config Config) *Application {
	a := &Application{config: config.complete(), files: make(map[uint16]*file)}
	if len(a.config.AdminKey) != adminKeySize {
		panic("gids: the key of the administrator has another length than 24 bytes")
	}
	a.pin = secret{most: a.config.PINTries}
	a.puk = secret{most: a.config.PUKTries}
	if !config.Blank {
		a.setUp()
	}
	return a
}

// AID implements [iso.Application].
func (a *Application) AID() []byte {
	version := byte(versionApplet)
	if a.config.TPM {
		version = versionTPM
	}
	return append([]byte(prefix), version, 0x01)
}

// P2 of SELECT: what is to be answered.
const (
	answerFCI  = 0x00
	answerFCP  = 0x04
	answerFMD  = 0x08
	answerNone = 0x0C
)

// Select implements [iso.Application]. Java cards tell an applet that it is left even
// when it is selected again, and so GidsApplet forgets what was verified. That virtual
// smart cards do is assumed.
func (a *Application) Select(c iso.Command) iso.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, ok := a.properties(c.P2)
	if !ok {
		return iso.BadParameters.Answer()
	}
	if !a.config.Quirks.SelectKeeps {
		a.forget()
	}
	a.now.current = nil
	return iso.Data(answer)
}

// What an answer to SELECT is wrapped in (ISO/IEC 7816-4, 7.4.3 and 8.2.1).
const (
	tagApplication ber.Tag = 0x61
	tagManagement  ber.Tag = 0x64
)

// properties is what the application says of itself.
func (a *Application) properties(p2 byte) ([]byte, bool) {
	switch {
	case p2 == answerNone, p2 == answerFCI && a.config.Quirks.NoProperties:
		return nil, true
	case p2 == answerFCI:
		outer := tagApplication
		if a.config.Quirks.ManagementTag {
			outer = tagManagement
		}
		b := ber.Append(nil, 0x4F, a.AID())
		b = ber.Append(b, 0x73, []byte{0x40, 0x01, 0xC0}) // external and mutual authentication
		return ber.Append(nil, outer, b), true
	case p2 == answerFCP:
		b := ber.Append(nil, tagDescriptor, []byte{kindApplication})
		return ber.Append(nil, tagFCP, ber.Append(b, tagRights, applicationRights)), true
	case p2 == answerFMD:
		b := ber.Append(nil, 0x5F2F, []byte{0x60})
		return ber.Append(nil, tagManagement, ber.Append(b, 0x7F65, []byte{0x80, 0x00})), true
	}
	return nil, false
}

// Process implements [iso.Application].
func (a *Application) Process(c iso.Command) iso.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == ended && c.INS != insSelect {
		return terminated.Answer()
	}
	a.heal()
	switch c.INS {
	case insSelect:
		return a.selectFile(c)
	case insGetData:
		return a.getData(c)
	case insPutData:
		return a.putData(c).Answer()
	case insVerify:
		return a.verify(c).Answer()
	case insChange:
		return a.change(c).Answer()
	case insResetRetry:
		return a.resetRetry(c).Answer()
	case insManageSecurity:
		return a.manageSecurity(c).Answer()
	case insPerform:
		return a.perform(c)
	case insAuthenticate:
		return a.authenticate(c)
	case insGenerate:
		return a.generate(c)
	case insCreate:
		return a.create(c).Answer()
	case insActivate:
		return a.activate(c).Answer()
	case insDelete:
		return a.deleteFile(c).Answer()
	case insTerminate:
		return a.terminate(c).Answer()
	}
	return iso.UnknownInstruction.Answer()
}

// Chains implements [iso.Application].
func (a *Application) Chains(ins byte) bool {
	return ins == insPutData || ins == insPerform || ins == insAuthenticate
}

// Deselect implements [iso.Application].
func (a *Application) Deselect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
}

// Reset implements [iso.Application].
func (a *Application) Reset() { a.Deselect() }

// forget clears all that lasts for a session only.
func (a *Application) forget() {
	a.now = session{}
	a.pin.verified = false
}

// deauthenticate makes everybody a stranger. What was selected stays.
func (a *Application) deauthenticate() {
	a.now.admin, a.now.chosen, a.now.challenge, a.now.mutual = false, nil, nil, nil
	a.pin.verified = false
}
