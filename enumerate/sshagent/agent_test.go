package sshagent_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/sshagent"
)

const (
	reader = "Software Reader 00"
	alice  = "alice@example.com"
)

// put puts a key with a certificate on a card.
func put(c *cardtest.Card, container string, l cardtest.Leaf) *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(l)
	return c.Put(container, key, certificate)
}

// quickCard returns a card with an elliptic curve key.
func quickCard(options ...cardtest.Option) *cardtest.Card {
	return put(cardtest.PIV(options...), "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{alice}})
}

// A fixture is an Agent that serves clients on a socket.
type fixture struct {
	*sshagent.Agent
	t       *testing.T
	readers *cardtest.Readers
	asked   atomic.Int32
	socket  string

	mu     sync.Mutex
	logged []error
}

func newFixture(t *testing.T, cards ...*cardtest.Card) *fixture {
	t.Helper()
	return newFixtureWith(t, func(*sshagent.Agent) {}, cards...)
}

// newFixtureWith calls configure before the agent is used.
func newFixtureWith(t *testing.T, configure func(*sshagent.Agent), cards ...*cardtest.Card) *fixture {
	t.Helper()
	f := &fixture{t: t, readers: cardtest.NewReaders(cards...), socket: filepath.Join(t.TempDir(), "s")}
	service := f.readers.Service()
	f.Agent = &sshagent.Agent{
		Finder: &enumerate.Finder{Service: service},
		PIN: func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			f.asked.Add(1)
			return card.NewPIN([]byte(cardtest.PIN)), r.Refused
		},
		Log: func(err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.logged = append(f.logged, err)
		},
	}
	configure(f.Agent)
	l, err := net.Listen("unix", f.socket)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- f.Serve(context.WithoutCancel(t.Context()), l) }()
	t.Cleanup(func() {
		require.NoError(t, f.Close())
		assert.NoError(t, <-served)
		for _, c := range cards {
			if c != nil {
				assert.False(t, c.Verified())
				assert.Zero(t, c.Writes())
			}
		}
		require.NoError(t, service.Close())
		require.NoError(t, f.readers.Close())
	})
	return f
}

// client connects to the agent.
func (f *fixture) client() agent.ExtendedAgent {
	f.t.Helper()
	conn, err := net.Dial("unix", f.socket)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { conn.Close() })
	return agent.NewClient(conn)
}

// lastError returns the error that was logged last.
func (f *fixture) lastError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.logged) == 0 {
		return nil
	}
	return f.logged[len(f.logged)-1]
}

// A userAuth is the signed data of a request to log in (RFC 4252, 7).
type userAuth struct {
	Session               []byte
	Type                  byte
	User, Service, Method string
	HasSignature          bool
	Algorithm             string
	Key                   []byte
	Rest                  []byte `ssh:"rest"`
}

var session = []byte(strings.Repeat("s", 32))

// login returns the data to sign for logging in.
func login(key ssh.PublicKey, algorithm string, change ...func(*userAuth)) []byte {
	u := userAuth{session, 50, "alice", "ssh-connection", "publickey", true, algorithm, key.Marshal(), nil}
	for _, f := range change {
		f(&u)
	}
	return ssh.Marshal(u)
}

// text returns the data to sign for ssh-keygen -Y sign.
func text(namespace, hash string, size int) []byte {
	return append([]byte("SSHSIG"), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Digest                    []byte
	}{namespace, "", hash, make([]byte, size)})...)
}

// only returns the only key of an agent.
func only(t *testing.T, a agent.Agent) *agent.Key {
	t.Helper()
	keys, err := a.List()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

// TestKeys logs in and signs a text with each kind of card, key and algorithm.
func TestKeys(t *testing.T) {
	for _, test := range []struct {
		name      string
		card      func() *cardtest.Card
		container string
		key       cardtest.KeyKind
		flags     agent.SignatureFlags
		algorithm string
	}{
		{"PIV", func() *cardtest.Card { return cardtest.PIV() }, "9A", cardtest.RSA2048, agent.SignatureFlagRsaSha256, ssh.KeyAlgoRSASHA256},
		{"PIV", func() *cardtest.Card { return cardtest.PIV() }, "9A", cardtest.RSA2048, agent.SignatureFlagRsaSha512, ssh.KeyAlgoRSASHA512},
		{"PIV", func() *cardtest.Card { return cardtest.PIV() }, "9A", cardtest.P256, 0, ssh.KeyAlgoECDSA256},
		{"PIV", func() *cardtest.Card { return cardtest.PIV() }, "9A", cardtest.P384, 0, ssh.KeyAlgoECDSA384},
		{"PIV, signature key", func() *cardtest.Card { return cardtest.PIV() }, "9C", cardtest.P256, 0, ssh.KeyAlgoECDSA256},
		{"YubiKey", func() *cardtest.Card { return cardtest.YubiKey("5.7.1") }, "9A", cardtest.RSA4096, agent.SignatureFlagRsaSha512, ssh.KeyAlgoRSASHA512},
		{"YubiKey", func() *cardtest.Card { return cardtest.YubiKey("5.7.1") }, "9A", cardtest.Ed25519, 0, ssh.KeyAlgoED25519},
		{"GIDS", func() *cardtest.Card { return cardtest.GIDS() }, "kxc00", cardtest.RSA2048, agent.SignatureFlagRsaSha512, ssh.KeyAlgoRSASHA512},
		{"GIDS, card pads", func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSCardPads) }, "kxc00", cardtest.RSA2048, agent.SignatureFlagRsaSha256, ssh.KeyAlgoRSASHA256},
		{"GIDS, host pads", func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSHostPads) }, "kxc00", cardtest.RSA2048, agent.SignatureFlagRsaSha256, ssh.KeyAlgoRSASHA256},
	} {
		t.Run(test.name+"/"+test.algorithm, func(t *testing.T) {
			private := cardtest.Key(test.key, 0)
			f := newFixture(t, put(test.card(), test.container, cardtest.Leaf{Key: private, UPNs: []string{alice}}))
			client := f.client()
			listed := only(t, client)
			public, err := ssh.NewPublicKey(private.Public())
			require.NoError(t, err)
			assert.Equal(t, public.Marshal(), listed.Blob)
			assert.Contains(t, listed.Comment, alice)
			for _, data := range [][]byte{login(public, test.algorithm), text("git", "sha512", 64), text("file", "sha256", 32)} {
				signature, err := client.SignWithFlags(listed, data, test.flags)
				require.NoError(t, err, "%v", f.lastError())
				assert.Equal(t, test.algorithm, signature.Format)
				assert.NoError(t, public.Verify(data, signature))
			}
			prompts := int32(1)
			if test.container == "9C" {
				prompts = 3
			}
			assert.Equal(t, prompts, f.asked.Load())
		})
	}
}

// TestNotSSH has data that the agent must not sign.
func TestNotSSH(t *testing.T) {
	f := newFixture(t, quickCard())
	client := f.client()
	key := only(t, client)
	valid := login(key, ssh.KeyAlgoECDSA256)
	other := cardtest.Key(cardtest.P256, 1).Public()
	otherKey, err := ssh.NewPublicKey(other)
	require.NoError(t, err)
	changed := func(change func(*userAuth)) []byte { return login(key, ssh.KeyAlgoECDSA256, change) }
	for name, data := range map[string][]byte{
		"nothing":                   nil,
		"digest":                    make([]byte, 32),
		"TLS 1.3 CertificateVerify": []byte(strings.Repeat(" ", 64) + "TLS 1.3, client CertificateVerify\x00" + strings.Repeat("h", 32)),
		"challenge":                 append([]byte("smartlogon challenge answer\x00"), make([]byte, 32)...),
		"certificate":               append([]byte{0x30, 0x82, 1, 0}, make([]byte, 256)...),
		"SSH certificate":           ssh.Marshal(struct{ Type, Nonce string }{"ecdsa-sha2-nistp256-cert-v01@openssh.com", "n"}),
		"truncated":                 valid[:len(valid)-1],
		"trailing byte":             append(valid[:len(valid):len(valid)], 0),
		"too long":                  changed(func(u *userAuth) { u.User = strings.Repeat("a", 64<<10) }),
		"another message":           changed(func(u *userAuth) { u.Type = 51 }),
		"another service":           changed(func(u *userAuth) { u.Service = "ssh-userauth" }),
		"another method":            changed(func(u *userAuth) { u.Method = "hostbased" }),
		"another key":               changed(func(u *userAuth) { u.Key = otherKey.Marshal() }),
		"another algorithm":         changed(func(u *userAuth) { u.Algorithm = ssh.KeyAlgoED25519 }),
		"without a signature":       changed(func(u *userAuth) { u.HasSignature = false }),
		"without a session":         changed(func(u *userAuth) { u.Session = nil }),
		"host-bound without a host": changed(func(u *userAuth) { u.Method = "publickey-hostbound-v00@openssh.com" }),
		"text without a namespace":  text("", "sha512", 64),
		"text with a short digest":  text("git", "sha512", 32),
		"text with another hash":    text("git", "sha1", 20),
		"text without a digest":     text("git", "none", 0),
		"truncated text":            text("git", "sha512", 64)[:50],
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Sign(key, data)
			assert.Error(t, err)
			assert.ErrorIs(t, f.lastError(), sshagent.ErrNotSSH)
			assert.NotEmpty(t, card.Hint(f.lastError()))
		})
	}
	assert.Zero(t, f.asked.Load())
	_, err = client.Sign(otherKey, login(otherKey, ssh.KeyAlgoECDSA256))
	assert.Error(t, err)
	assert.ErrorIs(t, f.lastError(), sshagent.ErrNoKey)
	_, err = client.Sign(key, valid)
	assert.NoError(t, err)
}

func TestListedKeys(t *testing.T) {
	first := quickCard()
	put(first, "9C", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 1), Emails: []string{alice}, NoEKU: true})
	put(first, "9D", cardtest.Leaf{Key: cardtest.Key(cardtest.P384, 0), KeyUsage: x509.KeyUsageKeyAgreement})
	put(first, "9E", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 2)})
	second := put(cardtest.GIDS(), "kxc00", cardtest.Leaf{Subject: &pkix.Name{CommonName: "bob\x1b[2J"}, UPNs: []string{"b\x1b[2J@example.com"}, NoKeyUsage: true})
	third := quickCard() // the same key again
	f := newFixture(t, first, second, third, nil, cardtest.PIV(cardtest.PIVMissing))
	keys, err := f.client().List()
	require.NoError(t, err)
	var comments []string
	for _, k := range keys {
		comments = append(comments, k.Comment[:strings.Index(k.Comment, " ")])
	}
	assert.ElementsMatch(t, []string{alice, alice, `CN=bob\1B[2J`}, comments)
	assert.ErrorIs(t, f.lastError(), enumerate.ErrNoApplication)
	assert.Zero(t, f.asked.Load())
}

// The agent lists what is in the readers.
func TestCardRemovedAndInserted(t *testing.T) {
	soft := quickCard()
	f := newFixture(t, soft)
	client := f.client()
	key := only(t, client)
	_, err := client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
	require.NoError(t, err)
	only(t, client)
	_, err = client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
	require.NoError(t, err)
	assert.EqualValues(t, 1, f.asked.Load(), "a listing keeps the key open")

	f.readers.Remove(reader)
	_, err = client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
	assert.Error(t, err)
	assert.ErrorIs(t, f.lastError(), card.ErrRemoved)
	keys, err := client.List()
	require.NoError(t, err)
	assert.Empty(t, keys)
	_, err = client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
	assert.Error(t, err)
	assert.ErrorIs(t, f.lastError(), sshagent.ErrNoKey)

	f.readers.Insert(reader, soft)
	_, err = client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
	require.NoError(t, err, "without a listing by the client")
	assert.EqualValues(t, 2, f.asked.Load())
	assert.Equal(t, key.Blob, only(t, client).Blob)

	// The certificate is deleted while the key is open.
	soft.PutObject(0x5FC105, nil)
	keys, err = client.List()
	require.NoError(t, err)
	assert.Empty(t, keys)
	assert.False(t, soft.Verified())
}

// Another card with the same key and certificate is used after a prompt of its own.
func TestTwin(t *testing.T) {
	withGUID := func(n byte) *cardtest.Card {
		guid := make([]byte, 16)
		guid[15] = n
		return quickCard().PutObject(0x5FC102, append(append([]byte{0x34, 16}, guid...), 0xFE, 0))
	}
	first, second := withGUID(1), withGUID(2)
	f := newFixture(t, first)
	client := f.client()
	key := only(t, client)
	for n, soft := range []*cardtest.Card{first, second} {
		if n > 0 {
			f.readers.Remove(reader)
			f.readers.Insert(reader, soft)
		}
		_, err := client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
		require.NoError(t, err, "%v", f.lastError())
		assert.EqualValues(t, n+1, f.asked.Load())
		assert.Equal(t, 1, soft.PINs())
	}
	require.NoError(t, f.RemoveAll())
	assert.False(t, second.Verified())
}

// A card that cannot be read for the moment keeps its key open.
func TestListWhileBusy(t *testing.T) {
	// A lost command of extended length would be sent again, shorter, to a card that
	// was reset.
	f := newFixture(t, quickCard(cardtest.ShortLengths))
	client := f.client()
	key := only(t, client)
	data := login(key, ssh.KeyAlgoECDSA256)
	_, err := client.Sign(key, data)
	require.NoError(t, err)
	f.readers.Fault(reader, 1, cardtest.Fault{What: cardtest.NoResponse, Times: -1})
	keys, err := client.List()
	require.NoError(t, err)
	assert.Empty(t, keys)
	assert.ErrorIs(t, f.lastError(), card.ErrNoResponse)
	f.readers.Fault(reader, 1, cardtest.Fault{})
	_, err = client.Sign(key, data)
	require.NoError(t, err)
	only(t, client)
	assert.EqualValues(t, 1, f.asked.Load())
}

// A client lists the keys while another one waits for the PIN.
func TestListDuringPrompt(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	prompts := 0
	f := newFixtureWith(t, func(a *sshagent.Agent) {
		a.PIN = func(context.Context, card.PINRequest) (card.PIN, error) {
			prompts++
			close(asked)
			<-release
			return card.NewPIN([]byte(cardtest.PIN)), nil
		}
	}, quickCard())
	client, other := f.client(), f.client()
	key := only(t, client)
	data := login(key, ssh.KeyAlgoECDSA256)
	var all sync.WaitGroup
	all.Go(func() {
		_, err := client.Sign(key, data)
		assert.NoError(t, err)
	})
	<-asked
	only(t, other)
	all.Go(func() {
		_, err := other.Sign(key, data)
		assert.NoError(t, err)
	})
	close(release)
	all.Wait()
	assert.Equal(t, 1, prompts)
}

func TestLock(t *testing.T) {
	soft := quickCard()
	f := newFixture(t, soft)
	client := f.client()
	key := only(t, client)
	data := login(key, ssh.KeyAlgoECDSA256)
	_, err := client.Sign(key, data)
	require.NoError(t, err)
	assert.Error(t, client.Unlock([]byte("secret")), "not locked")
	require.NoError(t, client.Lock([]byte("secret")))
	assert.False(t, soft.Verified())
	keys, err := client.List()
	require.NoError(t, err)
	assert.Empty(t, keys)
	for name, try := range map[string]func() error{
		"sign":       func() error { _, err := client.Sign(key, data); return err },
		"lock":       func() error { return client.Lock([]byte("other")) },
		"remove":     func() error { return client.Remove(key) },
		"remove all": func() error { return client.RemoveAll() },
		"signers":    func() error { _, err := f.Signers(); return err },
	} {
		assert.Error(t, try(), name)
		assert.ErrorIs(t, f.lastError(), sshagent.ErrLocked, name)
	}
	_, err = client.Extension("session-bind@openssh.com", announcement(t, session, false))
	assert.ErrorIs(t, err, agent.ErrExtensionUnsupported)
	start := time.Now()
	assert.Error(t, client.Unlock([]byte("other")))
	assert.ErrorIs(t, f.lastError(), sshagent.ErrPassphrase)
	assert.GreaterOrEqual(t, time.Since(start), 100*time.Millisecond)
	require.NoError(t, client.Unlock([]byte("secret")))
	_, err = client.Sign(key, data)
	require.NoError(t, err)
	assert.EqualValues(t, 2, f.asked.Load())
}

func TestRemove(t *testing.T) {
	soft := quickCard()
	f := newFixture(t, soft)
	client := f.client()
	key := only(t, client)
	data := login(key, ssh.KeyAlgoECDSA256)
	for n, remove := range []func() error{func() error { return client.Remove(key) }, client.RemoveAll} {
		_, err := client.Sign(key, data)
		require.NoError(t, err)
		assert.EqualValues(t, n+1, f.asked.Load())
		require.NoError(t, remove())
		assert.False(t, soft.Verified())
		only(t, client)
	}
	assert.Error(t, client.Remove(&agent.Key{Format: "x", Blob: ssh.Marshal(struct{ Format string }{"x"})}))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	assert.Error(t, client.Add(agent.AddedKey{PrivateKey: private}))
	assert.ErrorIs(t, f.lastError(), errors.ErrUnsupported)
	_, err = client.Extension("query", nil)
	assert.ErrorIs(t, err, agent.ErrExtensionUnsupported)
	_, err = f.Extension("query", nil)
	assert.ErrorIs(t, err, agent.ErrExtensionUnsupported)
}

func TestSHA1(t *testing.T) {
	soft := cardtest.Logon(alice)
	f := newFixture(t, soft)
	client := f.client()
	key := only(t, client)
	_, err := client.Sign(key, login(key, ssh.KeyAlgoRSA))
	assert.Error(t, err)
	assert.ErrorIs(t, f.lastError(), sshagent.ErrSHA1)
	_, err = client.SignWithFlags(key, login(key, ssh.KeyAlgoRSA), agent.SignatureFlagRsaSha256)
	assert.Error(t, err)
	assert.ErrorIs(t, f.lastError(), sshagent.ErrNotSSH)
	assert.Zero(t, soft.KeyUses())
}

var hostKey = cardtest.Key(cardtest.Ed25519, 0)

func host(t *testing.T) ssh.PublicKey {
	t.Helper()
	key, err := ssh.NewPublicKey(hostKey.Public())
	require.NoError(t, err)
	return key
}

// announcement returns the contents of session-bind@openssh.com.
func announcement(t testing.TB, session []byte, forwarded bool) []byte {
	t.Helper()
	signer, err := ssh.NewSignerFromSigner(hostKey)
	require.NoError(t, err)
	signature, err := signer.Sign(rand.Reader, session)
	require.NoError(t, err)
	return ssh.Marshal(struct {
		Host, Session, Signature []byte
		Forwarded                bool
	}{signer.PublicKey().Marshal(), session, ssh.Marshal(signature), forwarded})
}

func TestBindings(t *testing.T) {
	other := []byte(strings.Repeat("o", 32))
	hostBound := func(key ssh.PublicKey) func(*userAuth) {
		return func(u *userAuth) {
			u.Method, u.Rest = "publickey-hostbound-v00@openssh.com", ssh.Marshal(struct{ Host []byte }{key.Marshal()})
		}
	}
	otherHost, err := ssh.NewPublicKey(cardtest.Key(cardtest.P256, 1).Public())
	require.NoError(t, err)
	fingerprint := ssh.FingerprintSHA256(host(t))
	for _, test := range []struct {
		name     string
		bindings [][]byte
		change   func(*userAuth)
		err      error
		use      string
	}{
		{"none", nil, func(*userAuth) {}, nil, "."},
		{"none, host-bound", nil, hostBound(host(t)), nil, "."},
		{"of this connection", [][]byte{announcement(t, session, false)}, func(*userAuth) {}, nil, " at host " + fingerprint + "."},
		{"of this connection, host-bound", [][]byte{announcement(t, session, false)}, hostBound(host(t)), nil, " at host " + fingerprint + "."},
		{"of another connection", [][]byte{announcement(t, other, false)}, func(*userAuth) {}, sshagent.ErrBinding, ""},
		{"of another host", [][]byte{announcement(t, session, false)}, hostBound(otherHost), sshagent.ErrBinding, ""},
		{"forwarded", [][]byte{announcement(t, other, true)}, func(*userAuth) {}, nil, " from host " + fingerprint + "."},
		{"forwarded, then of this connection", [][]byte{announcement(t, other, true), announcement(t, session, false)}, func(*userAuth) {}, nil, " at host " + fingerprint + "."},
		{"forwarded, then of another connection", [][]byte{announcement(t, session, true), announcement(t, other, false)}, func(*userAuth) {}, sshagent.ErrBinding, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var use string
			f := newFixtureWith(t, func(a *sshagent.Agent) {
				a.Confirm = func(_ context.Context, u sshagent.Use) error {
					use = u.String()
					return nil
				}
			}, quickCard())
			client := f.client()
			for _, b := range test.bindings {
				_, err := client.Extension("session-bind@openssh.com", b)
				require.NoError(t, err)
			}
			key := only(t, client)
			_, err := client.Sign(key, login(key, ssh.KeyAlgoECDSA256, test.change))
			if test.err != nil {
				assert.Error(t, err)
				assert.ErrorIs(t, f.lastError(), test.err)
				assert.Zero(t, f.asked.Load())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, `Log in as "alice" with the key of alice@example.com (PIV 9A in "Software Reader 00")`+test.use, use)
			_, err = client.Sign(key, text("git", "sha512", 64))
			require.NoError(t, err)
			assert.Equal(t, `Sign a text for "git" with the key of alice@example.com (PIV 9A in "Software Reader 00")`+test.use, use)
		})
	}
}

func TestInvalidBindings(t *testing.T) {
	f := newFixture(t, quickCard())
	valid := announcement(t, session, true)
	otherSession := bytes.Replace(valid, session, []byte(strings.Repeat("o", 32)), 1)
	for name, contents := range map[string][]byte{
		"empty":           nil,
		"truncated":       valid[:len(valid)-1],
		"trailing byte":   append(valid[:len(valid):len(valid)], 0),
		"long session":    announcement(t, make([]byte, 129), true),
		"no session":      announcement(t, nil, true),
		"another session": otherSession,
		"malformed key": ssh.Marshal(struct {
			A, B, C []byte
			D       bool
		}{[]byte("key"), session, nil, false}),
		"no signature": ssh.Marshal(struct {
			A, B, C []byte
			D       bool
		}{host(t).Marshal(), session, nil, false}),
		"invalid signature": ssh.Marshal(struct {
			A, B, C []byte
			D       bool
		}{host(t).Marshal(), session, ssh.Marshal(ssh.Signature{Format: ssh.KeyAlgoED25519, Blob: make([]byte, 64)}), false}),
	} {
		_, err := f.client().Extension("session-bind@openssh.com", contents)
		// The plain failure, as OpenSSH expects.
		assert.ErrorIs(t, err, agent.ErrExtensionUnsupported, name)
		assert.ErrorIs(t, f.lastError(), sshagent.ErrBinding, name)
	}
	client := f.client()
	for range 16 {
		_, err := client.Extension("session-bind@openssh.com", valid)
		require.NoError(t, err)
	}
	_, err := client.Extension("session-bind@openssh.com", valid)
	assert.ErrorIs(t, err, agent.ErrExtensionUnsupported)
	client = f.client()
	_, err = client.Extension("session-bind@openssh.com", announcement(t, session, false))
	require.NoError(t, err)
	_, err = client.Extension("session-bind@openssh.com", valid)
	assert.ErrorIs(t, err, agent.ErrExtensionUnsupported, "after the one to log in over")
}

func TestConfirm(t *testing.T) {
	refused := errors.New("no")
	f := newFixtureWith(t, func(a *sshagent.Agent) {
		a.Confirm = func(context.Context, sshagent.Use) error { return refused }
	}, quickCard())
	client := f.client()
	key := only(t, client)
	_, err := client.Sign(key, login(key, ssh.KeyAlgoECDSA256))
	assert.Error(t, err)
	assert.ErrorIs(t, f.lastError(), sshagent.ErrNotConfirmed)
	assert.ErrorIs(t, f.lastError(), refused)
	assert.Zero(t, f.asked.Load())
}

// Clients in parallel share one prompt. It ends with the last client.
func TestClients(t *testing.T) {
	soft := quickCard()
	f := newFixture(t, soft)
	key := only(t, f.client())
	data := login(key, ssh.KeyAlgoECDSA256)
	var all sync.WaitGroup
	for range 20 {
		client := f.client()
		all.Go(func() {
			for range 3 {
				_, err := client.Sign(key, data)
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, f.asked.Load())
	require.NoError(t, f.RemoveAll())

	asked, ended := make(chan struct{}), make(chan struct{})
	f = newFixtureWith(t, func(a *sshagent.Agent) {
		a.PIN = func(ctx context.Context, _ card.PINRequest) (card.PIN, error) {
			close(asked)
			<-ctx.Done()
			close(ended)
			return card.PIN{}, ctx.Err()
		}
	}, quickCard())
	conn, err := net.Dial("unix", f.socket)
	require.NoError(t, err)
	all.Go(func() {
		_, err := agent.NewClient(conn).Sign(key, data)
		assert.Error(t, err)
	})
	<-asked
	require.NoError(t, conn.Close())
	<-ended
	all.Wait()
}

func TestServeEnds(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	a := new(sshagent.Agent)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- a.Serve(ctx, l) }()
	conn, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = agent.NewClient(conn).List()
	assert.Error(t, err, "no Finder")
	cancel()
	assert.NoError(t, <-served)
	assert.ErrorContains(t, a.Serve(t.Context(), l), "sshagent: serve: ")
	require.NoError(t, a.Close())
	_, err = a.List()
	assert.Error(t, err)
}

// A client of the same program logs in to a server.
func TestSigners(t *testing.T) {
	for kind, soft := range map[string]*cardtest.Card{"P-256": quickCard(), "RSA": cardtest.Logon(alice)} {
		t.Run(kind, func(t *testing.T) {
			f := newFixture(t, soft)
			allowed := only(t, f)
			hostSigner, err := ssh.NewSignerFromSigner(hostKey)
			require.NoError(t, err)
			server := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
				if sha256.Sum256(key.Marshal()) != sha256.Sum256(allowed.Blob) {
					return nil, errors.New("another key")
				}
				return nil, nil
			}}
			server.AddHostKey(hostSigner)
			l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
			require.NoError(t, err)
			defer l.Close()
			accepted := make(chan error, 1)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					defer conn.Close()
					_, _, _, err = ssh.NewServerConn(conn, server)
				}
				accepted <- err
			}()
			client, err := ssh.Dial("unix", l.Addr().String(), &ssh.ClientConfig{
				User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(f.Signers)}, HostKeyCallback: ssh.FixedHostKey(hostSigner.PublicKey()),
			})
			require.NoError(t, err)
			require.NoError(t, <-accepted)
			client.Close()
			assert.EqualValues(t, 1, f.asked.Load())
		})
	}
}
