package enumerate_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An alteringService is a driver that alters responses of cards.
type alteringService struct {
	driver.Service
	exchanges atomic.Int64
	alter     func(n int, command, response []byte) []byte // of the n-th exchange, from 0
}

func (s *alteringService) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c, err := s.Service.Connect(ctx, reader)
	if err != nil {
		return nil, err
	}
	return alteringCard{c, s}, nil
}

type alteringCard struct {
	driver.Card
	service *alteringService
}

func (c alteringCard) Transmit(command []byte) ([]byte, error) {
	sent := bytes.Clone(command)
	response, err := c.Card.Transmit(command)
	if err != nil {
		return nil, err
	}
	return c.service.alter(int(c.service.exchanges.Add(1))-1, sent, response), nil
}

// signInWith lists, unlocks and signs. It checks that each signature is valid under
// the certificate that was listed.
func signInWith(t *testing.T, l *alteringService) (credentials, signatures int) {
	t.Helper()
	service := card.NewService(l, &card.Options{BusyTimeout: 20 * time.Millisecond})
	defer func() { require.NoError(t, service.Close()) }()
	find := &enumerate.Finder{Service: service}
	digest := sha256.Sum256([]byte("what is signed"))
	for c, err := range find.All(t.Context()) {
		if err != nil {
			assert.NotEmpty(t, err.Error())
			continue
		}
		credentials++
		key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		if err != nil {
			continue
		}
		sig, err := key.Sign(nil, digest[:], crypto.SHA256)
		if err == nil {
			signatures++
			public, err := cert.PublicKey(c.Raw)
			require.NoError(t, err)
			assert.NoError(t, signature.Verify(public, digest[:], sig, crypto.SHA256))
		}
		require.NoError(t, key.Close())
	}
	return credentials, signatures
}

func quickCard(options ...cardtest.Option) *cardtest.Card {
	return put(cardtest.PIV(options...), "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"alice@example.com"}})
}

// FuzzCard signs in with a PIV card of which one response is altered.
func FuzzCard(f *testing.F) {
	f.Add(uint8(200), uint8(0), uint16(0), []byte{}) // unaltered
	f.Fuzz(func(t *testing.T, n, how uint8, at uint16, data []byte) {
		signInWithAltered(t, quickCard(), alterOne(int(n), how, int(at), data))
	})
}

// FuzzGIDSCard signs in with a GIDS card of which one response is altered.
func FuzzGIDSCard(f *testing.F) {
	f.Add(uint8(200), uint8(0), uint16(0), []byte{}) // unaltered
	f.Fuzz(func(t *testing.T, n, how uint8, at uint16, data []byte) {
		soft := put(cardtest.GIDS(), "kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{"alice@example.com"}})
		signInWithAltered(t, soft, alterOne(int(n), how, int(at), data))
	})
}

// FuzzModel signs in with a model of a real card of which two responses are altered.
// Each model is a seed.
func FuzzModel(f *testing.F) {
	models := cardtest.Models()
	for i := range models {
		f.Add(uint8(i), uint8(200), uint8(200), uint8(0), uint16(0), []byte{}) // unaltered
		f.Add(uint8(i), uint8(i%8), uint8(i%16), uint8(i), uint16(i%24), []byte{0x6A, 0x80})
	}
	f.Fuzz(func(t *testing.T, model, n, m, how uint8, at uint16, data []byte) {
		soft := quickModel(models[int(model)%len(models)])
		signInWithAltered(t, soft, func(i int, response []byte) []byte {
			if i == int(n) || i == int(m) {
				response = mutate(response, how, int(at), data)
			}
			return response
		})
	})
}

// quickModel returns a model with one certificate and a key that signs quickly.
func quickModel(name string) *cardtest.Card {
	soft := cardtest.Model(name)
	if strings.HasPrefix(name, "gids") || strings.HasPrefix(name, "microsoft") {
		return put(soft, "kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{"alice@example.com"}})
	}
	soft.PutObject(0x5FC10B, nil)
	return put(soft, "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"alice@example.com"}})
}

// signInWithAltered signs in with a card whose i-th response alter may change.
func signInWithAltered(t *testing.T, soft *cardtest.Card, alter func(i int, response []byte) []byte) {
	readers := cardtest.NewReaders(soft)
	l := &alteringService{Service: readers.Driver(), alter: func(i int, _, response []byte) []byte { return alter(i, response) }}
	_, signatures := signInWith(t, l)
	assert.LessOrEqual(t, signatures, 24)
	assert.Less(t, l.exchanges.Load(), int64(1500), "exchanges")
	assert.Zero(t, soft.Spent(), "the PIN is the right one")
	assert.False(t, soft.Verified(), "the PIN was left verified")
	assert.Zero(t, soft.Writes())
	require.NoError(t, readers.Close())
}

// alterOne alters the n-th response.
func alterOne(n int, how uint8, at int, data []byte) func(int, []byte) []byte {
	return func(i int, response []byte) []byte {
		if i != n {
			return response
		}
		return mutate(response, how, at, data)
	}
}

// mutate alters a response in one of several ways.
func mutate(response []byte, how uint8, at int, data []byte) []byte {
	at = min(at, len(response))
	body := max(len(response)-2, 0)
	switch how % 5 {
	case 0: // replace all
		return data
	case 1: // replace all but the status word
		return append(bytes.Clone(data), response[body:]...)
	case 2: // overwrite
		changed := bytes.Clone(response)
		copy(changed[at:], data)
		return changed
	case 3: // insert
		return append(append(bytes.Clone(response[:at]), data...), response[at:]...)
	}
	return response[:at] // truncate
}

// allocated returns the number of bytes that f allocates, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const mib = 1 << 20

// deflateZeros returns that many MiB of zeros, deflated, of which only two are
// compressed: from the second on, the blocks are equal.
func deflateZeros(t *testing.T, size int) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	require.NoError(t, err)
	var ends [2]int
	for i := range ends {
		_, err = w.Write(make([]byte, mib))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		ends[i] = packed.Len()
	}
	first, block := bytes.Clone(packed.Bytes()[:ends[0]]), bytes.Clone(packed.Bytes()[ends[0]:])
	require.NoError(t, w.Close())
	last := packed.Bytes()[ends[1]:]
	return slices.Concat(first, bytes.Repeat(block, size-1), last)
}

// gzipBomb returns that many MiB of zeros as a gzip file (RFC 1952).
func gzipBomb(t *testing.T, size int) []byte {
	t.Helper()
	bomb := append([]byte{0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF}, deflateZeros(t, size)...)
	bomb = binary.LittleEndian.AppendUint32(bomb, crc32.ChecksumIEEE(make([]byte, size*mib)))
	return binary.LittleEndian.AppendUint32(bomb, uint32(size*mib))
}

func TestBombsInflate(t *testing.T) {
	unzip, err := gzip.NewReader(bytes.NewReader(gzipBomb(t, 4)))
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, unzip)
	require.NoError(t, err)
	assert.EqualValues(t, 4*mib, n)
	inflate, err := zlib.NewReader(bytes.NewReader(zlibBomb(t, 4)[4:]))
	require.NoError(t, err)
	n, err = io.Copy(io.Discard, inflate)
	require.NoError(t, err)
	assert.EqualValues(t, 4*mib, n)
}

func TestGzipBombMemory(t *testing.T) {
	bomb := ber.Append(nil, 0x70, gzipBomb(t, 64)) // 64 KiB of it
	bomb = ber.Append(bomb, 0x71, []byte{1})
	soft := quickCard()
	for _, tag := range []uint32{0x5FC10A, 0x5FC10B, 0x5FC101} {
		soft.PutObject(tag, bomb)
	}
	readers := cardtest.NewReaders(soft)
	l := &alteringService{Service: readers.Driver(), alter: func(_ int, _, response []byte) []byte { return response }}
	taken := allocated(func() {
		credentials, signatures := signInWith(t, l)
		assert.Equal(t, 1, credentials, "the bombs are errors")
		assert.Equal(t, 1, signatures)
	})
	assert.Less(t, taken, uint64(12*mib), "three bombs of 64 MiB")
	require.NoError(t, readers.Close())
}

// zlibBomb returns a file of a GIDS card that inflates to that many MiB of zeros
// (RFC 1950).
func zlibBomb(t *testing.T, size int) []byte {
	t.Helper()
	bomb := append([]byte{0x01, 0x00, 0xFF, 0xFF, 0x78, 0x9C}, deflateZeros(t, size)...)
	adler := uint32(size*mib%65521<<16 | 1) // Adler-32 of zeros
	return binary.BigEndian.AppendUint32(bomb, adler)
}

func TestHostileGIDSMemory(t *testing.T) {
	soft := put(cardtest.GIDS(), "kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0)})
	bomb := zlibBomb(t, 32)
	for _, name := range []string{"mscp/kxc01", "mscp/kxc02", "mscp/ksc00"} {
		soft.PutFile(name, bomb)
	}
	table := []byte{0x01}
	for i := range 2000 { // as many files as fit in one response
		record := make([]byte, 28)
		copy(record, "mscp")
		copy(record[9:], fmt.Sprintf("kxc%02X", i%256))
		copy(record[20:], []byte{0x24, 0xDF, 0, 0, 0x10, 0xA0, 0, 0})
		table = append(table, record...)
	}
	soft.PutData(0xA000, 0xDF1F, table)
	readers := cardtest.NewReaders(soft)
	l := &alteringService{Service: readers.Driver(), alter: func(_ int, _, response []byte) []byte { return response }}
	service := card.NewService(l, nil)
	defer service.Close()
	taken := allocated(func() {
		credentials, errs := all(t, newFinder(service))
		assert.Len(t, credentials, 127, "one for each possible key")
		assert.NotEmpty(t, errs)
	})
	assert.Less(t, taken, uint64(64*mib))
	assert.Less(t, l.exchanges.Load(), int64(5000))
	require.NoError(t, readers.Close())
}

func TestEndlessResponses(t *testing.T) {
	for name, piece := range map[string]int{"of 255 bytes": 255, "of one byte": 1, "of 60000 bytes": 60000} {
		t.Run(name, func(t *testing.T) {
			soft := quickCard()
			readers := cardtest.NewReaders(soft)
			more := append(make([]byte, piece), 0x61, 0xFF)
			l := &alteringService{Service: readers.Driver(), alter: func(_ int, command, response []byte) []byte {
				if command[1] == 0xCB || command[1] == 0xC0 {
					return bytes.Clone(more)
				}
				return response
			}}
			taken := allocated(func() {
				credentials, _ := signInWith(t, l)
				assert.Zero(t, credentials)
			})
			assert.Less(t, l.exchanges.Load(), int64(2000))
			assert.Less(t, taken, uint64(16*mib))
			require.NoError(t, readers.Close())
		})
	}
}
