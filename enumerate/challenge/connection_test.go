package challenge_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExporterIsSigned(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v := verifier(ca)
	server := at("sign-in")
	server.Bound = true
	text, err := server.MarshalText()
	require.NoError(t, err)

	var client challenge.Challenge
	require.NoError(t, client.UnmarshalText(text))
	client.Exporter = bytes.Repeat([]byte{1}, 32)
	answer := respond(t, key, ca.issue(t, key.Public()), client)

	server.Exporter = bytes.Repeat([]byte{1}, 32)
	_, err = v.Verify(t.Context(), server, answer)
	require.NoError(t, err)

	server.Exporter = bytes.Repeat([]byte{2}, 32)
	_, err = v.Verify(t.Context(), server, answer)
	assert.Equal(t, challenge.WrongSignature, reason(t, err), "an answer passed on through another connection")
}

// exporters returns the values that both ends of a TLS connection export (RFC 9266).
func exporters(t *testing.T) (client, server []byte) {
	t.Helper()
	key := testkeys.ECDSA(elliptic.P256(), 2)
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	cert := ca.issue(t, key.Public(), func(c *x509.Certificate) { c.DNSNames, c.ExtraExtensions = []string{"server.example"}, nil })
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
	c := tls.Client(near, &tls.Config{InsecureSkipVerify: true}) // the server is not what is tested
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	require.NoError(t, c.Handshake())
	require.NoError(t, <-done)
	export := func(conn *tls.Conn) []byte {
		state := conn.ConnectionState()
		b, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		require.NoError(t, err)
		return b
	}
	return export(c), export(s)
}

// An attacker in the middle has one connection with each side. The answer of a
// client that names the right audience does not sign the attacker in.
func TestRelayThroughAnotherConnection(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	cert := ca.issue(t, key.Public())
	v, c := verifier(ca), at("sign-in")
	c.Bound = true
	victim, _ := exporters(t)
	attacker, server := exporters(t)

	client := c
	client.Exporter = victim
	c.Exporter = server
	_, err := v.Verify(t.Context(), c, respond(t, key, cert, client))
	assert.Equal(t, challenge.WrongSignature, reason(t, err))

	client.Exporter = attacker
	_, err = v.Verify(t.Context(), c, respond(t, key, cert, client))
	assert.NoError(t, err)
}
