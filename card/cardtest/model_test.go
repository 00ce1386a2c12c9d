package cardtest_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestModelFacts sends the commands that show whether each model has each of its
// properties.
func TestModelFacts(t *testing.T) {
	for _, name := range cardtest.Models() {
		for _, f := range cardtest.ModelFacts(name) {
			t.Run(name+"/"+f.Property, func(t *testing.T) {
				if f.Evidence == cardtest.Assumed {
					assert.Empty(t, f.Source)
				} else {
					assert.NotEmpty(t, f.Source)
				}
				if _, command, ok := strings.Cut(f.Property, "answer to "); ok {
					m := newSubject(t, name)
					m.requireAnswer(command, f.Value)
					return
				}
				check, ok := checks[f.Property]
				require.True(t, ok, "no check of this property")
				m := newSubject(t, name)
				check(m, f.Value)
			})
		}
	}
}

// A subject is the card of a model with its application selected.
type subject struct {
	*cardtest.Card
	t    *testing.T
	name string
}

func newSubject(t *testing.T, name string, options ...cardtest.Option) *subject {
	m := &subject{cardtest.Model(name, options...), t, name}
	m.selectApplication()
	return m
}

func (m *subject) isGIDS() bool {
	return strings.HasPrefix(m.name, "gids") || strings.HasPrefix(m.name, "microsoft")
}

func (m *subject) aid() []byte {
	if m.isGIDS() {
		return bytesOf("A00000039742544659")
	}
	return bytesOf("A000000308000010000100")
}

func (m *subject) selectApplication() []byte {
	m.t.Helper()
	data, sw := m.fetch(apdu(0x00A40400, m.aid()))
	require.Equal(m.t, "9000", sw)
	return data
}

// apdu returns a command with short lengths and the largest Le.
func apdu(header uint32, data []byte) []byte {
	c := []byte{byte(header >> 24), byte(header >> 16), byte(header >> 8), byte(header)}
	if len(data) > 0 {
		c = append(append(c, byte(len(data))), data...)
	}
	return append(c, 0)
}

// send sends one command, and returns data and status word.
func (m *subject) send(command []byte) ([]byte, string) {
	m.t.Helper()
	r, err := m.Transmit(command)
	require.NoError(m.t, err)
	n := len(r) - 2
	return r[:n], fmt.Sprintf("%X", r[n:])
}

// fetch sends a command, and fetches the rest of the response.
func (m *subject) fetch(command []byte) (data []byte, sw string) {
	m.t.Helper()
	for range 64 {
		var part []byte
		part, sw = m.send(command)
		data = append(data, part...)
		switch {
		case strings.HasPrefix(sw, "61"):
			command = []byte{0x00, 0xC0, 0x00, 0x00, bytesOf(sw)[1]}
		case strings.HasPrefix(sw, "6C"):
			command[len(command)-1] = bytesOf(sw)[1]
		default:
			return data, sw
		}
	}
	require.Fail(m.t, "response without an end")
	return nil, ""
}

func (m *subject) requireAnswer(command, value string) {
	m.t.Helper()
	c := bytesOf(command)
	for len(c) < 4 {
		c = append(c, 0x9A)
	}
	data, sw := m.fetch(apdu(uint32(c[0])<<24|uint32(c[1])<<16|uint32(c[2])<<8|uint32(c[3]), c[4:]))
	assert.Equal(m.t, strings.ReplaceAll(value, " ", ""), fmt.Sprintf("%X%s", data, sw))
}

func (m *subject) requireStatus(want string, command []byte) {
	m.t.Helper()
	_, sw := m.send(command)
	assert.Equal(m.t, want, sw)
}

func bytesOf(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Objects and commands.
var (
	chuidObject       = bytesOf("5C035FC102")
	certificateObject = bytesOf("5C035FC105")
	missingObject     = bytesOf("5C035FC101")
	printedObject     = bytesOf("5C035FC109")
	historyObject     = bytesOf("5C035FC10C")
	discoveryObject   = bytesOf("5C017E")
	missingName       = bytesOf("F06D697373696E67")

	emptyVerify = bytesOf("00200080")
	verifyRight = bytesOf("0020008008313233343536FFFF")
)

const getData = 0x00CB3FFF

func (m *subject) read(object []byte) ([]byte, string) {
	m.t.Helper()
	return m.fetch(apdu(getData, object))
}

func (m *subject) verify() {
	m.t.Helper()
	m.requireStatus("9000", verifyRight)
	require.True(m.t, m.Verified())
}

var checks = map[string]func(*subject, string){
	"firmware": func(m *subject, value string) {
		want := strings.Split(value, ".")
		got, sw := m.send(apdu(0x00FD0000, nil))
		assert.Equal(m.t, "9000", sw)
		for i, b := range got {
			assert.Equal(m.t, want[i], strconv.Itoa(int(b)))
		}
	},
	"ATR": func(m *subject, value string) { assert.Equal(m.t, value, fmt.Sprintf("%X", m.ATR())) },
	"protocol": func(m *subject, value string) {
		data, _ := m.send(apdu(getData, chuidObject))
		assert.Equal(m.t, value == "T=0", len(data) == 0)
		readers := cardtest.NewReaders(m.Card)
		defer readers.Close()
		d := readers.Driver()
		defer d.Close()
		c, err := d.Connect(m.t.Context(), readers.Names()[0])
		require.NoError(m.t, err)
		defer c.Close(false)
		assert.Equal(m.t, value == "T=0", c.Protocol() == driver.T0)
	},
	"extended length": func(m *subject, value string) {
		_, sw := m.send(bytesOf("00CB3FFF 000005 5C035FC102 0000"))
		assert.Equal(m.t, map[string]string{"accepted": "9000", "6700": "6700"}[value], sw)
	},
	"first response": func(m *subject, value string) {
		short, shortSW := m.send(apdu(getData, discoveryObject))
		m.fetch(apdu(getData, discoveryObject))
		long, longSW := m.send(apdu(getData, certificateObject))
		withoutLe, _ := m.send(append(bytesOf("00CB3FFF05"), certificateObject...))
		assert.Equal(m.t, value == "61XX", len(short) == 0, shortSW)
		assert.Equal(m.t, value == "61XX" || value == "61XX if longer than Le", len(long) == 0, longSW)
		assert.Empty(m.t, withoutLe)
	},
	"first response limit": func(m *subject, value string) {
		part, _ := m.send(apdu(getData, certificateObject))
		assert.Equal(m.t, value, strconv.Itoa(len(part)))
		part, _ = m.send(bytesOf("00C00000FF"))
		assert.Len(m.t, part, 255)
	},
	"more than 255 bytes": func(m *subject, value string) {
		_, sw := m.send(apdu(getData, certificateObject))
		assert.Equal(m.t, value, sw)
	},
	"command while data waits": func(m *subject, value string) {
		_, sw := m.send(apdu(getData, certificateObject))
		assert.Equal(m.t, "6100", sw)
		m.requireStatus(value, apdu(getData, chuidObject))
		_, sw = m.read(chuidObject)
		assert.Equal(m.t, "9000", sw)
	},
	"shortest identifier": func(m *subject, value string) {
		n, err := strconv.Atoi(value)
		require.NoError(m.t, err)
		_, sw := m.fetch(apdu(0x00A40400, m.aid()[:n]))
		assert.Equal(m.t, "9000", sw)
		m.requireStatus("6A82", apdu(0x00A40400, m.aid()[:n-1]))
	},
	"absent application": func(m *subject, value string) {
		m.Reset()
		m.requireStatus(value, apdu(0x00A40400, missingName))
	},
	"absent application, another selected": func(m *subject, value string) {
		m.requireStatus(value, apdu(0x00A40400, missingName))
	},
	"failed SELECT": func(m *subject, value string) {
		m.verify()
		_, sw := m.send(apdu(0x00A40400, missingName))
		assert.Equal(m.t, "6A82", sw)
		assert.Equal(m.t, value == "keeps the application", m.Verified())
		_, sw = m.send(emptyVerify)
		assert.Equal(m.t, value == "deselects it", sw == "6D00", sw)
	},
	"SELECT": func(m *subject, value string) {
		want := strings.ReplaceAll(value, " ", "")
		if value == "none" {
			want = ""
		}
		assert.Equal(m.t, want, fmt.Sprintf("%X", m.selectApplication()))
	},
	"SELECT again": func(m *subject, value string) {
		m.verify()
		m.selectApplication()
		assert.Equal(m.t, value == "keeps the PIN", m.Verified())
	},
	"PIN retries": func(m *subject, value string) {
		assert.Equal(m.t, value, strconv.Itoa(m.RetriesLeft()))
		m.requireStatus("63C"+value, emptyVerify)
	},
	"retry counter": func(m *subject, value string) {
		m.requireStatus(strings.Replace(value, "X", strconv.Itoa(m.RetriesLeft()), 1), emptyVerify)
	},
	"empty VERIFY, verified": func(m *subject, value string) {
		m.verify()
		_, sw := m.send(emptyVerify)
		assert.Equal(m.t, value == "9000", sw == "9000", sw)
		assert.True(m.t, m.Verified())
	},
	"empty VERIFY, blocked": func(m *subject, value string) {
		m = newSubject(m.t, m.name, cardtest.RetriesLeft(0))
		m.requireStatus(value, emptyVerify)
	},
	"log out": func(m *subject, value string) {
		m.verify()
		m.requireStatus(value, bytesOf("0020FF80"))
		assert.Equal(m.t, value != "accepted", m.Verified())
	},
	"PIN with letters": func(m *subject, value string) {
		m.requireStatus(value, bytesOf("0020008008616263646566FFFF"))
		assert.Zero(m.t, m.Spent())
	},
	"CHANGE with wrong old value": func(m *subject, value string) {
		m.requireStatus(value, bytesOf("0024008010 393837363534FFFF 363534333231FFFF"))
		assert.Equal(m.t, 1, m.Spent())
	},
	"absent object": func(m *subject, value string) {
		data, sw := m.read(missingObject)
		assert.Equal(m.t, value, sw)
		assert.Empty(m.t, data)
	},
	"absent object, PIN required": func(m *subject, value string) {
		_, other := m.read(missingObject)
		_, sw := m.read(printedObject)
		assert.Equal(m.t, map[string]string{"6982": "6982", "as other objects": other}[value], sw)
	},
	"discovery object": func(m *subject, value string) {
		data, sw := m.read(discoveryObject)
		if status, ok := strings.CutPrefix(value, "absent "); ok {
			assert.Equal(m.t, status, sw)
			return
		}
		assert.Equal(m.t, "9000", sw)
		assert.Equal(m.t, bytesOf(value), data)
	},
	"key history": func(m *subject, value string) {
		data, sw := m.read(historyObject)
		if value == "absent" {
			assert.Equal(m.t, "6A82", sw)
			return
		}
		assert.Equal(m.t, "9000", sw)
		assert.Equal(m.t, bytesOf(value), data)
	},
	"CHUID": func(m *subject, value string) {
		data, sw := m.read(chuidObject)
		if value == "absent" {
			assert.Equal(m.t, "6A82", sw)
			return
		}
		assert.Equal(m.t, "9000", sw)
		assert.Equal(m.t, value, strconv.Itoa(len(data)))
	},
	"CHUID expiration": func(m *subject, value string) {
		data, _ := m.read(chuidObject)
		assert.True(m.t, bytes.Contains(data, append([]byte{0x35, 8}, value...)))
	},
	"certificates": func(m *subject, value string) {
		data, _ := m.read(certificateObject)
		assert.Equal(m.t, value == "gzip", bytes.Contains(data[:12], bytesOf("1F8B")) && bytes.HasSuffix(data, bytesOf("710101FE00")))
	},
	"longest object": func(m *subject, value string) {
		n, err := strconv.Atoi(value)
		require.NoError(m.t, err)
		m.authenticate()
		_, sw := m.put(n)
		assert.Equal(m.t, "9000", sw)
		_, sw = m.put(n + 600)
		assert.NotEqual(m.t, "9000", sw)
	},
	"object too long": func(m *subject, value string) {
		m.authenticate()
		parts, sw := m.put(7000)
		assert.Equal(m.t, value[:4], sw)
		if value == "6A84" {
			return
		}
		assert.Greater(m.t, parts, 3)
		assert.Less(m.t, len(m.Object(0x5FC105)), 7000)
		assert.Equal(m.t, bytes.Repeat([]byte{0x70}, len(m.Object(0x5FC105))), m.Object(0x5FC105))
	},
	"malformed template": func(m *subject, value string) {
		m.verify()
		m.requireStatus(value, bytesOf("0087079A 08 7C06 8200 81020000 00"))
	},
	"empty key slot": func(m *subject, value string) {
		m.verify()
		m.requireStatus(value, bytesOf("0087079E 08 7C06 8200 81020000 00"))
	},
	"Ed25519 signature": func(m *subject, value string) {
		key := cardtest.Key(cardtest.Ed25519, 0)
		m.Put("9E", key, nil)
		message := bytes.Repeat([]byte{1, 2, 3, 4}, 16)
		response, sw := m.fetch(apdu(0x0087E09E, slices.Concat(bytesOf("7C44 8200 8140"), message)))
		require.Equal(m.t, "9000", sw)
		if value == "of 32 bytes" {
			message = message[:32]
		}
		assert.True(m.t, ed25519.Verify(key.Public().(ed25519.PublicKey), message, response[4:]))
		assert.NoError(m.t, checkKey(key))
	},
	"management key, other algorithm": func(m *subject, value string) {
		m.requireStatus(value, bytesOf("0087089B 04 7C02 8000 00"))
	},
	"wrong management key": func(m *subject, value string) {
		_, sw := m.fetch(bytesOf("0087039B 04 7C02 8000 00"))
		require.Equal(m.t, "9000", sw)
		m.requireStatus(value, bytesOf("0087039B 16 7C14 8008 0102030405060708 8108 0102030405060708 00"))
	},
	"witness, challenge and empty response": func(m *subject, value string) {
		m.authenticateWith(bytesOf("8200"))
		_, sw := m.put(100)
		assert.Equal(m.t, map[string]string{"internal authentication": "6982", "mutual authentication": "9000"}[value], sw)
		m.authenticateWith(nil)
		_, sw = m.put(100)
		assert.Equal(m.t, "9000", sw)
	},
	"end of mutual authentication": func(m *subject, value string) {
		data := m.authenticateWith(nil)
		assert.Equal(m.t, value == "no data", len(data) == 0)
		_, sw := m.put(100)
		assert.Equal(m.t, "9000", sw)
	},
	"Yubico's instructions": func(m *subject, value string) {
		for _, ins := range bytesOf(value) {
			_, sw := m.send([]byte{0x00, ins, 0xFF, 0xFF})
			assert.NotEqual(m.t, "6D00", sw, "%02X", ins)
		}
		m.requireStatus("6D00", bytesOf("00F60000"))
	},
	"raw decryption": func(m *subject, value string) {
		m.requireStatus("9000", bytesOf("0020008006313233343536"))
		m.requireStatus("9000", bytesOf("002241B8 06 800107 840181"))
		one := make([]byte, 256) // its decryption is 1
		one[255] = 1
		m.requireStatus("9000", append(bytesOf("102A8086 F0"), one[:240]...))
		data, sw := m.fetch(append(append(bytesOf("002A8086 10"), one[240:]...), 0))
		assert.Equal(m.t, "9000", sw)
		assert.Equal(m.t, map[string]int{"whole block": 256, "without leading zeros": 1}[value], len(data))
	},
	"decryption with a padding indicator": func(m *subject, value string) {
		m.requireStatus("9000", bytesOf("0020008006313233343536"))
		m.requireStatus("9000", bytesOf("002241B8 06 800147 840181"))
		cryptogram := make([]byte, 257)
		_, sw := m.send(append(bytesOf("102A8086 F0"), cryptogram[:240]...))
		require.Equal(m.t, "9000", sw)
		m.requireStatus(value, append(append(bytesOf("002A8086 11"), cryptogram[240:]...), 0))
	},
}

// checkKey reports whether a fixed key is usable for a check.
func checkKey(key crypto.Signer) error {
	_, err := key.Sign(nil, []byte("message"), crypto.Hash(0))
	return err
}

func TestModelPanicsOnAnUnknownName(t *testing.T) {
	for _, f := range []func(){
		func() { cardtest.Model("no such card") },
		func() { cardtest.ModelFacts("no such card") },
		func() { cardtest.ModelProduct("no such card") },
	} {
		require.PanicsWithValue(t, `cardtest: there is no card model "no such card"; the models are `+strings.Join(cardtest.Models(), ", "), f)
	}
}
