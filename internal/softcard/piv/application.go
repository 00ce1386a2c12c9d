package piv

import (
	"bytes"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Instructions of the PIV card application (SP 800-73-4 part 2, table 2).
const (
	insVerify          = 0x20
	insChangeReference = 0x24
	insResetRetry      = 0x2C
	insGenerate        = 0x47
	insAuthenticate    = 0x87
	insSelect          = 0xA4
	insGetData         = 0xCB
	insPutData         = 0xDB
)

// The application identifier: RID and PIX (SP 800-73-4 part 1, 2.2).
const (
	rid = "\xA0\x00\x00\x03\x08"
	pix = "\x00\x00\x10\x00\x01\x00"
)

// An Application is a PIV card application for an [iso.Card]. Its methods are
// safe for concurrent use, also while the card is in use.
type Application struct {
	config Config

	mu            sync.Mutex // guards what follows
	objects       map[ber.Tag][]byte
	countsRetired bool // the key history is computed from the stored certificates
	slots         map[byte]*slot
	pin, puk      iso.Reference
	global        *iso.Reference // nil if the card has no global PIN
	admin         admin
	carry         carryOver
}

// A carryOver is state that a completed command leaves for the next one only.
// GET RESPONSE and the parts of a chain do not count as commands.
type carryOver struct {
	justVerified bool     // the command was a successful VERIFY
	exchange     exchange // the command began an authentication of the administrator
}

// New returns an application with a CHUID, a card capability container, a
// discovery object, and no keys. A YubiKey without a GUID is as new: it has only
// the discovery object, and its attestation key.
func New(config Config) *Application {
	if config.Firmware != (Version{}) {
		config = config.yubikeyConfig()
	}
	a := &Application{config: config}
	a.personalize()
	return a
}

// personalize puts the card into the state in which it is issued.
func (a *Application) personalize() {
	a.pin = newReference(a.config.PIN, defaultPIN, a.config.PINTries)
	a.puk = newReference(a.config.PUK, defaultPUK, a.config.PUKTries)
	if a.config.GlobalPIN != "" {
		global := newReference(a.config.GlobalPIN, "", a.config.GlobalTries)
		a.global = &global
	}
	a.admin = newAdmin(a.config.AdminKey)
	a.resetContent()
	if !a.isYubiKey() || a.config.GUID != [16]byte{} {
		guid := cardUUID(a.config.GUID)
		a.objects[tagCHUID] = a.chuid(guid)
		a.objects[tagCCC] = capabilities(guid)
	}
	if a.atLeast(firmwareAttest) {
		a.putAttestationKey()
	}
}

// resetContent removes all keys, and all objects but the discovery object.
func (a *Application) resetContent() {
	a.slots = map[byte]*slot{}
	a.countsRetired = !a.isYubiKey() // a YubiKey has only a key history that was written
	a.objects = map[ber.Tag][]byte{
		tagDiscovery: a.discovery(),
	}
}

// AID implements [iso.Application].
func (a *Application) AID() []byte { return []byte(rid + pix) }

// Select implements [iso.Application]. Selecting the application again keeps
// the security status (SP 800-73-4 part 2, 3.1.1).
func (a *Application) Select(c iso.Command) iso.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.P2 != 0 {
		return iso.BadParameters.Response()
	}
	a.carry = carryOver{}
	if a.config.Quirks.SelectClears {
		a.clearSecurityStatus()
	}
	if a.config.Template != nil {
		return iso.Data(a.config.Template)
	}
	return iso.Data(a.propertyTemplate())
}

// propertyTemplate returns the application property template (SP 800-73-4 part
// 2, table 3).
func (a *Application) propertyTemplate() []byte {
	aid := rid + pix
	if a.config.Quirks.SelectWithPIX {
		aid = pix
	}
	b := a.appendTLV(nil, 0x4F, []byte(aid))
	b = a.appendTLV(b, 0x79, a.appendTLV(nil, 0x4F, []byte(rid)))
	if a.config.Label != "" {
		b = a.appendTLV(b, 0x50, []byte(a.config.Label))
	}
	if len(a.config.Algorithms) > 0 {
		var list []byte
		for _, alg := range a.config.Algorithms {
			list = a.appendTLV(list, 0x80, []byte{byte(alg)})
		}
		b = a.appendTLV(b, 0xAC, a.appendTLV(list, 0x06, []byte{0x00}))
	}
	return a.appendTLV(nil, 0x61, b)
}

// Process implements [iso.Application].
func (a *Application) Process(c iso.Command) iso.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	carried := a.carry
	a.carry = carryOver{}
	if r, ok := a.fixedAnswer(c); ok {
		return r
	}
	switch c.INS {
	case insGetData:
		return a.getData(c)
	case insVerify:
		return a.verify(c).Response()
	case insChangeReference:
		return a.changeReference(c).Response()
	case insResetRetry:
		return a.resetRetryCounter(c).Response()
	case insAuthenticate:
		return a.authenticate(c, carried)
	case insPutData:
		return a.putData(c).Response()
	case insGenerate:
		return a.generate(c)
	case insSelect: // by file identifier: there are no files
		return iso.BadParameters.Response()
	}
	return a.processYubico(c)
}

// fixedAnswer returns the response that [Config.Answers] has for a command.
func (a *Application) fixedAnswer(c iso.Command) (iso.Response, bool) {
	command := append([]byte{c.CLA, c.INS, c.P1, c.P2}, c.Data...)
	for _, answer := range a.config.Answers {
		if bytes.HasPrefix(command, answer.Command) {
			return iso.Response{Data: answer.Data, Status: answer.Status}, true
		}
	}
	return iso.Response{}, false
}

// Chains implements [iso.Application] (SP 800-73-4 part 2, table 2).
func (a *Application) Chains(ins byte) bool {
	switch ins {
	case insAuthenticate, insPutData, insGenerate:
		return true
	case insImport:
		return a.isYubiKey() || a.hasExtension(insImport)
	}
	return false
}

func (a *Application) hasExtension(ins byte) bool {
	return slices.Contains(a.config.Extensions, ins)
}

// Deselect implements [iso.Application]. The global PIN belongs to the card, so
// it stays verified.
func (a *Application) Deselect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clearSecurityStatus()
}

// Reset implements [iso.Application].
func (a *Application) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clearSecurityStatus()
	if a.global != nil {
		a.global.Verified = false
	}
}

// clearSecurityStatus clears the security status of the application.
func (a *Application) clearSecurityStatus() {
	a.carry = carryOver{}
	a.pin.Verified = false
	a.puk.Verified = false
	a.admin.authenticated = false
}

// appendTLV appends an element. Its length has the form that Quirks asks for.
func (a *Application) appendTLV(dst []byte, tag ber.Tag, value []byte) []byte {
	if !a.config.Quirks.LongLengths {
		return ber.Append(dst, tag, value)
	}
	dst = ber.AppendHeader(dst, tag, 0)
	n := len(value)
	dst = append(dst[:len(dst)-1], 0x83, byte(n>>16), byte(n>>8), byte(n))
	return append(dst, value...)
}
