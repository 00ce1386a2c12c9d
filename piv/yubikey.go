package piv

import (
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A Version is the version of a YubiKey's firmware.
type Version [3]byte

// String returns the version with dots.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	return string(v[:]) < string(w[:])
}

// The firmware that introduced a feature (Yubico's documentation of the PIV
// application).
var (
	firmware4        = Version{4, 0, 0} // policies, retired slots, P-384
	firmwareROCA     = Version{4, 2, 0} // from here on generated RSA keys are weak
	firmwareAttest   = Version{4, 3, 0}
	firmwareSoundRSA = Version{4, 3, 5}
	firmwareSerial   = Version{5, 0, 3}
	firmwareMetadata = Version{5, 3, 0}
	firmwareAES      = Version{5, 4, 0}
	firmware57       = Version{5, 7, 0} // RSA 3072 and 4096, Curve25519, moving keys
)

// needs returns an error if v is older than w.
func (v Version) needs(w Version, what string) error {
	if v.Less(w) {
		return fmt.Errorf("%w: %s needs firmware %v, the card has %v", errors.ErrUnsupported, what, w, v)
	}
	return nil
}

// yubicoApplications tell a YubiKey from other cards: management, which is always
// there but on old ones, and one-time passwords.
var yubicoApplications = [...][]byte{
	{0xA0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17},
	{0xA0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01},
}

// firmware returns the version of a YubiKey, which is read once. On other cards the
// error wraps errors.ErrUnsupported. It selects an application of Yubico's to tell
// them apart, so that other cards never get an instruction of Yubico's. PIV is
// selected afterwards; PINs may no longer be verified.
func (c *Card) firmware(tx *card.Tx) (Version, error) {
	c.mu.Lock()
	probed, v := c.probed, c.version
	c.mu.Unlock()
	if !probed {
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

// probe returns the firmware, the zero version for another card.
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
	response, err := tx.Command(card.Command{INS: 0xFD, Ne: 256})
	switch {
	case err != nil:
		return Version{}, err
	case len(response) != 3: // another maker's application
		return Version{}, nil
	}
	return Version(response), nil
}

// yubiKey returns the firmware of a YubiKey, false for another card.
func (c *Card) yubiKey(tx *card.Tx) (v Version, is bool, err error) {
	v, err = c.firmware(tx)
	if errors.Is(err, errors.ErrUnsupported) {
		return Version{}, false, nil
	}
	return v, err == nil, err
}

// A YubiKey is the PIV application of a YubiKey, with those of Yubico's additions that
// need no management key: metadata, attestation, reset.
type YubiKey struct {
	card    *Card
	version Version
}

// YubiKey returns the card as a YubiKey. If it is another card, the error wraps
// errors.ErrUnsupported. The first call for a Card ends the verification of PINs.
func (c *Card) YubiKey(ctx context.Context) (*YubiKey, error) {
	y := &YubiKey{card: c}
	err := cardapp.Read(ctx, c.card, c.ensureSame, func(tx *card.Tx) (err error) {
		y.version, err = c.firmware(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("piv: open YubiKey: %w", err)
	}
	return y, nil
}

// Firmware returns the version of the firmware.
func (y *YubiKey) Firmware() Version { return y.version }

// Serial reads the serial number, which is printed on the case. Before firmware 5.0.3
// it is read from the application for one-time passwords, which ends the verification
// of PINs.
func (y *YubiKey) Serial(ctx context.Context) (uint32, error) {
	var response []byte
	err := y.card.read(ctx, func(tx *card.Tx) (err error) {
		command := card.Command{INS: 0xF8, Ne: 256}
		if y.version.Less(firmwareSerial) {
			if _, err := tx.Select(yubicoApplications[1]); err != nil {
				return err
			}
			command = card.Command{INS: 0x01, P1: 0x10, Ne: 256}
		}
		response, err = tx.Command(command)
		return err
	})
	if err == nil && len(response) != 4 {
		err = malformed(fmt.Sprintf("serial number of %d bytes", len(response)))
	}
	if err != nil {
		return 0, fmt.Errorf("piv: serial number: %w", err)
	}
	return binary.BigEndian.Uint32(response), nil
}

// A PINPolicy is when a key needs the PIN. The numbers are Yubico's.
type PINPolicy byte

const (
	PINDefault     PINPolicy = 0 // by the slot, as in the standard
	PINNever       PINPolicy = 1
	PINOnce        PINPolicy = 2
	PINAlways      PINPolicy = 3 // right before each use
	PINMatchOnce   PINPolicy = 4 // or a fingerprint
	PINMatchAlways PINPolicy = 5
)

// A TouchPolicy is when a key needs a touch. The numbers are Yubico's.
type TouchPolicy byte

const (
	TouchDefault TouchPolicy = 0 // never
	TouchNever   TouchPolicy = 1
	TouchAlways  TouchPolicy = 2
	TouchCached  TouchPolicy = 3 // unless there was a touch in the last 15 seconds
)

// A Metadata is what a YubiKey reports about a key or a PIN.
type Metadata struct {
	Algorithm Algorithm // of a key; 0xFF for a PIN
	PIN       PINPolicy
	Touch     TouchPolicy
	Generated bool // on the card; otherwise imported
	PublicKey crypto.PublicKey

	Default        bool // a PIN or the management key has the value of a new YubiKey
	Tries, Retries int  // of a PIN: the initial retry counter, 0 if it is not reported, and the retries left
}

// Metadata reads the metadata of a key by its slot, of the management key (0x9B), the
// PIN (0x80) or the PUK (0x81). It needs firmware 5.3. The error wraps [ErrNotFound]
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
	response, err := tx.Command(card.Command{INS: 0xF7, P2: reference, Ne: 256})
	switch {
	case errors.Is(err, card.StatusReferenceNotFound):
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return nil, err
	}
	return decodeMetadata(response)
}

func decodeMetadata(content []byte) (*Metadata, error) {
	m := &Metadata{}
	var public []byte
	err := fields(content, func(e ber.Element) error {
		want := 1
		switch e.Tag {
		case 0x02:
			want = 2
		case 0x06:
			if want = 2; len(e.Value) == 1 { // fingerprints have no initial counter
				m.Retries = int(e.Value[0])
				return nil
			}
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
