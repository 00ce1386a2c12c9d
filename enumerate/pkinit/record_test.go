package pkinit

import (
	"context"
	"crypto"
	"crypto/x509"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/stretchr/testify/require"
)

// A record has the messages of a login, for tests of the parsers.
type record struct {
	authority *softkdc.Authority
	reply     []byte // AS-REP
	pkReply   []byte // PA-PK-AS-REP
	signed    []byte // ContentInfo
	keyInfo   []byte // KDCDHKeyInfo
	encPart   []byte
	errorMsg  []byte
	methods   []byte
	names     []byte // subject alternative name
}

// recordLogin signs in to a software KDC.
func recordLogin(t testing.TB) (r record) {
	t.Helper()
	r.authority = softkdc.NewAuthority(nil)
	k := &softkdc.KDC{
		Realm:     "EXAMPLE.COM",
		Identity:  r.authority.Issue("EXAMPLE.COM", nil),
		Users:     map[string]string{"alice": "alice"},
		Freshness: true,
		Mangle: func(b []byte) []byte {
			r.reply = b
			return b
		},
	}
	s, err := softkdc.Start(k)
	require.NoError(t, err)
	defer s.Close()
	key, leaf := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	l := newTestLogin(t, key, leaf, s.Address, r.authority.Pool())
	l.newBody()
	request := encodeRequest(appASReq, []paData{{kind: paFreshness}}, l.body.encode())
	r.errorMsg, err = l.network.send(context.Background(), l.client.realm, request)
	require.NoError(t, err)
	e, err := parseError(r.errorMsg)
	require.NoError(t, err)
	r.methods = e.data

	sign, err := newSigner(key, [][]byte{leaf}, crypto.SHA256)
	require.NoError(t, err)
	half, err := newFiniteField()
	require.NoError(t, err)
	token, err := l.readMethods(e)
	require.NoError(t, err)
	l.newBody()
	body := l.body.encode()
	signed, err := sign.sign(oidAuthData, authPack{time: l.now(), nonce: l.body.nonce, freshness: token, body: body, public: half.publicKey()}.encode())
	require.NoError(t, err)
	request = encodeRequest(appASReq, []paData{{paPKASReq, encodePKASReq(signed)}, {kind: paReqEncPARep}}, body)
	_, err = l.network.send(context.Background(), l.client.realm, request)
	require.NoError(t, err)

	rep, err := parseReply(r.reply, appASRep)
	require.NoError(t, err)
	r.pkReply, _ = find(rep.paData, paPKASRep)
	info, err := parsePKASRep(r.pkReply)
	require.NoError(t, err)
	r.signed = info.signed
	m, err := parseCMS(info.signed)
	require.NoError(t, err)
	r.keyInfo = m.content
	ki, err := parseKeyInfo(m.content)
	require.NoError(t, err)
	secret, err := half.secret(ki.public)
	require.NoError(t, err)
	replyKey, err := deriveKey(info.kdf, secret, l.client, realmName{l.body.realm, l.server}, rep.enc.etype, request, r.pkReply)
	require.NoError(t, err)
	r.encPart, err = rep.enc.decrypt(replyKey, usageASRep)
	require.NoError(t, err)
	r.names = m.certificates[0].Extensions[len(m.certificates[0].Extensions)-1].Value
	return r
}

func newTestLogin(t testing.TB, key crypto.Signer, leaf []byte, address string, roots *x509.CertPool) *login {
	t.Helper()
	o := Options{KDCs: []string{address}, Roots: roots}
	l, _, err := newLogin(key, [][]byte{leaf}, o)
	require.NoError(t, err)
	return l
}
