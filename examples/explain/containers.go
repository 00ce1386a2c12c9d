package main

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/piv"
)

// containerNames are the names by which Windows programs know the keys of a PIV
// card, by their slots: those of the map that Yubico's driver keeps on the card,
// else those that the driver of Windows makes of the card's identifier.
func containerNames(ctx context.Context, c *card.Card) map[string]string {
	p, names := piv.New(c), make(map[string]string)
	if list, err := p.Containers(ctx); err == nil {
		for _, it := range list {
			if it.Valid {
				names[fmt.Sprintf("%02X", byte(it.Slot))] = it.Name
			}
		}
		return names
	}
	chuid, err := p.CHUID(ctx)
	if err != nil {
		return nil // no identifier, no names
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
