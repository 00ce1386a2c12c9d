package cardtest

import (
	"sync/atomic"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A counter counts the commands of an application by what they do, and refuses those
// that write to a read-only card.
type counter struct {
	iso.Application
	readOnly              bool
	pins, keyUses, writes atomic.Int64
}

func (a *counter) Process(c iso.Command) iso.Response {
	a.note(c)
	if a.readOnly && writes(c.INS) {
		return iso.ConditionsNotSatisfied.Response()
	}
	return a.Application.Process(c)
}

// note counts a command.
func (a *counter) note(c iso.Command) {
	switch {
	case writes(c.INS):
		a.writes.Add(1)
	case usesKey(c):
		a.keyUses.Add(1)
	}
	if hasPIN(c) {
		a.pins.Add(1)
	}
}

// Continue implements [iso.ChainLimiter] if the application does.
func (a *counter) Continue(chain iso.Command, next []byte) bool {
	limited, ok := a.Application.(iso.ChainLimiter)
	return !ok || limited.Continue(chain, next)
}

// hasPIN reports whether a command carries a PIN or PUK. VERIFY without data reads the
// retry counter or logs out.
func hasPIN(c iso.Command) bool {
	switch c.INS {
	case insVerify, insChange, insUnblock:
		return len(c.Data) > 0
	}
	return false
}

// usesKey reports whether a command uses a private key: PERFORM SECURITY OPERATION
// of GIDS, and GENERAL AUTHENTICATE of PIV with another key than the administrator's,
// which GIDS addresses as 00.
func usesKey(c iso.Command) bool {
	switch c.INS {
	case insPerform:
		return true
	case insAuthenticate:
		return c.P2 != managementKey && c.P2 != 0
	}
	return false
}

// writes reports whether an instruction changes the card beyond the next reset.
// VERIFY, which changes the retry counter, does not count.
func writes(ins byte) bool {
	switch ins {
	case 0x24, // CHANGE REFERENCE DATA
		0x2C, // RESET RETRY COUNTER
		0x47, // GENERATE ASYMMETRIC KEY PAIR
		0xDB, // PUT DATA
		0x44, // ACTIVATE FILE
		0xE6, // TERMINATE DF
		// ISO/IEC 7816-4 and -9: ERASE, WRITE, UPDATE, APPEND, CREATE, DELETE.
		0x0C, 0x0E, 0x0F, 0xD0, 0xD1, 0xD2, 0xD6, 0xD7, 0xDA, 0xDC, 0xDD, 0xE0, 0xE2, 0xE4,
		// Yubico: MOVE KEY, SET PIN RETRIES, RESET, IMPORT KEY, SET MANAGEMENT KEY.
		0xF6, 0xFA, 0xFB, 0xFE, 0xFF:
		return true
	}
	return false
}
