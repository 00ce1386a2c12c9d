package piv

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// PINStatus reports the state of the PIN that the card prefers. It costs no try.
func (c *Card) PINStatus(ctx context.Context) (card.PINStatus, error) {
	var status card.PINStatus
	err := c.read(ctx, func(tx *card.Tx) error {
		ref, err := c.learn(tx)
		if err != nil {
			return err
		}
		status, err = c.pinStatus(tx, ref)
		return err
	})
	if err != nil {
		return card.PINStatus{}, fmt.Errorf("piv: PIN status: %w", err)
	}
	return status, nil
}

// pinStatus sends VERIFY without a PIN (SP 800-73-4 part 2, 3.2.1).
func (c *Card) pinStatus(tx *card.Tx, ref card.Reference) (card.PINStatus, error) {
	_, err := tx.Command(card.Command{INS: 0x20, P2: byte(ref)})
	var status card.Status
	switch {
	case err == nil:
		return card.PINStatus{Verified: true, Retries: -1}, nil
	case !errors.As(err, &status):
		return card.PINStatus{}, err
	}
	n, failed := status.Retries()
	switch {
	case failed && n == 0, status == card.StatusMethodBlocked:
		return card.PINStatus{Blocked: true}, nil
	case failed:
		return card.PINStatus{Retries: n}, nil
	case status == card.StatusReferenceNotFound && ref != ApplicationPIN, status == card.StatusDataUnusable:
		return card.PINStatus{}, err // there is no such PIN, or it was never set
	}
	if err := c.explainContactless(err); errors.Is(err, errContactless) {
		return card.PINStatus{}, err
	}
	return card.PINStatus{Retries: -1}, nil // the card does not support the query
}

// verification describes the PIN that the card prefers, for the PIN guard. The first
// transaction reads which one that is, unless it was read before.
func (c *Card) verification(purpose string, q *retryQuery, ask card.PINFunc) card.Verification {
	c.mu.Lock()
	learned, ref := c.learned, c.reference
	c.mu.Unlock()
	if learned {
		return c.verificationOf(&ref, purpose, q, ask)
	}
	ref = ApplicationPIN
	v := c.verificationOf(&ref, purpose, q, ask)
	v.Prepare = func(tx *card.Tx, v *card.Verification) (err error) {
		ref, err = c.learn(tx)
		v.Reference, v.Format = ref, c.pinFormat()
		return err
	}
	return v
}

// verificationOf describes one PIN. What ref points at may change before the PIN is
// asked for.
func (c *Card) verificationOf(ref *card.Reference, purpose string, q *retryQuery, ask card.PINFunc) card.Verification {
	return card.Verification{
		Application: application,
		Purpose:     purpose,
		Reference:   *ref,
		Format:      c.pinFormat(),
		Select:      c.ensureSelected,
		Identity:    c.readIdentity,
		Status:      func(tx *card.Tx) (card.PINStatus, error) { return q.ask(tx, c, *ref) },
		Verify: func(pin []byte) card.Command {
			q.sentPIN()
			return card.Command{INS: 0x20, P2: byte(*ref), Data: pin}
		},
		Logout: func(tx *card.Tx) error { return c.logout(tx, *ref) },
		PIN:    ask,
	}
}

// logout ends the verification of a PIN (SP 800-73-4 part 2, 3.2.1). It does not ask
// first which application is current: another one refuses the command, and then PIV
// is selected. On an error the card is reset.
func (c *Card) logout(tx *card.Tx, ref card.Reference) error {
	command := card.Command{INS: 0x20, P1: 0xFF, P2: byte(ref)}
	response, refused := tx.Command(command)
	if isObjectError(refused) {
		selected, err := c.isSelected(tx)
		if selected || err != nil {
			return refused
		}
		if err := c.sendSelect(tx); err != nil {
			return err
		}
		response, refused = tx.Command(command)
	}
	if refused == nil && len(response) > 0 {
		return malformed("data in the response to a logout")
	}
	return refused
}

// newPINFormat returns the format of PINs to set (SP 800-73-4 part 2, 2.4.3). YubiKeys
// accept any characters.
func (c *Card) newPINFormat() card.PINFormat {
	return card.PINFormat{Min: 6, Max: 8, Digits: !c.isVendors(), Padded: true}
}

// pinFormat returns the format of PINs to verify. Yubico's application and those that
// follow it accept shorter PINs than the standard: other programs set them.
func (c *Card) pinFormat() card.PINFormat {
	f := c.newPINFormat()
	if c.isVendors() {
		f.Min = 4
	}
	return f
}

// A retryQuery asks for the retry counter while a key is open or a PIN is changed. On
// some cards the query itself costs a try: the counter falls from one query to the
// next. It then is not sent again. Between two transactions another program may have
// sent a wrong PIN, so only two queries in one transaction show it.
type retryQuery struct {
	left     int  // by the last response; negative if nothing follows from it
	harmless bool // two queries had the same response
	costs    bool
	last     bool // another query could block the PIN, until a PIN was sent
}

func newRetryQuery() *retryQuery { return &retryQuery{left: -1} }

// sentPIN notes that a PIN is sent, which changes the counter.
func (q *retryQuery) sentPIN() { q.left, q.last = -1, false }

func (q *retryQuery) ask(tx *card.Tx, c *Card, ref card.Reference) (card.PINStatus, error) {
	switch {
	case q.costs:
		return card.PINStatus{Retries: -1}, nil
	case q.last:
		return card.PINStatus{Retries: q.left}, nil
	}
	before := q.left
	s, err := q.send(tx, c, ref)
	if err != nil || q.harmless || s.Verified || s.Retries <= 0 {
		return s, err
	}
	switch {
	case s.Retries == 1:
		q.last = true
	case s.Retries == 2 && before < 0, s.Retries < before: // the next transaction would be too late
		first := s.Retries
		if s, err = q.send(tx, c, ref); err == nil && s.Retries < first {
			q.costs, s = true, card.PINStatus{Retries: -1}
		}
	}
	return s, err
}

// send sends one query.
func (q *retryQuery) send(tx *card.Tx, c *Card, ref card.Reference) (card.PINStatus, error) {
	s, err := c.pinStatus(tx, ref)
	if err != nil || s.Verified || s.Blocked {
		q.left = -1
		return s, err
	}
	if s.Retries >= 0 && s.Retries == q.left {
		q.harmless = true
	}
	q.left = s.Retries
	return s, nil
}
