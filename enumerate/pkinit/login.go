package pkinit

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

// Options are the options of [Login]. Only Roots is required.
type Options struct {
	// Name is the name of the user, as [upn.SignIn] returns it. The zero Name is the
	// first user principal name of the certificate.
	Name upn.Name

	// Form is how the request names the user.
	Form Form

	// Realm is the realm of the first KDC. Empty is the suffix of Name, in
	// capitals. Case matters; in Active Directory it is in capitals.
	Realm string

	// KDCs are the addresses of KDCs of the realm, HOST or HOST:PORT, tried in
	// this order. They are reached over TCP or else UDP; the prefix tcp/ or udp/
	// selects one. If KDCs is empty, and for other realms, DNS names them.
	KDCs []string

	// Roots are the authorities that issue certificates of KDCs. Those of the web
	// must not be among them.
	Roots *x509.CertPool

	// Domain is the DNS name that the certificate of the KDC may have in place of
	// the realm. Empty is the realm. It does not apply to other realms.
	Domain string

	// Revoked is called for each chain of a KDC to Roots, leaf first, until it
	// returns nil. An error refuses the chain. If Revoked is nil, revocation is not
	// checked.
	Revoked func(ctx context.Context, chain []*x509.Certificate) error

	// ECDH agrees on the key with P-256 instead of the 2048-bit MODP group. KDCs
	// that do not support it return 31 (Samba) or 65 (MIT before 1.22).
	ECDH bool

	// Hash is the digest of the signature. 0 is SHA-256.
	Hash crypto.Hash

	// AllowSHA1 accepts a reply that is signed with SHA-1. The request asks for
	// SHA-256 or better, which an old KDC may ignore.
	AllowSHA1 bool

	// Lifetime is that of the ticket, 10 hours if 0. RenewLifetime is how long it
	// can be renewed; 0 asks for a ticket that cannot. The KDC may shorten both.
	Lifetime, RenewLifetime time.Duration

	// Forwardable asks for a ticket that can be forwarded.
	Forwardable bool

	// Now returns the time. Nil means time.Now.
	Now func() time.Time

	// Resolver looks up KDCs. Nil means net.DefaultResolver.
	Resolver *net.Resolver

	// Dial connects to a KDC. Nil means that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultLifetime = 10 * time.Hour

	// clockTolerance is the usual one of Kerberos (RFC 4120, 1.6).
	clockTolerance = 5 * time.Minute

	// maxSkew is the difference of clocks that a login corrects.
	maxSkew = 24 * time.Hour

	maxReferrals = 5
)

// Login signs the user in to a realm and returns a ticket-granting ticket. chain is
// the certificate of key in DER, and optionally those of its issuers. An RSA key
// signs with PKCS #1 v1.5.
//
// Login uses key once, after the KDC has answered a first request without a
// signature. So a name that the KDC does not know, a KDC without PKINIT and a wrong
// clock cost no signature. ctx bounds the exchange with the KDC,
// but not key: see WithContext of enumerate.Key.
//
// An error of the KDC is an [*Error]. A reply that is refused is one of the errors
// Err… of this package.
func Login(ctx context.Context, key crypto.Signer, chain [][]byte, o Options) (*TGT, error) {
	t, err := signIn(ctx, key, chain, o)
	if err != nil {
		return nil, describe("sign in", err)
	}
	return t, nil
}

// A login is the state of a call of Login.
type login struct {
	o       Options
	chain   [][]byte
	network *network

	client realmName // the realm changes by referrals
	server principal
	body   requestBody
	skew   time.Duration // of the KDC's clock, as far as known
}

func signIn(ctx context.Context, key crypto.Signer, chain [][]byte, o Options) (*TGT, error) {
	l, s, err := newLogin(key, chain, o)
	if err != nil {
		return nil, err
	}
	token, err := l.announce(ctx)
	if err != nil {
		return nil, err
	}
	return l.authenticate(ctx, s, token)
}

// newLogin checks what can be checked without the KDC.
func newLogin(key crypto.Signer, chain [][]byte, o Options) (*login, *signer, error) {
	if o.Roots == nil {
		return nil, nil, ErrNoRoots
	}
	if err := checkSHA1(); err != nil {
		return nil, nil, err
	}
	if len(chain) == 0 || len(chain) > maxCertificates {
		return nil, nil, fmt.Errorf("chain of %d certificates", len(chain))
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	if o.Lifetime <= 0 {
		o.Lifetime = defaultLifetime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := newSigner(key, chain, o.Hash)
	if err != nil {
		return nil, nil, err
	}
	l := &login{o: o, chain: chain}
	if l.client, err = clientName(&o, chain[0]); err != nil {
		return nil, nil, err
	}
	l.network = newNetwork(l.client.realm, &o)
	return l, s, nil
}

// now is the time of the KDC's clock, as far as known.
func (l *login) now() time.Time { return l.o.Now().Add(l.skew) }

func newNonce() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])                    // never fails
	return binary.BigEndian.Uint32(b[:]) >> 1 // some KDCs read a signed number
}

// newBody starts a request to the current realm.
func (l *login) newBody() {
	now := l.now().UTC().Truncate(time.Second)
	l.server = ticketGranting(l.client.realm)
	l.body = requestBody{
		client: &l.client.principal,
		realm:  l.client.realm,
		server: l.server,
		till:   now.Add(l.o.Lifetime),
		nonce:  newNonce(),
	}
	if l.o.Forwardable {
		l.body.options |= flagForwardable
	}
	if l.o.RenewLifetime > 0 {
		l.body.options |= flagRenewable
		l.body.renew = now.Add(l.o.RenewLifetime)
	}
	if l.canonicalize() {
		l.body.options |= optionCanonical
	}
}

// canonicalize reports whether the KDC may return another name, and refer to
// another realm (RFC 6806, 3 and 7).
func (l *login) canonicalize() bool { return l.client.nameType != ntPrincipal }

// announce sends a request without a signature, follows referrals to the realm of
// the user, learns the time of the KDC, and returns the freshness token if there is
// one (RFC 8070, 2).
func (l *login) announce(ctx context.Context) (token []byte, err error) {
	seen := []string{l.client.realm}
	for {
		l.newBody()
		request := encodeRequest(appASReq, []paData{{kind: paFreshness}, {kind: paReqEncPARep}}, l.body.encode())
		b, err := l.network.send(ctx, l.client.realm, request)
		if err != nil {
			return nil, err
		}
		if b[0] == byte(appASRep) {
			return nil, nil // the account needs no pre-authentication; this one is made anyway
		}
		e, err := parseError(b)
		if err != nil {
			return nil, malformed("error message", err)
		}
		switch {
		case e.code == CodePreauthRequired:
			return l.readMethods(e)
		case e.code == CodeWrongRealm && l.canonicalize() && validRealm(e.clientRealm):
			if len(seen) > maxReferrals || slices.Contains(seen, e.clientRealm) {
				return nil, fmt.Errorf("%w: referrals from %.128q to %.128q do not end", ErrMismatch, l.client.realm, e.clientRealm)
			}
			seen = append(seen, e.clientRealm)
			l.client.realm = e.clientRealm
		default:
			return nil, l.kdcError(e)
		}
	}
}

func (l *login) readMethods(e errorMessage) (token []byte, err error) {
	list, err := e.methods()
	if err != nil {
		return nil, malformed("methods", err)
	}
	if _, n := find(list, paPKASReq); n == 0 {
		return nil, &Error{Code: CodePADataUnsupported, Text: "PKINIT is not among the methods for this account"}
	}
	token, n := find(list, paFreshness)
	if n > 1 {
		return nil, fmt.Errorf("%w: two freshness tokens", ErrMalformed)
	}
	// The time has full seconds.
	if skew := e.time.Sub(l.o.Now()); skew.Abs() > maxSkew {
		return nil, &Error{Code: CodeClockSkew, Skew: skew}
	} else if skew.Abs() > 2*time.Second {
		l.skew = skew
	}
	return token, nil
}

// kdcError returns the error for the caller.
func (l *login) kdcError(e errorMessage) *Error {
	err := &Error{Code: e.code, Text: strings.TrimRight(e.text, "\x00"), Status: e.status()}
	switch e.code {
	case CodeClockSkew:
		err.Skew = e.time.Sub(l.o.Now())
	case CodeCertificateMismatch, CodeClientNameMismatch, CodePrincipalUnknown:
		err.Mapping = strongMapping(l.chain[0])
	}
	return err
}

// strongMapping returns the preferred strong mapping of a certificate, or "".
func strongMapping(leaf []byte) string {
	list, _ := mapping.Of(leaf, mapping.ActiveDirectory) // what it returns beside an error is complete
	for _, s := range list {
		if s.Preferred && s.Kind == mapping.IssuerSerial {
			return s.String()
		}
	}
	return ""
}

// authenticate sends the signed request and checks the reply.
func (l *login) authenticate(ctx context.Context, s *signer, token []byte) (*TGT, error) {
	var half agreement
	var err error
	if l.o.ECDH {
		half, err = newCurve()
	} else {
		half, err = newFiniteField()
	}
	if err != nil {
		return nil, err
	}
	l.newBody()
	body := l.body.encode()
	pack := authPack{time: l.now(), nonce: l.body.nonce, freshness: token, body: body, public: half.publicKey()}
	signed, err := s.sign(oidAuthData, pack.encode())
	if err != nil {
		return nil, err
	}
	request := encodeRequest(appASReq, []paData{
		{paPKASReq, encodePKASReq(signed)},
		{kind: paASChecksum},
		{kind: paReqEncPARep},
	}, body)
	b, err := l.network.send(ctx, l.client.realm, request)
	if err != nil {
		return nil, err
	}
	if b[0] == byte(appError) {
		e, err := parseError(b)
		if err != nil {
			return nil, malformed("error message", err)
		}
		return nil, l.kdcError(e)
	}
	rep, err := parseReply(b, appASRep)
	if err != nil {
		return nil, malformed("message", err)
	}
	return l.accept(ctx, half, request, rep)
}

// accept checks a reply whole and returns its ticket.
func (l *login) accept(ctx context.Context, half agreement, request []byte, rep reply) (*TGT, error) {
	data, n := find(rep.paData, paPKASRep)
	if n != 1 {
		return nil, fmt.Errorf("%w: PKINIT data occurs %d times", ErrMalformed, n)
	}
	info, err := parsePKASRep(data)
	if err != nil {
		return nil, malformed("PKINIT data", err)
	}
	public, chain, err := l.authenticateKDC(ctx, info.signed)
	if err != nil {
		return nil, err
	}
	if _, ok := encryptionTypes[rep.enc.etype]; !ok {
		return nil, fmt.Errorf("%w: encryption type %d", ErrWeak, rep.enc.etype)
	}
	secret, err := half.secret(public)
	if err != nil {
		return nil, malformed("public value", err)
	}
	defer clear(secret)
	var key []byte
	if info.kdf == "" {
		key = legacyKey(secret, info.nonce, rep.enc.etype)
	} else {
		server := realmName{l.body.realm, l.server}
		if key, err = deriveKey(info.kdf, secret, l.client, server, rep.enc.etype, request, data); err != nil {
			return nil, err
		}
	}
	defer clear(key)
	plaintext, err := rep.enc.decrypt(key, usageASRep)
	if err != nil {
		return nil, fmt.Errorf("%w: decrypt: %w", ErrMismatch, err)
	}
	defer clear(plaintext)
	enc, err := parseEncPart(plaintext)
	if err != nil {
		return nil, malformed("encrypted part", err)
	}
	if err := l.check(rep, enc); err != nil {
		return nil, err
	}
	if err := checkRequest(enc, rep.enc.etype, key, request); err != nil {
		return nil, err
	}
	return newTGT(rep, enc, l.skew, chain, l.network, l.o.Now), nil
}

// authenticateKDC verifies the signature and the certificate of a KDC and returns
// its public value.
func (l *login) authenticateKDC(ctx context.Context, signed []byte) (public []byte, chain []*x509.Certificate, err error) {
	m, err := parseCMS(signed)
	if err != nil {
		return nil, nil, malformed("signed data", err)
	}
	leaf, err := m.verify(oidDHKeyData, l.o.AllowSHA1)
	if err != nil {
		return nil, nil, err
	}
	v := kdcVerifier{roots: l.o.Roots, realm: l.client.realm, domain: l.client.realm, revoked: l.o.Revoked, at: l.o.Now()}
	if l.o.Domain != "" && l.client.realm == l.network.realm {
		v.domain = l.o.Domain
	}
	if chain, err = v.verify(ctx, leaf, m.certificates); err != nil {
		return nil, nil, err
	}
	k, err := parseKeyInfo(m.content)
	if err != nil {
		return nil, nil, malformed("key", err)
	}
	if k.nonce != l.body.nonce {
		return nil, nil, fmt.Errorf("%w: nonce of the signed key", ErrMismatch)
	}
	return k.public, chain, nil
}

// check compares the reply with the request (RFC 4120, 3.1.5).
func (l *login) check(rep reply, enc encPart) error {
	server := realmName{l.body.realm, l.server}
	if !l.canonicalize() && !rep.client.equal(l.client.principal) {
		return fmt.Errorf("%w: user %.128q, not %.128q", ErrMismatch, rep.client, l.client)
	}
	if rep.client.realm != l.client.realm || len(rep.client.components) == 0 || slices.ContainsFunc(rep.client.components, func(s string) bool { return !validName(s) }) {
		return fmt.Errorf("%w: user %.128q, not of realm %.128q", ErrMismatch, rep.client, l.client.realm)
	}
	if err := checkEncPart(rep, enc, server, l.body, l.now()); err != nil {
		return err
	}
	if d := enc.auth.Sub(l.now()).Abs(); d > clockTolerance {
		return fmt.Errorf("%w: time of authentication is off by %v", ErrMismatch, d.Round(time.Second))
	}
	return nil
}

// checkEncPart compares what is common to the replies of both services.
func checkEncPart(rep reply, enc encPart, server realmName, body requestBody, now time.Time) error {
	start := enc.start
	if start.IsZero() {
		start = enc.auth
	}
	switch {
	case enc.nonce != body.nonce:
		return fmt.Errorf("%w: nonce", ErrMismatch)
	case enc.server.realm != server.realm || !enc.server.equal(server.principal),
		rep.ticket.realm != server.realm || !rep.ticket.server.equal(server.principal):
		return fmt.Errorf("%w: service %.128q, not %.128q", ErrMismatch, enc.server, server)
	case start.After(now.Add(clockTolerance)):
		return fmt.Errorf("%w: the ticket starts at %v", ErrMismatch, start)
	case !enc.end.After(now) || enc.end.After(body.till):
		return fmt.Errorf("%w: the ticket ends at %v", ErrMismatch, enc.end)
	case enc.flags&flagRenewable != 0 && (body.renew.IsZero() || enc.renew.IsZero() || enc.renew.After(body.renew)):
		return fmt.Errorf("%w: the ticket can be renewed until %v", ErrMismatch, enc.renew)
	}
	et, ok := encryptionTypes[enc.etype]
	if !ok {
		return fmt.Errorf("%w: session key of type %d", ErrWeak, enc.etype)
	}
	if len(enc.key) != et.keySize {
		return fmt.Errorf("%w: session key of %d bytes", ErrMalformed, len(enc.key))
	}
	return nil
}

// checkRequest compares the KDC's checksum of the request, if it sent one (RFC
// 6806, 11).
func checkRequest(enc encPart, etype int32, key, request []byte) error {
	if enc.flags&flagEncPARep == 0 {
		return nil
	}
	data, n := find(enc.paData, paReqEncPARep)
	if n != 1 {
		return fmt.Errorf("%w: checksum of the request occurs %d times", ErrMismatch, n)
	}
	var kind int64
	var value []byte
	p := parse(data)
	p.sequence(func(p *parser) {
		p.field(0, func(p *parser) { kind = p.number(minInt32, maxInt32) })
		p.field(1, func(p *parser) { value = p.octets() })
	})
	if err := p.close(); err != nil {
		return malformed("checksum of the request", err)
	}
	if kind != int64(encryptionTypes[etype].checksumType) {
		return fmt.Errorf("%w: checksum of type %d", ErrWeak, kind)
	}
	want, err := checksum(etype, key, request, usageASReqChecksum)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, value) {
		return fmt.Errorf("%w: checksum of the request", ErrMismatch)
	}
	return nil
}
