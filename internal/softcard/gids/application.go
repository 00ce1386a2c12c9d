package gids

import (
	"sync"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Instructions of the application.
const (
	insVerify          = 0x20
	insManageSecurity  = 0x22
	insChangeReference = 0x24
	insPerform         = 0x2A
	insResetRetry      = 0x2C
	insActivate        = 0x44
	insGenerate        = 0x47
	insAuthenticate    = 0x87
	insSelect          = 0xA4
	insGetDataSimple   = 0xCA // names an object in P1 and P2
	insGetData         = 0xCB
	insPutData         = 0xDB
	insCreate          = 0xE0
	insDelete          = 0xE4
	insTerminate       = 0xE6
)

// Status words of this application beside those of package iso.
const (
	statusTerminated        iso.Status = 0x6285
	statusWrongFileType     iso.Status = 0x6981
	statusDataInvalid       iso.Status = 0x6984
	statusCommandNotAllowed iso.Status = 0x6986
)

// aidPrefix is the application identifier without its version.
const aidPrefix = "\xA0\x00\x00\x03\x97\x42\x54\x46\x59"

// Versions in the application identifier.
const (
	versionApplet = 0x02
	versionTPM    = 0x04
)

// An Application is a GIDS card application for an [iso.Card]. Its methods are safe
// for concurrent use, also while the card is in use.
type Application struct {
	config Config

	mu      sync.Mutex // guards what follows
	files   map[uint16]*file
	state   lifeCycle
	pin     secret
	puk     secret // without a value if the card has none
	session session
}

// A lifeCycle is a state in the life cycle of the application (ISO/IEC 7816-4,
// 7.4.10).
type lifeCycle int

const (
	stateInitialization lifeCycle = iota // access conditions do not apply
	stateOperational
	stateTerminated
)

// A session is the state that ends when the application is deselected.
type session struct {
	current     *file // nil means the application
	environment environment

	admin         bool   // the administrator is authenticated
	authKey       *file  // key file of the authentication
	cardChallenge []byte // awaits its response; else nil
	hostChallenge []byte // of a mutual authentication; else nil
}

// New returns the application. It panics if the administrator's key is not a
// 3DES key.
func New(config Config) *Application {
	a := &Application{config: config.withDefaults(), files: make(map[uint16]*file)}
	if len(a.config.AdminKey) != adminKeySize {
		panic("gids: administrator key: length is not 24 bytes")
	}
	a.pin.Limit = a.config.PINTries
	a.puk.Limit = a.config.PUKTries
	if !config.Blank {
		a.initialize()
	}
	return a
}

// AID implements [iso.Application].
func (a *Application) AID() []byte {
	version := byte(versionApplet)
	if a.config.TPM {
		version = versionTPM
	}
	return append([]byte(aidPrefix), version, 0x01)
}

// P2 of SELECT: the requested response (ISO/IEC 7816-4, 7.1.1).
const (
	returnFCI  = 0x00
	returnFCP  = 0x04
	returnFMD  = 0x08
	returnNone = 0x0C
)

// Select implements [iso.Application]. Java cards deselect an applet even when it
// is selected again, so the GidsApplet clears its security status. That virtual
// smart cards do the same is assumed.
func (a *Application) Select(c iso.Command) iso.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	properties, ok := a.properties(c.P2)
	if !ok {
		return iso.BadParameters.Response()
	}
	if !a.config.Quirks.SelectKeeps {
		a.endSession()
	}
	a.session.current = nil
	return iso.Data(properties)
}

// Outer tags of the response to SELECT (ISO/IEC 7816-4, 7.4.3 and 8.2.1).
const (
	tagApplication ber.Tag = 0x61
	tagManagement  ber.Tag = 0x64
)

// properties returns the response to a SELECT of the application. It reports
// false for an unsupported P2.
func (a *Application) properties(p2 byte) ([]byte, bool) {
	switch {
	case p2 == returnNone, p2 == returnFCI && a.config.Quirks.NoProperties:
		return nil, true
	case p2 == returnFCI:
		outer := tagApplication
		if a.config.Quirks.ManagementTag {
			outer = tagManagement
		}
		b := ber.Append(nil, 0x4F, a.AID())
		b = ber.Append(b, 0x73, []byte{0x40, 0x01, 0xC0}) // external and mutual authentication
		return ber.Append(nil, outer, b), true
	case p2 == returnFCP:
		b := ber.Append(nil, tagDescriptor, []byte{kindApplication})
		return ber.Append(nil, tagFCP, ber.Append(b, tagRights, applicationRights)), true
	case p2 == returnFMD:
		b := ber.Append(nil, 0x5F2F, []byte{0x60})
		return ber.Append(nil, tagManagement, ber.Append(b, 0x7F65, []byte{0x80, 0x00})), true
	}
	return nil, false
}

// Process implements [iso.Application].
func (a *Application) Process(c iso.Command) iso.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == stateTerminated && c.INS != insSelect {
		return statusTerminated.Response()
	}
	a.restoreRetries()
	switch c.INS {
	case insSelect:
		return a.selectFile(c)
	case insGetDataSimple:
		return iso.ReferenceNotFound.Response() // no object has such a name
	case insGetData:
		return a.getData(c)
	case insPutData:
		return a.putData(c).Response()
	case insVerify:
		return a.verify(c).Response()
	case insChangeReference:
		return a.changeReference(c).Response()
	case insResetRetry:
		return a.resetRetryCounter(c).Response()
	case insManageSecurity:
		return a.manageSecurity(c).Response()
	case insPerform:
		return a.perform(c)
	case insAuthenticate:
		return a.authenticate(c)
	case insGenerate:
		return a.generate(c)
	case insCreate:
		return a.createFile(c).Response()
	case insActivate:
		return a.activateFile(c).Response()
	case insDelete:
		return a.deleteFile(c).Response()
	case insTerminate:
		return a.terminate(c).Response()
	}
	return iso.UnknownInstruction.Response()
}

// Chains implements [iso.Application].
func (a *Application) Chains(ins byte) bool {
	return ins == insPutData || ins == insPerform || ins == insAuthenticate
}

// Deselect implements [iso.Application].
func (a *Application) Deselect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endSession()
}

// Reset implements [iso.Application].
func (a *Application) Reset() { a.Deselect() }

// endSession clears the session and the verified PIN.
func (a *Application) endSession() {
	a.session = session{}
	a.pin.Verified = false
}

// deauthenticate clears PIN and administrator authentication. The selected file
// and the security environment stay.
func (a *Application) deauthenticate() {
	s := &a.session
	s.admin, s.authKey, s.cardChallenge, s.hostChallenge = false, nil, nil, nil
	a.pin.Verified = false
}
