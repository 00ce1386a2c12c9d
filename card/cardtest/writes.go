package cardtest

import (
	"sync/atomic"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A writeCounter counts the commands that change an application, and refuses them
// for a read-only card.
type writeCounter struct {
	iso.Application
	refuse bool
	n      atomic.Int64
}

func (w *writeCounter) count() int { return int(w.n.Load()) }

func (w *writeCounter) Process(c iso.Command) iso.Response {
	if writes(c.INS) {
		w.n.Add(1)
		if w.refuse {
			return iso.ConditionsNotSatisfied.Response()
		}
	}
	return w.Application.Process(c)
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
