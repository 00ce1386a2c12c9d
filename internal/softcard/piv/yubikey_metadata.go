package piv

import (
	"bytes"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Tags of GET METADATA, in the order of the response.
const (
	metaAlgorithm ber.Tag = 0x01
	metaPolicies  ber.Tag = 0x02
	metaOrigin    ber.Tag = 0x03
	metaPublicKey ber.Tag = 0x04
	metaDefault   ber.Tag = 0x05
	metaRetries   ber.Tag = 0x06
)

// noAlgorithm is the algorithm of PIN and PUK.
const noAlgorithm = 0xFF

// metadata processes GET METADATA for a key, the PIN or the PUK.
func (a *Application) metadata(ref byte) iso.Response {
	switch ref {
	case refPIN:
		return iso.Data(a.pinMetadata(&a.pin, defaultPIN))
	case refPUK:
		return iso.Data(a.pinMetadata(&a.puk, defaultPUK))
	case refAdmin:
		isDefault := a.admin.key.Algorithm == a.defaultAdminKey().Algorithm && string(a.admin.key.Key) == defaultKey
		b := ber.Append(nil, metaAlgorithm, []byte{byte(a.admin.key.Algorithm)})
		b = ber.Append(b, metaPolicies, []byte{0, byte(a.admin.touch.policy)})
		return iso.Data(ber.Append(b, metaDefault, flag(isDefault)))
	}
	s := a.slots[ref]
	if s == nil {
		return iso.ReferenceNotFound.Response()
	}
	origin := byte(2)
	if s.generated {
		origin = 1
	}
	b := ber.Append(nil, metaAlgorithm, []byte{byte(s.alg)})
	b = ber.Append(b, metaPolicies, []byte{byte(s.pin), byte(s.touch.policy)})
	b = ber.Append(b, metaOrigin, []byte{origin})
	return iso.Data(ber.Append(b, metaPublicKey, iso.PublicKey(publicKey(s.key), a.appendTLV)))
}

func (a *Application) pinMetadata(r *iso.Reference, initial string) []byte {
	b := ber.Append(nil, metaAlgorithm, []byte{noAlgorithm})
	b = ber.Append(b, metaDefault, flag(bytes.Equal(r.Value, padded(initial))))
	return ber.Append(b, metaRetries, []byte{byte(min(r.Limit, 0xFF)), byte(min(r.Left, 0xFF))})
}

func flag(set bool) []byte {
	if set {
		return []byte{1}
	}
	return []byte{0}
}
