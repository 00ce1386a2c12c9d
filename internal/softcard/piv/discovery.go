package piv

import (
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

// discovery is the discovery object that fits the card's PINs.
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

// globalCounts reports whether the card has a global PIN and its discovery
// object lets it stand for the application's.
func (a *Application) globalCounts() bool {
	if a.global == nil {
		return false
	}
	policy, _, _ := ber.Find(a.object(tagDiscovery), tagUsagePolicy)
	return len(policy) == 2 && policy[0]&policyGlobalPIN != 0
}
