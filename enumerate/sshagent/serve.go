package sshagent

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxConnections limits how many clients are served at once. More of them wait.
const maxConnections = 64

// Serve serves the clients that connect to l, until ctx ends or the agent is closed,
// which closes l. Every user who can connect to l can use the keys: a socket belongs
// in a directory that only its user can enter.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	a.init()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(a.ctx, cancel)()
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	slots := make(chan struct{}, maxConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("sshagent: serve: %w", err)
		}
		clients.Go(func() {
			defer func() { <-slots }()
			a.serveClient(ctx, conn)
		})
	}
}

// serveClient serves one client. The context of its requests ends when the client
// disconnects, so that the prompt of an interrupted ssh ends, too.
func (a *Agent) serveClient(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		_, err := io.Copy(w, conn)
		w.CloseWithError(err)
	})
	defer reading.Wait()
	defer r.Close()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	// The error is that of the connection.
	_ = agent.ServeAgent(&session{Agent: a, ctx: ctx}, struct {
		io.Reader
		io.Writer
	}{r, conn})
}

// A session is the agent for one client. It is not safe for concurrent use.
type session struct {
	*Agent
	ctx      context.Context
	bindings bindings
}

func (s *session) List() ([]*agent.Key, error) { return s.listKeys(s.ctx) }

func (s *session) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return s.SignWithFlags(key, data, 0)
}

func (s *session) SignWithFlags(key ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	return s.signWithFlags(s.ctx, key, data, flags, s.bindings)
}

func (s *session) Unlock(passphrase []byte) error {
	return s.fail(s.lock.release(s.ctx, passphrase))
}

// Extension supports session-bind@openssh.com. OpenSSH takes any response but success
// and the plain failure, which is that for an unsupported extension, for malformed.
func (s *session) Extension(name string, contents []byte) ([]byte, error) {
	if name != "session-bind@openssh.com" || s.lock.check() != nil {
		return nil, agent.ErrExtensionUnsupported
	}
	bound, err := s.bindings.add(contents)
	if err != nil {
		_ = s.fail(err)
		return nil, agent.ErrExtensionUnsupported
	}
	s.bindings = bound
	return nil, nil
}
