package sshagent

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/keyring"
)

// An Agent is an SSH agent with the keys on cards. Only Finder is required. The fields
// must not change after the first call. An Agent is safe for concurrent use.
type Agent struct {
	Finder *enumerate.Finder

	// PIN asks the user for the PIN when a key is used and not open. It is called
	// for one PIN at a time, and must return when its context ends. A nil PIN only
	// allows keys that need none.
	PIN card.PINFunc

	// Confirm, if not nil, is called before each use of a key. If it returns an
	// error, the key is not used. It may be called in parallel.
	Confirm func(ctx context.Context, u Use) error

	// Lifetime, if not zero, is how long a key stays open. Then its next use asks
	// for the PIN again.
	Lifetime time.Duration

	// Log, if not nil, gets the errors, which the protocol does not carry. Package
	// agent of x/crypto also prints those of requests, with package log.
	Log func(error)

	once   sync.Once
	ring   *keyring.Ring
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu    sync.Mutex
	known map[string]*identity // by public key, as of the last listing
	lock  lock
}

var _ agent.ExtendedAgent = (*Agent)(nil)

// A Use is what a key is used for.
type Use struct {
	Credential *enumerate.Credential

	User      string // to log in as; empty for a signature of ssh-keygen
	Namespace string // of a signature of ssh-keygen: "git", "file"

	// Host is the fingerprint of the key of the server, if the client has proved
	// that it is connected to it. Forwarded says that the request comes from that
	// server, to which the agent is forwarded.
	Host      string
	Forwarded bool
}

// String returns a sentence for the user, without control characters.
func (u Use) String() string {
	text := fmt.Sprintf("Sign a text for %q with the key of %s", u.Namespace, u.Credential)
	if u.Namespace == "" {
		text = fmt.Sprintf("Log in as %q with the key of %s", u.User, u.Credential)
	}
	switch {
	case u.Forwarded:
		text += " from host " + u.Host
	case u.Host != "":
		text += " at host " + u.Host
	}
	return visible(text + ".")
}

// visible replaces what could control a terminal: the names are from cards.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if cert.Visible(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// An identity is a key that the agent lists.
type identity struct {
	credential *enumerate.Credential
	key        *keyring.Key
	public     ssh.PublicKey
}

func (a *Agent) init() {
	a.once.Do(func() {
		a.ring = keyring.New(a.PIN, a.Lifetime)
		a.ctx, a.cancel = context.WithCancel(context.Background())
	})
}

// Close ends Serve and closes the keys: PINs are no longer verified.
func (a *Agent) Close() error {
	a.init()
	a.cancel()
	return a.ring.Close()
}

// cardAuthentication is the PIV container whose key proves which card it is, not who
// uses it, and needs no PIN.
const cardAuthentication = "9E"

// list lists the cards. A key stays as it is, open or not, if its certificate is still
// there, and is closed otherwise.
func (a *Agent) list(ctx context.Context) ([]*identity, error) {
	if a.Finder == nil {
		return nil, errors.New("Agent without a Finder")
	}
	var listed []*identity
	complete := true
	known := make(map[string]*identity)
	for c, err := range a.Finder.All(ctx) {
		if err != nil {
			a.skip(err)
			complete = complete && fault.ReachOf(err) != fault.Card // it may be held by another program
			continue
		}
		public, ok := publicKey(c)
		if !ok || known[string(public.Marshal())] != nil {
			continue
		}
		i := &identity{c, a.ring.Key(c), public}
		known[string(public.Marshal())] = i
		listed = append(listed, i)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	a.mu.Lock()
	old := a.known
	for blob, o := range old {
		switch i := known[blob]; {
		case i != nil && bytes.Equal(o.credential.Raw, i.credential.Raw):
			i.key = o.key
			delete(old, blob)
		case i == nil && !complete:
			known[blob] = o
			delete(old, blob)
		}
	}
	a.known = known
	a.mu.Unlock()
	for _, o := range old {
		o.key.Close()
	}
	return listed, nil
}

// skip logs why a card or a certificate is left out. No card is no error.
func (a *Agent) skip(err error) {
	if a.Log != nil && !errors.Is(err, card.ErrNoCard) && !errors.Is(err, card.ErrNoReader) {
		a.Log(fmt.Errorf("sshagent: %w", err))
	}
}

// publicKey returns the public key of a certificate, and whether SSH can use it.
func publicKey(c *enumerate.Credential) (ssh.PublicKey, bool) {
	if c.Application == enumerate.PIV && c.Container == cardAuthentication {
		return nil, false
	}
	parsed, err := cert.Parse(c.Raw)
	if err != nil {
		return nil, false
	}
	usage, restricted, err := parsed.KeyUsage()
	if err != nil || restricted && usage&cert.DigitalSignature == 0 {
		return nil, false
	}
	public, err := ssh.NewPublicKey(c.Public())
	return public, err == nil
}

// find returns the identity with a public key.
func (a *Agent) find(ctx context.Context, blob []byte) (*identity, error) {
	a.mu.Lock()
	i := a.known[string(blob)]
	a.mu.Unlock()
	if i != nil {
		return i, nil
	}
	if _, err := a.list(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := a.known[string(blob)]; i != nil {
		return i, nil
	}
	return nil, ErrNoKey
}

// List lists the cards and returns their keys, none while the agent is locked.
func (a *Agent) List() ([]*agent.Key, error) {
	a.init()
	return a.listKeys(a.ctx)
}

func (a *Agent) listKeys(ctx context.Context) ([]*agent.Key, error) {
	if a.lock.check() != nil {
		return nil, nil
	}
	listed, err := a.list(ctx)
	if err != nil {
		return nil, a.fail(err)
	}
	var keys []*agent.Key
	for _, i := range listed {
		keys = append(keys, &agent.Key{Format: i.public.Type(), Blob: i.public.Marshal(), Comment: visible(i.credential.String())})
	}
	return keys, nil
}

// Signers lists the cards and returns their keys, for an SSH client in the same
// program: ssh.PublicKeysCallback(a.Signers).
func (a *Agent) Signers() ([]ssh.Signer, error) {
	a.init()
	if err := a.lock.check(); err != nil {
		return nil, a.fail(err)
	}
	listed, err := a.list(a.ctx)
	if err != nil {
		return nil, a.fail(err)
	}
	var signers []ssh.Signer
	for _, i := range listed {
		signer, err := ssh.NewSignerWithAlgorithms(identitySigner{a, i.public}, algorithms(i.public))
		if err != nil {
			return nil, a.fail(err)
		}
		signers = append(signers, signer)
	}
	return signers, nil
}

// algorithms returns the signature algorithms for a key.
func algorithms(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{key.Type()}
}

// An identitySigner signs what the agent signs.
type identitySigner struct {
	agent  *Agent
	public ssh.PublicKey
}

func (s identitySigner) PublicKey() ssh.PublicKey { return s.public }

func (s identitySigner) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(random, data, "")
}

func (s identitySigner) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if algorithm == "" {
		algorithm = algorithms(s.public)[0]
	}
	return s.agent.sign(s.agent.ctx, s.public, data, algorithm, nil)
}

// Sign fails for RSA keys: without flags their signatures would be of SHA-1. Clients
// use SignWithFlags.
func (a *Agent) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.SignWithFlags(key, data, 0)
}

// SignWithFlags signs a request to log in, or a text for ssh-keygen -Y sign, and
// nothing else.
func (a *Agent) SignWithFlags(key ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	a.init()
	return a.signWithFlags(a.ctx, key, data, flags, nil)
}

func (a *Agent) signWithFlags(ctx context.Context, key ssh.PublicKey, data []byte, flags agent.SignatureFlags, b bindings) (*ssh.Signature, error) {
	algorithm := key.Type()
	if algorithm == ssh.KeyAlgoRSA {
		switch {
		case flags&agent.SignatureFlagRsaSha512 != 0:
			algorithm = ssh.KeyAlgoRSASHA512
		case flags&agent.SignatureFlagRsaSha256 != 0:
			algorithm = ssh.KeyAlgoRSASHA256
		default:
			return nil, a.fail(ErrSHA1)
		}
	}
	return a.sign(ctx, key, data, algorithm, b)
}

func (a *Agent) sign(ctx context.Context, key ssh.PublicKey, data []byte, algorithm string, b bindings) (*ssh.Signature, error) {
	signature, err := a.trySign(ctx, key, data, algorithm, b)
	return signature, a.fail(err)
}

func (a *Agent) trySign(ctx context.Context, key ssh.PublicKey, data []byte, algorithm string, b bindings) (*ssh.Signature, error) {
	if err := a.lock.check(); err != nil {
		return nil, err
	}
	m, err := parseMessage(data, key.Marshal())
	if err != nil {
		return nil, err
	}
	use, err := b.use(m)
	if err != nil {
		return nil, err
	}
	i, err := a.find(ctx, key.Marshal())
	if err != nil {
		return nil, err
	}
	if use.Credential = i.credential; a.Confirm != nil {
		if err := a.Confirm(ctx, use); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotConfirmed, err)
		}
	}
	signature, err := i.sign(ctx, data, algorithm)
	if errors.Is(err, card.ErrChanged) { // another card may have the key, too
		a.forget(i)
		if i, missing := a.find(ctx, key.Marshal()); missing == nil {
			return i.sign(ctx, data, algorithm)
		}
	}
	return signature, err
}

func (a *Agent) forget(i *identity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if blob := string(i.public.Marshal()); a.known[blob] != nil && a.known[blob].key == i.key {
		delete(a.known, blob)
	}
}

func (i *identity) sign(ctx context.Context, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := ssh.NewSignerFromSigner(cardSigner{ctx, i})
	if err != nil {
		return nil, err
	}
	return signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
}

// A cardSigner signs with the key of an identity.
type cardSigner struct {
	ctx context.Context
	*identity
}

func (s cardSigner) Public() crypto.PublicKey { return s.credential.Public() }

func (s cardSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, ok := s.Public().(*rsa.PublicKey); ok && opts.HashFunc() == crypto.SHA1 {
		return nil, ErrSHA1
	}
	return s.key.Sign(s.ctx, random, digest, opts)
}

// Add fails: the keys are on cards.
func (a *Agent) Add(agent.AddedKey) error {
	return a.fail(fmt.Errorf("%w: keys are on cards", errors.ErrUnsupported))
}

// Remove closes a key: its next use asks for the PIN. It stays in the list as long as
// its card is in a reader.
func (a *Agent) Remove(key ssh.PublicKey) error {
	a.init()
	if err := a.lock.check(); err != nil {
		return a.fail(err)
	}
	a.mu.Lock()
	i := a.known[string(key.Marshal())]
	a.mu.Unlock()
	if i == nil {
		return a.fail(ErrNoKey)
	}
	i.key.Close()
	return nil
}

// RemoveAll closes all keys, as Remove does.
func (a *Agent) RemoveAll() error {
	a.init()
	if err := a.lock.check(); err != nil {
		return a.fail(err)
	}
	a.ring.Lock()
	return nil
}

// Extension returns [agent.ErrExtensionUnsupported]. Connections of Serve support
// session-bind@openssh.com.
func (a *Agent) Extension(string, []byte) ([]byte, error) {
	return nil, agent.ErrExtensionUnsupported
}

// fail logs an error for a client and returns the one for package agent.
func (a *Agent) fail(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("sshagent: %w", err)
	if a.Log != nil {
		a.Log(err)
	}
	return err
}
