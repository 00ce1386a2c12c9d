package gids

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// Rights are a security attribute in compact form (ISO/IEC 7816-4, 9.3.3.2): a
// byte of access modes, then a condition for each mode that is set, from the
// highest bit to the lowest. A file without the attribute has no conditions.
type rights []byte

// Access modes. Their meaning depends on the file.
const (
	rightDelete    = 0x40 // delete the file itself
	rightTerminate = 0x20
	rightNew       = 0x08 // generate a key
	rightUse       = 0x04 // select a key for use
	rightPut       = 0x02 // PUT DATA; of the application: create a file
	rightGet       = 0x01 // GET DATA; of the application: delete a file
)

// Conditions. With bit 80 all that is named is required, else one of it.
const (
	always      = 0x00
	never       = 0xFF
	needsAll    = 0x80
	needsAdmin  = 0x20
	needsPIN    = 0x10
	contactless = 0x02 // in the low nibble: only over that interface
)

// Rights of the application and of the files of an initialized card. "User" is
// the verified PIN or the administrator.
var (
	applicationRights = rights{rightPut | rightGet, needsPIN | needsAdmin, needsPIN | needsAdmin}

	userCreates       = rights{rightPut | rightGet, needsPIN | needsAdmin, always}
	publicUserWrites  = rights{rightPut | rightGet, needsPIN | needsAdmin, always}
	userExecutes      = rights{rightPut | rightGet, needsPIN | needsAdmin, never}
	publicAdminWrites = rights{rightPut | rightGet, needsAdmin, always}
	userReads         = rights{rightPut | rightGet, needsPIN | needsAdmin, needsPIN | needsAdmin}
	adminReads        = rights{rightPut | rightGet, needsAdmin, needsAdmin}
	adminKeyRights    = rights{0x80 | rightUse | rightPut | rightGet, always, needsAdmin, never}
	keyRights         = rights{0x80 | rightNew | rightUse | rightPut | rightGet, needsPIN, needsPIN, needsPIN, always}
)

// has reports whether there is a condition for an access mode.
func (r rights) has(mode byte) bool { return len(r) > 0 && r[0]&mode != 0 }

// condition returns the condition for an access mode. A mode without one is
// allowed to every caller by the GidsApplet, which lets every caller delete a key
// or terminate the application; here it requires PIN or administrator.
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

// allowed reports whether the condition for an access mode is met. During
// initialization every condition but "never" is.
func (a *Application) allowed(r rights, mode byte) bool {
	if r == nil {
		return true
	}
	c := r.condition(mode)
	switch {
	case c == never:
		return false
	case a.state == stateInitialization, c == always:
		return true
	case c&0x0F == contactless:
		return false
	case c&0xF0 == always:
		return true
	}
	pin := c&needsPIN != 0 && a.pin.Verified
	admin := c&needsAdmin != 0 && a.session.admin
	if c&needsAll != 0 {
		return (c&needsPIN == 0 || pin) && (c&needsAdmin == 0 || admin)
	}
	return pin || admin
}

// checkAccess returns OK if a file is activated and its condition for an access
// mode is met.
func (a *Application) checkAccess(f *file, mode byte) iso.Status {
	switch {
	case !f.active:
		return iso.ConditionsNotSatisfied
	case !a.allowed(f.rights, mode):
		return iso.SecurityNotSatisfied
	}
	return iso.OK
}
