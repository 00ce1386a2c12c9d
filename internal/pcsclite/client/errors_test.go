package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listen calls serve for each connection to a new socket, then closes the
// connection. It returns the path and the number of connections so far.
func listen(t *testing.T, serve func(net.Conn)) (path string, connections *atomic.Int32) {
	t.Helper()
	path, connections = socket(t), new(atomic.Int32)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		assert.NoError(t, l.Close())
		<-done
	})
	return path, connections
}

// respondVersion responds to a Version request.
func respondVersion(c net.Conn, v pcsclite.Version) {
	if _, err := pcsclite.ReadRequest(c); err == nil {
		_, _ = c.Write(pcsclite.Append(nil, &v))
	}
}

// calls are the methods of a service that connect.
var calls = map[string]func(context.Context, driver.Service) error{
	"Readers": func(ctx context.Context, s driver.Service) error { _, err := s.Readers(ctx); return err },
	"Wait":    func(ctx context.Context, s driver.Service) error { _, err := s.Wait(ctx, nil); return err },
	"Connect": func(ctx context.Context, s driver.Service) error { _, err := s.Connect(ctx, "R"); return err },
}

func TestConnectionRefused(t *testing.T) {
	stopped := uint32(driver.ServiceStopped)
	for _, test := range []struct {
		name  string
		serve func(net.Conn)
		is    error // nil: no driver.Errno
		text  string
		hint  string
	}{
		{"closed by polkit", func(net.Conn) {}, driver.NoAccess, "closes the connection without a response", "polkit"},
		{"closed after the request", func(c net.Conn) { _, _ = pcsclite.ReadRequest(c) }, driver.NoAccess,
			"closes the connection without a response", "right to use pcscd"},
		{"newer minor version", func(c net.Conn) { respondVersion(c, pcsclite.Version{Major: 4, Minor: 7, Result: stopped}) }, nil,
			"speaks protocol version 4.7, want 4.4 to 4.6", "Update this program"},
		{"newer major version", func(c net.Conn) { respondVersion(c, pcsclite.Version{Major: 5, Minor: 0, Result: stopped}) }, nil,
			"speaks protocol version 5.0, want 4.4 to 4.6", "Update this program"},
		{"older minor version", func(c net.Conn) { respondVersion(c, pcsclite.Version{Major: 4, Minor: 3, Result: stopped}) }, nil,
			"speaks protocol version 4.3, want 4.4 to 4.6", "Update pcscd"},
		{"older major version", func(c net.Conn) { respondVersion(c, pcsclite.Version{Major: 3, Minor: 6}) }, nil,
			"speaks protocol version 3.6, want 4.4 to 4.6", "Update pcscd"},
		{"exits", func(c net.Conn) { respondVersion(c, pcsclite.Version{Major: 4, Minor: 6, Result: stopped}) }, driver.NoService,
			"refuses its own protocol version 4.6", ""},
		{"other error", func(c net.Conn) {
			respondVersion(c, pcsclite.Version{Major: 4, Minor: 6, Result: uint32(driver.NoMemory)})
		},
			driver.NoMemory, "negotiate protocol version", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, _ := listen(t, test.serve)
			s := client.New(path)
			defer s.Close()
			for method, call := range calls {
				err := call(t.Context(), s)
				assert.ErrorContains(t, err, test.text, method)
				if test.is != driver.NoMemory {
					assert.ErrorContains(t, err, path, method)
				}
				var no driver.Errno
				if test.is == nil {
					assert.False(t, errors.As(err, &no), "%s: %v", method, no)
				} else {
					assert.ErrorIs(t, err, test.is, method)
				}
				assert.Contains(t, card.Hint(err), test.hint, method)
			}
		})
	}
}

// While pcscd restarts, it may close a connection that a user with the right to it
// makes.
func TestConnectionClosedOnce(t *testing.T) {
	set, _ := newSet(t)
	behind := socket(t)
	defer serve(t, behind, &server.Server{Readers: set})()
	var drops atomic.Int32
	path, _ := listen(t, func(c net.Conn) {
		if drops.Add(1) > 3 {
			forward(c, behind, nil)
		}
	})
	s := client.New(path)
	defer s.Close()
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Len(t, list, 1)
	require.NoError(t, s.Close()) // before the listener waits for the connection
}

func TestSocketErrors(t *testing.T) {
	for _, test := range []struct {
		cause error
		is    error // nil: no driver.Errno
		hint  string
	}{
		{syscall.ENOENT, driver.NoService, ""},
		{syscall.ENOTDIR, driver.NoService, ""},
		{syscall.ECONNREFUSED, driver.NoService, ""},
		{syscall.EACCES, driver.NoAccess, "right to write to /p"},
		{syscall.EPERM, driver.NoAccess, "right to write to /p"},
		{syscall.EMFILE, nil, "ulimit -n"},
		{syscall.ENFILE, nil, "fs.file-max"},
		{syscall.ENOMEM, nil, ""},
		{syscall.EINVAL, nil, ""}, // a path that is too long
	} {
		err := client.ConnectError("/p", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", test.cause)})
		assert.ErrorIs(t, err, test.cause)
		assert.ErrorContains(t, err, test.cause.Error())
		assert.ErrorContains(t, err, `"/p"`)
		var no driver.Errno
		if test.is == nil {
			assert.False(t, errors.As(err, &no), "%v: %v", test.cause, no)
		} else {
			assert.ErrorIs(t, err, test.is)
		}
		var hint interface{ Hint() string }
		assert.Equal(t, test.hint != "", errors.As(err, &hint), test.cause)
		if hint != nil {
			assert.Contains(t, hint.Hint(), test.hint)
		}
	}
}

func TestCauseIsKept(t *testing.T) {
	dir := t.TempDir()
	s := client.New(dir + "/absent")
	defer s.Close()
	_, err := s.Readers(t.Context())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, err, driver.NoService)
}

// A service that responds once and exits must not be connected to in a tight loop.
func TestServiceThatExitsAtOnce(t *testing.T) {
	for _, test := range []struct {
		name    string
		serve   func(net.Conn)
		maximum int32
	}{
		{"before the first response", func(net.Conn) {}, 8}, // pauses of 1 to 64 ms in between
		{"after the first response", func(c net.Conn) { respondVersion(c, pcsclite.Version{Major: 4, Minor: 6}) }, 2},
		{"after the handshake", func(c net.Conn) {
			respondVersion(c, pcsclite.Version{Major: 4, Minor: 6})
			if _, err := pcsclite.ReadRequest(c); err == nil {
				_, _ = c.Write(pcsclite.Append(nil, &pcsclite.Establish{Context: 1}))
			}
		}, 2},
	} {
		for method, call := range calls {
			t.Run(test.name+", "+method, func(t *testing.T) {
				path, connections := listen(t, test.serve)
				s := client.New(path)
				defer s.Close()
				assert.Error(t, call(t.Context(), s))
				assert.LessOrEqual(t, connections.Load(), test.maximum)
			})
		}
	}
}

// forward connects c to the service at path until either side closes the
// connection. From the first request for stalled on, none reaches the service; it
// closes seen then.
func forward(c net.Conn, path string, stalled *stall) {
	to, err := net.Dial("unix", path)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(c, to)
		c.Close()
	}()
	for {
		q, err := pcsclite.ReadRequest(c)
		if err != nil {
			break
		}
		if stalled != nil && stalled.active.Load() && q.Command == stalled.command {
			stalled.once()
			_, _ = io.Copy(io.Discard, c)
			break
		}
		if _, err := to.Write(pcsclite.AppendRequest(nil, q)); err != nil {
			break
		}
	}
	to.Close()
	<-done
}

// stall is a command to which the service does not respond.
type stall struct {
	command pcsclite.Command
	active  atomic.Bool
	once    func()
}

// Close must return, and make the call under way return, while the service does not
// respond.
func TestCloseIsBoundedIfServiceHangs(t *testing.T) {
	background := context.Background()
	wait := func(s driver.Service, _ driver.Card) error {
		list, err := s.Readers(background)
		for err == nil {
			list, err = s.Wait(background, list)
		}
		return err
	}
	onService := func(method string) func(driver.Service, driver.Card) error {
		return func(s driver.Service, _ driver.Card) error { return calls[method](background, s) }
	}
	for _, test := range []struct {
		name    string
		command pcsclite.Command
		call    func(driver.Service, driver.Card) error
	}{
		{"Readers", pcsclite.CmdReadersSize, onService("Readers")},
		{"Wait, subscribe", pcsclite.CmdWait, wait},
		{"Wait, handshake", pcsclite.CmdVersion, wait},
		{"Wait, table", pcsclite.CmdReadersArray, wait},
		{"Connect, version", pcsclite.CmdVersion, onService("Connect")},
		{"Connect, context", pcsclite.CmdEstablish, onService("Connect")},
		{"Connect", pcsclite.CmdConnect, onService("Connect")},
		{"Begin", pcsclite.CmdBegin, func(_ driver.Service, k driver.Card) error { return k.Begin(background) }},
		{"Transmit", pcsclite.CmdTransmit, func(_ driver.Service, k driver.Card) error { _, err := count(k); return err }},
		{"Control", pcsclite.CmdControl, func(_ driver.Service, k driver.Card) error {
			_, err := k.(driver.Controller).Control(driver.FeatureRequest, nil)
			return err
		}},
		{"End", pcsclite.CmdEnd, func(_ driver.Service, k driver.Card) error { return k.End(true) }},
		{"Reconnect, status", pcsclite.CmdStatus, func(_ driver.Service, k driver.Card) error { return k.Reconnect(background) }},
		{"Reconnect", pcsclite.CmdReconnect, func(_ driver.Service, k driver.Card) error { return k.Reconnect(background) }},
		{"Close, disconnect", pcsclite.CmdDisconnect, func(_ driver.Service, k driver.Card) error {
			assert.NoError(t, k.Close(true))
			return driver.InvalidHandle
		}},
		{"Close, release", pcsclite.CmdRelease, func(_ driver.Service, k driver.Card) error {
			assert.NoError(t, k.Close(false))
			return driver.InvalidHandle
		}},
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", test.name, reset), func(t *testing.T) {
				t.Parallel()
				set, _ := newSet(t)
				behind, path := socket(t), socket(t)
				defer serve(t, behind, &server.Server{Readers: set})()
				stalled := &stall{command: test.command}
				seen := make(chan struct{})
				var seenOnce atomic.Bool
				stalled.once = func() {
					if !seenOnce.Swap(true) {
						close(seen)
					}
				}
				l, err := net.Listen("unix", path)
				require.NoError(t, err)
				defer l.Close()
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						go func() {
							defer c.Close()
							forward(c, behind, stalled)
						}()
					}
				}()

				s := client.New(path)
				client.SetCloseTimeout(s, 20*time.Millisecond)
				k, err := s.Connect(t.Context(), "R")
				require.NoError(t, err)
				stalled.active.Store(true)
				returned := make(chan error, 1)
				go func() { returned <- test.call(s, k) }()
				<-seen
				closed := make(chan struct{})
				go func() {
					defer close(closed)
					assert.NoError(t, k.Close(reset))
					assert.NoError(t, s.Close())
				}()
				timeout, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				select {
				case <-closed:
				case <-timeout.Done():
					require.Fail(t, "Close does not return")
				}
				assert.Contains(t, []error{driver.InvalidHandle, driver.Cancelled}, <-returned)
			})
		}
	}
}
