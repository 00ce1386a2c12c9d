package gids

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// Rights are a security attribute in compact form (ISO/IEC 7816-4, 9.3.3.2): a byte
// of access modes, and for each that is set a condition, from the highest bit to the
// lowest. Without one everything is allowed.
type rights []byte

// Access modes. What they mean depends on the file.
const (
	rightDelete    = 0x40 // to delete the file itself
	rightTerminate = 0x20
	rightNew       = 0x08 // to generate a key
	rightUse       = 0x04 // to choose a key for use
	rightPut       = 0x02 // PUT DATA; to make a file in the application
	rightGet       = 0x01 // GET DATA; to delete a file in the application
)

// Conditions. Bit 80 asks for all that is named, else one of it is enough.
const (
	always      = 0x00
	never       = 0xFF
	needsAll    = 0x80
	needsAdmin  = 0x20
	needsPIN    = 0x10
	contactless = 0x02 // of the low nibble: over that interface only
)

// The files of a card that was set up, and the application, have these.
var (
	applicationRights = rights{rightPut | rightGet, needsPIN | needsAdmin, needsPIN | needsAdmin}

	userCreates    = rights{rightPut | rightGet, needsPIN | needsAdmin, always}
	everyoneReads  = rights{rightPut | rightGet, needsPIN | needsAdmin, always}
	userExecutes   = rights{rightPut | rightGet, needsPIN | needsAdmin, never}
	adminWrites    = rights{rightPut | rightGet, needsAdmin, always}
	userReads      = rights{rightPut | rightGet, needsPIN | needsAdmin, needsPIN | needsAdmin}
	adminReads     = rights{rightPut | rightGet, needsAdmin, needsAdmin}
	adminKeyRights = rights{0x80 | rightUse | rightPut | rightGet, always, needsAdmin, never}
	keyRights      = rights{0x80 | rightNew | rightUse | rightPut | rightGet, needsPIN, needsPIN, needsPIN, always}
)

// mention reports whether there is a condition for an access mode.
func (r rights) mention(mode byte) bool { return len(r) > 0 && r[0]&mode != 0 }

// condition is the one for an access mode. Where a mode is not mentioned everybody
// may with GidsApplet, so that anybody can delete a key or end the application; here
// it is the holder and the administrator.
func (r rights) condition(mode byte) byte {
	conditions := r[1:]
	for bit := byte(0x40); bit > 0; bit >>= 1 {
		if r[0]&bit == 0 {
			continue
		}
		if len(conditions) == 0 {
			return never
		}
		if bit == mode {
			return conditions[0]
		}
		conditions = conditions[1:]
	}
	return needsPIN | needsAdmin
}

// wellFormed reports whether there is a condition for each mode.
func (r rights) wellFormed() bool {
	if r == nil {
		return true
	}
	if len(r) == 0 {
		return false
	}
	n := 1
	for bit := byte(0x40); bit > 0; bit >>= 1 {
		if r[0]&bit != 0 {
			n++
		}
	}
	return len(r) == n
}

// may reports whether the command under way has a right. While the card is being
// set up everybody has every right, but for what nobody ever has.
func (a *Application) may(r rights, mode byte) bool {
	if r == nil {
		return true
	}
	c := r.condition(mode)
	switch {
	case c == never:
		return false
	case a.state == settingUp, c == always:
		return true
	case c&0x0F == contactless:
		return false
	case c&0xF0 == always:
		return true
	}
	pin := c&needsPIN != 0 && a.pin.verified
	admin := c&needsAdmin != 0 && a.now.admin
	if c&needsAll != 0 {
		return (c&needsPIN == 0 || pin) && (c&needsAdmin == 0 || admin)
	}
	return pin || admin
}

// permits is OK where the command under way has a right to a file. Before it is
// activated nobody has any.
func (a *Application) permits(f *file, mode byte) iso.Status {
	switch {
	case !f.active:
		return iso.ConditionsNotSatisfied
	case !a.may(f.rights, mode):
		return iso.SecurityNotSatisfied
	}
	return iso.OK
}
