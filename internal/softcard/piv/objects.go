package piv

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Tags of the data objects (SP 800-73-4 part 1, table 3; 4.3 for the rest).
const (
	tagCardAuthentication ber.Tag = 0x5FC101
	tagCHUID              ber.Tag = 0x5FC102
	tagFingerprints       ber.Tag = 0x5FC103
	tagAuthentication     ber.Tag = 0x5FC105
	tagSecurity           ber.Tag = 0x5FC106
	tagCCC                ber.Tag = 0x5FC107
	tagFace               ber.Tag = 0x5FC108
	tagPrinted            ber.Tag = 0x5FC109
	tagSignature          ber.Tag = 0x5FC10A
	tagKeyManagement      ber.Tag = 0x5FC10B
	tagKeyHistory         ber.Tag = 0x5FC10C
	tagFirstRetired       ber.Tag = 0x5FC10D
	tagLastRetired        ber.Tag = 0x5FC120
	tagIris               ber.Tag = 0x5FC121
	tagSMSigner           ber.Tag = 0x5FC122
	tagPairingCode        ber.Tag = 0x5FC123
	tagDiscovery          ber.Tag = 0x7E
	tagBiometricGroup     ber.Tag = 0x7F61

	tagContainer ber.Tag = 0x53
	tagEDC       ber.Tag = 0xFE
)

// An accessRule is the condition for reading an object (SP 800-73-4 part 1,
// table 2). Writing always requires the administrator's key.
type accessRule struct {
	pin bool // a verified PIN
	vci bool // over the contactless interface: the virtual contact interface
}

// standardRule returns the access rule of an object, and false if SP 800-73
// defines no such object.
func standardRule(tag ber.Tag) (accessRule, bool) {
	switch tag {
	case tagCHUID, tagCardAuthentication, tagDiscovery, tagBiometricGroup, tagSMSigner:
		return accessRule{}, true
	case tagCCC, tagAuthentication, tagSecurity, tagSignature, tagKeyManagement, tagKeyHistory:
		return accessRule{vci: true}, true
	case tagFingerprints, tagFace, tagPrinted, tagIris, tagPairingCode:
		return accessRule{pin: true, vci: true}, true
	}
	if tagFirstRetired <= tag && tag <= tagLastRetired {
		return accessRule{vci: true}, true
	}
	return accessRule{}, false
}

// rule returns the access rule of an object, and false if the card cannot have
// such an object.
func (a *Application) rule(tag ber.Tag) (accessRule, bool) {
	r, defined := standardRule(tag)
	return r, defined || a.allowsYubicoObject(tag)
}

// readable reports whether an access rule is met. The virtual contact interface
// requires secure messaging, which this card does not have.
func (a *Application) readable(r accessRule) bool {
	if a.config.Contactless && r.vci {
		return false
	}
	return !r.pin || a.pinVerified()
}

// PutObject stores the value of an object: the content of tag 53, or of the
// object's own tag for the discovery object (7E) and the biometric group
// template (7F61). An empty value removes the object. Any tag and any value are
// accepted, so that a test can make a card that no standard allows. Putting or
// removing the key history (5FC10C) ends its computation from the certificates.
func (a *Application) PutObject(tag uint32, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(ber.Tag(tag), value)
}

// Object returns the value stored under a tag, or nil. It requires no PIN.
func (a *Application) Object(tag uint32) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.object(ber.Tag(tag)))
}

func (a *Application) store(tag ber.Tag, value []byte) {
	if tag == tagKeyHistory {
		a.countsRetired = false
	}
	if len(value) == 0 {
		delete(a.objects, tag)
		return
	}
	a.objects[tag] = slices.Clone(value)
}

// object returns the value that GET DATA reads under a tag, or nil.
func (a *Application) object(tag ber.Tag) []byte {
	switch {
	case tag == tagDiscovery && a.config.Quirks.NoDiscovery:
		return nil
	case tag == tagKeyHistory && a.countsRetired:
		return a.keyHistory()
	}
	return a.objects[tag]
}

// keyHistory returns a key history object that counts the certificates of
// retired keys (SP 800-73-4 part 1, 3.3.3), and nil if there are none.
func (a *Application) keyHistory() []byte {
	n := 0
	for tag := tagFirstRetired; tag <= tagLastRetired; tag++ {
		if len(a.objects[tag]) > 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	b := ber.Append(nil, 0xC1, []byte{byte(n)})
	b = ber.Append(b, 0xC2, []byte{0})
	return ber.Append(b, tagEDC, nil)
}

// cardUUID returns the configured UUID, or a random one of version 4 (RFC 4122,
// 4.4) if that is zero.
func cardUUID(guid [16]byte) [16]byte {
	if guid != [16]byte{} {
		return guid
	}
	rand.Read(guid[:])
	guid[6] = guid[6]&0x0F | 0x40
	guid[8] = guid[8]&0x3F | 0x80
	return guid
}

// fascN is 9999-9999-999999-0-1, the FASC-N of cards that no federal agency
// issued (SP 800-73-4 part 1, 3.1.2).
const fascN = "\xD4\xE7\x39\xDA\x73\x9C\xED\x39\xCE\x73\x9D\x83\x68\x58\x21\x08\x42\x10\x84\x21\xC8\x42\x10\xC3\xEB"

// chuid returns a card holder unique identifier (SP 800-73-4 part 1, table 9).
func (a *Application) chuid(guid [16]byte) []byte {
	b := ber.Append(nil, 0x30, []byte(fascN))
	b = ber.Append(b, 0x34, guid[:])
	b = ber.Append(b, 0x35, []byte(cmp.Or(a.config.Expiry, "20491231")))
	b = ber.Append(b, 0x3E, bytes.Repeat([]byte{0x30}, a.config.CHUIDSignature))
	return ber.Append(b, tagEDC, nil)
}

// capabilities returns a card capability container with a card identifier, data
// model 10, and all other fields empty (SP 800-73-4 part 1, table 8).
func capabilities(guid [16]byte) []byte {
	b := ber.Append(nil, 0xF0, append([]byte("\xA0\x00\x00\x01\x16\xFF\x02"), guid[:14]...))
	b = ber.Append(b, 0xF1, []byte{0x21})
	b = ber.Append(b, 0xF2, []byte{0x21})
	b = ber.Append(b, 0xF3, nil)
	b = ber.Append(b, 0xF4, []byte{0x00})
	b = ber.Append(b, 0xF5, []byte{0x10})
	for _, tag := range []ber.Tag{0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD} {
		b = ber.Append(b, tag, nil)
	}
	return ber.Append(b, tagEDC, nil)
}
