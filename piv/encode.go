package piv

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// noAgency is 9999-9999-999999-0-1, the FASC-N of cards that were not issued by a
// federal agency.
var noAgency = []byte{
	0xD4, 0xE7, 0x39, 0xDA, 0x73, 0x9C, 0xED, 0x39, 0xCE, 0x73, 0x9D, 0x83, 0x68,
	0x58, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0xC8, 0x42, 0x10, 0xC3, 0xEB,
}

// MarshalBinary returns the content of the object, for [Admin.PutObject]. A nil FASCN
// is that of cards that were not issued by a federal agency.
func (h *CHUID) MarshalBinary() ([]byte, error) {
	fascn := h.FASCN
	if fascn == nil {
		fascn = noAgency
	}
	switch {
	case len(fascn) != 25:
		return nil, fmt.Errorf("piv: CHUID: FASC-N of %d bytes, not 25", len(fascn))
	case len(h.Expires) != 8 || strings.Trim(h.Expires, "0123456789") != "":
		return nil, fmt.Errorf("piv: CHUID: expiry %.12q is not YYYYMMDD", h.Expires)
	case h.CardholderUUID != nil && len(h.CardholderUUID) != 16:
		return nil, fmt.Errorf("piv: CHUID: cardholder UUID of %d bytes, not 16", len(h.CardholderUUID))
	}
	b := ber.Append(nil, 0x30, fascn)
	b = ber.Append(b, 0x34, h.GUID[:])
	b = ber.Append(b, 0x35, []byte(h.Expires))
	if h.CardholderUUID != nil {
		b = ber.Append(b, 0x36, h.CardholderUUID)
	}
	b = ber.Append(b, 0x3E, h.Signature)
	return ber.Append(b, 0xFE, nil), nil
}

// MarshalBinary returns the content of the object, for [Admin.PutObject]. The
// capabilities that it does not name are empty (SP 800-73-4 part 1, table 8).
func (d *CCC) MarshalBinary() ([]byte, error) {
	if n := len(d.CardIdentifier); n != 0 && n != 21 {
		return nil, fmt.Errorf("piv: CCC: card identifier of %d bytes, not 21", n)
	}
	b := ber.Append(nil, 0xF0, d.CardIdentifier)
	b = ber.Append(b, 0xF1, []byte{0x21})
	b = ber.Append(b, 0xF2, []byte{0x21})
	b = ber.Append(b, 0xF3, nil)
	b = ber.Append(b, 0xF4, []byte{0x00})
	b = ber.Append(b, 0xF5, []byte{d.DataModel})
	for _, tag := range []ber.Tag{0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE} {
		b = ber.Append(b, tag, nil)
	}
	return b, nil
}

// MarshalBinary returns the content of the object, for [Admin.PutObject].
func (h *KeyHistory) MarshalBinary() ([]byte, error) {
	const most = int(lastRetired-firstRetired) + 1
	switch {
	case h.OnCard < 0 || h.OffCard < 0 || h.OnCard+h.OffCard > most:
		return nil, fmt.Errorf("piv: key history: %d and %d keys are not 0 to %d in all", h.OnCard, h.OffCard, most)
	case (h.OffCard > 0) != (h.URL != ""):
		return nil, errors.New("piv: key history: a URL is needed if certificates are not on the card, and only then")
	case len(h.URL) > maxHistoryURL:
		return nil, fmt.Errorf("piv: key history: URL of %d bytes, not up to %d", len(h.URL), maxHistoryURL)
	}
	b := ber.Append(nil, 0xC1, []byte{byte(h.OnCard)})
	b = ber.Append(b, 0xC2, []byte{byte(h.OffCard)})
	if h.URL != "" {
		b = ber.Append(b, 0xF3, []byte(h.URL))
	}
	return ber.Append(b, 0xFE, nil), nil
}

// policies has the values of the first byte of a PIN usage policy (SP 800-73-4 part 1,
// table 6).
var policies = []byte{0x40, 0x48, 0x4C, 0x50, 0x58, 0x5C, 0x60, 0x68, 0x6C, 0x70, 0x78, 0x7C}

// MarshalBinary returns the content of the object, for [Admin.PutObject]. A nil AID is
// PIV's.
func (d *Discovery) MarshalBinary() ([]byte, error) {
	first, second := byte(d.Policy>>8), byte(d.Policy)
	global := d.Policy&policyGlobalPIN != 0
	switch {
	case !slices.Contains(policies, first),
		global && second != 0x10 && second != policyGlobalPrimary,
		!global && second != 0x00 && second != 0x10:
		return nil, fmt.Errorf("piv: discovery object: PIN usage policy %04X does not exist", d.Policy)
	}
	id := d.AID
	if id == nil {
		id = aid
	}
	b := ber.Append(nil, 0x4F, id)
	return ber.Append(b, 0x5F2F, []byte{first, second}), nil
}
