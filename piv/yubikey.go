package piv

import (
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// A Version is that of a YubiKey's firmware.
type Version [3]byte

// String is the version with dots.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	return string(v[:]) < string(w[:])
}

// Firmware that brought something (Yubico's documentation of the PIV application).
var (
	firmware4        = Version{4, 0, 0} // policies, retired slots, P-384
	firmwareROCA     = Version{4, 2, 0} // from here on RSA keys made on the card are weak
	firmwareAttest   = Version{4, 3, 0}
	firmwareSoundRSA = Version{4, 3, 5}
	firmwareSerial   = Version{5, 0, 3}
	firmwareMetadata = Version{5, 3, 0}
	firmwareAES      = Version{5, 4, 0}
	firmware57       = Version{5, 7, 0} // RSA 3072 and 4096, Curve25519, moving keys
)

// needs refuses what older firmware has not.
func (v Version) needs(w Version, what string) error {
	if v.Less(w) {
		return fmt.Errorf("%w: %s needs firmware %v, the card has %v", errors.ErrUnsupported, what, w, v)
	}
	return nil
}

// Yubico's applications that tell a YubiKey from other cards: management, which
// is always there, and the one-time passwords of old ones.
var yubicoApplications = [...][]byte{
	{0xA0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17},
	{0xA0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01},
}

// firmware is the version of a YubiKey, found out once. The error wraps
// errors.ErrUnsupported on other cards, which are never sent an instruction of
// Yubico's: whether one is a YubiKey shows in an application that only they
// have. PIV is current afterwards, what was verified may be gone.
func (c *Card) firmware(tx *card.Tx) (Version, error) {
	c.mu.Lock()
	known, v := c.probed, c.version
	c.mu.Unlock()
	if !known {
		var err error
		if v, err = c.probe(tx); err != nil {
			return Version{}, err
		}
		c.mu.Lock()
		c.probed, c.version = true, v
		c.mu.Unlock()
	}
	if v == (Version{}) {
		return v, fmt.Errorf("%w: the card is not a YubiKey", errors.ErrUnsupported)
	}
	return v, nil
}

// probe is the firmware, or the zero version of what is no YubiKey.
func (c *Card) probe(tx *card.Tx) (Version, error) {
	yubico := false
	for _, aid := range yubicoApplications {
		_, err := tx.Select(aid)
		var status card.Status
		switch {
		case err == nil:
			yubico = true
		case !errors.As(err, &status):
			return Version{}, err
		}
		if yubico {
			break
		}
	}
	if err := c.sendSelect(tx); err != nil || !yubico {
		return Version{}, err
	}
	answer, err := tx.Command(card.Command{INS: 0xFD, Ne: 256})
	switch {
	case err != nil:
		return Version{}, err
	case len(answer) != 3:
		return Version{}, malformed(fmt.Sprintf("firmware version of %d bytes", len(answer)))
	}
	return Version(answer), nil
}

// A YubiKey is a YubiKey's PIV application with what Yubico added to the standard
// and takes no management key: it tells of itself, attests, and can be reset.
type YubiKey struct {
	card    *Card
	version Version
}

// YubiKey is the card, if it is a YubiKey; else the error wraps
// errors.ErrUnsupported. To find out ends what was verified on the card.
func (c *Card) YubiKey(ctx context.Context) (*YubiKey, error) {
	y := &YubiKey{card: c}
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		y.version, err = c.firmware(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("piv: %w", err)
	}
	return y, nil
}

// Firmware is the version of the firmware.
func (y *YubiKey) Firmware() Version { return y.version }

// Serial is the number on the case. Before firmware 5.0.3 the application for
// one-time passwords tells it, which ends what was verified.
func (y *YubiKey) Serial(ctx context.Context) (uint32, error) {
	var answer []byte
	err := y.card.read(ctx, func(tx *card.Tx) (err error) {
		command := card.Command{INS: 0xF8, Ne: 256}
		if y.version.Less(firmwareSerial) {
			if _, err := tx.Select(yubicoApplications[1]); err != nil {
				return err
			}
			command = card.Command{INS: 0x01, P1: 0x10, Ne: 256}
		}
		answer, err = tx.Command(command)
		return err
	})
	if err == nil && len(answer) != 4 {
		err = malformed(fmt.Sprintf("serial number of %d bytes", len(answer)))
	}
	if err != nil {
		return 0, fmt.Errorf("piv: serial number: %w", err)
	}
	return binary.BigEndian.Uint32(answer), nil
}

// A PINPolicy says when a key wants the PIN. The numbers are Yubico's.
type PINPolicy byte

const (
	PINDefault     PINPolicy = 0 // as the standard has it for the slot
	PINNever       PINPolicy = 1
	PINOnce        PINPolicy = 2
	PINAlways      PINPolicy = 3 // right before each use
	PINMatchOnce   PINPolicy = 4 // or a fingerprint
	PINMatchAlways PINPolicy = 5
)

// A TouchPolicy says when a key wants to be touched. The numbers are Yubico's.
type TouchPolicy byte

const (
	TouchDefault TouchPolicy = 0 // never
	TouchNever   TouchPolicy = 1
	TouchAlways  TouchPolicy = 2
	TouchCached  TouchPolicy = 3 // unless there was a touch in the last 15 seconds
)

// A Metadata is what a YubiKey knows of a key or a PIN.
type Metadata struct {
	Algorithm Algorithm // of a key; FF of a PIN
	PIN       PINPolicy
	Touch     TouchPolicy
	Generated bool // on the card; else it was imported
	PublicKey crypto.PublicKey

	Default        bool // a PIN or the management key is the one that cards come with
	Tries, Retries int  // of a PIN: how many there are, and how many are left
}

// Metadata tells of the key in a slot, the management key (reference 9B), the
// PIN (80) or the PUK (81). It needs firmware 5.3; the error wraps [ErrNotFound]
// for an empty slot.
func (y *YubiKey) Metadata(ctx context.Context, reference byte) (*Metadata, error) {
	var m *Metadata
	err := y.version.needs(firmwareMetadata, "metadata")
	if err == nil {
		err = y.card.read(ctx, func(tx *card.Tx) (err error) {
			m, err = metadata(tx, reference)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("piv: metadata of %02X: %w", reference, err)
	}
	return m, nil
}

func metadata(tx *card.Tx, reference byte) (*Metadata, error) {
	answer, err := tx.Command(card.Command{INS: 0xF7, P2: reference, Ne: 256})
	switch {
	case errors.Is(err, card.StatusReferenceNotFound):
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return nil, err
	}
	return decodeMetadata(answer)
}

func decodeMetadata(content []byte) (*Metadata, error) {
	m := &Metadata{}
	var public []byte
	err := fields(content, func(e ber.Element) error {
		want := 1
		switch e.Tag {
		case 0x02, 0x06:
			want = 2
		case 0x04:
			public = e.Value
			return nil
		case 0x01, 0x03, 0x05:
		default:
			return nil
		}
		if len(e.Value) != want {
			return malformed(fmt.Sprintf("byte %d: tag %v has %d bytes, not %d", e.Offset, e.Tag, len(e.Value), want))
		}
		switch e.Tag {
		case 0x01:
			m.Algorithm = Algorithm(e.Value[0])
		case 0x02:
			m.PIN, m.Touch = PINPolicy(e.Value[0]), TouchPolicy(e.Value[1])
		case 0x03:
			m.Generated = e.Value[0] == 1
		case 0x05:
			m.Default = e.Value[0] == 1
		case 0x06:
			m.Tries, m.Retries = int(e.Value[0]), int(e.Value[1])
		}
		return nil
	})
	if err == nil && public != nil {
		m.PublicKey, err = decodePublicKey(m.Algorithm, public)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}
