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

// The first byte of a script chooses the card; then every byte is the length
// of a command that follows it, or one of these.
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

// A watcher knows what the card may do, from the commands alone.
type watcher struct {
	*card
	kind             byte
	selected         bool // our application is current
	fresh, admin     bool
	everAdmin        bool
	pin, puk, global []byte
}

func newWatcher(t testing.TB, kind byte) *watcher {
	config := piv.Config{
		Contactless: kind&contactless != 0,
		LenientPIN:  kind&lenientPIN != 0,
		GUID:        [16]byte{1},
		Generate:    func(piv.Algorithm) (crypto.PrivateKey, error) { return p256, nil },
		Quirks:      piv.Quirks{LongLengths: kind&longLengths != 0},
	}
	w := &watcher{kind: kind, pin: unhex(t, pin123456), puk: unhex(t, puk)}
	if kind&withGlobalPIN != 0 {
		config.GlobalPIN = "87654321"
		w.global = []byte(config.GlobalPIN)
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
	w.card = &card{t, app, iso.New(iso.Config{
		T0:                 kind&protocolT0 != 0,
		NoResponseChaining: kind&noResponseChaining != 0,
		ExactLe:            kind&exactLe != 0,
	}, app, iso.NewBystander([]byte{0xF1, 1, 2, 3, 4}, []byte("1")))}
	return w
}

// run plays a script.
func (w *watcher) run(script []byte) {
	for len(script) > 0 {
		n := int(script[0])
		script = script[1:]
		switch n {
		case opReset:
			w.iso.Reset()
			w.selected, w.fresh, w.admin = false, false, false
			for _, ref := range []byte{0x00, 0x80} {
				if w.app.Tries(ref).Verified {
					w.t.Fatalf("PIN %02X outlives a reset", ref)
				}
			}
			continue
		case opAdmin:
			w.becomeAdmin()
			continue
		case opLongLength:
			if len(script) < 2 {
				return
			}
			n = int(script[0])<<8 | int(script[1])
			script = script[2:]
		}
		n = min(n, len(script))
		w.send(script[:n])
		script = script[n:]
	}
}

// becomeAdmin authenticates with the customary key, if that still is the key.
func (w *watcher) becomeAdmin() {
	key := adminKeys["3DES"]
	if w.kind&yubiKey != 0 {
		key = adminKeys["AES-192"]
	}
	if !w.selected {
		return
	}
	w.fresh, w.admin = false, false
	size := block(w.t, key).BlockSize()
	ask := func(b []byte) []byte {
		answer := w.iso.Transmit(append([]byte{0x00, 0x87, byte(key.Algorithm), 0x9B, byte(len(b))}, b...))
		if answer[len(answer)-2] == 0x61 {
			answer = w.iso.Transmit([]byte{0x00, 0xC0, 0x00, 0x00, answer[len(answer)-1]})
		}
		return answer
	}
	answer := ask(tlv(0x7C, tlv(0x81)))
	if len(answer) < size+2 {
		return
	}
	challenge := answer[len(answer)-2-size : len(answer)-2]
	answer = ask(tlv(0x7C, tlv(0x82, apply(block(w.t, key).Encrypt, challenge))))
	w.admin = bytes.Equal(answer, []byte{0x90, 0x00})
	w.everAdmin = w.everAdmin || w.admin
}

// A snapshot is what of the card must not change without a right.
type snapshot struct {
	tries   map[byte]piv.Tries
	objects string
}

func (w *watcher) snapshot() snapshot {
	s := snapshot{tries: map[byte]piv.Tries{}}
	for _, ref := range []byte{0x00, 0x80, 0x81} {
		s.tries[ref] = w.app.Tries(ref)
	}
	for _, tag := range []uint32{0x5FC102, 0x5FC105, 0x5FC109, 0x7E} {
		s.objects += string(w.app.Object(tag)) + "|"
	}
	return s
}

func (w *watcher) send(b []byte) {
	before := w.snapshot()
	answer := w.iso.Transmit(b)
	after := w.snapshot()
	if len(answer) < 2 {
		w.t.Fatalf("%x is answered by %x", b, answer)
	}
	data := answer[:len(answer)-2]
	sw := int(answer[len(answer)-2])<<8 | int(answer[len(answer)-1])
	success := sw == 0x9000 || sw>>8 == 0x61
	c, ok := iso.ParseCommand(b)
	if w.kind&protocolT0 != 0 && c.Extended {
		c, ok = iso.Command{}, false
	}
	w.checkLength(b, c, ok, data, success)
	whole := ok && c.CLA == 0 && c.INS != 0xC0
	if whole && w.selected && success {
		w.checkRights(c, before)
	}
	w.checkChanges(b, c, before, after, success)
	if whole {
		w.learn(c, sw, success)
	}
}

// checkLength holds that an answer is as long as Le allows, and empty where
// something went wrong.
func (w *watcher) checkLength(b []byte, c iso.Command, ok bool, data []byte, success bool) {
	limit := 0
	switch {
	case ok && c.Ne > 0:
		limit = c.Ne
	case ok && w.kind&protocolT0 == 0 && c.Extended:
		limit = 65536
	case ok && w.kind&protocolT0 == 0:
		limit = 256
	}
	if len(data) > limit || len(data) > 0 && !success {
		w.t.Fatalf("%x is answered by %d bytes of data, success %v", b, len(data), success)
	}
}

// checkRights holds that what succeeded was allowed.
func (w *watcher) checkRights(c iso.Command, before snapshot) {
	holder := before.tries[0x80].Verified || before.tries[0x00].Verified
	switch {
	case c.INS == 0x87 && c.P2 != 0x9B && c.P2 != 0x9E && w.kind&yubiKey != 0 && w.everAdmin:
		// The administrator of a YubiKey may have made a key that asks for nothing.
	case c.INS == 0x87 && c.P2 != 0x9B && c.P2 != 0x9E:
		if !holder || w.kind&contactless != 0 || c.P2 == 0x9C && !w.fresh {
			w.t.Fatalf("key %02X was used: holder %v, fresh %v", c.P2, holder, w.fresh)
		}
	case c.INS == 0xCB && bytes.Contains(c.Data, []byte{0x5F, 0xC1, 0x09}):
		if !holder {
			w.t.Fatal("printed information was read without a PIN")
		}
	case strings.IndexByte("\xDB\x47\xFE\xFF\xFA\xF6", c.INS) >= 0:
		if !w.admin {
			w.t.Fatalf("instruction %02X succeeded without the administrator", c.INS)
		}
	}
}

// checkChanges holds that tries come back and PINs become verified only by
// secrets, and that objects change only by the administrator's hand.
func (w *watcher) checkChanges(b []byte, c iso.Command, before, after snapshot, success bool) {
	factory := success && c.INS == 0xFB && before.tries[0x80].Left == 0 && before.tries[0x81].Left == 0
	retries := success && c.INS == 0xFA && w.admin && before.tries[0x80].Verified
	has := func(secret []byte) bool { return secret != nil && bytes.Contains(b, secret) }
	for ref, known := range map[byte]bool{0x80: has(w.pin) || has(w.puk), 0x81: has(w.puk), 0x00: has(w.global)} {
		if after.tries[ref].Left > before.tries[ref].Left && !known && !factory && !retries {
			w.t.Fatalf("%x gave tries of %02X back: %+v, %+v", b, ref, before.tries[ref], after.tries[ref])
		}
		if after.tries[ref].Verified && !before.tries[ref].Verified && !known {
			w.t.Fatalf("%x verified %02X", b, ref)
		}
	}
	if before.objects != after.objects && !w.admin && !factory {
		w.t.Fatalf("%x changed an object", b)
	}
}

// learn follows what a whole command did.
func (w *watcher) learn(c iso.Command, sw int, success bool) {
	if c.INS == 0xA4 && c.P1 == 0x04 {
		if sw == 0x6A82 {
			return
		}
		w.fresh = false
		if success && c.Data[0] == 0xF1 {
			w.selected, w.admin = false, false
		} else if success {
			w.selected = true
		}
		return
	}
	if !w.selected {
		return
	}
	w.fresh = success && c.INS == 0x20 && c.P1 == 0x00 && len(c.Data) > 0
	if c.INS == 0x87 && c.P2 == 0x9B {
		w.admin = false
	}
	if !success {
		return
	}
	switch {
	case c.INS == 0x24 && c.P2 == 0x80, c.INS == 0x2C:
		w.pin = bytes.Clone(c.Data[8:])
	case c.INS == 0x24 && c.P2 == 0x81:
		w.puk = bytes.Clone(c.Data[8:])
	case c.INS == 0x24 && c.P2 == 0x00:
		w.global = bytes.Clone(c.Data[8:])
	case c.INS == 0xFA, c.INS == 0xFB:
		w.pin, w.puk = []byte("123456\xFF\xFF"), []byte("12345678")
		w.admin = w.admin && c.INS == 0xFA
	}
}

// FuzzTransmit plays any commands to cards of many kinds. Whatever they are:
// an answer has a status word and is no longer than Le allows, tries never come
// back and no PIN is verified without a secret, and no private key, no
// protected object and no object for writing is touched without its right.
func FuzzTransmit(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1<<12 {
			return
		}
		newWatcher(t, script[0]).run(script[1:])
	})
}

func TestWatcherSeesWhatItShould(t *testing.T) {
	scripts := map[string]byte{"plain": 0, "global PIN": withGlobalPIN, "YubiKey": yubiKey, "T=0": protocolT0, "long lengths": longLengths}
	for name, kind := range scripts {
		t.Run(name, func(t *testing.T) {
			w := newWatcher(t, kind)
			script := func(commands ...string) {
				for _, c := range commands {
					b := unhex(t, c)
					w.run(append([]byte{byte(len(b))}, b...))
				}
			}
			script(selectPIV, verifyPIN)
			require.True(t, w.fresh)
			require.True(t, w.selected)
			w.run([]byte{opAdmin})
			require.True(t, w.admin)
			require.False(t, w.fresh)
			script("0024008010" + pin123456 + pin654321)
			require.Equal(t, unhex(t, pin654321), w.pin)
			script("00a4040005f101020304")
			require.False(t, w.selected)
			require.False(t, w.admin)
			w.run([]byte{opReset})
		})
	}
}
