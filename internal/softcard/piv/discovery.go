package piv

import (
	"bytes"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// The PIN usage policy in the discovery object (SP 800-73-4 part 1, 3.3.2).
const (
	tagUsagePolicy ber.Tag = 0x5F2F

	policyApplicationPIN = 0x40
	policyGlobalPIN      = 0x20

	primaryApplicationPIN = 0x10
	primaryGlobalPIN      = 0x20
)

// discovery returns the discovery object for the card's PINs.
func (a *Application) discovery() []byte {
	policy := []byte{policyApplicationPIN, 0x00}
	switch {
	case a.global != nil && a.config.GlobalPrimary:
		policy = []byte{policyApplicationPIN | policyGlobalPIN, primaryGlobalPIN}
	case a.global != nil:
		policy = []byte{policyApplicationPIN | policyGlobalPIN, primaryApplicationPIN}
	}
	b := ber.Append(nil, 0x4F, []byte(rid+pix))
	return ber.Append(b, tagUsagePolicy, policy)
}

// globalPINEnabled reports whether the card has a global PIN that, by the
// discovery object, satisfies the access rules of the application.
func (a *Application) globalPINEnabled() bool {
	if a.global == nil {
		return false
	}
	policy, _, _ := ber.Find(a.object(tagDiscovery), tagUsagePolicy)
	return len(policy) == 2 && policy[0]&policyGlobalPIN != 0
}

// validDiscovery reports whether a discovery object names this application and
// a defined policy (SP 800-73-4 part 1, 3.3.2).
func validDiscovery(value []byte) bool {
	r := ber.BER(value)
	aid, ok := r.Take(0x4F)
	if !ok || !bytes.Equal(aid.Value, []byte(rid+pix)) {
		return false
	}
	policy, ok := r.Take(tagUsagePolicy)
	if !ok || r.Close() != nil || len(policy.Value) != 2 {
		return false
	}
	defined := []byte{0x40, 0x48, 0x4C, 0x50, 0x58, 0x5C, 0x60, 0x68, 0x6C, 0x70, 0x78, 0x7C}
	if !slices.Contains(defined, policy.Value[0]) {
		return false
	}
	if policy.Value[0]&policyGlobalPIN == 0 {
		return policy.Value[1] == 0 || policy.Value[1] == primaryApplicationPIN // 40 10 is CanoKey's
	}
	return policy.Value[1] == primaryApplicationPIN || policy.Value[1] == primaryGlobalPIN
}
