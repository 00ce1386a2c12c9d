package toyapp

import (
	"crypto"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// NewCard returns a software card with that serial number, the PIN cardtest.PIN and
// certificates 0, 1 and so on. Certificate n belongs to cardtest.Key(cardtest.P256, n).
func NewCard(serial string, certificates ...[]byte) *cardtest.Card {
	return cardtest.New(&softApplication{serial: serial, certificates: certificates, pin: cardtest.PIN + "\xFF\xFF", left: 5})
}

// A softApplication is the application on a software card.
type softApplication struct {
	serial       string
	certificates [][]byte
	pin          string
	left, spent  int
	verified     bool
}

func (a *softApplication) AID() []byte           { return []byte(aid) }
func (a *softApplication) Reset()                { a.verified = false }
func (a *softApplication) PIN() (int, int, bool) { return a.left, a.spent, a.verified }

func (a *softApplication) Process(c card.Command) ([]byte, card.Status) {
	n := int(c.P2)
	switch {
	case c.INS == 0xA4:
		return nil, card.StatusOK
	case c.INS == 0xCA && c.P1 == 0 && n == 0:
		return ber.Append(nil, 0x5A, []byte(a.serial)), card.StatusOK
	case c.INS == 0xCA && c.P1 == 1 && n < len(a.certificates):
		return ber.Append(nil, 0x53, a.certificates[n]), card.StatusOK
	case c.INS == 0x20 && c.P1 == 0xFF:
		a.verified = false
		return nil, card.StatusOK
	case c.INS == 0x20 && len(c.Data) == 0:
		return nil, 0x63C0 | card.Status(a.left)
	case c.INS == 0x20:
		return nil, a.verify(string(c.Data))
	case c.INS == 0x24 && len(c.Data) == 16:
		status := a.verify(string(c.Data[:8]))
		if status == card.StatusOK {
			a.pin = string(c.Data[8:])
		}
		return nil, status
	case c.INS == 0x2A && !a.verified:
		return nil, card.StatusNotPermitted
	case c.INS == 0x2A && n < len(a.certificates):
		signature, _ := cardtest.Key(cardtest.P256, n).Sign(nil, c.Data, crypto.SHA256)
		return ber.Append(nil, 0x53, signature), card.StatusOK
	}
	return nil, card.StatusNotFound
}

func (a *softApplication) verify(pin string) card.Status {
	switch {
	case a.left == 0:
		return card.StatusMethodBlocked
	case pin != a.pin:
		a.verified = false
		a.left--
		a.spent++
		return 0x63C0 | card.Status(a.left)
	}
	a.verified, a.left = true, 5
	return card.StatusOK
}
