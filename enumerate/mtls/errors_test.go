package mtls_test

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
	"github.com/smartlogon/smartlogon/piv"
)

// touchCard returns a YubiKey whose key requires a touch.
func touchCard(t *testing.T) *cardtest.Card {
	t.Helper()
	soft := put(cardtest.YubiKey("5.7.1"), "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{alice}})
	service := cardtest.NewService(soft)
	defer service.Close()
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	key, err := piv.NewManagementKey(piv.AES192, []byte(strings.Repeat("\x01\x02\x03\x04\x05\x06\x07\x08", 3)))
	require.NoError(t, err)
	require.NoError(t, piv.New(c).Admin(key).Import(t.Context(), piv.Authentication, cardtest.Key(cardtest.P256, 0), &piv.KeyOptions{Touch: piv.TouchAlways}))
	return soft
}

// failAt makes the n-th command with an instruction fail.
func (f *fixture) failAt(ins byte, fault cardtest.Fault) {
	f.readers.OnCommand(func(_ string, command []byte) {
		if command[1] == ins && len(command) > 5 {
			f.readers.OnCommand(nil)
			f.readers.Fault(reader, 1, fault)
		}
	})
}

// TestErr compares what a failed TLS 1.3 handshake leaves in Err with the error of the
// same card without TLS.
func TestErr(t *testing.T) {
	p256 := func(options ...cardtest.Option) func(*testing.T) *cardtest.Card {
		return func(*testing.T) *cardtest.Card {
			return put(cardtest.PIV(options...), "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{alice}})
		}
	}
	cardPads := func(*testing.T) *cardtest.Card {
		return put(cardtest.GIDS(cardtest.GIDSCardPads), "kxc00", cardtest.Leaf{UPNs: []string{alice}})
	}
	for _, test := range []struct {
		name  string
		card  func(*testing.T) *cardtest.Card
		pin   string
		fault cardtest.Fault // of the signature
		want  error
		hint  string // if it is not that without TLS
	}{
		{"wrong PIN", p256(), "999999", cardtest.Fault{}, card.ErrWrongPIN, ""},
		{"blocked PIN", p256(cardtest.RetriesLeft(0)), cardtest.PIN, cardtest.Fault{}, card.ErrPINBlocked, ""},
		{"last try", p256(cardtest.RetriesLeft(1)), cardtest.PIN, cardtest.Fault{}, card.ErrLastTry, ""},
		{"removed", p256(), cardtest.PIN, cardtest.Fault{What: cardtest.Removal}, card.ErrRemoved, "Insert the card that was used before, and leave it in the reader."},
		{"no touch", touchCard, cardtest.PIN, cardtest.Fault{Delay: 15 * time.Second, What: cardtest.WrongStatus, Status: 0x6982}, card.StatusNotPermitted, ""},
		{"no response", p256(), cardtest.PIN, cardtest.Fault{What: cardtest.NoResponse}, card.ErrNoResponse, ""},
		{"malformed response", p256(), cardtest.PIN, cardtest.Fault{What: cardtest.Garbage}, card.ErrMalformed, ""},
		{"another key", func(*testing.T) *cardtest.Card {
			return p256()(nil).Put("9A", cardtest.Key(cardtest.P256, 1), nil)
		}, cardtest.PIN, cardtest.Fault{}, enumerate.ErrMismatch, ""},
		{"PSS refused", cardPads, cardtest.PIN, cardtest.Fault{}, mtls.ErrPSS, card.Hint(mtls.ErrPSS)},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, second := test.card(t), test.card(t)
			synctest.Test(t, func(t *testing.T) {
				// Without TLS.
				f := newFixture(t, first)
				f.user.pin = test.pin
				list, err := f.Finder.Offered(t.Context())
				require.NoError(t, err)
				key, want := list[0].Unlock(t.Context(), f.user.ask)
				if want == nil {
					f.failAt(generalAuthenticate, test.fault)
					opts := crypto.SignerOpts(crypto.SHA256)
					if _, ok := key.Public().(*rsa.PublicKey); ok {
						opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
					}
					_, want = key.Sign(nil, make([]byte, 32), opts)
					require.NoError(t, key.Close())
				}
				require.Error(t, want)
				hint := card.Hint(want)
				if test.hint != "" {
					hint = test.hint
				} else {
					assert.ErrorIs(t, want, test.want)
					assert.NotEmpty(t, hint)
				}

				f = newFixture(t, second)
				f.user.pin = test.pin
				f.failAt(generalAuthenticate, test.fault)
				_, err = f.connect(t.Context(), server(tls.VersionTLS13))
				require.Error(t, err)
				assert.ErrorIs(t, f.Err(), test.want)
				assert.Equal(t, hint, card.Hint(f.Err()))
				assert.ErrorIs(t, f.Explain(err), test.want)
				assert.Equal(t, hint, card.Hint(f.Explain(err)))
				assert.Equal(t, err.Error(), f.Explain(err).Error(), "each fact once")
				assert.NotContains(t, err.Error(), test.pin)
				assert.LessOrEqual(t, f.user.asked.Load(), int32(2), "once, and why it was refused")
			})
		})
	}
}

// A server that requires a certificate reports that after the handshake.
func TestExplainEmptyCertificate(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			config := server(version)
			config.ClientAuth = tls.RequireAnyClientCert
			_, err := f.connect(t.Context(), config)
			require.Error(t, err)
			assert.NotErrorIs(t, err, mtls.ErrNoCertificate)
			err = f.Explain(err)
			assert.ErrorIs(t, err, mtls.ErrNoCertificate)
			assert.ErrorIs(t, err, card.ErrNoCard)
			assert.Equal(t, card.Hint(card.ErrNoCard), card.Hint(err))
			assert.Regexp(t, `^remote error: tls: .*: mtls: no certificate for this server: enumerate: no card in the reader$`, err.Error())
		})
	}
}

func TestExplainOtherErrors(t *testing.T) {
	f := newFixture(t, nil)
	assert.NoError(t, f.Explain(nil))
	others := []error{context.DeadlineExceeded, &net.OpError{Op: "dial", Err: io.EOF}, x509.UnknownAuthorityError{}}
	lost := []error{io.EOF, fmt.Errorf("get: %w", io.ErrUnexpectedEOF), &net.OpError{Op: "write", Err: syscall.EPIPE},
		errors.New("http2: client conn could not be established"), errors.New("http: server closed idle connection")}
	for _, err := range slices.Concat(others, lost) {
		assert.Equal(t, err, f.Explain(err), "no handshake failed")
	}
	_, err := f.connect(t.Context(), server(tls.VersionTLS13))
	require.NoError(t, err)
	require.ErrorIs(t, f.Err(), mtls.ErrNoCertificate)
	for _, err := range others {
		assert.Equal(t, err, f.Explain(err))
	}
	for _, err := range lost {
		assert.ErrorIs(t, f.Explain(err), mtls.ErrNoCertificate)
		assert.ErrorIs(t, f.Explain(err), err)
	}
	err = f.Explain(fmt.Errorf("get: %w", f.Err()))
	assert.EqualError(t, err, "get: "+f.Err().Error())
	local := &net.OpError{Op: "local error", Err: errors.New("tls: no renegotiation")}
	assert.ErrorIs(t, f.Explain(local), mtls.ErrRenegotiation)
	assert.ErrorIs(t, f.Explain(local), local)
	assert.Contains(t, card.Hint(f.Explain(local)), "RenegotiateOnceAsClient")
}

// A server requests a certificate after the handshake, although the client does not
// offer that (RFC 8446, 4.6.2). crypto/tls has no such server, so the test encrypts the
// request with the secrets from the key log.
func TestPostHandshakeAuthentication(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	log := new(keyLog)
	config := server(tls.VersionTLS13)
	config.ClientAuth, config.KeyLogWriter, config.SessionTicketsDisabled = tls.NoClientCert, log, true
	var all sync.WaitGroup
	all.Go(func() {
		defer there.Close()
		conn := tls.Server(there, config)
		if !assert.NoError(t, conn.HandshakeContext(context.WithoutCancel(t.Context()))) {
			return
		}
		// An empty context and one extension: signature algorithms.
		request := []byte{13, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3}
		record, err := seal(conn.ConnectionState().CipherSuite, log.secret("SERVER_TRAFFIC_SECRET_0"), request)
		if assert.NoError(t, err) {
			_, err = there.Write(record)
			assert.NoError(t, err)
		}
		_, _ = io.Copy(io.Discard, there) // the alert
	})
	f := newFixture(t, quickCard(alice))
	pool := x509.NewCertPool()
	pool.AddCert(localhost().Leaf)
	conn := tls.Client(here, &tls.Config{ServerName: "localhost", Time: fixedTime, RootCAs: pool, GetClientCertificate: f.Get})
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	assert.ErrorIs(t, f.Explain(err), mtls.ErrPostHandshake, "%v", err)
	assert.NotEmpty(t, card.Hint(f.Explain(err)))
	here.Close()
	all.Wait()
}

// A keyLog holds what crypto/tls writes to a KeyLogWriter.
type keyLog struct{ strings.Builder }

func (l *keyLog) secret(label string) []byte {
	for line := range strings.Lines(l.String()) {
		if fields := strings.Fields(line); fields[0] == label {
			secret, err := hex.DecodeString(fields[2])
			if err == nil {
				return secret
			}
		}
	}
	return nil
}

// seal returns the first record of a server after the handshake (RFC 8446, 5.2 and
// 7.3), with a handshake message in it.
func seal(suite uint16, secret, message []byte) ([]byte, error) {
	expand := func(label string, length int) ([]byte, error) {
		info := binary.BigEndian.AppendUint16(nil, uint16(length))
		info = append(info, byte(len("tls13 "+label)))
		info = append(info, "tls13 "+label+"\x00"...)
		return hkdf.Expand(sha256.New, secret, string(info), length)
	}
	var aead cipher.AEAD
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		key, err := expand("key", 16)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if aead, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		key, err := expand("key", chacha20poly1305.KeySize)
		if err != nil {
			return nil, err
		}
		if aead, err = chacha20poly1305.New(key); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("cipher suite %#x", suite)
	}
	iv, err := expand("iv", aead.NonceSize()) // the sequence number is 0
	if err != nil {
		return nil, err
	}
	plain := append(message[:len(message):len(message)], 22)
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+aead.Overhead()))
	return aead.Seal(header, iv, plain, header), nil
}
