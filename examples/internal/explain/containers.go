package explain

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/piv"
)

// containerNames returns, for each slot of a PIV card, the container name that
// Windows programs use for its key: from the container map that Yubico's minidriver
// writes to the card, or as Windows' own minidriver derives it from the CHUID.
func containerNames(ctx context.Context, c *card.Card) map[string]string {
	p, names := piv.New(c), make(map[string]string)
	if list, err := p.Containers(ctx); err == nil {
		for _, entry := range list {
			if entry.Valid {
				names[fmt.Sprintf("%02X", byte(entry.Slot))] = entry.Name
			}
		}
		return names
	}
	chuid, err := p.CHUID(ctx)
	if err != nil {
		return nil // without a CHUID Windows has no names for the keys
	}
	slots := []piv.Slot{piv.Authentication, piv.Signature, piv.KeyManagement, piv.CardAuthentication}
	for n := 1; n <= 20; n++ {
		slots = append(slots, piv.Retired(n))
	}
	for _, s := range slots {
		names[fmt.Sprintf("%02X", byte(s))] = piv.ContainerName(chuid.GUID, s)
	}
	return names
}
