package softkdc

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
)

var p256 = elliptic.P256()

// Codes of errors.
const (
	unknownPrincipal = 6
	preauthFailed    = 24
	preauthRequired  = 25
	badIntegrity     = 31
	skew             = 37
	tooBig           = 52
	generic          = 60
	keyParameters    = 65
	wrongRealm       = 68
	clientMismatch   = 75
)

// A KDC issues ticket-granting tickets of a realm. The fields must not change while
// it runs.
type KDC struct {
	Realm    string
	Identity Identity

	// Clock returns the time. Nil is time.Now.
	Clock func() time.Time

	// Users has the names of the accounts. A request by an enterprise name gets a
	// ticket for the account after "=": {"alice@example.com": "alice"}.
	Users map[string]string

	// Referrals has the realm for names that are elsewhere.
	Referrals map[string]string

	// Freshness requires a freshness token (RFC 8070).
	Freshness bool

	// NoKDF selects octetstring2key even if the client has a KDF of RFC 8636.
	NoKDF bool

	// NoCurves refuses ECDH.
	NoCurves bool

	// LeadingZero makes the shared secret start with a zero byte.
	LeadingZero bool

	// Authorize returns the code of an error for a signed request, or 0.
	Authorize func(user string, leaf *x509.Certificate) int

	// Announce changes the error that asks for a signature.
	Announce func(*Error)

	// Edit changes a reply before it is encrypted and signed.
	Edit func(*Reply)

	// Mangle returns what is sent in place of the reply to a signed request.
	Mangle func([]byte) []byte

	// MaxDatagram is the size of the largest reply over UDP; 0 is no limit.
	MaxDatagram int

	mu       sync.Mutex
	first    int
	signed   int
	faults   []error
	sessions map[string]session
	tokens   map[string]bool // issued; a message may come twice
}

type session struct {
	user string
	key  []byte
	auth time.Time
}

// A Reply is an AS-REP before encryption. Its fields are what the KDC would send.
type Reply struct {
	User, Realm   string // of the client, outside of the encrypted part
	TicketRealm   string
	EncRealm      string // of the service in the encrypted part
	EType         int
	SessionEType  int
	SessionKey    []byte
	Nonce         int64
	Flags         uint32
	Auth          time.Time
	Start         time.Time
	End           time.Time
	Renew         time.Time // zero: none
	Checksum      []byte    // of the request; nil: none
	ChecksumType  int
	PublicValue   []byte // content of subjectPublicKey
	SignedNonce   int64
	Signing       Signing
	ServerDHNonce []byte
	KDF           bool
	RSAMode       bool // sends encKeyPack
	ReplyKey      []byte
	Repeat        int // how often the PKINIT data occurs; 1
}

// An Error is a KRB-ERROR before encoding.
type Error struct {
	Code        int
	Time        time.Time
	ClientRealm string
	Text        string
	Methods     [][]byte // PA-DATA
	Data        []byte   // in place of Methods
}

// Requests returns how many requests without and with a signature came.
func (k *KDC) Requests() (first, signed int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.first, k.signed
}

// Faults returns what was wrong with the requests.
func (k *KDC) Faults() []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.faults
}

func (k *KDC) now() time.Time {
	if k.Clock != nil {
		return k.Clock()
	}
	return time.Now()
}

// respond returns the reply to a message.
func (k *KDC) respond(message []byte) []byte {
	reply, err := k.handle(message)
	if err != nil {
		k.mu.Lock()
		k.faults = append(k.faults, err)
		k.mu.Unlock()
		return k.error(Error{Code: generic, Text: err.Error()})
	}
	return reply
}

func (k *KDC) handle(message []byte) ([]byte, error) {
	var outer asn1.RawValue
	if err := unmarshal(message, &outer); err != nil {
		return nil, err
	}
	var r request
	if err := unmarshal(outer.Bytes, &r); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if outer.Class != asn1.ClassApplication || r.Type != outer.Tag || r.Version != 5 {
		return nil, fmt.Errorf("message of type %d", outer.Tag)
	}
	var body requestBody
	if err := unmarshal(r.Body.Bytes, &body); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	for _, e := range body.ETypes {
		if e < 17 || e > 20 {
			return nil, fmt.Errorf("encryption type %d", e)
		}
	}
	if body.Realm != k.Realm || text(body.Server) != "krbtgt/"+k.Realm {
		return nil, fmt.Errorf("service %s of %s", text(body.Server), body.Realm)
	}
	if r.Type == 12 {
		return k.renew(r, body)
	}
	user := text(body.Client)
	if realm, ok := k.Referrals[user]; ok {
		return k.error(Error{Code: wrongRealm, ClientRealm: realm}), nil
	}
	account, ok := k.Users[user]
	if !ok {
		return k.error(Error{Code: unknownPrincipal, Text: "CLIENT_NOT_FOUND"}), nil
	}
	var pkinit []byte
	wantsToken := false
	for _, d := range r.PAData {
		switch d.Type {
		case 16:
			pkinit = d.Value
		case 150:
			wantsToken = true
		}
	}
	k.mu.Lock()
	if pkinit == nil {
		k.first++
	} else {
		k.signed++
	}
	k.mu.Unlock()
	if pkinit == nil {
		return k.announce(wantsToken), nil
	}
	reply, err := k.signIn(message, r.Body.Bytes, body, pkinit, account)
	if err == nil && k.Mangle != nil {
		reply = k.Mangle(reply)
	}
	return reply, err
}

// text joins the parts of a name.
func text(n name) string {
	var parts []string
	for _, p := range n.Parts {
		parts = append(parts, string(p.Bytes))
	}
	return strings.Join(parts, "/")
}

func (k *KDC) announce(wantsToken bool) []byte {
	e := Error{Code: preauthRequired, Text: "NEEDED_PREAUTH", Time: k.now(), Methods: [][]byte{PAData(16, nil), PAData(2, nil)}}
	if wantsToken {
		token := make([]byte, 24)
		_, _ = rand.Read(token)
		e.Methods = append(e.Methods, PAData(150, token))
		k.mu.Lock()
		if k.tokens == nil {
			k.tokens = make(map[string]bool)
		}
		k.tokens[string(token)] = true
		k.mu.Unlock()
	}
	if k.Announce != nil {
		k.Announce(&e)
	}
	return k.error(e)
}

// PAData encodes a PA-DATA.
func PAData(kind int, value []byte) []byte {
	return seq(field(1, der(kind)), field(2, der(value)))
}

func (k *KDC) error(e Error) []byte {
	if e.Time.IsZero() {
		e.Time = k.now()
	}
	parts := [][]byte{
		field(0, der(5)), field(1, der(30)),
		field(4, kerberosTime(e.Time)), field(5, der(123456)),
		field(6, der(e.Code)),
	}
	if e.ClientRealm != "" {
		parts = append(parts, field(7, general(e.ClientRealm)))
	}
	parts = append(parts, field(9, general(k.Realm)), field(10, principal(2, "krbtgt", k.Realm)))
	if e.Text != "" {
		parts = append(parts, field(11, general(e.Text)))
	}
	if e.Methods != nil {
		e.Data = seq(e.Methods...)
	}
	if e.Data != nil {
		parts = append(parts, field(12, der(e.Data)))
	}
	return application(30, seq(parts...))
}

// signIn handles a signed request.
func (k *KDC) signIn(message, rawBody []byte, body requestBody, pkinit []byte, account string) ([]byte, error) {
	var signed pkASReq
	if err := unmarshal(pkinit, &signed); err != nil {
		return nil, fmt.Errorf("PA-PK-AS-REQ: %w", err)
	}
	content, leaf, err := verify(signed.Signed)
	if err != nil {
		return nil, fmt.Errorf("signed request: %w", err)
	}
	var pack authPack
	if err := unmarshal(content, &pack); err != nil {
		return nil, fmt.Errorf("AuthPack: %w", err)
	}
	a := pack.Authenticator
	sum1, sum2 := sha1.Sum(rawBody), sha256.Sum256(rawBody)
	switch {
	case !bytes.Equal(a.Checksum, sum1[:]):
		return nil, fmt.Errorf("paChecksum")
	case !bytes.Equal(a.Checksum2.Value, sum2[:]) || !a.Checksum2.Algorithm.Algorithm.Equal(digests[crypto.SHA256]):
		return nil, fmt.Errorf("paChecksum2")
	case a.CTime.Sub(k.now()).Abs() > 5*time.Minute:
		return k.error(Error{Code: skew}), nil
	case k.Freshness && !k.issued(a.Freshness):
		return k.error(Error{Code: preauthFailed, Text: "freshness token"}), nil
	}
	if k.Authorize != nil {
		if code := k.Authorize(account, leaf); code != 0 {
			return k.error(Error{Code: code}), nil
		}
	}
	public, secret, code, err := k.agree(pack.Public.Bytes)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return k.error(Error{Code: code}), nil
	}
	now := k.now().UTC().Truncate(time.Second)
	r := Reply{
		User: account, Realm: k.Realm, TicketRealm: k.Realm, EncRealm: k.Realm,
		EType: body.ETypes[0], SessionEType: body.ETypes[0], SessionKey: make([]byte, 32),
		Nonce: body.Nonce, SignedNonce: a.Nonce, Flags: 1<<22 | 1<<21 | 1<<16, // initial, pre-authent, enc-pa-rep
		Auth: now, Start: now, End: body.Till,
		PublicValue: public, KDF: len(pack.KDFs) > 0 && !k.NoKDF,
		Signing: Signing{Identity: k.Identity, Hash: crypto.SHA256, ContentType: oidDHKeyData},
		Repeat:  1,
	}
	_, _ = rand.Read(r.SessionKey)
	if body.Options.At(8) == 1 {
		r.Flags |= 1 << (31 - 8)
		r.Renew = body.Renew
	}
	if k.Edit != nil {
		k.Edit(&r)
	}
	return k.encodeReply(r, message, body, secret)
}

// issued reports whether the KDC issued a freshness token.
func (k *KDC) issued(token []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tokens[string(token)]
}

// agree returns the public value of the KDC and the secret, or the code of an error.
func (k *KDC) agree(spki []byte) (public, secret []byte, code int, err error) {
	var info publicKeyInfo
	if err := unmarshal(spki, &info); err != nil {
		return nil, nil, 0, fmt.Errorf("public key: %w", err)
	}
	if info.Algorithm.Algorithm.Equal(oidEC) {
		if k.NoCurves {
			return nil, nil, keyParameters, nil
		}
		client, err := ecdh.P256().NewPublicKey(info.Key.Bytes)
		if err != nil {
			return nil, nil, 0, err
		}
		for {
			key := must(ecdh.P256().GenerateKey(rand.Reader))
			z := must(key.ECDH(client))
			if !k.LeadingZero || z[0] == 0 {
				return key.PublicKey().Bytes(), z, 0, nil
			}
		}
	}
	var parameters domainParameters
	if err := unmarshal(info.Algorithm.Parameters.FullBytes, &parameters); err != nil || !info.Algorithm.Algorithm.Equal(oidDH) {
		return nil, nil, 0, fmt.Errorf("public key of type %v: %w", info.Algorithm.Algorithm, err)
	}
	if parameters.P.BitLen() != 2048 {
		return nil, nil, keyParameters, nil
	}
	y := new(big.Int)
	if err := unmarshal(info.Key.Bytes, &y); err != nil {
		return nil, nil, 0, err
	}
	size := (parameters.P.BitLen() + 7) / 8
	for {
		x := must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 256)))
		z := new(big.Int).Exp(y, x, parameters.P).FillBytes(make([]byte, size))
		if !k.LeadingZero || z[0] == 0 {
			return der(new(big.Int).Exp(parameters.G, x, parameters.P)), z, 0, nil
		}
	}
}

var keySizes = map[int]int{17: 16, 18: 32, 19: 16, 20: 32}

// replyKey derives the key by RFC 8636 or RFC 4556, 3.2.3.1.
func (k *KDC) replyKey(r Reply, message []byte, body requestBody, secret, pkinit []byte) []byte {
	size := keySizes[r.EType]
	if size == 0 {
		size = 32
	}
	if !r.KDF {
		var key []byte
		for i := byte(0); len(key) < size; i++ {
			h := sha1.Sum(append(append([]byte{i}, secret...), r.ServerDHNonce...))
			key = append(key, h[:]...)
		}
		return key[:size]
	}
	party := func(n []byte) []byte { return der(seq(field(0, general(k.Realm)), field(1, n))) }
	info := seq(
		seq(der(oidKDF)),
		field(0, party(der(body.Client))),
		field(1, party(der(body.Server))),
		field(2, der(seq(field(0, der(r.EType)), field(1, der(message)), field(2, der(pkinit))))),
	)
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint32(nil, 1))
	h.Write(secret)
	h.Write(info)
	return h.Sum(nil)[:size]
}

func (k *KDC) encodeReply(r Reply, message []byte, body requestBody, secret []byte) ([]byte, error) {
	r.Signing.Content = append(r.Signing.Content, seq(field(0, bitString(r.PublicValue)), field(1, der(r.SignedNonce)))...)
	rep := [][]byte{wrap(asn1.ClassContextSpecific, 0)}
	rep[0] = der(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: r.Signing.encode()})
	if r.ServerDHNonce != nil {
		rep = append(rep, field(1, der(r.ServerDHNonce)))
	}
	if r.KDF {
		rep = append(rep, field(2, seq(field(0, der(oidKDF)))))
	}
	pkinit := field(0, seq(rep...))
	if r.RSAMode {
		pkinit = der(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte("enveloped data")})
	}
	key := k.replyKey(r, message, body, secret, pkinit)
	if r.ReplyKey != nil {
		key = r.ReplyKey
	}

	inner := [][]byte{
		field(0, seq(field(0, der(r.SessionEType)), field(1, der(r.SessionKey)))),
		field(1, seq()),
		field(2, der(r.Nonce)),
		field(4, bitString(binary.BigEndian.AppendUint32(nil, r.Flags))),
		field(5, kerberosTime(r.Auth)),
		field(6, kerberosTime(r.Start)),
		field(7, kerberosTime(r.End)),
	}
	if !r.Renew.IsZero() {
		inner = append(inner, field(8, kerberosTime(r.Renew)))
	}
	inner = append(inner, field(9, general(r.EncRealm)), field(10, principal(2, "krbtgt", r.EncRealm)))
	if r.Flags&(1<<16) != 0 {
		et := must(krbcrypto.GetEtype(int32(r.EType)))
		value := r.Checksum
		if value == nil {
			value = must(et.GetChecksumHash(key, message, 56))
		}
		kind := r.ChecksumType
		if kind == 0 {
			kind = int(et.GetHashID())
		}
		inner = append(inner, field(12, seq(PAData(149, seq(field(0, der(kind)), field(1, der(value)))))))
	}
	cipher, err := encrypt(r.EType, key, application(25, seq(inner...)), 3)
	if err != nil {
		return nil, err
	}

	opaque := make([]byte, 40)
	_, _ = rand.Read(opaque)
	ticket := application(1, seq(field(0, der(5)), field(1, general(r.TicketRealm)), field(2, principal(2, "krbtgt", r.TicketRealm)),
		field(3, seq(field(0, der(18)), field(2, der(opaque))))))
	k.mu.Lock()
	if k.sessions == nil {
		k.sessions = make(map[string]session)
	}
	k.sessions[string(ticket)] = session{r.User, r.SessionKey, r.Auth}
	k.mu.Unlock()

	var list [][]byte
	for range r.Repeat {
		list = append(list, PAData(17, pkinit))
	}
	return application(11, seq(
		field(0, der(5)), field(1, der(11)),
		field(2, seq(list...)),
		field(3, general(r.Realm)),
		field(4, principal(1, strings.Split(r.User, "/")...)),
		field(5, ticket),
		field(6, seq(field(0, der(r.EType)), field(2, der(cipher)))),
	)), nil
}

func encrypt(etype int, key, plaintext []byte, usage uint32) ([]byte, error) {
	if keySizes[etype] == 0 {
		return bytes.Repeat([]byte{1}, 64), nil // a type that no client accepts
	}
	_, cipher, err := must(krbcrypto.GetEtype(int32(etype))).EncryptMessage(key, plaintext, usage)
	return cipher, err
}

// renew handles a TGS-REQ for a ticket-granting ticket.
func (k *KDC) renew(r request, body requestBody) ([]byte, error) {
	if len(r.PAData) != 1 || r.PAData[0].Type != 1 {
		return nil, fmt.Errorf("PA-TGS-REQ is missing")
	}
	var outer asn1.RawValue
	if err := unmarshal(r.PAData[0].Value, &outer); err != nil {
		return nil, err
	}
	var ap apReq
	if err := unmarshal(outer.Bytes, &ap); err != nil {
		return nil, fmt.Errorf("AP-REQ: %w", err)
	}
	k.mu.Lock()
	s, ok := k.sessions[string(ap.Ticket.Bytes)]
	k.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("unknown ticket")
	}
	et := must(krbcrypto.GetEtype(int32(ap.Authenticator.EType)))
	plaintext, err := et.DecryptMessage(s.key, ap.Authenticator.Cipher, 7)
	if err != nil {
		return k.error(Error{Code: badIntegrity}), nil
	}
	var a authenticator
	if err := unmarshal(plaintext, &outer); err != nil {
		return nil, err
	}
	if err := unmarshal(outer.Bytes, &a); err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	if text(a.Client) != s.user || a.Realm != k.Realm {
		return k.error(Error{Code: clientMismatch}), nil
	}
	if a.CTime.Sub(k.now()).Abs() > 5*time.Minute {
		return k.error(Error{Code: skew}), nil
	}
	if !et.VerifyChecksum(s.key, r.Body.Bytes, a.Checksum.Value, 6) {
		return nil, fmt.Errorf("checksum of the authenticator")
	}
	if body.Options.At(30) != 1 {
		return nil, fmt.Errorf("option renew is missing")
	}
	now := k.now().UTC().Truncate(time.Second)
	key := make([]byte, len(s.key))
	_, _ = rand.Read(key)
	inner := application(26, seq(
		field(0, seq(field(0, der(ap.Authenticator.EType)), field(1, der(key)))),
		field(1, seq()),
		field(2, der(body.Nonce)),
		field(4, bitString(binary.BigEndian.AppendUint32(nil, 1<<23))),
		field(5, kerberosTime(s.auth)), field(6, kerberosTime(now)), field(7, kerberosTime(body.Till)), field(8, kerberosTime(body.Till)),
		field(9, general(k.Realm)), field(10, principal(2, "krbtgt", k.Realm)),
	))
	cipher, err := encrypt(ap.Authenticator.EType, s.key, inner, 8)
	if err != nil {
		return nil, err
	}
	ticket := bytes.Clone(ap.Ticket.Bytes)
	ticket[len(ticket)-1] ^= 1
	k.mu.Lock()
	k.sessions[string(ticket)] = session{s.user, key, s.auth}
	k.mu.Unlock()
	return application(13, seq(
		field(0, der(5)), field(1, der(13)),
		field(3, general(k.Realm)),
		field(4, principal(1, s.user)),
		field(5, ticket),
		field(6, seq(field(0, der(ap.Authenticator.EType)), field(2, der(cipher)))),
	)), nil
}
