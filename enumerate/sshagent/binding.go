package sshagent

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Limits of OpenSSH.
const (
	maxBindings  = 16
	maxSessionID = 128
)

// bindings are the SSH connections that a client has announced on one connection to
// the agent, by session-bind@openssh.com (PROTOCOL.agent of OpenSSH, 1): those over
// which the agent is forwarded, then the one to log in over.
type bindings []binding

type binding struct {
	session   []byte
	host      ssh.PublicKey
	forwarded bool
}

// add verifies an announcement and returns the bindings with it.
func (b bindings) add(contents []byte) (bindings, error) {
	var m struct {
		Host, Session, Signature []byte
		Forwarded                bool
	}
	if err := ssh.Unmarshal(contents, &m); err != nil {
		return b, fmt.Errorf("%w: %w", ErrBinding, err)
	}
	if len(m.Session) == 0 || len(m.Session) > maxSessionID {
		return b, fmt.Errorf("%w: session identifier of %d bytes", ErrBinding, len(m.Session))
	}
	host, err := ssh.ParsePublicKey(m.Host)
	if err != nil {
		return b, fmt.Errorf("%w: %w", ErrBinding, err)
	}
	var signature ssh.Signature
	if err := ssh.Unmarshal(m.Signature, &signature); err != nil {
		return b, fmt.Errorf("%w: %w", ErrBinding, err)
	}
	if err := host.Verify(m.Session, &signature); err != nil {
		return b, fmt.Errorf("%w: %w", ErrBinding, err)
	}
	for _, old := range b {
		switch {
		case !old.forwarded:
			return b, fmt.Errorf("%w: another one was announced to log in over", ErrBinding)
		case !bytes.Equal(old.session, m.Session):
		case !bytes.Equal(old.host.Marshal(), m.Host):
			return b, fmt.Errorf("%w: two servers with one session identifier", ErrBinding)
		}
	}
	if len(b) == maxBindings {
		return b, fmt.Errorf("%w: more than %d", ErrBinding, maxBindings)
	}
	return append(b, binding{m.Session, host, m.Forwarded}), nil
}

// use returns what a message is for. A request to log in must be of the connection
// that was announced for that. Over a forwarded agent it may come from a client that
// announces nothing.
func (b bindings) use(m message) (Use, error) {
	u := Use{User: m.user, Namespace: m.namespace}
	if len(b) == 0 {
		return u, nil
	}
	last := b[len(b)-1]
	u.Host, u.Forwarded = ssh.FingerprintSHA256(last.host), last.forwarded
	if m.session == nil || last.forwarded {
		return u, nil
	}
	if !bytes.Equal(m.session, last.session) {
		return Use{}, fmt.Errorf("%w: another session identifier", ErrBinding)
	}
	if m.host != nil && !bytes.Equal(m.host, last.host.Marshal()) {
		return Use{}, fmt.Errorf("%w: another server", ErrBinding)
	}
	return u, nil
}
