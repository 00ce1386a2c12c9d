package piv

import (
	"bytes"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// defaultMaxObject is a little more than the largest object of SP 800-73-4,
// the facial image.
const defaultMaxObject = 16 << 10

// manageable says what keeps the administrator from changing the card: its
// contactless interface, or that he has not proved to be it.
func (a *Application) manageable() iso.Status {
	switch {
	case a.config.Contactless:
		return iso.NotSupported
	case !a.admin.authenticated:
		return iso.SecurityNotSatisfied
	}
	return iso.OK
}

// putData replaces a whole object (SP 800-73-4 part 2, 3.3.1). An empty value
// removes it.
func (a *Application) putData(c iso.Command) iso.Status {
	if int(c.P1)<<8|int(c.P2) != currentFile {
		return iso.BadParameters
	}
	if s := a.manageable(); s != iso.OK {
		return s
	}
	tag, value, ok := givenObject(c.Data)
	if !ok {
		return iso.BadData
	}
	limit := a.config.MaxObject
	if limit == 0 {
		limit = defaultMaxObject
	}
	switch _, known := a.rule(tag); {
	case !known:
		return iso.NotFound
	case len(value) > limit:
		return iso.NoMemory
	case tag == tagDiscovery && len(value) > 0 && !soundDiscovery(value):
		return iso.BadData
	}
	a.store(tag, value)
	return iso.OK
}

// givenObject reads what PUT DATA stores: a tag list and a value in tag 53, or
// one of the two objects that have a tag of their own.
func givenObject(data []byte) (tag ber.Tag, value []byte, ok bool) {
	r := ber.BER(data)
	first, ok := r.Next()
	if !ok {
		return 0, nil, false
	}
	if first.Tag == tagDiscovery || first.Tag == tagBiometricGroup {
		return first.Tag, first.Value, r.Close() == nil
	}
	tag, ok = wantedTag(first.Raw)
	if !ok || wrapper(tag) != tagContainer {
		return 0, nil, false
	}
	e, ok := r.Take(tagContainer)
	return tag, e.Value, ok && r.Close() == nil
}

// soundDiscovery reports whether a discovery object names this application and
// a policy that there is (SP 800-73-4 part 1, 3.3.2).
func soundDiscovery(value []byte) bool {
	r := ber.BER(value)
	aid, ok := r.Take(0x4F)
	if !ok || !bytes.Equal(aid.Value, []byte(rid+pix)) {
		return false
	}
	policy, ok := r.Take(tagUsagePolicy)
	if !ok || r.Close() != nil || len(policy.Value) != 2 {
		return false
	}
	allowed := []byte{0x40, 0x48, 0x4C, 0x50, 0x58, 0x5C, 0x60, 0x68, 0x6C, 0x70, 0x78, 0x7C}
	if !slices.Contains(allowed, policy.Value[0]) {
		return false
	}
	if policy.Value[0]&policyGlobalPIN == 0 {
		return policy.Value[1] == 0 || policy.Value[1] == primaryApplicationPIN // CanoKey's 40 10
	}
	return policy.Value[1] == primaryApplicationPIN || policy.Value[1] == primaryGlobalPIN
}
