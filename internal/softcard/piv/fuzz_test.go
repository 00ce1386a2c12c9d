package piv_test

import (
	"bytes"
	"crypto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// The first byte of a script selects the card. Each further byte is the length
// of the command after it, or one of these.
const (
	opReset      = 0xFF
	opAdmin      = 0xFE // authenticate as the administrator
	opLongLength = 0xFD // two bytes of length follow
)

// Bits of the first byte of a script.
const (
	withGlobalPIN = 1 << iota
	contactless
	lenientPIN
	yubiKey
	protocolT0
	noResponseChaining
	longLengths
	exactLe
)

// A model tracks the state of a card from the commands alone, and checks each
// response against it.
type model struct {
	*card
	kind                byte
	selected            bool // PIV is the current application
	justVerified, admin bool
	everAdmin           bool
	pin, puk, global    []byte
}

func newModel(t testing.TB, kind byte) *model {
	config := piv.Config{
		Contactless: kind&contactless != 0,
		LenientPIN:  kind&lenientPIN != 0,
		GUID:        [16]byte{1},
		Generate:    func(piv.Algorithm) (crypto.PrivateKey, error) { return p256, nil },
		Quirks:      piv.Quirks{LongLengths: kind&longLengths != 0},
	}
	m := &model{kind: kind, pin: unhex(t, pin123456), puk: unhex(t, puk)}
	if kind&withGlobalPIN != 0 {
		config.GlobalPIN = "87654321"
		m.global = []byte(config.GlobalPIN)
	}
	if kind&yubiKey != 0 {
		config.Firmware = piv.Version{5, 7, 4}
	}
	app := piv.New(config)
	for _, slot := range []byte{0x9A, 0x9C, 0x9E} {
		require.NoError(t, app.Put(slot, p256, []byte{0x30, 0x00}))
	}
	require.NoError(t, app.Put(0x9D, testkeys.RSA(2048, 0), nil))
	app.PutObject(0x5FC109, make([]byte, 300))
	m.card = &card{t, app, iso.New(iso.Config{
		T0:                 kind&protocolT0 != 0,
		NoResponseChaining: kind&noResponseChaining != 0,
		ExactLe:            kind&exactLe != 0,
	}, app, iso.NewBystander([]byte{0xF1, 1, 2, 3, 4}, []byte("1")))}
	return m
}

// run sends the commands of a script.
func (m *model) run(script []byte) {
	for len(script) > 0 {
		n := int(script[0])
		script = script[1:]
		switch n {
		case opReset:
			m.iso.Reset()
			m.selected, m.justVerified, m.admin = false, false, false
			for _, ref := range []byte{0x00, 0x80} {
				if m.app.Tries(ref).Verified {
					m.t.Fatalf("PIN %02X is verified after a reset", ref)
				}
			}
			continue
		case opAdmin:
			m.authenticateDefaultAdmin()
			continue
		case opLongLength:
			if len(script) < 2 {
				return
			}
			n = int(script[0])<<8 | int(script[1])
			script = script[2:]
		}
		n = min(n, len(script))
		m.transmit(script[:n])
		script = script[n:]
	}
}

// authenticateDefaultAdmin authenticates with the default key, if it is still
// the key.
func (m *model) authenticateDefaultAdmin() {
	key := adminKeys["3DES"]
	if m.kind&yubiKey != 0 {
		key = adminKeys["AES-192"]
	}
	if !m.selected {
		return
	}
	m.justVerified, m.admin = false, false
	size := block(m.t, key).BlockSize()
	exchange := func(b []byte) []byte {
		resp := m.iso.Transmit(append([]byte{0x00, 0x87, byte(key.Algorithm), 0x9B, byte(len(b))}, b...))
		if resp[len(resp)-2] == 0x61 {
			resp = m.iso.Transmit([]byte{0x00, 0xC0, 0x00, 0x00, resp[len(resp)-1]})
		}
		return resp
	}
	resp := exchange(tlv(0x7C, tlv(0x81)))
	if len(resp) < size+2 {
		return
	}
	challenge := resp[len(resp)-2-size : len(resp)-2]
	resp = exchange(tlv(0x7C, tlv(0x82, apply(block(m.t, key).Encrypt, challenge))))
	m.admin = bytes.Equal(resp, []byte{0x90, 0x00})
	m.everAdmin = m.everAdmin || m.admin
}

// A snapshot is the state of a card that changes only with authorization.
type snapshot struct {
	tries   map[byte]piv.Tries
	objects string
}

func (m *model) snapshot() snapshot {
	s := snapshot{tries: map[byte]piv.Tries{}}
	for _, ref := range []byte{0x00, 0x80, 0x81} {
		s.tries[ref] = m.app.Tries(ref)
	}
	for _, tag := range []uint32{0x5FC102, 0x5FC105, 0x5FC109, 0x7E} {
		s.objects += string(m.app.Object(tag)) + "|"
	}
	return s
}

func (m *model) transmit(b []byte) {
	before := m.snapshot()
	resp := m.iso.Transmit(b)
	after := m.snapshot()
	if len(resp) < 2 {
		m.t.Fatalf("command %x: response %x has no status word", b, resp)
	}
	data := resp[:len(resp)-2]
	sw := int(resp[len(resp)-2])<<8 | int(resp[len(resp)-1])
	success := sw == 0x9000 || sw>>8 == 0x61
	c, ok := iso.ParseCommand(b)
	if m.kind&protocolT0 != 0 && c.Extended {
		c, ok = iso.Command{}, false
	}
	m.checkLength(b, c, ok, data, success)
	whole := ok && c.CLA == 0 && c.INS != 0xC0
	if whole && m.selected && success {
		m.checkRights(c, before)
	}
	m.checkChanges(b, c, before, after, success)
	if whole {
		m.update(c, sw, success)
	}
}

// checkLength verifies that a response is no longer than Le allows, and has no
// data if the command failed.
func (m *model) checkLength(b []byte, c iso.Command, ok bool, data []byte, success bool) {
	limit := 0
	switch {
	case ok && c.Ne > 0:
		limit = c.Ne
	case ok && m.kind&protocolT0 == 0 && c.Extended:
		limit = 65536
	case ok && m.kind&protocolT0 == 0:
		limit = 256
	}
	if len(data) > limit || len(data) > 0 && !success {
		m.t.Fatalf("command %x: %d bytes of data, success %v", b, len(data), success)
	}
}

// checkRights verifies that a successful command was authorized.
func (m *model) checkRights(c iso.Command, before snapshot) {
	pin := before.tries[0x80].Verified || before.tries[0x00].Verified
	switch {
	case c.INS == 0x87 && c.P2 != 0x9B && c.P2 != 0x9E && m.kind&yubiKey != 0 && m.everAdmin:
		// The administrator of a YubiKey may have set the PIN policy "never".
	case c.INS == 0x87 && c.P2 != 0x9B && c.P2 != 0x9E:
		if !pin || m.kind&contactless != 0 || c.P2 == 0x9C && !m.justVerified {
			m.t.Fatalf("key %02X was used: PIN verified %v, just verified %v", c.P2, pin, m.justVerified)
		}
	case c.INS == 0xCB && bytes.Contains(c.Data, []byte{0x5F, 0xC1, 0x09}):
		if !pin {
			m.t.Fatal("printed information was read without a PIN")
		}
	case strings.IndexByte("\xDB\x47\xFE\xFF\xFA\xF6", c.INS) >= 0:
		if !m.admin {
			m.t.Fatalf("instruction %02X succeeded without the administrator", c.INS)
		}
	}
}

// checkChanges verifies that retry counters go up and PINs become verified only
// by a command with the PIN or PUK, and that only the administrator changes
// objects.
func (m *model) checkChanges(b []byte, c iso.Command, before, after snapshot, success bool) {
	factory := success && c.INS == 0xFB && before.tries[0x80].Left == 0 && before.tries[0x81].Left == 0
	retries := success && c.INS == 0xFA && m.admin && before.tries[0x80].Verified
	has := func(secret []byte) bool { return secret != nil && bytes.Contains(b, secret) }
	for ref, sent := range map[byte]bool{0x80: has(m.pin) || has(m.puk), 0x81: has(m.puk), 0x00: has(m.global)} {
		if after.tries[ref].Left > before.tries[ref].Left && !sent && !factory && !retries {
			m.t.Fatalf("command %x: retry counter of %02X went up: %+v, %+v", b, ref, before.tries[ref], after.tries[ref])
		}
		if after.tries[ref].Verified && !before.tries[ref].Verified && !sent {
			m.t.Fatalf("command %x: verified %02X", b, ref)
		}
	}
	if before.objects != after.objects && !m.admin && !factory {
		m.t.Fatalf("command %x: changed an object", b)
	}
}

// update updates the model after a whole command.
func (m *model) update(c iso.Command, sw int, success bool) {
	if c.INS == 0xA4 && c.P1 == 0x04 {
		if sw == 0x6A82 {
			return
		}
		m.justVerified = false
		if success && c.Data[0] == 0xF1 {
			m.selected, m.admin = false, false
		} else if success {
			m.selected = true
		}
		return
	}
	if !m.selected {
		return
	}
	m.justVerified = success && c.INS == 0x20 && c.P1 == 0x00 && len(c.Data) > 0
	if c.INS == 0x87 && c.P2 == 0x9B {
		m.admin = false
	}
	if !success {
		return
	}
	switch {
	case c.INS == 0x24 && c.P2 == 0x80, c.INS == 0x2C:
		m.pin = bytes.Clone(c.Data[8:])
	case c.INS == 0x24 && c.P2 == 0x81:
		m.puk = bytes.Clone(c.Data[8:])
	case c.INS == 0x24 && c.P2 == 0x00:
		m.global = bytes.Clone(c.Data[8:])
	case c.INS == 0xFA, c.INS == 0xFB:
		m.pin, m.puk = []byte("123456\xFF\xFF"), []byte("12345678")
		m.admin = m.admin && c.INS == 0xFA
	}
}

// FuzzTransmit sends arbitrary commands to cards of many kinds. A response must
// have a status word and be no longer than Le allows. Without the PIN or PUK no
// retry counter goes up and no PIN is verified. Without authorization no private
// key is used, no protected object is read, and no object is written.
func FuzzTransmit(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1<<12 {
			return
		}
		newModel(t, script[0]).run(script[1:])
	})
}

func TestModel(t *testing.T) {
	scripts := map[string]byte{"plain": 0, "global PIN": withGlobalPIN, "YubiKey": yubiKey, "T=0": protocolT0, "long lengths": longLengths}
	for name, kind := range scripts {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, kind)
			script := func(commands ...string) {
				for _, c := range commands {
					b := unhex(t, c)
					m.run(append([]byte{byte(len(b))}, b...))
				}
			}
			script(selectPIV, verifyPIN)
			require.True(t, m.justVerified)
			require.True(t, m.selected)
			m.run([]byte{opAdmin})
			require.True(t, m.admin)
			require.False(t, m.justVerified)
			script("0024008010" + pin123456 + pin654321)
			require.Equal(t, unhex(t, pin654321), m.pin)
			script("00a4040005f101020304")
			require.False(t, m.selected)
			require.False(t, m.admin)
			m.run([]byte{opReset})
		})
	}
}
