package sshagent

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// maxMessage limits the data to sign: requests to log in and hashes are short.
const maxMessage = 64 << 10

// A message is what a client wants to have signed.
type message struct {
	session   []byte // of the SSH connection; nil for a signature of ssh-keygen
	user      string
	namespace string
	host      []byte // public key of the server, if the request has it
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

const (
	msgUserAuthRequest = 50

	// hostBound is the method with the public key of the server (PROTOCOL of
	// OpenSSH, 3.1).
	hostBound = "publickey-hostbound-v00@openssh.com"
)

// signaturePreamble begins the signed data of ssh-keygen -Y sign (PROTOCOL.sshsig of
// OpenSSH, 3).
const signaturePreamble = "SSHSIG"

// A signedText is what follows.
type signedText struct {
	Namespace, Reserved, Hash string
	Digest                    []byte
}

var digestSizes = map[string]int{"sha256": 32, "sha512": 64}

// parseMessage parses the data that a client wants signed with a public key. A key on
// a card also signs for TLS, Kerberos and mail, so an agent that signed anything would
// let other users of its socket act as its user there.
func parseMessage(data, key []byte) (message, error) {
	if len(data) > maxMessage {
		return message{}, fmt.Errorf("%w: %d bytes", ErrNotSSH, len(data))
	}
	if text, ok := bytes.CutPrefix(data, []byte(signaturePreamble)); ok {
		var t signedText
		if err := ssh.Unmarshal(text, &t); err != nil {
			return message{}, fmt.Errorf("%w: %w", ErrNotSSH, err)
		}
		if t.Namespace == "" || len(t.Digest) != digestSizes[t.Hash] || len(t.Digest) == 0 {
			return message{}, fmt.Errorf("%w: malformed text to sign", ErrNotSSH)
		}
		return message{namespace: t.Namespace}, nil
	}
	var u userAuth
	if err := ssh.Unmarshal(data, &u); err != nil {
		return message{}, fmt.Errorf("%w: %w", ErrNotSSH, err)
	}
	m := message{session: u.Session, user: u.User}
	valid := len(u.Session) > 0 && u.Type == msgUserAuthRequest && u.Service == "ssh-connection" && u.HasSignature &&
		bytes.Equal(u.Key, key) && isAlgorithmOf(u.Algorithm, key) && bytes.Equal(ssh.Marshal(u), data)
	switch u.Method {
	case "publickey":
		valid = valid && len(u.Rest) == 0
	case hostBound:
		var bound struct{ Host []byte }
		valid = valid && ssh.Unmarshal(u.Rest, &bound) == nil && len(bound.Host) > 0
		m.host = bound.Host
	default:
		valid = false
	}
	if !valid {
		return message{}, fmt.Errorf("%w: malformed request to log in", ErrNotSSH)
	}
	return m, nil
}

func isAlgorithmOf(algorithm string, key []byte) bool {
	public, err := ssh.ParsePublicKey(key)
	return err == nil && slices.Contains(algorithms(public), algorithm)
}
